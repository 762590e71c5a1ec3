package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// ArchardOptions describes a sliding contact and how deep it may wear.
type ArchardOptions struct {
	K           float64 // wear coefficient, 1: 1e-4 dry to 1e-8 lubricated; default 1e-7
	HardnessMPa float64 // of the softer side; default 2000
	AreaM2      float64 // that wears; needed
	DepthM      float64 // that it may wear; needed
	LoadKey     string  // normal force, N; empty: the snapshot's load
	LoadN       float64 // where it is not known; default: none
	SpeedKey    string  // sliding speed, m/s; empty: of the shaft at DiameterM
	DiameterM   float64 // of the contact
	SpeedRatio  float64 // of its shaft to the asset's; default 1
	DepthKey    string  // measured wear depth; empty: never measured
	DepthUnitM  float64 // m in a unit of that; default 1e-6 (µm)
	DepthErrM   float64 // standard error of a measured depth; default 2 % of DepthM
	Scatter     float64 // standard deviation of ln k before any depth was measured; default 1 (a factor of three)
	BlockH      float64 // over which rates are averaged; default 24
	MaxGapH     float64 // a longer silence is not counted; default 1
	HorizonH    float64 // default 2160
	Limit       float64 // share of the depth at which the law speaks up; default 0.8
}

// Archard is sliding wear, dV/dt = k·F·v/H (Archard 1953), as a depth V/A. A
// measured depth corrects k: ln k is one scalar Kalman filter, since the depth is in
// proportion to k.
type Archard struct {
	opt      ArchardOptions
	declared bool // k was given
}

// The state behind the consumption, which holds the depth as a share of DepthM.
const (
	archardLnK   = usedSize + iota // correction of ln k
	archardVar                     // its variance
	archardWork                    // depth as k says, m, since the first instant
	archardSeen                    // depths measured
	archardFirst                   // first measured depth, m
	archardMark                    // archardWork then
	archardBase                    // share of DepthM at the last measurement
	archardLoad
	archardSpeed
	archardSize
)

// NewArchard returns the law for one contact.
func NewArchard(o ArchardOptions) Archard {
	declared := o.K > 0
	o.K, o.HardnessMPa, o.SpeedRatio = def(o.K, 1e-7), def(o.HardnessMPa, 2000), def(o.SpeedRatio, 1)
	o.DepthUnitM, o.DepthErrM, o.Scatter = def(o.DepthUnitM, 1e-6), def(o.DepthErrM, 0.02*o.DepthM), def(o.Scatter, 1)
	o.BlockH, o.MaxGapH, o.HorizonH, o.Limit = def(o.BlockH, 24), def(o.MaxGapH, 1), def(o.HorizonH, 2160), def(o.Limit, 0.8)
	return Archard{o, declared}
}

// Name is the law's name and version.
func (Archard) Name() string { return "archard/1" }

// Step wears the contact by the time since the last instant.
func (l Archard) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), archardSize)
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	next, c := State{Law: l.Name(), At: in.Time.UTC(), X: x}, consumption(x[:usedSize])
	if fresh {
		x[archardVar] = l.opt.Scatter * l.opt.Scatter
	}
	f, v := l.force(&in), l.sliding(&in)
	depth := math.NaN()
	if l.opt.DepthKey != "" {
		depth = measured(&in, l.opt.DepthKey) * l.opt.DepthUnitM
	}
	if math.IsNaN(f) || math.IsNaN(v) {
		c.skip(dt)
		if !(depth >= 0) {
			return next, silent(l.Name(), in.Time, ReasonMissing)
		}
		f, v, dt = x[archardLoad], x[archardSpeed], 0
	}
	if dt > l.opt.MaxGapH {
		c.skip(dt)
		dt = 0
	}
	x[archardLoad], x[archardSpeed] = f, v
	worn := l.opt.K * f * v * dt * 3600 / (l.opt.HardnessMPa * 1e6) / l.opt.AreaM2
	x[archardWork] = math.Min(x[archardWork]+worn, absurd)
	c.add(math.Min(worn*math.Exp(x[archardLnK])/l.opt.DepthM, absurd), dt, l.opt.BlockH)
	if depth >= 0 {
		l.measure(x, depth)
	}
	return next, l.assess(x, in)
}

