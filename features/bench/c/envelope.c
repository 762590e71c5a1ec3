// The squared-envelope spectrum of a band and the scores of a bearing's lines.
#include "bench.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 1024 }; // points

// middle puts the k-th smallest of v[0…n) at v[k], all smaller before it.
static void middle(float *v, int n, int k) {
	for (int lo = 0, hi = n - 1; lo < hi;) {
		if (hi - lo < 24) {
			for (int i = lo + 1; i <= hi; i++) {
				float t = v[i];
				int j = i;
				for (; j > lo && v[j - 1] > t; j--)
					v[j] = v[j - 1];
				v[j] = t;
			}
			return;
		}
		float a = v[lo], b = v[(lo + hi) / 2], c = v[hi];
		float pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
		int i = lo, j = hi;
		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j) {
				float t = v[i];
				v[i++] = v[j];
				v[j--] = t;
			}
		}
		if (k <= j)
			hi = j;
		else if (k >= i)
			lo = i;
		else
			return;
	}
}

static float median(float *v, int n) {
	middle(v, n, n / 2);
	if (n % 2)
		return v[n / 2];
	float below = v[0];
	for (int i = 1; i < n / 2; i++)
		below = v[i] > below ? v[i] : below;
	return (below + v[n / 2]) / 2;
}

static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a > b ? a : b; }

// snr is the highest bin near f over the median of those within ±side outside.
static double snr(const float *s, int n, double df, double f, double side) {
	float around[2 * n];
	double at = f / df, half = fmax(0.02 * at, 2), reach = side / df;
	int lo = max((int)ceil(at - half), 1), hi = (int)floor(at + half), m = 0;
	int from = max(1, (int)ceil(at - reach)), to = min(n - 1, (int)floor(at + reach));
	for (int k = from; k < lo; k++)
		around[m++] = s[k];
	for (int k = hi + 1; k <= to; k++)
		around[m++] = s[k];
	if (m < 3) { // few turns in the window: take what lies next to it
		m = 0;
		for (int k = max(1, lo - 4); k < lo; k++)
			around[m++] = s[k];
		for (int k = hi + 1; k < min(hi + 5, n); k++)
			around[m++] = s[k];
	}
	float top = s[lo];
	for (int k = lo + 1; k <= hi; k++)
		top = s[k] > top ? s[k] : top;
	return top / median(around, m);
}

enum { HARMONICS = 3, MOST = 1024 };

// comb is how far the harmonics of f stand out together at one slip within 2 %, in
// deviations of the noise around each; side is where a line's sidebands lie, or 0.
// It counts the sidebands at g that stand 6 dB out.
static double comb(const float *s, int n, double df, double f, double shaft, double side, double g, int *sidebands) {
	double at[HARMONICS], med[HARMONICS], sigma[HARMONICS];
	float around[2 * n], z[HARMONICS][MOST];
	int lowest[HARMONICS], lines = 0, apart = (int)lround(side / df);
	*sidebands = 0;
	for (; lines < HARMONICS; lines++) {
		double a = (lines + 1) * f / df, half = fmax(0.02 * a, 2), reach = fmax(0.3 * f / df, half + 8);
		if (a + half > n - 1)
			break;
		int from = max(1, (int)(a - reach)), to = min(n - 1, (int)(a + reach)), m = to - from + 1;
		memcpy(around, s + from, sizeof(float) * m);
		middle(around, m, m / 2);
		med[lines] = around[m / 2];
		middle(around, m / 2, m / 4);
		sigma[lines] = 1.4826 * (med[lines] - around[m / 4]);
		at[lines] = a;
	}
	if (lines < 2)
		return NAN;
	for (int i = 0; i < lines; i++) {
		int hi = (int)lround(at[i] * 1.02);
		lowest[i] = (int)lround(at[i] * 0.98);
		for (int k = lowest[i]; k <= hi && k - lowest[i] < MOST; k++) {
			double r = k / (shaft / df), v = fabs(r - round(r)) * shaft / df <= 1.25 ? 0 : fmin((s[k] - med[i]) / sigma[i], 8);
			if (apart > 0) {
				double lo = fmin((s[k - apart] - med[i]) / sigma[i], 8), up = k + apart < n ? fmin((s[k + apart] - med[i]) / sigma[i], 8) : 0;
				v = fmin(fmax(v, (v + lo + up) / sqrt(3)), 8);
			}
			z[i][k - lowest[i]] = (float)v;
		}
		for (int d = -1; g > 0 && d <= 1; d += 2) {
			double b = at[i] + d * g / df, half = fmax(0.02 * b, 2);
			int lo = max(1, (int)ceil(b - half)), end = (int)floor(b + half);
			float top = 0;
			for (int k = lo; k <= end && k < n; k++)
				top = s[k] > top ? s[k] : top;
			*sidebands += end < n && top >= 2 * med[i];
		}
	}
	double best = -INFINITY;
	int steps = max(1, (int)ceil(0.02 * at[lines - 1]));
	for (int j = -steps; j <= steps; j++) {
		double sum = 0, share = (double)j / steps;
		for (int i = 0; i < lines; i++)
			sum += z[i][(int)lround(at[i] * (1 + 0.02 * share)) - lowest[i]];
		best = fmax(best, sum / sqrt(lines) - fabs(share));
	}
	return best;
}

