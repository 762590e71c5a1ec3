package features

import (
	"cmp"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/telltale-iot/telltale/asset"
)

// BladeCorrection takes temperature and rotor speed out of a blade's natural
// frequency. Its coefficients are learned for each blade and mode.
type BladeCorrection struct {
	PerK       float64 // relative change per kelvin, typically −1e-4 to −3e-4
	ReferenceC float64 // temperature to which it is reduced in °C; default 20
	Centrifuge float64 // K of f(Ω)² = f₀² + K·f_Ω²; 1.81 for the first flap of a 5 MW blade
}

// Reduce returns the frequency that the blade would have at rest and at the
// reference temperature: f₀² = f² − K·f_Ω² (Southwell & Gough 1921, ARC R&M 766),
// and f₀/(1 + a·(T − T₀)). why is ReasonUndefined where nothing positive is left.
func (c BladeCorrection) Reduce(hz, tempC, rotorHz float64) (f0 float64, why asset.Reason) {
	if !finite(hz, tempC, rotorHz) {
		return math.NaN(), ReasonNonFinite
	}
	square := hz*hz - c.Centrifuge*rotorHz*rotorHz
	warm := 1 + c.PerK*(tempC-cmp.Or(c.ReferenceC, 20))
	if !(hz > 0) || !(square > 0) || !(warm > 0) {
		return math.NaN(), ReasonUndefined
	}
	if f0 = ratio(math.Sqrt(square), warm); !(f0 > 0) {
		return math.NaN(), ReasonUndefined
	}
	return f0, ""
}

// BladeState is what the blades' frequencies tell together.
type BladeState string

// The verdicts on a rotor.
const (
	BladesNormal  BladeState = "normal"
	BladesIcing   BladeState = "icing"   // all drop together
	BladesCrack   BladeState = "crack"   // one differs from the others
	BladesUnclear BladeState = "unclear" // they moved, but as neither would
)

// BladeOptions are the limits of the verdict, as shares of the frequency.
type BladeOptions struct {
	Ice   float64 // drop of every blade; default 0.005
	Crack float64 // departure of one from the median; default 0.003
}

// BladeVerdict compares the blades of one rotor.
type BladeVerdict struct {
	State  BladeState
	Shift  []float64 // (f − f_ref)/f_ref of each blade
	Delta  []float64 // Shift less the median's
	Common float64   // median shift
	Blade  int       // that differs; −1 for none
}

// CompareBlades judges reduced frequencies against each blade's own reference.
// Ice loads all blades, so all drop; a crack softens one, which then lies below the
// median. A weak sign: a third of the stiffness lost over a metre lowers the first
// flap by less than half a percent. It takes three blades at least.
func CompareBlades(hz, reference []float64, o BladeOptions) (v BladeVerdict, why asset.Reason) {
	v = BladeVerdict{Common: math.NaN(), Blade: -1}
	if len(hz) < 3 || len(hz) != len(reference) {
		return v, ReasonFew
	}
	shift := make([]float64, len(hz))
	for i := range hz {
		if !finite(hz[i], reference[i]) {
			return v, ReasonNonFinite
		}
		if shift[i] = ratio(hz[i]-reference[i], reference[i]); !(hz[i] > 0) || !(reference[i] > 0) || !finite(shift[i]) || shift[i] > 1e6 {
			return v, ReasonUndefined
		}
	}
	v.Shift, v.Delta = shift, make([]float64, len(hz))
	v.Common = Robust(shift).Median
	ice, crack := cmp.Or(o.Ice, 0.005), cmp.Or(o.Crack, 0.003)
	dropped, apart, lowest := 0, 0, 0
	for i, s := range shift {
		v.Delta[i] = s - v.Common
		if s <= -ice {
			dropped++
		}
		if math.Abs(v.Delta[i]) > crack {
			apart++
		}
		if v.Delta[i] < v.Delta[lowest] {
			lowest = i
		}
	}
	together := apart == 0 || v.Common-shift[lowest] < -v.Common/2 // ice need not be even
	switch {
	case dropped == len(hz) && together:
		v.State = BladesIcing
	case apart == 1 && v.Delta[lowest] < -crack && math.Abs(v.Common) < ice:
		v.State, v.Blade = BladesCrack, lowest
	case apart == 0 && math.Abs(v.Common) < ice:
		v.State = BladesNormal
	default:
		v.State = BladesUnclear
	}
	return v, ""
}

// RotorLines are amplitudes at multiples of the rotor's speed, in the unit of the
// samples.
type RotorLines struct{ P1, P3, P6 float64 }

// leastTurns is how many turns a line at the rotor's speed takes.
const leastTurns = 10

