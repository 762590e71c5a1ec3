// The feature set of one window. Sums run in float over short blocks, whose
// results are added in double.
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1024, STEP = 64 }; // samples or bins of a block, bins of a step

static int smooth(int n) {
	for (int f = 2; f <= 5; f++)
		while (n % f == 0)
			n /= f;
	return n == 1;
}

static int above(double bin) { return (int)ceil(bin - 1e-9); }

work *work_new(int n) {
	work *w = calloc(1, sizeof *w);
	double line[LINES];
	bearing(line);
	w->n = n;
	w->df = RATE / n;
	w->lo = above(2000 / w->df);
	w->hi = above(10000 / w->df);
	w->want = (int)ceil(3.5 * line[BPFI] / w->df) + 4;
	w->p = (w->hi - w->lo + w->want + 1 + 31) / 32 * 32;
	while (!smooth(w->p))
		w->p += 32;
	// The spectrum doubles as the input of the inverse transform, from bin lo.
	int bins = n / 2 + 1 > w->lo + w->p ? n / 2 + 1 : w->lo + w->p;
	w->x = fftwf_alloc_real(n);
	w->bins = fftwf_alloc_complex(bins + 16) + 8; // room for the mirror images of bins
	w->density = fftwf_alloc_real(n / 2 + 1);
	w->step = fftwf_alloc_real(n / 2 / STEP);
	w->analytic = fftwf_alloc_complex(w->p);
	w->square = fftwf_alloc_real(w->p);
	w->half = fftwf_alloc_complex(w->p / 2 + 1);
	w->lines = fftwf_alloc_real(w->want);
	w->forward = fftwf_plan_dft_r2c_1d(n, w->x, w->bins, FFTW_MEASURE);
	w->inverse = fftwf_plan_dft_1d(w->p, w->bins + w->lo, w->analytic, FFTW_BACKWARD, FFTW_MEASURE);
	w->envelope = fftwf_plan_dft_r2c_1d(w->p, w->square, w->half, FFTW_MEASURE);
	return w;
}

void work_free(work *w) {
	fftwf_destroy_plan(w->forward);
	fftwf_destroy_plan(w->inverse);
	fftwf_destroy_plan(w->envelope);
	fftwf_free(w->x);
	fftwf_free(w->bins - 8);
	fftwf_free(w->density);
	fftwf_free(w->step);
	fftwf_free(w->analytic);
	fftwf_free(w->square);
	fftwf_free(w->half);
	fftwf_free(w->lines);
	free(w);
}

// counts_of does the sanity of the counts.
static void counts_of(const int16_t *restrict c, int n, features *f) {
	int16_t lo = c[0], hi = c[0];
	int64_t sum = c[0];
	int repeats = 0;
	for (int at = 1; at < n; at += BLOCK) {
		int end = at + BLOCK < n ? at + BLOCK : n;
		int32_t part = 0;
		uint16_t same = 0;
		for (int i = at; i < end; i++) {
			lo = c[i] < lo ? c[i] : lo;
			hi = c[i] > hi ? c[i] : hi;
			same += c[i] == c[i - 1];
			part += c[i];
		}
		sum += part;
		repeats += same;
	}
	f->min = lo;
	f->max = hi;
	f->repeats = repeats;
	f->mean = (double)sum / n;
}

