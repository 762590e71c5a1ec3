package physics

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// Ensemble is a distribution as equally likely values, in rising order; a value
// that is +Inf is one beyond what could be forecast. What follows judges forecasts
// by it (Saxena et al. 2010, IJPHM 1(1); definitions as in NASA's ProgPy).
type Ensemble []float64

// NewEnsemble sorts a copy; NaN is left out.
func NewEnsemble(values []float64) Ensemble {
	e := Ensemble(slices.DeleteFunc(slices.Clone(values), math.IsNaN))
	slices.Sort(e)
	return e
}

// ensembleSize is how many values stand for a remaining life. It is odd: the
// middle one is the median.
const ensembleSize = 99

// EnsembleOf is a remaining life between and beyond its quantiles: two halves of
// log-normal laws that meet at the median. Where P90 is missing, the later half is
// beyond what could be forecast. Empty without a median.
func EnsembleOf(r asset.RUL) Ensemble {
	if !r.P50.Known() {
		return nil
	}
	mid, early, late := float64(r.P50), math.Inf(1), math.Inf(1)
	z90 := normalQuantile(0.9)
	if p := float64(r.P10); p > 0 {
		early = math.Log(mid/p) / z90
	}
	if r.P90.Known() && mid > 0 {
		late = math.Log(float64(r.P90)/mid) / z90
	}
	out := make(Ensemble, ensembleSize)
	for i := range out {
		z := normalQuantile((float64(i) + 0.5) / ensembleSize)
		switch {
		case 2*i+1 == ensembleSize:
			out[i] = mid
		case z > 0:
			out[i] = mid * math.Exp(z*late)
			if mid == 0 {
				out[i] = math.Max(0, float64(r.P90)) * z / z90
			}
		case math.IsInf(early, 1): // P10 is zero, or unknown: even from zero to the median
			out[i] = mid * 2 * (float64(i) + 0.5) / ensembleSize
		default:
			out[i] = mid * math.Exp(z*early)
		}
		if math.IsNaN(out[i]) {
			out[i] = math.Inf(1)
		}
	}
	return out
}

// Within is the share strictly between lo and hi.
func (e Ensemble) Within(lo, hi float64) float64 {
	n := 0
	for _, x := range e {
		if lo < x && x < hi {
			n++
		}
	}
	return float64(n) / float64(len(e))
}

// Below is the share under x: the probability integral transform of what happened.
func (e Ensemble) Below(x float64) float64 {
	n, _ := slices.BinarySearch(e, x)
	return float64(n) / float64(len(e))
}

// After moves every value by d.
func (e Ensemble) After(d float64) Ensemble {
	out := make(Ensemble, len(e))
	for i, x := range e {
		out[i] = d + x
	}
	return out
}

// Mean is +Inf when a part of the ensemble is.
func (e Ensemble) Mean() float64 {
	var sum float64
	for _, x := range e {
		sum += x
	}
	return sum / float64(len(e))
}

// Quantile interpolates (Hyndman & Fan 1996, type 7).
func (e Ensemble) Quantile(p float64) float64 {
	at := p * float64(len(e)-1)
	i := int(at)
	if i+1 >= len(e) || e[i] == e[i+1] {
		return e[min(i, len(e)-1)]
	}
	return e[i] + (at-float64(i))*(e[i+1]-e[i])
}

// CRPS is the continuous ranked probability score of what happened, y: mean of
// |X − y| less half the mean of |X − X'| over all pairs (Gneiting & Raftery 2007,
// JASA 102:359). NaN for an empty ensemble or one with a part beyond.
func (e Ensemble) CRPS(y float64) float64 {
	var off, spread float64
	n := float64(len(e))
	for i, x := range e {
		if math.IsInf(x, 0) {
			return math.NaN()
		}
		off += math.Abs(x - y)
		spread += x * (2*float64(i) + 1 - n) // half of Σ|X−X'|, as e rises
	}
	return off/n - spread/(n*n)
}

// CRPSGaussian is the score of N(μ, σ²): σ(z(2Φ(z)−1) + 2φ(z) − 1/√π), z = (y−μ)/σ
// (Gneiting et al. 2005, MWR 133:1098). With σ = 0 it is |y − μ|.
func CRPSGaussian(mu, sigma, y float64) float64 {
	if sigma <= 0 {
		return math.Abs(y - mu)
	}
	z := (y - mu) / sigma
	return sigma * (z*(2*normalCDF(z)-1) + 2*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi) - 1/math.Sqrt(math.Pi))
}

// CRPSLog is the score of ln r for the remaining life forecast when r hours truly
// remained: that of the normal law with the median and the width of P10 to P90. It
// has no unit, so that lives of any length count alike. NaN where the median or the
// truth is no positive number; a missing P90 mirrors P10.
func CRPSLog(f asset.RUL, r float64) float64 {
	mid := float64(f.P50)
	if !(mid > 0) || !(r > 0) {
		return math.NaN()
	}
	early := math.Log(mid / math.Max(float64(f.P10), mid*1e-6))
	late := early
	if f.P90.Known() {
		late = math.Log(float64(f.P90) / mid)
	}
	return CRPSGaussian(math.Log(mid), (early+late)/(2*normalQuantile(0.9)), math.Log(r))
}

// Accurate is the α–λ test: at least the share β of the forecast time of the event
// is strictly within α of the remaining life about the true time.
func Accurate(event Ensemble, now, truth, alpha, beta float64) bool {
	rest := truth - now
	return len(event) > 0 && event.Within(truth-alpha*rest, truth+alpha*rest) >= beta
}

// PrognosticHorizon is how long before the event the forecasts first passed the
// α–λ test; NaN when none did.
func PrognosticHorizon(times []float64, accurate []bool, truth float64) float64 {
	for i, t := range times {
		if accurate[i] {
			return truth - t
		}
	}
	return math.NaN()
}

// CumulativeRelativeAccuracy is the mean over instants of 1 − |T − t| / T for
// the forecast times t of the event and its true time T, both from the beginning of
// the life; NaN of none.
func CumulativeRelativeAccuracy(forecast []float64, truth float64) float64 {
	var sum float64
	for _, t := range forecast {
		sum += 1 - math.Abs(truth-t)/truth
	}
	return sum / float64(len(forecast))
}
