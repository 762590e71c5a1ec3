package physics

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// ThermalOptions names the temperature that a component should have and what
// drives it. With a Network the temperature is calculated from it; without, the
// modes of the network are identified while learning.
type ThermalOptions struct {
	TempKey    string    // measured temperature, °C
	AmbientKey string    // surroundings, °C; with a Network and no key: 20 °C
	PowerKey   string    // kW; it drives the losses
	Drives     []string  // further inputs to identify: speed, oil temperature, a neighbour's temperature
	Network    *Network  // known capacities and resistances; nil: identified
	LossW      float64   // a of the loss a + b·P + c·P², W
	LossPerKW  float64   // b, W per kW; default 30 (3 % of the power)
	LossPerKW2 float64   // c, W per kW²
	Squared    bool      // identify the square of the power as well (copper loss)
	TausS      []float64 // time constants to identify with; default 1800 s and 10800 s
	SmoothH    float64   // over which the residual is averaged; default 24
	SdK        float64   // least standard deviation of the averaged residual, K: the sensor's accuracy; default 0.2
	Limit      float64   // standard deviations at which the law speaks up; default 3
	MaxGapH    float64   // after a longer silence the model warms up again; default 2
	MinN       int       // instants needed to identify; default 10 for each unknown
}

// Thermal compares a component's temperature with the one that its losses and
// surroundings explain. The model runs free: it never sees the temperature that
// it predicts, so a slow fault cannot hide in it.
//
// The response of a two-node network to each input is a sum of two first-order
// lags, so what is identified are the gains of lags with given time constants,
// by recursive least squares in information form (Ljung 1999, ch. 11).
type Thermal struct {
	opt    ThermalOptions
	inputs []string
	taus   []float64
}

// NewThermal returns the law for one temperature.
func NewThermal(o ThermalOptions) Thermal {
	o.SmoothH, o.SdK, o.Limit = def(o.SmoothH, 24), def(o.SdK, 0.2), def(o.Limit, 3)
	o.MaxGapH, o.LossPerKW = def(o.MaxGapH, 2), def(o.LossPerKW, 30)
	l := Thermal{opt: o}
	for _, key := range append([]string{o.PowerKey, o.AmbientKey}, o.Drives...) {
		if key != "" {
			l.inputs = append(l.inputs, key)
		}
	}
	if l.taus = o.TausS; len(l.taus) == 0 {
		l.taus = []float64{1800, 10800}
	}
	if l.opt.MinN <= 0 {
		l.opt.MinN = 10 * l.unknowns()
	}
	return l
}

// Name is the law's name and version, with the temperature it watches.
func (l Thermal) Name() string {
	return "thermal/2 " + strings.TrimSuffix(l.opt.TempKey, "/value")
}

// The state: a head, the last inputs, then the modelled temperatures of the
// network, or the lags, the origin and either the sums or the gains.
const (
	thermalPhase  = iota // 0 nothing, 1 learning, 2 running
	thermalWarm          // hours since the model last started
	thermalN             // instants learned from
	thermalMean          // bias of a given network while learning, K
	thermalTried         // instants of learning at which the averaged residual was tried
	thermalM2            // sum of its squares
	thermalSd            // of the averaged residual, once running
	thermalSmooth        // averaged residual, K
	thermalFilled        // share of the average that is filled
	thermalModel         // temperature that the model expects
	thermalTemp          // measured
	thermalExcess        // loss that would explain the averaged residual, W or kW of drive
	thermalHours         // of the instants learned from
	thermalFar           // averaged leverage
	thermalHead
)

func (l Thermal) driven() int {
	n := len(l.inputs)
	if l.opt.Squared && l.opt.PowerKey != "" {
		n++
	}
	return n
}

// unknowns are the gains and the constant.
func (l Thermal) unknowns() int { return 1 + l.driven()*len(l.taus) }

func (l Thermal) size() int {
	if l.opt.Network != nil {
		return thermalHead + l.driven() + 2
	}
	p := l.unknowns()
	// last inputs, lags, origin of each regressor and of the temperature, then
	// the upper triangle, the right side and the range of each lag.
	return thermalHead + l.driven() + (p - 1) + (p + 1) + p*(p+1)/2 + p + 2*(p-1)
}

