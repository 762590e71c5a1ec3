// The windows that every program measures on; README.md gives the formula.
#include "bench.h"

static uint32_t per_sample(uint64_t millihertz) { return (uint32_t)((millihertz << 32) / 25600000); }

// wave is a sine made of parabolas, ±8192, of a phase that 2³² turns once.
static int32_t wave(uint32_t phase) {
	int32_t t = (int16_t)(phase >> 16);
	return (t * (32768 - (t < 0 ? -t : t))) >> 15;
}

void signal_window(int16_t *to, int n, uint32_t window) {
	uint32_t s = 12345 + window * 7919;
#define NEXT (s = s * 1664525 + 1013904223)
	uint32_t shaft = NEXT, gear = NEXT, strike = NEXT;
	const uint32_t every = per_sample(168340), ring = per_sample(5200000);
	for (int i = 0; i < n; i++) {
		int32_t v = 100 - 382;
		v += NEXT >> 24;
		v += NEXT >> 24;
		v += NEXT >> 24;
		v += (wave(shaft) >> 4) + (wave(2 * shaft) >> 5) + (wave(3 * shaft) >> 6) + (wave(gear) >> 5);
		uint32_t since = strike / every;
		if (since < 64)
			v += (wave(since * ring) * (int32_t)(8 + window % 8)) >> (5 + since / 8);
		to[i] = (int16_t)v;
		shaft += per_sample(30000);
		gear += per_sample(1234500);
		strike += every;
	}
}