// time_features converts the counts and takes the moments of the mean-free signal.
void time_features(work *w, const int16_t *counts, int full, features *f) {
	int n = w->n;
	counts_of(counts, n, f);
	float *restrict x = w->x;
	const float scale = SCALE, offset = (float)(-f->mean * SCALE);
	double m2 = 0, m3 = 0, m4 = 0, sum = 0, roots = 0;
	for (int at = 0; at < n; at += BLOCK) {
		int end = at + BLOCK < n ? at + BLOCK : n;
		float s2 = 0, s3 = 0, s4 = 0, s = 0, r = 0;
#pragma omp simd reduction(+ : s2, s3, s4, s)
		for (int i = at; i < end; i++) {
			float v = scale * counts[i] + offset, q = v * v;
			x[i] = v;
			s2 += q;
			s3 += q * v;
			s4 += q * q;
			s += fabsf(v);
		}
		m2 += s2, m3 += s3, m4 += s4, sum += s;
		if (full) {
#pragma omp simd reduction(+ : r)
			for (int i = at; i < end; i++)
				r += sqrtf(fabsf(x[i]));
			roots += r;
		}
	}
	m2 /= n, m3 /= n, m4 /= n, roots /= n;
	double up = f->max - f->mean, down = f->mean - f->min;
	f->rms = f->std = sqrt(m2);
	f->peak = (up > down ? up : down) * SCALE;
	f->mean_abs = sum / n;
	f->crest = f->peak / f->rms;
	f->shape = f->rms / f->mean_abs;
	f->impulse = f->peak / f->mean_abs;
	f->clearance = full ? f->peak / (roots * roots) : 0;
	f->skewness = m3 / (m2 * f->rms);
	f->kurtosis = m4 / (m2 * m2);
}

static double band(const float *s, int lo, int hi) {
	double sum = 0;
	for (int at = lo; at < hi; at += BLOCK) {
		int end = at + BLOCK < hi ? at + BLOCK : hi;
		float part = 0;
#pragma omp simd reduction(+ : part)
		for (int k = at; k < end; k++)
			part += s[k];
		sum += part;
	}
	return sum;
}

static void power_of(work *w, int full, features *f);
static void lines_of(const work *w, features *f);

void spectrum_features(work *w, int full, features *f) {
	static const double edge[5] = {10, 100, 1000, 5000, 10000};
	fftwf_execute(w->forward);
	power_of(w, full, f);
	for (int i = 0; i < 4; i++)
		f->band[i] = sqrt(w->df * band(w->density, above(edge[i] / w->df), above(edge[i + 1] / w->df)));
	if (full)
		lines_of(w, f);
}

typedef float floats __attribute__((vector_size(64), aligned(4)));
typedef int32_t ints __attribute__((vector_size(64)));

static inline float sum_of(floats v) {
	float s = 0;
	for (int i = 0; i < 16; i++)
		s += v[i];
	return s;
}

// log_of is ln v of positive normal numbers to 2e-6, cheaper than libmvec's.
static inline floats log_of(floats v) {
	ints bits = (ints)v, e = (bits - 0x3f2aaaab) >> 23; // mantissa in [2/3, 4/3)
	floats m = (floats)(bits - (e << 23)) - 1;
	floats p = -0.130310059f * m + 0.149445772f;
	p = p * m - 0.165931225f;
	p = p * m + 0.199797302f;
	p = p * m - 0.250018358f;
	p = p * m + 0.333335489f;
	p = p * m - 0.5f;
	return __builtin_convertvector(e, floats) * 0.693147181f + (m + m * m * p);
}