// Step runs the model to the instant and compares.
func (l Thermal) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), l.size())
	temp := measured(&in, l.opt.TempKey)
	u, found := l.read(&in)
	if math.IsNaN(temp) && !found {
		return s, silent(l.Name(), in.Time, ReasonIdle)
	}
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	held := x[thermalHead : thermalHead+l.driven()]
	if x[thermalPhase] == 0 {
		if math.IsNaN(temp) || slices.ContainsFunc(u, math.IsNaN) {
			return s, silent(l.Name(), in.Time, ReasonMissing)
		}
	}
	restart := x[thermalPhase] == 0 || dt > l.opt.MaxGapH
	mean := make([]float64, len(u))
	for i := range u { // a missing input keeps its value
		if math.IsNaN(u[i]) {
			u[i] = held[i]
		}
		if mean[i] = (held[i] + u[i]) / 2; restart {
			mean[i] = u[i]
		}
		held[i] = u[i]
	}
	if restart {
		x[thermalWarm], dt = 0, 0
	}
	x[thermalWarm] += dt
	if l.opt.Network != nil {
		l.runNetwork(x, mean, temp, dt, restart)
	} else {
		l.runLags(x, mean, dt, restart)
	}
	x[thermalPhase] = math.Max(1, x[thermalPhase])
	return next, l.judge(x, &in, temp, dt)
}

// read returns the inputs, the square of the power last, and whether any is there.
func (l Thermal) read(in *features.Snapshot) (u []float64, found bool) {
	u = make([]float64, 0, l.driven())
	for _, key := range l.inputs {
		v := measured(in, key)
		found = found || !math.IsNaN(v)
		u = append(u, v)
	}
	if l.opt.Squared && l.opt.PowerKey != "" {
		u = append(u, u[0]*u[0])
	}
	return u, found
}

// runNetwork moves the two nodes on by dt hours.
func (l Thermal) runNetwork(x, u []float64, temp, dt float64, restart bool) {
	loss, ambient, i := l.opt.LossW, 20.0, 0
	if l.opt.PowerKey != "" {
		p := math.Abs(u[0])
		loss += l.opt.LossPerKW*p + l.opt.LossPerKW2*p*p
		i = 1
	}
	if l.opt.AmbientKey != "" {
		ambient = u[i]
	}
	n, t := *l.opt.Network, x[thermalHead+l.driven():]
	if restart {
		t[0], t[1] = n.Steady(loss, ambient)
		if !math.IsNaN(temp) {
			t[1] = ambient + (temp-ambient)*n.R2a/(n.R2a+n.R12)
			t[0] = temp
		}
	}
	t[0], t[1] = n.Step(t[0], t[1], loss, ambient, dt*3600)
	x[thermalModel] = t[0]
}

// runLags moves each input's lags on by dt hours.
func (l Thermal) runLags(x, u []float64, dt float64, restart bool) {
	lags := x[thermalHead+l.driven():]
	for j, tau := range l.taus {
		gain := -math.Expm1(-dt * 3600 / tau)
		for i := range u {
			at := i*len(l.taus) + j
			if restart {
				lags[at] = u[i]
			}
			lags[at] += gain * (u[i] - lags[at])
		}
	}
}

// settle is how long the model needs to forget where it started, in hours.
func (l Thermal) settle() float64 {
	if l.opt.Network != nil {
		return l.opt.Network.slowest() / 3600
	}
	var slow float64
	for _, tau := range l.taus {
		slow = math.Max(slow, tau)
	}
	return slow / 3600
}

// judge learns or compares, once the model has settled.
func (l Thermal) judge(x []float64, in *features.Snapshot, temp, dt float64) asset.Assessment {
	if math.IsNaN(temp) {
		return silent(l.Name(), in.Time, ReasonIdle)
	}
	x[thermalTemp] = temp
	if x[thermalWarm] < l.settle() {
		return silent(l.Name(), in.Time, ReasonLearning)
	}
	if x[thermalPhase] < 2 && !l.learn(x, temp, dt, in.Learning) {
		return silent(l.Name(), in.Time, ReasonLearning)
	}
	far := 0.0
	if l.opt.Network == nil {
		_, _, gains := l.fitted(x)
		x[thermalModel], far = l.predict(x, gains), l.leverage(x)
	}
	l.average(x, temp-x[thermalModel]-x[thermalMean], far, dt)
	if x[thermalFilled] < 0.05 {
		return silent(l.Name(), in.Time, ReasonLearning)
	}
	return l.assess(x, in)
}

