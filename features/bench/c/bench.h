// The feature set of a window in C with FFTW, single precision.
#ifndef BENCH_H
#define BENCH_H

#include <complex.h>
#include <fftw3.h>
#include <stdint.h>

#define RATE 25600.0
#define SCALE 1e-3 // m/s² of a count
#define SHAFT 30.0 // Hz
#define WINDOWS 64

enum { BPFO, BPFI, BSF2, FTF, LINES };

// bearing is 13 elements of 3.5 mm on a pitch of 25.6 mm, 0°: lines in Hz.
static inline void bearing(double line[LINES]) {
	const double g = 3.5 / 25.6;
	line[BPFO] = 13 / 2.0 * (1 - g) * SHAFT;
	line[BPFI] = 13 / 2.0 * (1 + g) * SHAFT;
	line[BSF2] = 1 / g * (1 - g * g) * SHAFT;
	line[FTF] = (1 - g) / 2 * SHAFT;
}

typedef struct {
	int min, max, repeats;
	double mean; // counts
	double rms, peak, mean_abs, std, crest, shape, impulse, clearance, skewness, kurtosis;
	double band[4], velocity, centroid, spread, entropy, flatness, rolloff, harmonic[3];
	double env_mean, env_kurtosis, db[LINES];
	int found[LINES], sidebands[LINES];
	double comb[LINES];
} features;

// work holds the plans and buffers for windows of n samples.
typedef struct {
	int n, lo, hi, want, p; // envelope: bins [lo, hi) to p points, want bins kept
	double df;
	float *x, *density, *square, *lines;
	float *step; // power of each step of bins
	fftwf_complex *bins, *analytic, *half;
	fftwf_plan forward, inverse, envelope;
} work;

void signal_window(int16_t *to, int n, uint32_t window);
work *work_new(int n);
void work_free(work *w);
void features_of(work *w, const int16_t *counts, int full, features *f);

// The stages of features_of.
void time_features(work *w, const int16_t *counts, int full, features *f);
void spectrum_features(work *w, int full, features *f);
void envelope_features(work *w, features *f);

#endif
