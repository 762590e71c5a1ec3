package physics

import (
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// HeatBalanceOptions names temperatures, what heats and what cools, and a first guess
// of the network.
type HeatBalanceOptions struct {
	TempKey    string  // of the part that makes the heat, °C
	HousingKey string  // of its housing or oil, °C; empty: not measured
	AmbientKey string  // surroundings, °C; empty: 20 °C
	PowerKey   string  // kW; it drives the losses
	Network    Network // first guess
	GuessSd    float64 // standard deviation of the logarithm of each of its four values; default 0.5
	LossW      float64 // a of the loss a + b·P + c·P², W
	LossPerKW  float64 // b, W per kW; default 30 (3 % of the power)
	LossPerKW2 float64 // c, W per kW²
	LossSdW    float64 // standard deviation of what the loss has beside; default 0.3 of LossW, at least 1000 W
	SdK        float64 // of a measured temperature; default 0.3
	Wander     float64 // standard deviation of a resistance's logarithm over a month; default 0.05
	MinN       int     // instants that identify when there is no commissioning span; default 500
	LeastShare float64 // changes of less than this share are none; default 0.03
	Limit      float64 // standard deviations at which the law speaks up; default 3
	MaxGapH    float64 // after a longer silence the temperatures start afresh; default 2
}

// HeatBalance identifies heat capacities, resistances and loss of a two-node network
// from how the part heats up and cools down, and watches what changes: a resistance to
// the surroundings that rises is a fouled cooler and lifts the temperature in
// proportion to all the heat; a loss that rises is friction and lifts it at any load.
//
// The state of an unscented Kalman filter is both temperatures, the logarithms of C1,
// C2, R12 and R2a, and the excess loss.
type HeatBalance struct{ opt HeatBalanceOptions }

// The filter's numbers.
const (
	heatT1 = iota
	heatT2
	heatC1
	heatC2
	heatR12
	heatR2a
	heatLoss // in units of LossSdW
	heatDim
)

// The law's state: a head, then mean and covariance of the filter.
const (
	heatPhase   = iota // 0 nothing, 1 identifying, 2 watching
	heatN              // instants identified from
	heatSpan           // a commissioning span was seen
	heatPower          // last inputs
	heatAmbient        //
	heatR2aRef         // healthy
	heatR2aVar
	heatLossRef
	heatLossVar
	heatSkips // in a row
	heatPassed
	heatTemp // measured
	heatHead
	heatSize = heatHead + heatDim + heatDim*heatDim
)

// NewHeatBalance returns the law for one network.
func NewHeatBalance(o HeatBalanceOptions) HeatBalance {
	o.GuessSd, o.LossPerKW = def(o.GuessSd, 0.5), def(o.LossPerKW, 30)
	o.LossSdW = def(o.LossSdW, math.Max(0.3*o.LossW, 1000))
	o.SdK, o.Wander, o.LeastShare = def(o.SdK, 0.3), def(o.Wander, 0.05), def(o.LeastShare, 0.03)
	o.Limit, o.MaxGapH = def(o.Limit, 3), def(o.MaxGapH, 2)
	if o.MinN <= 0 {
		o.MinN = 500
	}
	return HeatBalance{o}
}

// Name is the law's name and version, with the temperature it watches.
func (l HeatBalance) Name() string {
	return "heat-balance/1 " + strings.TrimSuffix(l.opt.TempKey, "/value")
}

func (l HeatBalance) filter(x []float64) ukf {
	return ukf{alpha: 1, beta: 2, x: x[heatHead : heatHead+heatDim], p: x[heatHead+heatDim:]}
}

// Step runs the network to the instant and corrects it.
func (l HeatBalance) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), heatSize)
	temp, housing, ambient := measured(&in, l.opt.TempKey), math.NaN(), 20.0
	if l.opt.HousingKey != "" {
		housing = measured(&in, l.opt.HousingKey)
	}
	if l.opt.AmbientKey != "" {
		ambient = measured(&in, l.opt.AmbientKey)
	}
	power := math.Abs(measured(&in, l.opt.PowerKey))
	for _, t := range [3]*float64{&temp, &housing, &ambient} {
		if *t < coldestC || *t > hottestC {
			*t = math.NaN()
		}
	}
	dt := hoursSince(s, fresh, in.Time)
	switch {
	case dt < 0:
		return s, silent(l.Name(), in.Time, ReasonOrder)
	case math.IsNaN(temp):
		return s, silent(l.Name(), in.Time, ReasonIdle)
	case x[heatPhase] == 0 && (math.IsNaN(ambient) || math.IsNaN(power)):
		return s, silent(l.Name(), in.Time, ReasonMissing)
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	if math.IsNaN(ambient) {
		ambient = x[heatAmbient]
	}
	if math.IsNaN(power) {
		power = x[heatPower]
	}
	if x[heatPhase] == 0 {
		l.begin(x)
	}
	if x[heatPhase] == 0 || dt > l.opt.MaxGapH {
		l.settle(x, temp, housing, ambient)
		x[heatPower], x[heatAmbient], dt = power, ambient, 0
		x[heatPhase] = math.Max(1, x[heatPhase])
	}
	ok := l.run(x, (x[heatPower]+power)/2, (x[heatAmbient]+ambient)/2, dt)
	x[heatPower], x[heatAmbient], x[heatTemp] = power, ambient, temp
	if !ok || !l.correct(x, temp, housing) {
		clear(x)
		return next, silent(l.Name(), in.Time, ReasonDiverged)
	}
	if x[heatPhase] < 2 && !l.learned(x, in.Learning) {
		return next, silent(l.Name(), in.Time, ReasonLearning)
	}
	return next, l.assess(x, in)
}

