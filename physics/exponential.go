package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// ExponentialOptions describes an indicator that grows exponentially under noise of
// one size, and the level at which the part has failed.
type ExponentialOptions struct {
	Key        string     // channel/feature or metric/value
	FailAt     float64    // indicator at failure, in its unit; 0: FailRatio times the healthy level
	FailRatio  float64    // default 10 (20 dB)
	FailSd     float64    // uncertainty of that level, as a standard deviation of its logarithm; default 0.15
	BaselineN  int        // instants that the healthy level is learned from when there is no commissioning span; default 50
	Mode       asset.Mode // default wear
	Alpha      float64    // spread of the sigma points; default 0.5
	Beta       float64    // default 2
	Kappa      float64    // default 1
	MemoryH    float64    // over which the rate is learned; default a tenth of the age
	MaxGapH    float64    // a longer silence does not age the part; default 24
	HorizonH   float64    // default 2160
	Limit      float64    // share of the way, in logarithms, at which the law speaks up; default 0.5
	LeastNoise float64    // least standard deviation of a value, as a share of the healthy level; default 0.02
}

// Exponential follows level and rate of an indicator, x' = x·exp(λ·Δt), by an
// unscented Kalman filter on the values themselves. Beside growth, which takes
// logarithms, it suits an indicator whose noise does not grow with it.
type Exponential struct{ opt ExponentialOptions }

// The state.
const (
	expAge   = iota
	expPhase // 0 learning, 1 following
	expSpan  // a commissioning span was seen
	expN
	expMean // healthy level
	expM2
	expLevel
	expRate
	expP00
	expP01
	expP11
	expNoise // variance of a value
	expSkips // in a row
	expSkipped
	expNIS // mean of the normalised innovations, over some fifty
	expSize
)

// NewExponential returns the law for one indicator.
func NewExponential(o ExponentialOptions) Exponential {
	o.FailRatio, o.FailSd, o.LeastNoise = def(o.FailRatio, 10), def(o.FailSd, 0.15), def(o.LeastNoise, 0.02)
	o.Alpha, o.Beta, o.Kappa = def(o.Alpha, 0.5), def(o.Beta, 2), def(o.Kappa, 1)
	o.MaxGapH, o.HorizonH, o.Limit = def(o.MaxGapH, 24), def(o.HorizonH, 2160), def(o.Limit, 0.5)
	if o.BaselineN <= 0 {
		o.BaselineN = 50
	}
	if o.Mode == "" {
		o.Mode = asset.Wear
	}
	return Exponential{o}
}

// Name is the law's name and version.
func (Exponential) Name() string { return "exponential/1" }

// Step takes the value of the instant.
func (l Exponential) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), expSize)
	z := measured(&in, l.opt.Key)
	if math.IsNaN(z) {
		return s, silent(l.Name(), in.Time, ReasonIdle)
	}
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	if dt > l.opt.MaxGapH {
		dt = 0
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	x[expAge] += dt
	if x[expPhase] == 0 && !l.learn(x, z, in.Learning) {
		return next, silent(l.Name(), in.Time, ReasonLearning)
	}
	if !l.follow(x, z, dt) {
		l.begin(x) // the filter broke: the healthy level is where it starts again
		return next, silent(l.Name(), in.Time, ReasonDiverged)
	}
	if l.fail(x) <= x[expMean] {
		return next, silent(l.Name(), in.Time, ReasonRange)
	}
	return next, l.assess(x, in, z)
}

// learn adds to the healthy level and reports whether it is known.
func (l Exponential) learn(x []float64, z float64, learning bool) bool {
	need := float64(l.opt.BaselineN)
	if learning {
		x[expSpan] = 1
	}
	if x[expSpan] == 1 {
		need = math.Min(need, 10)
	}
	if !learning && x[expN] >= need && x[expMean] > 0 {
		l.begin(x)
		return true
	}
	x[expN]++ // Welford 1962
	d := z - x[expMean]
	x[expMean] += d / x[expN]
	x[expM2] += d * (z - x[expMean])
	return false
}

// begin starts the filter at the healthy level, with a rate of none give or take
// once an age. Neighbouring values are alike, so their variance counts twice.
func (l Exponential) begin(x []float64) {
	least := l.opt.LeastNoise * x[expMean]
	x[expPhase], x[expNIS], x[expSkips] = 1, 1, 0
	x[expNoise] = math.Max(2*x[expM2]/math.Max(x[expN], 1), least*least)
	x[expLevel], x[expRate], x[expP00], x[expP01], x[expP11] = x[expMean], 0, x[expNoise], 0, 1
	if x[expAge] > 0 {
		x[expP11] = 1 / (x[expAge] * x[expAge])
	}
}

// exponential is the filter of one indicator: its level and rate.
func exponential(level, rate, p00, p01, p11, alpha, beta, kappa float64) ukf {
	return ukf{alpha: alpha, beta: beta, kappa: kappa, x: []float64{level, rate}, p: []float64{p00, p01, p01, p11}}
}

