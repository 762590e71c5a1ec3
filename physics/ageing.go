package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// AgeingModel says how the rate of ageing follows from a temperature.
type AgeingModel string

// The models, each with the temperature at which the rate is 1.
const (
	Montsinger  AgeingModel = "montsinger"   // 2^((T−Tref)/10): winding insulation (Montsinger 1930); 155 °C, class F
	Kraft       AgeingModel = "iec_kraft"    // 2^((θ−98)/6): kraft paper in oil (IEC 60076-7)
	Upgraded    AgeingModel = "iec_upgraded" // exp(15000/(110+273) − 15000/(θ+273)): thermally upgraded paper (IEC 60076-7, with 273)
	Arrhenius   AgeingModel = "arrhenius"    // exp(Ea/k·(1/Tref − 1/T)) with T in K (Dakin 1948); 155 °C
	Lubricant   AgeingModel = "oil"          // 2^((T−60)/10): oxidation of oil, twice as fast for each 10 K, times that of its water
	boltzmannEV             = 8.617333262e-5 // eV/K
)

// AgeingOptions describes a material that ages with its temperature.
type AgeingOptions struct {
	Model       AgeingModel // default montsinger
	TempKey     string      // temperature, °C: channel/feature or metric/value
	HotSpotK    float64     // added to it: how much hotter the material is at its worst place
	RefC        float64     // temperature of rate 1, °C; default of the model. The two of IEC 60076-7 have their own
	StepK       float64     // montsinger, oil: K for twice the rate; default 10
	EaEV        float64     // arrhenius: activation energy in eV; default 1
	WaterKey    string      // oil: water in ppm
	WaterPPM    float64     // oil: water where it is not measured; default 100, of which the factor is 1
	LifeH       float64     // life at rate 1, h; default 20000 (montsinger, arrhenius), 150000 (IEC 60076-7), 30000 (oil)
	Scatter     float64     // standard deviation of the logarithm of the life; default 0.3
	BlockH      float64     // over which rates are averaged; default 24
	MaxGapH     float64     // a longer silence is not counted; default 1
	HorizonH    float64     // default 2160
	Limit       float64     // share of the life at which the law speaks up; default 1
	HoursBefore float64     // hours at rate 1 that the material had aged before the first instant
}

// Ageing adds up the life that heat uses: ∫V(T)dt over the life at rate 1.
type Ageing struct {
	opt      AgeingOptions
	declared bool
}

// The state behind the consumption.
const (
	ageingRate = usedSize + iota // V, the relative rate at the last instant
	ageingTemp
	ageingWater
	ageingSize
)

// NewAgeing returns the law for one material.
func NewAgeing(o AgeingOptions) Ageing {
	declared := o.LifeH > 0
	ref, life := 155.0, 20000.0
	switch o.Model {
	case Kraft:
		ref, life = 98, 150000
	case Upgraded:
		ref, life = 110, 150000
	case Lubricant:
		ref, life = 60, 30000
	case "":
		o.Model = Montsinger
	}
	o.RefC, o.LifeH, o.StepK, o.EaEV, o.WaterPPM = def(o.RefC, ref), def(o.LifeH, life), def(o.StepK, 10), def(o.EaEV, 1), def(o.WaterPPM, 100)
	o.Scatter, o.BlockH, o.MaxGapH = def(o.Scatter, 0.3), def(o.BlockH, 24), def(o.MaxGapH, 1)
	o.HorizonH, o.Limit = def(o.HorizonH, 2160), def(o.Limit, 1)
	return Ageing{o, declared}
}

// Name is the law's name and version, with its model.
func (l Ageing) Name() string { return "ageing/1 " + string(l.opt.Model) }

// Known reports whether the model is one of those above.
func (m AgeingModel) Known() bool {
	switch m {
	case "", Montsinger, Kraft, Upgraded, Arrhenius, Lubricant:
		return true
	}
	return false
}

