package physics

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// CrackOptions is the crack that is assumed or known, its stress and its material.
type CrackOptions struct {
	Paris        Paris      // zero C: ferritic-pearlitic steel, 6.89e-12 and m = 3 (Barsom & Rolfe 1999)
	LnCSd        float64    // standard deviation of ln C before any crack was measured; default 0.4
	MSd          float64    // of m; default 0.1
	Rho          float64    // correlation of the two; default −0.95
	RateSd       float64    // standard deviation of ln da/dN along the way, over each tenth that the crack grows; default 0.08
	PathSd       float64    // the same, of the way still to go; default RateSd
	Prior        CrackPrior // of earlier cracks; it goes before C, m and the five above
	StartM       float64    // crack length to begin with, m; default 0.001
	StartSd      float64    // standard deviation of its logarithm; default 0.1
	EndM         float64    // length at failure, m; default where K reaches KcMPa, at most 0.6 of the width
	KcMPa        float64    // toughness, MPa·√m; default 60
	StressMPa    float64    // stress range; used where StressKey and SignalKey are empty
	StressKey    string     // measured stress range, MPa
	SignalKey    string     // measured stress, MPa: its ranges are counted by rainflow and each grows the crack; it goes before StressKey
	CyclesPerH   float64    // used where CyclesPerRev is 0
	CyclesPerRev float64    // of the snapshot's shaft speed
	CrackKey     string     // measured crack length; empty: never measured
	CrackUnitM   float64    // m in a unit of that; default 1e-6 (µm)
	CrackErr     float64    // standard error of a measured length, as a share; default 0.005
	MaxGapH      float64    // a longer silence does not load the part; default 24
	HorizonH     float64    // default 2160
	Limit        float64    // share of the life at which the law speaks up; default 0.7
	Particles    int        // default 500
	Seed         uint64     // of their draws
}

// Crack follows a fatigue crack by Paris' law under the stress and cycles that
// were seen. A particle filter carries ln C and m together, for they are strongly
// correlated, and each particle's own crack. Measured lengths replace the calculated
// ones, and each stretch of growth between them weighs the particles.
type Crack struct{ opt CrackOptions }

// The crack's state; the particles follow, then the counter of the signal.
const (
	crackLength = iota
	crackCycles
	crackAnchor       // length at the last weighing
	crackAnchorCycles // cycles then
	crackMeasured     // lengths measured
	crackStress       // last stress range; of a signal the equivalent one
	crackRate         // mean cycles per hour, forgetting with a time constant of 720 h
	crackHours
	crackDraws  // draws made
	crackWorth  // how many particles of equal weight the cloud is worth
	crackSkips  // weighings skipped in a row
	crackPassed // weighings skipped
	crackSize
)

// A particle's numbers.
const (
	partLnC = iota
	partM
	partLength
	partMissing // cycles since the last weighing that the measured lengths took beside the calculated ones
	partWeight  // logarithm
	partSize
)

// NewCrack returns the law for one crack.
func NewCrack(o CrackOptions) Crack {
	if o.Paris.C == 0 {
		o.Paris.C, o.Paris.M = 6.89e-12, 3
	}
	o.LnCSd, o.MSd, o.Rho, o.RateSd = def(o.LnCSd, 0.4), def(o.MSd, 0.1), def(o.Rho, -0.95), def(o.RateSd, 0.08)
	if q := o.Prior; q.M > 0 {
		o.Paris.C, o.Paris.M, o.LnCSd, o.MSd, o.Rho, o.RateSd = math.Exp(q.LnC), q.M, q.LnCSd, q.MSd, q.Rho, q.RateSd
		o.PathSd = q.PathSd
		o.Paris.Bend, o.Paris.KRef, o.Paris.KLow, o.Paris.KHigh = q.Bend, q.KRef, q.KLow, q.KHigh
	}
	o.PathSd = def(o.PathSd, o.RateSd)
	o.StartM, o.StartSd, o.KcMPa = def(o.StartM, 0.001), def(o.StartSd, 0.1), def(o.KcMPa, 60)
	o.CrackUnitM, o.CrackErr = def(o.CrackUnitM, 1e-6), def(o.CrackErr, 0.005)
	o.MaxGapH, o.HorizonH, o.Limit = def(o.MaxGapH, 24), def(o.HorizonH, 2160), def(o.Limit, 0.7)
	if o.Particles <= 0 {
		o.Particles = 500
	}
	if o.SignalKey != "" {
		o.Paris.R = 0 // each range brings its own
	}
	return Crack{o}
}

