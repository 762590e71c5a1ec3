package simulate

import (
	"math"
	"time"
)

// ar is a first-order autoregressive process of unit variance, written as a
// moving average over its last innovations so that any step can be had alone.
type ar struct {
	weights []float64
}

// newAR cuts the memory of a process with coefficient phi where 10⁻⁴ is left.
func newAR(phi float64) ar {
	n := int(math.Ceil(math.Log(1e-4) / math.Log(phi)))
	w, sum, f := make([]float64, n), 0.0, 1.0
	for i := range w {
		w[i] = f
		sum += f * f
		f *= phi
	}
	for i := range w {
		w[i] /= math.Sqrt(sum)
	}
	return ar{weights: w}
}

// at is the process's value at step k.
func (a ar) at(tab *tables, process uint64, k int64) float64 {
	sum := 0.0
	for i, w := range a.weights {
		sum += w * tab.innovation(process, k-int64(i))
	}
	return sum
}

// weather is what the whole farm sees; turbines add their own part.
type weather struct {
	tab        *tables
	seed       uint64
	every      time.Duration
	wind, air  ar
	windKey    uint64
	airKey     uint64
	cachedStep int64
	cachedWind float64
	cachedAir  float64
	cached     bool
}

func newWeather(tab *tables, seed uint64, every time.Duration) *weather {
	steps := every.Seconds() / 600
	return &weather{
		tab: tab, seed: seed, every: every,
		wind: newAR(math.Pow(windPhi, steps)), air: newAR(math.Pow(airPhi, steps)),
		windKey: key(seed, farmWide, "wind"), airKey: key(seed, farmWide, "air"),
	}
}

// step is the number of the interval that ends at t.
func (w *weather) step(t time.Time) int64 { return t.UnixNano() / int64(w.every) }

func (w *weather) farm(k int64) (wind, air float64) {
	if !w.cached || w.cachedStep != k {
		w.cachedWind, w.cachedAir = w.wind.at(w.tab, w.windKey, k), w.air.at(w.tab, w.airKey, k)
		w.cachedStep, w.cached = k, true
	}
	return w.cachedWind, w.cachedAir
}

// at gives the mean wind at a turbine in m/s and the ambient temperature in °C
// for the interval that ends at t.
func (w *weather) at(turbine int, t time.Time) (windMS, airC float64) {
	k := w.step(t)
	shared, air := w.farm(k)
	own := w.wind.at(w.tab, key(w.seed, turbine, "wind"), k)
	g := math.Sqrt(windShared)*shared + math.Sqrt(1-windShared)*own
	u := t.UTC()
	day := float64(u.YearDay()) + float64(u.Hour())/24
	hour := float64(u.Hour()) + float64(u.Minute())/60
	airC = airMeanC + airSeasonC*math.Cos(2*math.Pi*(day-warmestDay)/365.25) +
		airDayC*math.Cos(2*math.Pi*(hour-warmestHour)/24) + airNoiseC*air
	return windQuantile(0.5 * math.Erfc(-g/math.Sqrt2)), airC
}

// windQuantile is c·(−ln(1−u))^{1/k}, the Weibull quantile in m/s.
func windQuantile(u float64) float64 {
	return weibullC * math.Pow(-math.Log1p(-math.Min(u, 1-1e-12)), 1/weibullK)
}