// density_at is the one-sided Hann density of 16 bins, from their first float.
static inline floats density_at(const float *x, float scale) {
	floats h[2];
	for (int i = 0; i < 2; i++, x += 16) {
		h[i] = 0.5f * *(const floats *)x - 0.25f * (*(const floats *)(x - 2) + *(const floats *)(x + 2));
		h[i] *= h[i];
	}
	return scale * (__builtin_shufflevector(h[0], h[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
	                __builtin_shufflevector(h[0], h[1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
}

typedef struct {
	double total, first, second, logs, plogs; // Σ S, S·k, S·k², ln S, S·ln S
} moments;

// add_bin adds weight times a bin to the sums.
static void add_bin(moments *m, double weight, double k, double s) {
	m->total += weight * s;
	m->first += weight * s * k;
	m->second += weight * s * k * k;
	m->logs += weight * log(s + 1e-37);
	m->plogs += weight * s * log(s + 1e-37);
}

// density_of writes the density of the bins below n/2, whose number is a multiple
// of STEP, and sums over them: full is a constant where it is called.
static inline __attribute__((always_inline)) moments density_of(work *w, float scale, int full) {
	const int last = w->n / 2;
	const float *b = (const float *)w->bins;
	moments m = {0};
	for (int at = 0; at < last; at += BLOCK) {
		floats k = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
		floats t1 = {0}, t2 = {0}, l = {0}, pl = {0};
		int end = at + BLOCK < last ? at + BLOCK : last;
		double total = 0;
		for (int j = at; j < end; j += STEP) {
			floats t = {0};
			for (int i = j; i < j + STEP; i += 16, k += 16) {
				floats s = density_at(b + 2 * i, scale), u;
				*(floats *)(w->density + i) = s;
				t += s;
				t1 += s * k;
				if (full) {
					u = log_of(s + 1e-37f);
					t2 += s * k * k;
					l += u;
					pl += s * u;
				}
			}
			total += w->step[j / STEP] = sum_of(t);
		}
		double first = sum_of(t1);
		m.total += total;
		m.first += first + at * total;
		m.second += sum_of(t2) + 2.0 * at * first + (double)at * at * total;
		m.logs += sum_of(l);
		m.plogs += sum_of(pl);
	}
	return m;
}

// power_of takes the density and what is summed over it without DC.
static void power_of(work *w, int full, features *f) {
	const int last = w->n / 2;
	const float scale = (float)(2 / (RATE * w->n * 3 / 8));
	fftwf_complex *x = w->bins;
	x[0] = 0;
	x[-1] = conjf(x[1]);
	moments m = full ? density_of(w, scale, 1) : density_of(w, scale, 0);
	float *s = w->density, end = 0.5f * (crealf(x[last]) - crealf(x[last - 1]));
	s[last] = scale / 2 * end * end;
	add_bin(&m, -1, 0, s[0]);
	add_bin(&m, 1, last, s[last]);
	w->step[0] -= s[0];
	s[0] = 0; // no band reaches down to it
	double centre = m.first / m.total;
	f->centroid = w->df * centre;
	if (!full)
		return;
	f->spread = w->df * sqrt(m.second / m.total - centre * centre);
	f->entropy = (log(m.total) - m.plogs / m.total) / log(last);
	f->flatness = exp(m.logs / last) * last / m.total;
	int step = 0, k;
	double sum = 0;
	while ((step + 1) * STEP < last && sum + w->step[step] < 0.95 * m.total)
		sum += w->step[step++];
	for (k = step * STEP; k < last && (sum += s[k]) < 0.95 * m.total;)
		k++;
	f->rolloff = k * w->df;
}

// lines_of takes the velocity and the harmonics of the shaft.
static void lines_of(const work *w, features *f) {
	const float *s = w->density;
	float sum = 0;
	int end = (int)floor(1000 / w->df + 1e-9);
#pragma omp simd reduction(+ : sum)
	for (int k = above(10 / w->df); k <= end; k++)
		sum += s[k] / ((float)k * (float)k);
	f->velocity = 1000 * sqrt(sum * w->df) / (2 * M_PI * w->df);
	for (int h = 1; h <= 3; h++) {
		double at = h * SHAFT / w->df;
		int near = (int)nearbyint(at), reach = (int)(0.01 * at), best = near;
		for (int k = near - reach; k <= near + reach; k++)
			if (s[k] > s[best])
				best = k;
		float part = 0;
		for (int k = best - 2; k <= best + 2; k++)
			part += s[k];
		f->harmonic[h - 1] = sqrt(part * w->df);
	}
}

void features_of(work *w, const int16_t *counts, int full, features *f) {
	time_features(w, counts, full, f);
	spectrum_features(w, full, f);
	envelope_features(w, f);
}