// average adds a residual, and how far out it was found, that held for dt hours.
func (l Thermal) average(x []float64, residual, far, dt float64) {
	gain := -math.Expm1(-dt / l.opt.SmoothH)
	x[thermalFilled] += gain * (1 - x[thermalFilled])
	x[thermalSmooth] += gain * (residual - x[thermalSmooth])
	x[thermalFar] += gain * (far - x[thermalFar])
}

// try squares the averaged residual of a machine that is known to be healthy, so
// that the spread is that of instants which the fit had not seen.
func (l Thermal) try(x []float64, residual, dt float64) {
	l.average(x, residual, 0, dt)
	if x[thermalFilled] > 0.05 {
		m := x[thermalSmooth] / x[thermalFilled]
		x[thermalTried]++
		x[thermalM2] += m * m
	}
}

// spread is the standard deviation that learning found; twice the least one when
// it could not try.
func (l Thermal) spread(x []float64) float64 {
	if x[thermalTried] < 10 {
		return 2 * l.opt.SdK
	}
	return math.Max(l.opt.SdK, math.Sqrt(x[thermalM2]/x[thermalTried]))
}

func (l Thermal) assess(x []float64, in *features.Snapshot) asset.Assessment {
	smooth := x[thermalSmooth] / x[thermalFilled]
	sd := x[thermalSd] * l.widened(x)
	score := smooth / sd
	a := spoken(l.Name(), in.Time)
	a.Score, a.Limit = number(math.Max(0, score)), asset.Number(l.opt.Limit)
	beyond := l.beyond(x)
	a.Abnormal = score >= l.opt.Limit && beyond < 0.25 && x[thermalFilled] >= 0.5
	a.Trust = math.Min(1, x[thermalFilled]*2)
	if a.Abnormal {
		a.Modes = map[asset.Mode]float64{asset.Overheating: 0.6}
	}
	text := fmt.Sprintf("%.1f K above the %.1f °C that load and surroundings explain, averaged over %.0f h (spread %.2g K)",
		smooth, x[thermalModel]+x[thermalMean], l.opt.SmoothH, sd)
	if beyond > 0 {
		text += fmt.Sprintf("; %.0f %% beyond what was seen while learning", 100*beyond)
	}
	excess, unit := l.excess(x, smooth)
	x[thermalExcess] = excess
	a.Evidence = []asset.Evidence{fact(l.Name(), "residual", smooth, l.opt.Limit*sd, text)}
	if unit != "" {
		a.Evidence = append(a.Evidence, fact(l.Name(), "excess-loss", excess, math.NaN(),
			fmt.Sprintf("as much as %.3g %s more would make", excess, unit)))
	}
	return a
}

// excess is the additional loss that the residual would need in a steady state:
// in W with a network, in kW of load where the gain of the power was identified.
func (l Thermal) excess(x []float64, residual float64) (float64, string) {
	if n := l.opt.Network; n != nil {
		return residual / (n.R12 + n.R2a), "W of loss"
	}
	if gain := l.powerGain(x); gain > 1e-9 {
		return residual / gain, "kW of load"
	}
	return 0, ""
}

// Quantities names the state for people.
func (l Thermal) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), l.size())
	out := []Quantity{
		{"measured", number(x[thermalTemp]), "°C"},
		{"expected", number(x[thermalModel] + x[thermalMean]), "°C"},
		{"averaged residual", number(x[thermalSmooth] / math.Max(x[thermalFilled], 1e-9)), "K"},
		{"spread of the averaged residual", number(x[thermalSd] * l.widened(x)), "K"},
		{"instants learned from", number(x[thermalN]), "1"},
	}
	if l.opt.Network != nil {
		out = append(out, Quantity{"housing", number(x[thermalHead+l.driven()+1]), "°C"}, Quantity{"excess loss", number(x[thermalExcess]), "W"})
	}
	return out
}
