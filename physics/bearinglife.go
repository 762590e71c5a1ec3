package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// BearingOptions is what the catalogue and the lubrication plan say of a
// bearing. Without CN the law works with a rating guessed from the pitch
// diameter: it then shows the life used and claims no probability.
type BearingOptions struct {
	Kind        Rolling   // default Ball
	PitchMM     float64   // pitch diameter Dpw; default 60
	CN          float64   // dynamic rating in N; default 1.2·Dpw^2.5 (within a third for 6804, 6205, 6309)
	CuN         float64   // fatigue load limit in N; default C/44 for balls, C/8 for rollers (ISO 281 B.3 with C0 from C)
	Nu          float64   // viscosity at running temperature, mm²/s; default: of Nu40 and Nu100 at the temperature
	Nu40        float64   // at 40 °C; default 100 (ISO VG 100)
	Nu100       float64   // at 100 °C; default 11.1
	TempKey     string    // bearing temperature, °C; empty: 70 °C
	Cleanliness string    // grease_high, grease_normal (default), grease_slight, …, oil_13_10, … (ISO 281 annex A)
	LifeFactor  float64   // a_ISO where it is given; default: of lubrication and cleanliness. 1 is the basic rating life
	LoadShares  []float64 // of equal bearings that carry the load together, and fail as a set with the first; empty: one bearing with all of it
	Reliability float64   // in %, one of 90, 95, 96, 97, 98, 99: the law speaks up when as many are to be expected to live; default 90
	SpeedRatio  float64   // of the bearing's shaft to the asset's; default 1
	SpeedRpm    float64   // of the asset where the snapshot knows none; default: none
	LoadN       float64   // equivalent load where the snapshot knows none; default: none
	PowerKey    string    // metric in kW that the load is derived from; empty: the snapshot's load
	LoadPerKW   float64   // N of equivalent load for each kW
	LoadIdleN   float64   // N at no power
	MaxGapH     float64   // a longer silence is not counted as running; default 1
	HorizonH    float64   // default 2160
}

// BearingLife is rolling-contact fatigue by ISO 281:2007: each step adds
// Δt·60n/(10⁶·a_ISO·L10) to the Miner sum for the load and speed that were
// seen. The sum D is the age on the population's life distribution
// S(D) = exp(−ln(1/0.9)·D^e) (Lundberg & Palmgren 1947), from which the chance of
// failure within the horizon follows.
type BearingLife struct{ opt BearingOptions }

// The bearing's state.
const (
	bearingDamage = iota // Miner sum
	bearingHours         // hours counted
	bearingGap           // hours not counted
	bearingRate          // damage per hour, forgetting with a time constant of 720 h
	bearingKappa
	bearingFactor // a_ISO
	bearingLoad
	bearingSpeed
	bearingTurns  // Σ n·Δt, rpm·h
	bearingEffort // Σ P^p·n·Δt
	bearingSize
)

// NewBearingLife returns the law for one bearing.
func NewBearingLife(o BearingOptions) BearingLife {
	if o.Kind == "" {
		o.Kind = Ball
	}
	o.PitchMM = def(o.PitchMM, 60)
	o.Nu40, o.Nu100 = def(o.Nu40, 100), def(o.Nu100, 11.1)
	o.SpeedRatio, o.MaxGapH, o.HorizonH = def(o.SpeedRatio, 1), def(o.MaxGapH, 1), def(o.HorizonH, 2160)
	return BearingLife{o}
}

// Name is the law's name and version.
func (BearingLife) Name() string { return "bearing-life/2" }

// rating is C and Cu in N, and whether they were declared.
func (l BearingLife) rating() (c, cu float64, declared bool) {
	c, declared = l.opt.CN, l.opt.CN > 0
	if !declared {
		c = 1.2 * math.Pow(l.opt.PitchMM, 2.5)
	}
	if cu = l.opt.CuN; cu <= 0 {
		cu = c / 44
		if l.opt.Kind.roller() {
			cu = c / 8
		}
	}
	return c, cu, declared
}

