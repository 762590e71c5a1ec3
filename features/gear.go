package features

import (
	"math"
	"math/cmplx"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// GearOptions say what a wheel's average holds. Zero means the documented
// default.
type GearOptions struct {
	Teeth       int
	Harmonics   int   // of the mesh; default 3, or as many as fit
	ShaftOrders []int // removed with the mesh; default 0 and 1
}

// Gear is what the average over a turn of a wheel tells. NaN means undefined.
type Gear struct {
	MeshAmplitude []float64 // peak amplitude A of each mesh harmonic, in the unit of the average
	FM0           float64   // peak-to-peak over ΣA: rises with a fault of the whole mesh
	FM4           float64   // kurtosis of Difference: 3 when well; 4.5 watch, 7 alert
	SidebandIndex float64   // mean of the two first sidebands of the mesh over A₁
	SidebandLevel float64   // their sum over the standard deviation of the average
	ResidualStd   float64
	DifferenceStd float64
	Residual      []float64 // the average without mesh harmonics and shaft orders
	Difference    []float64 // the residual without the first sidebands of each harmonic
}

// GearOf computes the figures of Stewart (1977) and of Zakrajsek et al. (1993,
// NASA TM-105950) from the average over one turn of a wheel of that many teeth.
// ReasonShort when the turn has too few samples for the first sidebands.
func GearOf[T float32 | float64](tsa []T, opt GearOptions) (Gear, asset.Reason) {
	nan := math.NaN()
	g := Gear{FM0: nan, FM4: nan, SidebandIndex: nan, SidebandLevel: nan, ResidualStd: nan, DifferenceStd: nan}
	e, why := binade(tsa)
	n, z := len(tsa), opt.Teeth
	switch {
	case why != "":
		return g, why
	case z < 2:
		return g, ReasonUndefined
	case z > n/2-2: // the sidebands have to lie below half the rate
		return g, ReasonShort
	}
	fits := (n/2 - 2) / z
	if opt.Harmonics < 1 {
		opt.Harmonics = 3
	}
	opt.Harmonics = min(opt.Harmonics, fits)
	if opt.ShaftOrders == nil {
		opt.ShaftOrders = []int{0, 1}
	}
	x := make([]float64, n)
	scaleInto(x, tsa, -e)
	g.fill(x, opt)
	g.unscale(e)
	return g, ""
}

func (g *Gear) fill(x []float64, opt GearOptions) {
	n, z, c := len(x), opt.Teeth, circleOf(len(x))
	sum := 0.0
	for h := 1; h <= opt.Harmonics; h++ {
		a := cmplx.Abs(c.line(x, h*z))
		g.MeshAmplitude = append(g.MeshAmplitude, a)
		sum += a
	}
	whole, _ := MomentsOf(x)
	sidebands := cmplx.Abs(c.line(x, z-1)) + cmplx.Abs(c.line(x, z+1))
	g.FM0 = overNoise(whole.P2P, sum)
	g.SidebandIndex = overNoise(sidebands/2, g.MeshAmplitude[0])
	g.SidebandLevel = overNoise(sidebands, whole.Std)
	gone := make([]bool, n/2+1)
	remove := func(from []float64, orders ...int) []float64 {
		out := slices.Clone(from)
		for _, k := range orders {
			if k >= 0 && k < len(gone) && !gone[k] {
				gone[k] = true
				c.subtract(out, k, c.line(out, k))
			}
		}
		return out
	}
	mesh, beside := slices.Clone(opt.ShaftOrders), []int(nil)
	for h := 1; h <= opt.Harmonics; h++ {
		mesh, beside = append(mesh, h*z), append(beside, h*z-1, h*z+1)
	}
	g.Residual = remove(x, mesh...)
	g.Difference = remove(g.Residual, beside...)
	residual, _ := MomentsOf(g.Residual)
	difference, _ := MomentsOf(g.Difference)
	g.ResidualStd, g.DifferenceStd = residual.Std, difference.Std
	if difference.Std > gearRounding { // what rounding left has no kurtosis
		g.FM4 = difference.Kurtosis
	}
}

// gearRounding is what rounding leaves of a line that is taken out of an average
// whose largest value is near 1.
const gearRounding = 1e-13

// overNoise is a/b, or NaN where b is no more than rounding.
func overNoise(a, b float64) float64 {
	if !(b > gearRounding) {
		return math.NaN()
	}
	return ratio(a, b)
}

// unscale multiplies what has a unit by 2ᵉ.
func (g *Gear) unscale(e int) {
	scaleInto(g.MeshAmplitude, g.MeshAmplitude, e)
	scaleInto(g.Residual, g.Residual, e)
	scaleInto(g.Difference, g.Difference, e)
	for _, v := range []*float64{&g.ResidualStd, &g.DifferenceStd} {
		*v = math.Ldexp(*v, e)
	}
}

// NA4 follows a wheel from one average to the next; the zero value has seen
// none. It is part of the trend's state, and one goroutine owns it.
type NA4 struct {
	Count  int
	MeanM2 float64 // running mean of the residuals' variances, unit²
}

// Step is NA4 of the next residual r: m₄(r)/(mean of m₂ so far, with it)²
// (Zakrajsek et al. 1993). 3 for noise at a steady level; it rises with spread
// damage, because the mean lags. NaN, and no change of state, for a residual
// that is constant or not usable.
func (s *NA4) Step(residual []float64) (float64, asset.Reason) {
	m, why := MomentsOf(residual)
	if why != "" {
		return math.NaN(), why
	}
	m2 := m.Std * m.Std
	if !(m2 > 0) || math.IsInf(m2, 0) || math.IsNaN(m.Kurtosis) {
		return math.NaN(), ReasonFlat
	}
	s.Count++
	s.MeanM2 += (m2 - s.MeanM2) / float64(s.Count)
	share := m2 / s.MeanM2
	v := m.Kurtosis * share * share
	if v-v != 0 {
		return math.NaN(), ReasonUndefined
	}
	return v, ""
}

// SidebandRatio is (A₋ₖ + A₊ₖ)/2A of a line at centre in an amplitude spectrum
// with bins of step, for the k-th pair of sidebands spacing apart, all three in
// orders or all in Hz: modulation of a mesh by its shaft. The largest of the
// three bins around each place counts.
func SidebandRatio[T float32 | float64](amplitude []T, step, centre, spacing float64, k int) (float64, asset.Reason) {
	top := step * float64(len(amplitude)-2)
	away := float64(k) * spacing
	switch {
	case !(step > 0) || !(spacing > 0) || k < 1 || !(centre > 0):
		return math.NaN(), ReasonUndefined
	case !(centre+away <= top):
		return math.NaN(), ReasonAlias
	case !(spacing >= 4*step) || !(centre-away >= 2*step):
		return math.NaN(), ReasonShort
	}
	peak := func(f float64) float64 {
		at := int(math.Round(f / step))
		return float64(max(amplitude[at-1], amplitude[at], amplitude[at+1]))
	}
	r := ratio(peak(centre-away)/2+peak(centre+away)/2, peak(centre))
	if math.IsNaN(r) {
		return r, ReasonUndefined
	}
	return r, ""
}
