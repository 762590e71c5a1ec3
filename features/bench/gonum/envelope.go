package main

import (
	"math"
	"math/cmplx"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// smooth tells whether n has no prime factor but 2, 3 and 5.
func smooth(n int) bool {
	for _, f := range []int{2, 3, 5} {
		for n%f == 0 {
			n /= f
		}
	}
	return n == 1
}

// envelope scores the squared-envelope spectrum of 2 to 10 kHz. The plain way is the
// analytic signal of the whole block, as a Hilbert transform gives it; with kept
// transforms it is taken at just enough points for the band.
func (t *transforms) envelope(out map[string]float64, bins []complex128, n int) {
	df := rateHz / float64(n)
	names, lines := bearing()
	lo, hi := above(2000/df), above(10000/df)
	want := int(math.Ceil(3.5*lines[1]/df)) + 4
	points, shift := n, 0
	if t.keep {
		points, shift = (hi-lo+want+1+31)/32*32, lo
		for !smooth(points) {
			points += 32
		}
	}
	band := make([]complex128, points)
	for i := lo; i < hi; i++ {
		band[i-shift] = 2 / complex(float64(n), 0) * bins[i]
	}
	square, fourth := make([]float64, points), make([]float64, points)
	for i, c := range t.cfft(points).Sequence(nil, band) {
		square[i] = real(c)*real(c) + imag(c)*imag(c)
		fourth[i] = square[i] * square[i]
	}
	mean := stat.Mean(square, nil)
	out["env_mean"], out["env_kurtosis"] = mean, stat.Mean(fourth, nil)/(mean*mean)-2
	floats.AddConst(-mean, square)
	amplitude := make([]float64, want)
	for k, c := range hann(t.rfft(points).Coefficients(nil, square))[:want] {
		if k > 0 {
			amplitude[k] = 4 / float64(points) * cmplx.Abs(c)
		}
	}
	for i, f := range lines {
		db, found := 0.0, 0
		for h := 1; h <= 3; h++ {
			r := snr(amplitude, df, float64(h)*f, 0.3*f)
			db += max(0, 20*math.Log10(r))
			if r >= 2 {
				found++
			}
		}
		out[names[i]+"_db"], out[names[i]+"_found"] = db/3, float64(found)
	}
}

// bearing has 13 elements of 3.5 mm on a pitch of 25.6 mm, 0°: its lines in Hz.
func bearing() ([]string, []float64) {
	const g = 3.5 / 25.6
	return []string{"bpfo", "bpfi", "bsf2", "ftf"},
		[]float64{13. / 2 * (1 - g) * shaftHz, 13. / 2 * (1 + g) * shaftHz, (1 - g*g) / g * shaftHz, (1 - g) / 2 * shaftHz}
}

// snr is the highest bin near f over the median of those within ±side outside.
func snr(s []float64, df, f, side float64) float64 {
	at, reach := f/df, side/df
	half := max(0.02*at, 2)
	lo, hi := max(int(math.Ceil(at-half)), 1), int(math.Floor(at+half))
	from, to := max(1, int(math.Ceil(at-reach))), min(len(s)-1, int(math.Floor(at+reach)))
	var around []float64
	if from < lo {
		around = append(around, s[from:lo]...)
	}
	if to > hi {
		around = append(around, s[hi+1:to+1]...)
	}
	if len(around) < 3 { // few turns in the window: take what lies next to it
		around = slices.Concat(s[max(1, lo-4):lo], s[hi+1:min(hi+5, len(s))])
	}
	slices.Sort(around)
	n := len(around)
	return floats.Max(s[lo:hi+1]) / ((around[(n-1)/2] + around[n/2]) / 2)
}