// Step adds the damage since the last instant.
func (l BearingLife) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), bearingSize)
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	n, p := l.speed(in), l.load(&in)
	if math.IsNaN(n) || math.IsNaN(p) {
		x[bearingGap] += dt
		return next, silent(l.Name(), in.Time, ReasonMissing)
	}
	if dt > l.opt.MaxGapH {
		x[bearingGap] += dt
		dt = 0
	}
	rate, kappa, factor := l.damageRate(&in, p, n)
	if math.IsNaN(rate) {
		x[bearingGap] += dt
		return next, silent(l.Name(), in.Time, ReasonRange)
	}
	if x[bearingHours] == 0 && x[bearingRate] == 0 {
		x[bearingRate] = rate
	}
	x[bearingDamage] += dt * rate
	x[bearingHours] += dt
	x[bearingTurns] += n * dt
	x[bearingEffort] += math.Pow(p, l.opt.Kind.lifeExponent()) * n * dt
	x[bearingRate] += (rate - x[bearingRate]) * -math.Expm1(-dt/720)
	x[bearingKappa], x[bearingFactor], x[bearingLoad], x[bearingSpeed] = kappa, factor, p, n
	return next, l.assess(next, in)
}

func (l BearingLife) speed(in features.Snapshot) float64 {
	n := float64(in.SpeedRpm)
	if !(n >= 0 && n <= absurd) {
		n = math.NaN()
	}
	if math.IsNaN(n) && l.opt.SpeedRpm > 0 {
		n = l.opt.SpeedRpm
	}
	return n * l.opt.SpeedRatio
}

func (l BearingLife) load(in *features.Snapshot) float64 {
	if l.opt.PowerKey != "" {
		return l.opt.LoadIdleN + l.opt.LoadPerKW*math.Abs(measured(in, l.opt.PowerKey))
	}
	p := positive(in.LoadN)
	if math.IsNaN(p) && l.opt.LoadN > 0 {
		p = l.opt.LoadN
	}
	return p
}

// damageRate is the share of the L_nm life used in an hour at load p and speed n, by
// all bearings of a set; viscosity ratio and life factor are of the last.
func (l BearingLife) damageRate(in *features.Snapshot, p, n float64) (rate, kappa, factor float64) {
	if len(l.opt.LoadShares) == 0 {
		return l.oneRate(in, p, n)
	}
	rates := make([]float64, len(l.opt.LoadShares))
	for i, share := range l.opt.LoadShares {
		rates[i], kappa, factor = l.oneRate(in, share*p, n)
	}
	return l.opt.Kind.systemRate(rates), kappa, factor
}

func (l BearingLife) oneRate(in *features.Snapshot, p, n float64) (rate, kappa, factor float64) {
	if n < 1 || p <= 0 { // standstill
		return 0, 0, 0
	}
	c, cu, _ := l.rating()
	kappa = l.viscosity(in) / referenceViscosity(n, l.opt.PitchMM)
	ec := contamination(l.opt.Cleanliness, math.Min(kappa, 4), l.opt.PitchMM)
	if factor = l.opt.LifeFactor; factor <= 0 {
		factor = l.opt.Kind.lifeFactor(kappa, ec*cu/p)
	}
	return 1 / (factor * lifeHours(l.opt.Kind.LifeMrev(c, p), n)), kappa, factor
}

func (l BearingLife) viscosity(in *features.Snapshot) float64 {
	if l.opt.Nu > 0 {
		return l.opt.Nu
	}
	t := 70.0
	if l.opt.TempKey != "" {
		if m := measured(in, l.opt.TempKey); !math.IsNaN(m) {
			t = math.Min(math.Max(m, -20), 150)
		}
	}
	return Walther(l.opt.Nu40, l.opt.Nu100, t)
}