// Name is the law's name and version.
func (Crack) Name() string { return "crack/2" }

func (l Crack) size() int {
	n := crackSize + l.opt.Particles*partSize
	if l.opt.SignalKey != "" {
		n += signalSize
	}
	return n
}

func (l Crack) cloud(x []float64) cloud {
	return cloud{partSize, x[crackSize : crackSize+l.opt.Particles*partSize]}
}

// begin spreads the particles evenly over the joint prior of ln C and m. Some are drawn
// three times as wide, for the crack may be in another material than was thought: one
// in ten, or after n cracks that were alike one in n+1 (Laplace's rule of succession).
func (l Crack) begin(x []float64) {
	c, wide := l.cloud(x), 10
	if n := l.opt.Prior.Cracks; n > 0 {
		wide = n + 1
	}
	for i := range l.opt.Particles {
		u, v := even(i)
		p, q, row := normalQuantile(u), normalQuantile(v), c.row(i)
		if i%wide == wide-1 {
			p, q = 3*p, 3*q
		}
		row[partLnC] = math.Log(l.opt.Paris.C) + l.opt.LnCSd*p
		row[partM] = math.Max(0.5, l.opt.Paris.M+l.opt.MSd*(l.opt.Rho*p+math.Sqrt(1-l.opt.Rho*l.opt.Rho)*q))
		row[partLength] = l.opt.StartM * math.Exp(l.opt.StartSd*normalQuantile(uniform(l.opt.Seed, uint64(i))))
	}
	x[crackLength], x[crackDraws], x[crackWorth] = l.opt.StartM, float64(l.opt.Particles), float64(l.opt.Particles)
}

// Step grows the crack by the cycles since the last instant.
func (l Crack) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), l.size())
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	if fresh {
		l.begin(x)
	}
	if dt > l.opt.MaxGapH {
		dt = 0
	}
	if l.opt.SignalKey != "" {
		if !l.followSignal(x, measured(&in, l.opt.SignalKey), dt) {
			return s, silent(l.Name(), in.Time, ReasonMissing)
		}
	} else {
		stress := l.opt.StressMPa
		if l.opt.StressKey != "" {
			if stress = measured(&in, l.opt.StressKey); math.IsNaN(stress) && !fresh {
				stress = x[crackStress] // held since it was last measured
			}
		}
		n := perHour(&in, l.opt.CyclesPerRev, l.opt.CyclesPerH)
		if math.IsNaN(stress) || math.IsNaN(n) || stress <= 0 && n <= 0 {
			return s, silent(l.Name(), in.Time, ReasonMissing)
		}
		l.load(x, stress, n, dt)
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	if l.opt.CrackKey != "" {
		l.measure(x, measured(&in, l.opt.CrackKey)*l.opt.CrackUnitM)
	}
	return next, l.assess(x, in)
}

// of is Paris' law with a particle's material.
func (l Crack) of(row []float64) Paris {
	p := l.opt.Paris
	p.C, p.M = math.Exp(row[partLnC]), row[partM]
	return p
}

// load applies dt hours of cycles of one range.
func (l Crack) load(x []float64, stress, perHour, dt float64) {
	n := perHour * dt
	x[crackStress] = stress
	l.pass(x, perHour, dt)
	if n <= 0 || stress <= 0 {
		return
	}
	end, c := l.end(l.opt.Paris, stress), l.cloud(x)
	for i := range l.opt.Particles {
		row := c.row(i)
		row[partLength] = l.of(row).advance(row[partLength], end, stress, n)
	}
	x[crackLength] = l.length(x)
}

// pass lets the time go by at a number of cycles per hour.
func (l Crack) pass(x []float64, perHour, dt float64) {
	gain := 1.0
	if x[crackHours] += dt; x[crackHours] > dt { // a plain mean at first
		gain = math.Max(dt/x[crackHours], -math.Expm1(-dt/720))
	}
	x[crackRate] += (perHour - x[crackRate]) * gain
	x[crackCycles] += perHour * dt
}

