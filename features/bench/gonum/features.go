package main

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

const (
	rateHz  = 25600
	scale   = 1e-3 // m/s² of a count
	shaftHz = 30
)

// transforms makes the transforms: anew for each window, or kept.
type transforms struct {
	keep bool
	real map[int]*fourier.FFT
	full map[int]*fourier.CmplxFFT
}

func (t *transforms) rfft(n int) *fourier.FFT {
	if !t.keep {
		return fourier.NewFFT(n)
	}
	if t.real[n] == nil {
		t.real[n] = fourier.NewFFT(n)
	}
	return t.real[n]
}

func (t *transforms) cfft(n int) *fourier.CmplxFFT {
	if !t.keep {
		return fourier.NewCmplxFFT(n)
	}
	if t.full[n] == nil {
		t.full[n] = fourier.NewCmplxFFT(n)
	}
	return t.full[n]
}

// features computes the full set of one window, or the core of it, by name.
func (t *transforms) features(counts []int16, full bool) map[string]float64 {
	out := map[string]float64{}
	x := make([]float64, len(counts))
	repeats := 0
	for i, c := range counts {
		x[i] = float64(c)
		if i > 0 && c == counts[i-1] {
			repeats++
		}
	}
	mean := stat.Mean(x, nil)
	out["min"], out["max"], out["repeats"], out["mean"] = floats.Min(x), floats.Max(x), float64(repeats), mean
	floats.AddConst(-mean, x)
	floats.Scale(scale, x)
	moments(out, x, full)
	bins := t.rfft(len(x)).Coefficients(nil, x)
	spectrum(out, bins, len(x), full)
	t.envelope(out, bins, len(x))
	return out
}

func moments(out map[string]float64, x []float64, full bool) {
	abs, roots := make([]float64, len(x)), make([]float64, len(x))
	for i, v := range x {
		abs[i] = math.Abs(v)
		if full {
			roots[i] = math.Sqrt(abs[i])
		}
	}
	m2 := stat.Moment(2, x, nil)
	rms, peak, meanAbs := floats.Norm(x, 2)/math.Sqrt(float64(len(x))), floats.Max(abs), stat.Mean(abs, nil)
	out["rms"], out["peak"], out["mean_abs"], out["std"] = rms, peak, meanAbs, math.Sqrt(m2)
	out["crest"], out["shape"], out["impulse"] = peak/rms, rms/meanAbs, peak/meanAbs
	out["skewness"] = stat.Moment(3, x, nil) / math.Pow(m2, 1.5)
	out["kurtosis"] = stat.Moment(4, x, nil) / (m2 * m2)
	if full {
		out["clearance"] = peak / math.Pow(stat.Mean(roots, nil), 2)
	}
}

// hann applies the window to a transform: ½X[k] − ¼(X[k−1] + X[k+1]).
func hann(x []complex128) []complex128 {
	last := len(x) - 1
	out := make([]complex128, len(x))
	out[0] = 0.5*x[0] - 0.5*complex(real(x[1]), 0)
	for k := 1; k < last; k++ {
		out[k] = 0.5*x[k] - 0.25*(x[k-1]+x[k+1])
	}
	out[last] = 0.5*x[last] - 0.5*complex(real(x[last-1]), 0)
	return out
}

func above(bin float64) int { return int(math.Ceil(bin - 1e-9)) }

// spectrum describes the one-sided Hann density.
func spectrum(out map[string]float64, bins []complex128, n int, full bool) {
	df := rateHz / float64(n)
	density, hz := make([]float64, len(bins)), make([]float64, len(bins))
	for k, c := range hann(bins) {
		density[k] = (real(c)*real(c) + imag(c)*imag(c)) / (rateHz * float64(n) * 3 / 8)
		if k > 0 && k < n/2 {
			density[k] *= 2
		}
		hz[k] = float64(k) * df
	}
	edges := []float64{10, 100, 1000, 5000, 10000}
	for i, name := range []string{"band1", "band2", "band3", "band4"} {
		out[name] = math.Sqrt(df * floats.Sum(density[above(edges[i]/df):above(edges[i+1]/df)]))
	}
	density[0] = 0
	s, f := density[1:], hz[1:]
	out["centroid"] = stat.Mean(f, s)
	if !full {
		return
	}
	out["spread"] = math.Sqrt(stat.MomentAbout(2, f, out["centroid"], s))
	total := floats.Sum(s)
	share := make([]float64, len(s))
	floats.ScaleTo(share, 1/total, s)
	out["entropy"] = stat.Entropy(share) / math.Log(float64(len(s)))
	out["flatness"] = stat.GeometricMean(s, nil) / stat.Mean(s, nil)
	below := floats.CumSum(make([]float64, len(s)), s)
	out["rolloff"] = f[slices.IndexFunc(below, func(v float64) bool { return v >= 0.95*total })]
	velocity := 0.0
	for k := above(10 / df); hz[k] <= 1000; k++ {
		w := 2 * math.Pi * hz[k]
		velocity += density[k] / (w * w)
	}
	out["velocity"] = 1000 * math.Sqrt(velocity*df)
	for h, name := range []string{"harmonic1", "harmonic2", "harmonic3"} {
		at := float64(h+1) * shaftHz / df
		near, reach := int(math.RoundToEven(at)), int(0.01*at)
		best := near - reach + floats.MaxIdx(density[near-reach:near+reach+1])
		out[name] = math.Sqrt(df * floats.Sum(density[best-2:best+3]))
	}
}