// begin takes the first guess.
func (l HeatBalance) begin(x []float64) {
	f, n := l.filter(x), l.opt.Network
	for i, v := range [4]float64{n.C1, n.C2, n.R12, n.R2a} {
		f.x[heatC1+i] = math.Log(v)
		f.p[(heatC1+i)*heatDim+heatC1+i] = l.opt.GuessSd * l.opt.GuessSd
	}
	f.p[heatLoss*heatDim+heatLoss] = 1
}

// settle starts the temperatures afresh; what was identified stays.
func (l HeatBalance) settle(x []float64, temp, housing, ambient float64) {
	f := l.filter(x)
	if math.IsNaN(housing) {
		r2a, r12 := math.Exp(f.x[heatR2a]), math.Exp(f.x[heatR12])
		housing = ambient + (temp-ambient)*r2a/(r2a+r12)
	}
	f.x[heatT1], f.x[heatT2] = temp, housing
	for _, i := range [2]int{heatT1, heatT2} {
		for j := range heatDim {
			f.p[i*heatDim+j], f.p[j*heatDim+i] = 0, 0
		}
	}
	f.p[0], f.p[heatT2*heatDim+heatT2] = l.opt.SdK*l.opt.SdK, 25
}

// run moves temperatures on by dt hours, and lets what may change wander. The heat
// capacities are those of metal and stay.
func (l HeatBalance) run(x []float64, power, ambient, dt float64) bool {
	if dt <= 0 {
		return true
	}
	f := l.filter(x)
	loss := l.opt.LossW + l.opt.LossPerKW*power + l.opt.LossPerKW2*power*power
	month := dt / 720
	w := l.opt.Wander * l.opt.Wander * month
	q := [heatDim]float64{heatT1: 0.01 * dt, heatT2: 0.01 * dt, heatR12: w / 4, heatR2a: w, heatLoss: 0.09 * month}
	return f.predict(func(t []float64) {
		n := Network{C1: bounded(t[heatC1]), C2: bounded(t[heatC2]), R12: bounded(t[heatR12]), R2a: bounded(t[heatR2a])}
		t[heatT1], t[heatT2] = n.Step(t[heatT1], t[heatT2], loss+l.opt.LossSdW*t[heatLoss], ambient, dt*3600)
	}, q[:])
}

// bounded is e^v within what a float can be divided by.
func bounded(v float64) float64 { return math.Exp(math.Min(math.Max(v, -60), 60)) }

// correct takes the measured temperatures. Innovations beyond the 99.9 % gate are
// skipped, but not for the fourth time in a row.
func (l HeatBalance) correct(x []float64, temp, housing float64) bool {
	f, most := l.filter(x), gate
	if x[heatSkips] >= 3 {
		most = math.Inf(1)
	}
	skipped := false
	for i, z := range [2]float64{temp, housing} {
		if math.IsNaN(z) {
			continue
		}
		nis, ok := f.update(z, func(t []float64) float64 { return t[i] }, l.opt.SdK*l.opt.SdK, most)
		if !ok {
			return false
		}
		skipped = skipped || nis > most
	}
	if x[heatSkips]++; !skipped {
		x[heatSkips] = 0
	} else {
		x[heatPassed]++
	}
	return true
}