// length is the mean of the particles' cracks.
func (l Crack) length(x []float64) float64 {
	c := l.cloud(x)
	w, _ := c.weights()
	var a float64
	for i, v := range w {
		a += v * c.row(i)[partLength]
	}
	return a
}

// end is the length at failure: as declared, or where K_max = ΔK/(1−R) reaches
// the toughness, and never beyond 0.6 of the width.
func (l Crack) end(p Paris, stress float64) float64 {
	if l.opt.EndM > 0 {
		return l.opt.EndM
	}
	hi := 10.0
	if p.WidthM > 0 {
		hi = 0.6 * p.WidthM
		if p.Geometry == CentreCrack {
			hi = 0.45 * p.WidthM
		}
	}
	peak := func(a float64) float64 { return p.intensity(a, stress) / (1 - math.Max(0, p.R)) }
	if peak(hi) <= l.opt.KcMPa {
		return hi
	}
	lo := 1e-9
	for range 80 {
		if mid := (lo + hi) / 2; peak(mid) < l.opt.KcMPa {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// leastStretch is how much a crack has to grow, in ln a, before the stretch weighs the
// particles.
const leastStretch = 0.05

// measure takes a measured length in m. Each particle notes the cycles that its law
// gives from its own length to the measured one; once the stretch is long enough, the
// cycles that it took against those that the law gives are a measurement of both
// ln C and m.
func (l Crack) measure(x []float64, a float64) {
	if !(a > 0) || a > absurd*l.opt.CrackUnitM {
		return
	}
	x[crackMeasured]++
	c, first := l.cloud(x), x[crackMeasured] == 1
	for i := range l.opt.Particles {
		row := c.row(i)
		if b := row[partLength]; !first && x[crackStress] > 0 {
			p := l.of(row)
			missing := p.Cycles(math.Min(a, b), math.Max(a, b), x[crackStress])
			row[partMissing] += math.Copysign(math.Min(missing, absurd), a-b)
		}
		row[partLength] = a
	}
	x[crackLength] = a
	if first {
		x[crackAnchor], x[crackAnchorCycles] = a, x[crackCycles]
		return
	}
	if x[crackCycles] > x[crackAnchorCycles] && math.Log(a/x[crackAnchor]) >= leastStretch {
		l.weigh(x, a)
	}
}

// weigh compares the cycles of a stretch with those of each particle's law: the
// logarithm of their ratio is normal with the scatter of the rate along the way and
// the errors of both lengths. A ratio beyond the 99.9 % gate is skipped, but not for
// the fourth time in a row.
func (l Crack) weigh(x []float64, a float64) {
	c, n, way := l.cloud(x), x[crackCycles]-x[crackAnchorCycles], math.Log(a/x[crackAnchor])
	x[crackAnchor], x[crackAnchorCycles] = a, x[crackCycles]
	r := l.opt.RateSd*l.opt.RateSd*pathCell/way + 2*l.opt.CrackErr*l.opt.CrackErr/(way*way)
	w, _ := c.weights()
	ratio := make([]float64, len(w))
	var mean, variance float64
	for i := range w {
		row := c.row(i)
		ratio[i] = math.Log(math.Max(n+row[partMissing], 1e-3*n) / n)
		row[partMissing] = 0
		mean += w[i] * ratio[i]
	}
	for i := range w {
		variance += w[i] * (ratio[i] - mean) * (ratio[i] - mean)
	}
	if mean*mean/(variance+r) > gate && x[crackSkips] < 3 {
		x[crackSkips]++
		x[crackPassed]++
		return
	}
	x[crackSkips] = 0
	for i := range w {
		c.row(i)[partWeight] -= math.Min(ratio[i]*ratio[i]/(2*r), 1e6)
	}
	w, x[crackWorth] = c.weights()
	if x[crackWorth] < float64(l.opt.Particles)/2 {
		draw := uint64(x[crackDraws])
		c.resample(w, uniform(l.opt.Seed, draw))
		c.roughen(partLnC, partM, func(i int) (u, v float64) {
			return uniform(l.opt.Seed, draw+1+2*uint64(i)), uniform(l.opt.Seed, draw+2+2*uint64(i))
		})
		x[crackDraws] += 1 + 2*float64(l.opt.Particles)
	}
}