func (l Archard) force(in *features.Snapshot) float64 {
	f := positive(in.LoadN)
	if l.opt.LoadKey != "" {
		f = math.Abs(measured(in, l.opt.LoadKey))
	}
	if math.IsNaN(f) && l.opt.LoadN > 0 {
		f = l.opt.LoadN
	}
	return f
}

func (l Archard) sliding(in *features.Snapshot) float64 {
	if l.opt.SpeedKey != "" {
		return math.Abs(measured(in, l.opt.SpeedKey))
	}
	if n := float64(in.SpeedRpm); n <= absurd {
		return math.Pi * l.opt.DiameterM * math.Max(0, n) / 60 * math.Abs(l.opt.SpeedRatio)
	}
	return math.NaN()
}

// measure takes a depth in m. The first is where counting starts; each later one
// compares what was worn since with what k says, once that is above its own error.
func (l Archard) measure(x []float64, depth float64) {
	x[archardSeen]++
	c := consumption(x[:usedSize])
	c[usedTotal] = math.Min(depth/l.opt.DepthM, absurd)
	x[archardBase] = c[usedTotal]
	if x[archardSeen] == 1 {
		x[archardFirst], x[archardMark] = depth, x[archardWork]
		return
	}
	worn, said := depth-x[archardFirst], x[archardWork]-x[archardMark]
	if !(worn > 2*l.opt.DepthErrM) || said <= 0 {
		return
	}
	// Both depths err once; the mark stays, so that each comparison replaces the last.
	r := 2 * l.opt.DepthErrM * l.opt.DepthErrM / (worn * worn)
	prior := l.opt.Scatter * l.opt.Scatter
	gain := prior / (prior + r)
	before := x[archardLnK]
	x[archardLnK], x[archardVar] = gain*math.Min(math.Max(math.Log(worn/said), -20), 20), prior*(1-gain)
	scale := math.Exp(x[archardLnK] - before) // the rates of the past were those of the other k
	c[usedSum] *= scale
	for i := range recentBlocks {
		c[usedRing+i] *= scale
	}
}

func (l Archard) assess(x []float64, in features.Snapshot) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	c := consumption(x[:usedSize])
	sd := math.Sqrt(x[archardVar] + 0.05*0.05)
	c.assess(&a, spending{x[archardBase], sd, l.opt.BlockH, l.opt.HorizonH, l.opt.Limit, l.declared || x[archardSeen] > 1})
	a.Modes = map[asset.Mode]float64{asset.Wear: 0.5}
	a.Evidence = []asset.Evidence{fact(l.Name(), "wear-depth", c[usedTotal]*l.opt.DepthM*1e3, l.opt.DepthM*1e3,
		fmt.Sprintf("%.3g mm of %.3g mm worn in %.1f h at last %.0f N and %.3g m/s, k %.2g (within a factor of %.2g)",
			c[usedTotal]*l.opt.DepthM*1e3, l.opt.DepthM*1e3, c[usedHours], x[archardLoad], x[archardSpeed], l.opt.K*math.Exp(x[archardLnK]), math.Exp(sd)))}
	return a
}

// Quantities names the state for people.
func (l Archard) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), archardSize)
	c := consumption(x[:usedSize])
	return append(c.quantities(),
		Quantity{"wear depth", number(c[usedTotal] * l.opt.DepthM * 1e3), "mm"},
		Quantity{"wear coefficient", number(l.opt.K * math.Exp(x[archardLnK])), "1"},
		Quantity{"wear coefficient, standard deviation of its logarithm", number(math.Sqrt(math.Max(0, x[archardVar]))), "1"},
		Quantity{"depths measured", number(x[archardSeen]), "1"},
		Quantity{"load", number(x[archardLoad]), "N"},
		Quantity{"sliding speed", number(x[archardSpeed]), "m/s"})
}