static void scores(const work *w, features *f) {
	double line[LINES];
	float ratio[LINES * 3], ln[LINES * 3];
	bearing(line);
	for (int i = 0; i < LINES * 3; i++)
		ratio[i] = (float)snr(w->lines, w->want, w->df, (i % 3 + 1) * line[i / 3], 0.3 * line[i / 3]);
	for (int i = 0; i < LINES * 3; i++)
		ln[i] = logf(ratio[i]);
	for (int i = 0; i < LINES; i++) {
		f->db[i] = 0;
		f->found[i] = 0;
		for (int h = i * 3; h < i * 3 + 3; h++) {
			f->db[i] += ln[h] > 0 ? ln[h] * (20 / M_LN10 / 3) : 0;
			f->found[i] += ratio[h] >= 2;
		}
		double g = i == 1 ? 30 : i == 2 ? line[3] : 0; // the shaft, the cage
		f->comb[i] = comb(w->lines, w->want, w->df, line[i], 30, i == 2 ? g : 0, g, &f->sidebands[i]);
	}
}

// envelope_features reads the band off the plain spectrum, which it overwrites
// beyond the band: the transform back needs zeros there.
void envelope_features(work *w, features *f) {
	const int p = w->p, want = w->want;
	memset(w->bins + w->hi, 0, sizeof(fftwf_complex) * (w->lo + p - w->hi));
	fftwf_execute(w->inverse);
	const float *restrict a = (const float *)w->analytic;
	float *restrict e = w->square;
	const float scale = (float)(4.0 / ((double)w->n * w->n));
	double mean = 0, fourth = 0;
	for (int at = 0; at < p; at += BLOCK) {
		int end = min(p, at + BLOCK);
		float s = 0, q = 0;
#pragma omp simd reduction(+ : s, q)
		for (int i = at; i < end; i++) {
			float v = scale * (a[2 * i] * a[2 * i] + a[2 * i + 1] * a[2 * i + 1]);
			e[i] = v;
			s += v;
			q += v * v;
		}
		mean += s;
		fourth += q;
	}
	mean /= p;
	fourth /= p;
	f->env_mean = mean;
	f->env_kurtosis = fourth / (mean * mean) - 2;
	fftwf_execute(w->envelope);
	w->half[0] = 0; // in place of subtracting the mean
	const float *restrict b = (const float *)w->half;
	float *restrict lines = w->lines;
	const float height = 4.0f / p;
	lines[0] = 0;
	for (int k = 1; k < want; k++) {
		float re = 0.5f * b[2 * k] - 0.25f * (b[2 * k - 2] + b[2 * k + 2]);
		float im = 0.5f * b[2 * k + 1] - 0.25f * (b[2 * k - 1] + b[2 * k + 3]);
		lines[k] = height * sqrtf(re * re + im * im);
	}
	scores(w, f);
}