// grow moves level and rate on by dt.
func grow(dt float64) func(x []float64) {
	return func(x []float64) { x[0] *= math.Exp(math.Min(x[1]*dt, 50)) }
}

func levelOf(x []float64) float64 { return x[0] }

// follow runs the filter. Innovations beyond the 99.9 % gate are skipped; the fourth
// in a row is a step that happened, and the level moves there.
func (l Exponential) follow(x []float64, z, dt float64) bool {
	f := exponential(x[expLevel], x[expRate], x[expP00], x[expP01], x[expP11], l.opt.Alpha, l.opt.Beta, l.opt.Kappa)
	memory := l.opt.MemoryH
	if memory <= 0 {
		memory = math.Max(0.1*x[expAge], 10*dt)
	}
	r, q := x[expNoise], [2]float64{}
	if memory > 0 {
		level := math.Max(math.Abs(x[expLevel]), 1e-9*x[expMean])
		wander := math.Min(r/(level*level), 1) * dt * dt / (memory * memory * memory * memory)
		q = [2]float64{wander * level * level * dt * dt / 3, wander}
	}
	if !f.predict(grow(dt), q[:]) {
		return false
	}
	if x[expSkips] >= 3 { // wide enough to pass the gate
		f.p[0] += (z - f.x[0]) * (z - f.x[0])
	}
	nis, ok := f.update(z, levelOf, r, gate)
	if !ok {
		return false
	}
	if nis > gate {
		x[expSkips]++
		x[expSkipped]++
	} else {
		x[expSkips] = 0
	}
	x[expNIS] += (math.Min(nis, 25) - x[expNIS]) / 50
	x[expLevel] = math.Min(math.Max(f.x[0], 1e-6*x[expMean]), 1e9*x[expMean])
	x[expRate], x[expP00], x[expP01], x[expP11] = f.x[1], f.p[0], f.p[1], f.p[3]
	return true
}

// fail is the indicator at failure.
func (l Exponential) fail(x []float64) float64 {
	if l.opt.FailAt != 0 {
		return l.opt.FailAt
	}
	return l.opt.FailRatio * x[expMean]
}

func (l Exponential) assess(x []float64, in features.Snapshot, z float64) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	way := math.Log(x[expLevel]/x[expMean]) / math.Log(l.fail(x)/x[expMean])
	sd := math.Sqrt(math.Max(0, x[expP11]))
	visible := x[expRate] > 1.2816*sd && x[expLevel]-x[expMean] > 3*math.Sqrt(x[expNoise])
	a.Score, a.Limit = number(math.Max(0, way)), asset.Number(l.opt.Limit)
	a.Abnormal = way >= l.opt.Limit
	a.Trust = 0.5
	text := fmt.Sprintf("%s is %.3g after %.3g when healthy, %.0f %% of the way to %.3g",
		l.opt.Key, x[expLevel], x[expMean], 100*way, l.fail(x))
	if visible {
		a.Trust = 0.8
		a.RUL, a.FailP = l.remaining(x)
		text += fmt.Sprintf(", %.2g %% more each hour", 100*math.Expm1(x[expRate]))
	}
	if x[expNIS] > 1.5 {
		a.Trust *= 0.7
	}
	if visible || a.Abnormal {
		a.Modes = map[asset.Mode]float64{l.opt.Mode: 0.5}
	}
	a.Evidence = []asset.Evidence{fact(l.Name(), l.opt.Key, z, l.fail(x), text)}
	return a
}

// remaining is when ln x + λ·t reaches the logarithm of the level at failure: the
// sum is normal to first order, with the pace of the growth wandering by 0.3 of itself
// and the level at failure by FailSd.
func (l Exponential) remaining(x []float64) (asset.RUL, asset.Number) {
	d := math.Log(l.fail(x) / x[expLevel])
	level := x[expLevel]
	v0 := x[expP00]/(level*level) + l.opt.FailSd*l.opt.FailSd
	v1 := x[expP11] + 0.09*x[expRate]*x[expRate]
	cdf := func(t float64) float64 {
		v := v0 + 2*t*x[expP01]/level + t*t*v1
		return normalCDF((x[expRate]*t - d) / math.Sqrt(math.Max(v, 1e-300)))
	}
	around := math.Max(d, 0.02) / x[expRate]
	at := func(p float64) float64 { return quantileOf(cdf, p, around*1e-5, around*1e5) }
	return tidy(at(0.1), at(0.5), at(0.9), cdf(asset.SoonH)), number(worth(cdf(l.opt.HorizonH)))
}

// Quantities names the state for people.
func (l Exponential) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), expSize)
	return []Quantity{
		{"age", number(x[expAge]), "h"},
		{"healthy level", number(x[expMean]), ""},
		{"level", number(x[expLevel]), ""},
		{"growth rate", number(x[expRate]), "1/h"},
		{"growth rate, standard deviation", number(math.Sqrt(math.Max(0, x[expP11]))), "1/h"},
		{"noise", number(math.Sqrt(math.Max(0, x[expNoise]))), ""},
		{"instants skipped", number(x[expSkipped]), "1"},
		{"innovation ratio", number(x[expNIS]), "1"},
	}
}