// learned counts, and keeps what was identified as healthy at the first instant after
// the commissioning span, or after enough instants where there is none.
func (l HeatBalance) learned(x []float64, learning bool) bool {
	x[heatN]++
	if learning {
		x[heatSpan] = 1
		return false
	}
	if need := float64(l.opt.MinN); x[heatN] < need && (x[heatSpan] == 0 || x[heatN] < need/5) {
		return false
	}
	f := l.filter(x)
	x[heatR2aRef], x[heatR2aVar] = f.x[heatR2a], f.p[heatR2a*heatDim+heatR2a]
	x[heatLossRef], x[heatLossVar] = f.x[heatLoss], f.p[heatLoss*heatDim+heatLoss]
	x[heatPhase] = 2
	return true
}

// drift is how much R2a has risen as a share and the loss in W, each with its score in
// standard deviations. What was uncertain while learning is uncertain still and in
// both, so the larger of the two variances counts.
func (l HeatBalance) drift(x []float64) (fouling, zFouling, friction, zFriction float64) {
	f := l.filter(x)
	d, e := f.x[heatR2a]-x[heatR2aRef], f.x[heatLoss]-x[heatLossRef]
	least := l.opt.LeastShare
	zFouling = d / math.Sqrt(math.Max(f.p[heatR2a*heatDim+heatR2a], x[heatR2aVar])+least*least)
	loss := l.opt.LossW + l.opt.LossPerKW*x[heatPower] + l.opt.LossPerKW2*x[heatPower]*x[heatPower]
	small := least * loss / l.opt.LossSdW
	zFriction = e / math.Sqrt(math.Max(f.p[heatLoss*heatDim+heatLoss], x[heatLossVar])+small*small)
	return math.Expm1(math.Min(d, 50)), zFouling, e * l.opt.LossSdW, zFriction
}

func (l HeatBalance) assess(x []float64, in features.Snapshot) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	fouling, zFouling, friction, zFriction := l.drift(x)
	a.Score, a.Limit = number(math.Max(0, math.Max(zFouling, zFriction))), asset.Number(l.opt.Limit)
	a.Abnormal, a.Trust = float64(a.Score) >= l.opt.Limit, 0.8
	if a.Abnormal {
		a.Modes = map[asset.Mode]float64{asset.Overheating: 0.6}
		if zFriction > zFouling {
			a.Modes = map[asset.Mode]float64{asset.Lubrication: 0.5, asset.Wear: 0.3}
		}
	}
	a.Evidence = []asset.Evidence{
		fact(l.Name(), "cooling-resistance", 100*fouling, math.NaN(),
			fmt.Sprintf("resistance to the surroundings %+.1f %% of the healthy one (%.1f standard deviations): fouling", 100*fouling, zFouling)),
		fact(l.Name(), "excess-loss", friction, math.NaN(),
			fmt.Sprintf("loss %+.0f W of the healthy one (%.1f standard deviations): friction", friction, zFriction)),
	}
	return a
}

// Quantities names the state for people.
func (l HeatBalance) Quantities(s State) []Quantity {
	x, fresh := open(s, l.Name(), heatSize)
	if fresh {
		l.begin(x)
	}
	f := l.filter(x)
	out := []Quantity{
		{"measured", number(x[heatTemp]), "°C"},
		{"expected", number(f.x[heatT1]), "°C"},
		{"housing", number(f.x[heatT2]), "°C"},
		{"heat capacity of the part", number(bounded(f.x[heatC1])), "J/K"},
		{"heat capacity of the housing", number(bounded(f.x[heatC2])), "J/K"},
		{"resistance to the housing", number(bounded(f.x[heatR12])), "K/W"},
		{"resistance to the surroundings", number(bounded(f.x[heatR2a])), "K/W"},
		{"its uncertainty", number(100 * math.Sqrt(math.Max(0, f.p[heatR2a*heatDim+heatR2a]))), "%"},
		{"loss beside the known one", number(f.x[heatLoss] * l.opt.LossSdW), "W"},
		{"instants skipped", number(x[heatPassed]), "1"},
	}
	if x[heatPhase] == 2 {
		fouling, _, friction, _ := l.drift(x)
		out = append(out, Quantity{"rise of that resistance", number(100 * fouling), "%"}, Quantity{"rise of the loss", number(friction), "W"})
	}
	return out
}