// RotorLinesOf fits c + Σ aₖ·cos kθ + bₖ·sin kθ, k = 1, 3, 6, with θ = 2π·f_Ω·t by
// least squares, which needs no whole number of turns: 1P tells of imbalance, 3P
// of the wind a three-bladed rotor passes, 6P is weak. At least ten turns.
func RotorLinesOf[T float32 | float64](x []T, rateHz, rotorHz float64) (l RotorLines, why asset.Reason) {
	nan := math.NaN()
	l = RotorLines{nan, nan, nan}
	if why = badSamples(x, rateHz); why != "" {
		return l, why
	}
	switch {
	case math.IsNaN(rotorHz) || math.IsInf(rotorHz, 0):
		return l, ReasonNoSpeed
	case rotorHz < 1.0/60:
		return l, ReasonStandstill
	case 6*rotorHz >= rateHz/2:
		return l, ReasonAlias
	case float64(len(x))/rateHz*rotorHz < leastTurns:
		return l, ReasonShort
	}
	peak := 0.0
	for _, v := range x {
		peak = max(peak, math.Abs(float64(v)))
	}
	e := exponent(peak)
	scale := scaleOf(e)
	const n = 7
	var row, rhs [n]float64
	var normal [n * n]float64
	row[0] = 1
	for i, v := range x {
		turn := math.Mod(rotorHz/rateHz*float64(i), 1)
		for j, k := range [...]float64{1, 3, 6} {
			row[2*j+1], row[2*j+2] = math.Sincos(2 * math.Pi * k * turn)
		}
		y := scale(float64(v))
		for a := range n {
			rhs[a] += row[a] * y
			for b := range n {
				normal[a*n+b] += row[a] * row[b]
			}
		}
	}
	var fit mat.VecDense
	if err := fit.SolveVec(mat.NewDense(n, n, normal[:]), mat.NewVecDense(n, rhs[:])); err != nil {
		return l, ReasonUndefined
	}
	size := func(j int) float64 { return math.Ldexp(math.Hypot(fit.AtVec(j), fit.AtVec(j+1)), e) }
	l = RotorLines{size(1), size(3), size(5)}
	if !finite(l.P1, l.P3, l.P6) {
		return RotorLines{nan, nan, nan}, ReasonUndefined
	}
	return l, ""
}

// ImbalanceLimits are the 1P amplitudes of the healthy rotor that must be passed,
// learned on it, in the unit of the records.
type ImbalanceLimits struct{ Lateral, Axial float64 }

// Imbalance tells a heavy rotor from one whose blades' pitch differs.
type Imbalance struct {
	Mass        bool    // 1P lateral above its limit, whatever the wind
	Aerodynamic bool    // 1P axial above its limit and rising with the thrust
	Lateral     float64 // median 1P
	Axial       float64 // 1P at the records' largest thrust, on the line over it
	LateralT    float64 // slope over thrust in its standard errors; 0 for a perfect fit of no slope
	AxialT      float64
}

// slopeT is how many standard errors a slope takes to count.
const slopeT = 3

// ImbalanceOf judges 1P nacelle amplitudes of at least ten records at different
// thrusts (in kN, or any measure proportional to it). Mass pulls sideways alike at
// all winds; a pitch error pushes axially with the thrust (Niebsch et al. 2010,
// Energies 3:696). The limits are required.
func ImbalanceOf(lateral, axial, thrust []float64, l ImbalanceLimits) (v Imbalance, why asset.Reason) {
	nan := math.NaN()
	v = Imbalance{Lateral: nan, Axial: nan, LateralT: nan, AxialT: nan}
	if len(thrust) < 10 || len(lateral) != len(thrust) || len(axial) != len(thrust) {
		return v, ReasonFew
	}
	if !finite(lateral...) || !finite(axial...) || !finite(thrust...) {
		return v, ReasonNonFinite
	}
	if !(l.Lateral > 0) || !(l.Axial > 0) {
		return v, ReasonAbsent
	}
	_, lt, why := lineOver(thrust, lateral)
	if why != "" {
		return v, why
	}
	at, t, why := lineOver(thrust, axial)
	if why != "" {
		return v, why
	}
	v = Imbalance{Lateral: Robust(lateral).Median, Axial: at, LateralT: lt, AxialT: t}
	v.Mass = v.Lateral > l.Lateral && v.LateralT < slopeT
	v.Aerodynamic = v.Axial > l.Axial && v.AxialT > slopeT
	return v, ""
}

// lineOver is the least-squares line of y over x: its value at the largest x and
// its slope in standard errors, at most 1e6.
func lineOver(x, y []float64) (at, t float64, why asset.Reason) {
	mx, sx, n := meanStd(x)
	my, _, _ := meanStd(y)
	if !(sx > 0) {
		return math.NaN(), math.NaN(), ReasonFlat
	}
	xy, far := 0.0, 0.0
	for i := range x {
		u := (x[i] - mx) / sx
		xy += u * (y[i] - my)
		far = max(far, u)
	}
	b := xy / float64(n) // per standard deviation of x
	left := 0.0
	for i := range x {
		r := y[i] - my - b*(x[i]-mx)/sx
		left += r * r
	}
	se := math.Sqrt(left / float64(n-2) / float64(n))
	at = my + b*far
	switch {
	case !finite(at, b, se):
		return math.NaN(), math.NaN(), ReasonUndefined
	case b == 0:
		return at, 0, ""
	}
	return at, clamp(b/max(se, math.Abs(b)*1e-6), 1e6), ""
}

// SpeedBands are ranges of rotor speed to leave out.
type SpeedBands []SpeedBand

// SpeedBand is one of them.
type SpeedBand struct {
	Order        int // of the rotor that meets the tower there
	LoRPM, HiRPM float64
}

// TowerCrossings are the speeds at which 1P, 3P or 6P lies within a share of the
// tower's natural frequency, where that and not the rotor sets the amplitude
// (the GL 2010 guideline asks for 5 %); share 0 takes 0.1. Slowest first; none for a
// frequency that is not known.
func TowerCrossings(towerHz, share float64) SpeedBands {
	share = cmp.Or(share, 0.1)
	if !(towerHz > 0) || !(share > 0 && share < 1) || !finite(60*towerHz*(1+share)) {
		return nil
	}
	var out SpeedBands
	for _, k := range [...]int{6, 3, 1} {
		rpm := 60 * towerHz / float64(k)
		out = append(out, SpeedBand{k, rpm * (1 - share), rpm * (1 + share)})
	}
	return out
}

// Contain reports whether the speed lies within one of the bands.
func (s SpeedBands) Contain(rpm float64) bool {
	for _, b := range s {
		if rpm >= b.LoRPM && rpm <= b.HiRPM {
			return true
		}
	}
	return false
}
