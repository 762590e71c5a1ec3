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