// rate is V at t °C with the water in ppm: how much faster than at the reference.
// Water shortens the life as (100/ppm)^0.6 above 100 ppm (Cantley 1977, of bearings
// in mineral oil; here it stands for the oil too).
func (l Ageing) rate(t, water float64) float64 {
	switch l.opt.Model {
	case Kraft:
		return math.Exp2((t - 98) / 6)
	case Upgraded:
		return math.Exp(15000/(110.0+273) - 15000/(t+273))
	case Arrhenius:
		return math.Exp(l.opt.EaEV / boltzmannEV * (1/(l.opt.RefC+273.15) - 1/(t+273.15)))
	case Lubricant:
		return math.Exp2((t-l.opt.RefC)/l.opt.StepK) * math.Pow(math.Max(water, 100)/100, 0.6)
	}
	return math.Exp2((t - l.opt.RefC) / l.opt.StepK)
}

// Temperatures outside are no machine's: the rate is not told.
const (
	coldestC = -60
	hottestC = 400
)

// Step ages the material by the time since the last instant at this temperature.
func (l Ageing) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), ageingSize)
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	t := measured(&in, l.opt.TempKey) + l.opt.HotSpotK
	if math.IsNaN(t) {
		return s, silent(l.Name(), in.Time, ReasonIdle)
	}
	next, c := State{Law: l.Name(), At: in.Time.UTC(), X: x}, consumption(x[:usedSize])
	if fresh {
		c[usedTotal], x[ageingWater] = l.opt.HoursBefore/l.opt.LifeH, l.opt.WaterPPM
	}
	if t < coldestC || t > hottestC {
		c.skip(dt)
		return next, silent(l.Name(), in.Time, ReasonRange)
	}
	if w := measured(&in, l.opt.WaterKey); w >= 0 && l.opt.WaterKey != "" {
		x[ageingWater] = math.Min(w, 1e6) // held until it is measured again
	}
	if dt > l.opt.MaxGapH {
		c.skip(dt)
		dt = 0
	}
	x[ageingTemp], x[ageingRate] = t, l.rate(t, x[ageingWater])
	c.add(x[ageingRate]*dt/l.opt.LifeH, dt, l.opt.BlockH)
	return next, l.assess(x, in)
}

func (l Ageing) assess(x []float64, in features.Snapshot) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	c := consumption(x[:usedSize])
	c.assess(&a, spending{0, l.opt.Scatter, l.opt.BlockH, l.opt.HorizonH, l.opt.Limit, l.declared})
	what, mode := "insulation", asset.Electrical
	if l.opt.Model == Lubricant {
		what, mode = "oil", asset.Lubrication
	}
	a.Modes = map[asset.Mode]float64{mode: 0.4}
	text := fmt.Sprintf("%s: %.3g of %.0f h of life at %.0f °C used in %.1f h, now at %.1f °C %.3g times as fast",
		what, c[usedTotal], l.opt.LifeH, l.reference(), c[usedHours], x[ageingTemp], x[ageingRate])
	if !l.declared {
		text += "; life assumed"
	}
	a.Evidence = []asset.Evidence{fact(l.Name(), "life-used", c[usedTotal], l.opt.Limit, text)}
	return a
}

// reference is the temperature of rate 1, °C.
func (l Ageing) reference() float64 {
	switch l.opt.Model {
	case Kraft:
		return 98
	case Upgraded:
		return 110
	}
	return l.opt.RefC
}

// Quantities names the state for people.
func (l Ageing) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), ageingSize)
	c := consumption(x[:usedSize])
	out := append(c.quantities(),
		Quantity{"life consumed", number(c[usedTotal] * l.opt.LifeH), "h"},
		Quantity{"relative ageing rate", number(x[ageingRate]), "1"},
		Quantity{"hot spot", number(x[ageingTemp]), "°C"})
	if l.opt.Model == Lubricant {
		out = append(out, Quantity{"water", number(x[ageingWater]), "ppm"})
	}
	return out
}
