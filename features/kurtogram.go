package features

import (
	"math"
	"math/cmplx"
)

// kurtogram finds the band in which a signal is most impulsive: the fast
// kurtogram of Antoni 2007 (MSSP 21:108), a tree of filters that halves the
// bands level by level, with thirds between the levels.
type kurtogram struct {
	low, high []complex128
	third     [3][]complex128
}

// kurtRow is one level: 2^Level bands of equal width from 0 to half the rate.
type kurtRow struct {
	Level float64 // k, or k + log₂3 − 1 … for the thirds
	Kurt  []float64
	few   []bool // the value comes from fewer than three impulses
}

func (k *kurtogram) prepare() {
	if k.low != nil {
		return
	}
	k.low = modulated(lowpass(17, 0.4), 1.0/4)
	n := len(k.low) - 1
	k.high = make([]complex128, n)
	for i := range k.high {
		m := 1 - (i + 2)
		k.high[i] = k.low[((m%n)+n)%n]
		if m%2 != 0 {
			k.high[i] = -k.high[i]
		}
	}
	h := lowpass(25, 0.4*2/3)
	k.third = [3][]complex128{modulated(h, 1.0/6), modulated(h, 1.0/2), modulated(h, 5.0/6)}
}

// lowpass is a windowed-sinc filter of n taps, cut-off as a share of half the
// rate, Hamming window, unit gain at zero.
func lowpass(n int, cut float64) []float64 {
	h, sum := make([]float64, n), 0.0
	for i := range h {
		t := float64(i) - float64(n-1)/2
		v := cut
		if t != 0 {
			v = math.Sin(math.Pi*cut*t) / (math.Pi * t)
		}
		h[i] = v * (0.54 - 0.46*math.Cos(2*math.Pi*float64(i)/float64(n-1)))
		sum += h[i]
	}
	for i := range h {
		h[i] /= sum
	}
	return h
}

func modulated(h []float64, halfTurns float64) []complex128 {
	out := make([]complex128, len(h))
	for i, v := range h {
		out[i] = complex(v, 0) * cmplx.Exp(complex(0, math.Pi*halfTurns*float64(i)))
	}
	return out
}

// rows computes the kurtogram of x, whose mean is removed first, with the given
// number of levels; nil when x is too short for them.
func (k *kurtogram) rows(x []float64, levels int) []kurtRow {
	if levels < 1 || len(x)>>levels < 2*25 {
		return nil
	}
	k.prepare()
	c := make([]complex128, len(x))
	mean := 0.0
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for i, v := range x {
		c[i] = complex(v-mean, 0)
	}
	halves, thirds := make([]kurtRow, levels+1), make([]kurtRow, levels)
	for i := range halves {
		halves[i].Level = float64(i)
	}
	for i := range thirds {
		thirds[i].Level = math.Log2(3) + float64(i)
	}
	halves[0].add(c, 3)
	if levels > 1 {
		k.thirds(&thirds[0], c)
	}
	k.split(halves, thirds, c, 1, levels)
	out := []kurtRow{halves[0]}
	for i := 1; i < levels; i++ {
		out = append(out, halves[i])
		if len(thirds[i-1].Kurt) > 0 {
			out = append(out, thirds[i-1])
		}
	}
	return append(out, halves[levels])
}

// split halves the band of x and goes on with both halves.
func (k *kurtogram) split(halves, thirds []kurtRow, x []complex128, level, levels int) {
	a, d := decimate(x, k.low, 2), decimate(x, k.high, 2)
	for i := 0; i < len(d); i += 2 {
		d[i] = -d[i] // the upper half comes out mirrored
	}
	halves[level].add(a[min(len(k.low)-1, len(a)):], 2)
	halves[level].add(d[min(len(k.high)-1, len(d)):], 2)
	if level <= levels-2 {
		k.thirds(&thirds[level], a)
		k.thirds(&thirds[level], d)
	}
	if level < levels {
		k.split(halves, thirds, a, level+1, levels)
		k.split(halves, thirds, d, level+1, levels)
	}
}

func (k *kurtogram) thirds(row *kurtRow, x []complex128) {
	for _, h := range k.third {
		y := decimate(x, h, 3)
		row.add(y[min(len(k.low)-1, len(y)):], 2)
	}
}

// decimate filters x causally and keeps every step-th output, the last of each step.
func decimate(x, h []complex128, step int) []complex128 {
	out := make([]complex128, 0, len(x)/step)
	for i := step - 1; i < len(x); i += step {
		var sum complex128
		for j := 0; j < len(h) && j <= i; j++ {
			sum += h[j] * x[i-j]
		}
		out = append(out, sum)
	}
	return out
}

// impulseBlocks of a band's signal; two of them that hold nearly all of the
// fourth moment mean fewer than three impulses.
const impulseBlocks = 16

// add appends ⟨|c|⁴⟩/⟨|c|²⟩² − gauss, about the mean.
func (r *kurtRow) add(c []complex128, gauss float64) {
	var mean complex128
	for _, v := range c {
		mean += v
	}
	if len(c) > 0 {
		mean /= complex(float64(len(c)), 0)
	}
	second, fourth := 0.0, 0.0
	var blocks [impulseBlocks]float64
	for i, v := range c {
		v -= mean
		p := real(v)*real(v) + imag(v)*imag(v)
		second += p
		fourth += p * p
		blocks[i*impulseBlocks/len(c)] += p * p
	}
	n := float64(len(c))
	value := ratio(fourth/n, second/n*(second/n)) - gauss
	first, next := 0.0, 0.0
	for _, b := range blocks {
		if b > first {
			first, next = b, first
		} else if b > next {
			next = b
		}
	}
	r.Kurt = append(r.Kurt, value)
	r.few = append(r.few, first+next > 0.9*fourth)
}

// choose is the band of highest kurtosis that is at least three strike rates
// wide and owes it to three impulses or more; where the record is too short or no
// band qualifies, the trend band.
func (k *kurtogram) choose(x []float64, rateHz, strikeHz float64) Band {
	best, at := Band{trendLo * rateHz, trendHi * rateHz}, 0.0
	levels := min(int(math.Log2(float64(len(x))))-7, 6)
	for _, row := range k.rows(x, levels) {
		width := rateHz / 2 / float64(len(row.Kurt))
		if width < 3*strikeHz {
			continue
		}
		for i, v := range row.Kurt {
			if v > at && !row.few[i] {
				at, best = v, Band{float64(i) * width, float64(i+1) * width}
			}
		}
	}
	return best
}