// life is the distribution of the Miner sum at failure: 10 % of a population has
// failed at 1.
func (l BearingLife) life() Weibull {
	e := l.opt.Kind.weibullSlope()
	return Weibull{Scale: math.Pow(-math.Log(0.9), -1/e), Shape: e}
}

func (l BearingLife) assess(s State, in features.Snapshot) asset.Assessment {
	d, rate := s.X[bearingDamage], s.X[bearingRate]
	c, _, declared := l.rating()
	a := spoken(l.Name(), in.Time)
	limit := reliabilityFactor(l.opt.Reliability)
	a.Score, a.Limit = number(d), asset.Number(limit)
	a.Abnormal = d >= limit
	a.Modes = map[asset.Mode]float64{asset.Wear: 0.5}
	text := fmt.Sprintf("%.3g of the ISO 281 life used in %.1f h at last %.0f N and %.0f rpm (κ %.2f, a_ISO %.2f)",
		d, s.X[bearingHours], s.X[bearingLoad], s.X[bearingSpeed], s.X[bearingKappa], s.X[bearingFactor])
	if !declared {
		a.Trust = 0.2
		a.Evidence = []asset.Evidence{fact(l.Name(), "life-used", d, limit, text+fmt.Sprintf("; rating guessed as %.0f N", c))}
		return a
	}
	seen := s.X[bearingHours] + s.X[bearingGap]
	a.Trust = 0.6
	if seen > 0 {
		a.Trust *= s.X[bearingHours] / seen
	}
	a.Evidence = []asset.Evidence{fact(l.Name(), "life-used", d, limit, text)}
	if a.Trust == 0 { // a first instant has no duration yet
		a.Trust = 0.1
	}
	w := l.life()
	a.FailP = number(w.failWithin(d, rate*l.opt.HorizonH))
	if rate > 0 {
		a.RUL = tidy(w.remaining(d, 0.1)/rate, w.remaining(d, 0.5)/rate, w.remaining(d, 0.9)/rate, w.failWithin(d, rate*asset.SoonH))
	}
	return a
}

// Quantities names the state for people.
func (l BearingLife) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), bearingSize)
	return []Quantity{
		{"life used", number(x[bearingDamage]), "1"},
		{"hours counted", number(x[bearingHours]), "h"},
		{"hours not counted", number(x[bearingGap]), "h"},
		{"damage rate", number(x[bearingRate]), "1/h"},
		{"viscosity ratio", number(x[bearingKappa]), "1"},
		{"life factor", number(x[bearingFactor]), "1"},
		{"load", number(x[bearingLoad]), "N"},
		{"speed", number(x[bearingSpeed]), "rpm"},
		{"equivalent load", number(l.equivalentLoad(x)), "N"},
		{"survival probability", number(l.opt.Kind.survival(x[bearingDamage])), "1"},
	}
}

// equivalentLoad is P_eq = (Σ P^p·n·q/Σ n·q)^(1/p): the constant load that would have
// used as much of the basic life at the same turns; NaN before any.
func (l BearingLife) equivalentLoad(x []float64) float64 {
	return math.Pow(x[bearingEffort]/x[bearingTurns], 1/l.opt.Kind.lifeExponent())
}

// maxRULH is the remaining life beyond which a law gives none: fifty years.
const maxRULH = 438000

// tidy makes a RUL of three quantiles, put in order, and the probability of a
// failure within asset.SoonH; a quantile that is not finite or beyond maxRULH is
// missing, and so is a probability that is NaN.
func tidy(p10, p50, p90, soon float64) asset.RUL {
	p50 = math.Max(p50, p10)
	p90 = math.Max(p90, p50)
	cut := func(f float64) asset.Number {
		if !(f <= maxRULH) {
			return asset.Missing()
		}
		return asset.Number(math.Max(0, f))
	}
	return asset.RUL{P10: cut(p10), P50: cut(p50), P90: cut(p90), Soon: asset.Number(math.Min(math.Max(soon, 0), 1))}
}
