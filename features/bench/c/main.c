// The comparison program in C: prints one JSON line a case.
#define _GNU_SOURCE
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const int ffts[] = {1024, 2048, 4096, 8192, 16384, 25600, 262144, 307200};
static const int windows[] = {4096, 262144, 307200};
#define LENGTH(a) (int)(sizeof(a) / sizeof *(a))

static double cpu_seconds(void) {
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double seconds = 0.3;
static const char *only = "";
static int checking, printing;

static int wanted(const char *name) { return strncmp(name, only, strlen(only)) == 0; }

static void report(const char *stage, const char *name, double value) {
	printf("{\"stage\":\"%s\",\"case\":\"%s\",\"value\":%.6g,\"unit\":\"samples/cpu-s\",\"better\":\"higher\",\"n\":1,\"min\":%.6g,\"max\":%.6g}\n",
	       stage, name, value, value, value);
	fflush(stdout);
}

static void print_features(const char *name, int full, const features *f) {
	static const char *line[LINES] = {"bpfo", "bpfi", "bsf2", "ftf"};
	printf("{\"case\":\"%s\",\"features\":{\"min\":%d,\"max\":%d,\"repeats\":%d,\"mean\":%.9g", name, f->min, f->max, f->repeats, f->mean);
#define PUT(key, value) printf(",\"%s\":%.9g", key, value)
	PUT("rms", f->rms), PUT("peak", f->peak), PUT("mean_abs", f->mean_abs), PUT("std", f->std);
	PUT("crest", f->crest), PUT("shape", f->shape), PUT("impulse", f->impulse);
	PUT("skewness", f->skewness), PUT("kurtosis", f->kurtosis), PUT("centroid", f->centroid);
	char key[16];
	for (int i = 0; i < 4; i++)
		snprintf(key, sizeof key, "band%d", i + 1), PUT(key, f->band[i]);
	if (full) {
		PUT("clearance", f->clearance), PUT("velocity", f->velocity), PUT("spread", f->spread);
		PUT("entropy", f->entropy), PUT("flatness", f->flatness), PUT("rolloff", f->rolloff);
		for (int i = 0; i < 3; i++)
			snprintf(key, sizeof key, "harmonic%d", i + 1), PUT(key, f->harmonic[i]);
	}
	PUT("env_mean", f->env_mean), PUT("env_kurtosis", f->env_kurtosis);
	for (int i = 0; i < LINES; i++) {
		snprintf(key, sizeof key, "%s_db", line[i]), PUT(key, f->db[i]);
		printf(",\"%s_found\":%d", line[i], f->found[i]);
	}
	printf("}}\n");
}

static void bench_fft(int n) {
	char name[32];
	snprintf(name, sizeof name, "real/%d", n);
	if (!wanted(name))
		return;
	float *x = fftwf_alloc_real(n);
	fftwf_complex *to = fftwf_alloc_complex(n / 2 + 1);
	fftwf_plan plan = fftwf_plan_dft_r2c_1d(n, x, to, FFTW_MEASURE);
	if (printing)
		fftwf_print_plan(plan), puts("");
	int16_t *counts = malloc(sizeof *counts * n);
	signal_window(counts, n, 0);
	for (int i = 0; i < n; i++)
		x[i] = (float)SCALE * counts[i];
	int chunk = 1 + 262144 / n; // transforms between looks at the clock
	for (int i = 0; i < chunk; i++)
		fftwf_execute(plan);
	double began = cpu_seconds(), took = 0, done = 0;
	do {
		for (int i = 0; i < chunk; i++)
			fftwf_execute(plan);
		done += (double)n * chunk;
		took = cpu_seconds() - began;
	} while (took < seconds);
	report("fft", name, done / took);
	free(counts);
	fftwf_destroy_plan(plan);
	fftwf_free(x);
	fftwf_free(to);
}

static void bench_features(int n, int full) {
	char name[32];
	snprintf(name, sizeof name, "%s/%d", full ? "full" : "core", n);
	if (!wanted(name))
		return;
	features f = {0};
	work *w = work_new(n);
	int count = checking ? 1 : WINDOWS;
	int16_t *counts = fftwf_malloc(sizeof *counts * n * count);
	for (int i = 0; i < count; i++)
		signal_window(counts + (size_t)n * i, n, i);
	features_of(w, counts, full, &f);
	if (checking) {
		print_features(name, full, &f);
	} else {
		double began = cpu_seconds(), took = 0, done = 0;
		for (int at = 0; took < seconds;) {
			for (int i = 0; i < 1 + 262144 / n; i++, at = (at + 1) % WINDOWS)
				features_of(w, counts + (size_t)n * at, full, &f), done += n;
			took = cpu_seconds() - began;
		}
		report("features", name, done / took);
	}
	fftwf_free(counts);
	work_free(w);
}

// Where the time of a full set goes, for whoever works on this program.
static void profile(int n) {
	static const char *name[] = {"time", "spectrum", "envelope", "all", "forward", "inverse", "half"};
	work *w = work_new(n);
	features f;
	int16_t *counts = fftwf_malloc(sizeof *counts * n * WINDOWS);
	for (int i = 0; i < WINDOWS; i++)
		signal_window(counts + (size_t)n * i, n, i);
	for (int stage = 0; stage < LENGTH(name); stage++) {
		double began = cpu_seconds(), took = 0;
		int at = 0;
		for (; took < seconds; took = cpu_seconds() - began)
			for (int i = 0; i < 1 + 262144 / n; i++, at++) {
				const int16_t *c = counts + (size_t)n * (at % WINDOWS);
				switch (stage) {
				case 0: time_features(w, c, 1, &f); break;
				case 1: spectrum_features(w, 1, &f); break;
				case 2: envelope_features(w, &f); break;
				case 3: features_of(w, c, 1, &f); break;
				case 4: fftwf_execute(w->forward); break;
				case 5: fftwf_execute(w->inverse); break;
				case 6: fftwf_execute(w->envelope); break;
				}
			}
		printf("%d %-9s %9.2f µs\n", n, name[stage], 1e6 * took / at);
	}
	fftwf_free(counts);
	work_free(w);
}

int main(int argc, char **argv) {
	static const struct option options[] = {
		{"seconds", 1, 0, 's'}, {"only", 1, 0, 'o'}, {"stage", 1, 0, 'g'}, {"check", 0, 0, 'c'},
		{"wisdom", 1, 0, 'w'}, {"plans", 0, 0, 'p'}, {"profile", 0, 0, 'f'}, {"version", 0, 0, 'v'}, {0}};
	const char *wisdom = 0, *stage = "";
	int profiling = 0;
	for (int o; (o = getopt_long(argc, argv, "", options, 0)) != -1;) {
		switch (o) {
		case 's': seconds = atof(optarg); break;
		case 'o': only = optarg; break;
		case 'g': stage = optarg; break;
		case 'c': checking = 1; break;
		case 'w': wisdom = optarg; break;
		case 'p': printing = 1; break;
		case 'f': profiling = 1; break;
		case 'v': puts(fftwf_version); return 0;
		default: fprintf(stderr, "usage: %s [--seconds S] [--only CASE] [--stage STAGE] [--check] [--wisdom FILE] [--plans] [--profile] [--version]\n", argv[0]); return 2;
		}
	}
	if (wisdom)
		fftwf_import_wisdom_from_filename(wisdom); // none on the first run
	for (int i = 0; profiling && i < LENGTH(windows); i++)
		profile(windows[i]);
	for (int i = 0; !profiling && strcmp(stage, "fft") && i < LENGTH(windows); i++)
		for (int full = 1; full >= 0; full--)
			bench_features(windows[i], full);
	for (int i = 0; !profiling && !checking && strcmp(stage, "features") && i < LENGTH(ffts); i++)
		bench_fft(ffts[i]);
	if (wisdom && !fftwf_export_wisdom_to_filename(wisdom))
		fprintf(stderr, "cannot write %s\n", wisdom);
	return 0;
}
