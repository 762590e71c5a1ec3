package features

import (
	"cmp"
	"fmt"
	"math"
	"math/cmplx"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// Section is a second-order section of a digital filter:
// H(z) = (B0 + B1·z⁻¹ + B2·z⁻²) / (1 + A1·z⁻¹ + A2·z⁻²).
type Section struct{ B0, B1, B2, A1, A2 float64 }

// Sections is a filter as a chain of second-order sections. It has no unit: what
// comes out is in the unit of what goes in.
type Sections []Section

// maxFilterOrder and minFilterEdge (share of the sample rate) bound a design to
// what float64 coefficients can hold; below that edge, decimate first.
const (
	maxFilterOrder = 16
	minFilterEdge  = 1e-6
)

// LowPass designs a Butterworth low-pass of that order, −3 dB at cutHz, by the
// bilinear transform with a pre-warped edge (Oppenheim & Schafer 2010, §7.3).
// What float64 cannot hold is asset.ErrInvalid.
func LowPass(order int, cutHz, rateHz float64) (Sections, error) {
	w, err := warped(order, cutHz, rateHz)
	if err != nil {
		return nil, err
	}
	poles := make([]complex128, 0, order)
	for _, p := range butterworthPoles(order) {
		poles = append(poles, p*complex(w, 0))
	}
	return chain(poles, lowSection, 1), nil
}

// HighPass designs a Butterworth high-pass of that order, −3 dB at cutHz, like
// LowPass.
func HighPass(order int, cutHz, rateHz float64) (Sections, error) {
	w, err := warped(order, cutHz, rateHz)
	if err != nil {
		return nil, err
	}
	poles := make([]complex128, 0, order)
	for _, p := range butterworthPoles(order) {
		poles = append(poles, complex(w, 0)/p)
	}
	return chain(poles, highSection, -1), nil
}

// BandPass designs a Butterworth band-pass, −3 dB at both edges of b, like
// LowPass. Of order n it has 2n poles, as in scipy.signal.butter.
func BandPass(order int, b Band, rateHz float64) (Sections, error) {
	lo, err := warped(order, b.Lo, rateHz)
	if err != nil {
		return nil, err
	}
	hi, err := warped(order, b.Hi, rateHz)
	if err != nil {
		return nil, err
	}
	if !(b.Hi-b.Lo >= minFilterEdge*rateHz) {
		return nil, fmt.Errorf("features: band %g–%g Hz at %g Hz: %w", b.Lo, b.Hi, rateHz, asset.ErrInvalid)
	}
	poles := make([]complex128, 0, 2*order)
	for _, p := range butterworthPoles(order) {
		half := p * complex((hi-lo)/2, 0)
		root := cmplx.Sqrt(half*half - complex(lo*hi, 0))
		poles = append(poles, half+root, half-root)
	}
	centre := 2 * math.Atan(math.Sqrt(lo*hi)) // rad per sample
	sections := chain(poles, Section{B0: 1, B2: -1}, cmplx.Exp(complex(0, -centre)))
	// Poles below the centre take zeros at 0 Hz and those above at half the rate,
	// so that no section attenuates what another has to raise again.
	slices.SortStableFunc(sections, func(a, b Section) int { return cmp.Compare(b.cosine(centre), a.cosine(centre)) })
	for i, j := 0, order-1; i < j; i, j = i+1, j-1 {
		sections[i].B0, sections[i].B1, sections[i].B2 = highSection.B0, highSection.B1, highSection.B2
		sections[j].B0, sections[j].B1, sections[j].B2 = lowSection.B0, lowSection.B1, lowSection.B2
	}
	sections.normalise(cmplx.Exp(complex(0, -centre)))
	return sections, nil
}

// Numerators with both zeros at half the rate, and at 0 Hz.
var (
	lowSection  = Section{B0: 1, B1: 2, B2: 1}
	highSection = Section{B0: 1, B1: -2, B2: 1}
)

// cosine of the angle of a pair of poles; of real ones, that of the centre.
func (c Section) cosine(centre float64) float64 {
	if c.A1*c.A1 >= 4*c.A2 {
		return math.Cos(centre)
	}
	return -c.A1 / (2 * math.Sqrt(c.A2))
}

// warped is tan(πf/fs), the analogue frequency that the bilinear transform
// s = (z−1)/(z+1) carries to f.
func warped(order int, hz, rateHz float64) (float64, error) {
	share := hz / rateHz
	if order < 1 || order > maxFilterOrder || !(rateHz > 0) || !(share >= minFilterEdge && share <= 0.5-minFilterEdge) {
		return 0, fmt.Errorf("features: filter of order %d at %g Hz of %g Hz: %w", order, hz, rateHz, asset.ErrInvalid)
	}
	return math.Tan(math.Pi * share), nil
}

// butterworthPoles are the n poles of the analogue prototype on the unit circle:
// −exp(jπm/2n), m = −n+1, −n+3, … n−1.
func butterworthPoles(n int) []complex128 {
	p := make([]complex128, 0, n)
	for m := -n + 1; m < n; m += 2 {
		if m == 0 {
			p = append(p, -1)
			continue
		}
		p = append(p, -cmplx.Exp(complex(0, math.Pi*float64(m)/float64(2*n))))
	}
	return p
}

// chain pairs conjugate poles (and the real ones that are left) into sections
// with the zeros of like, each of unit gain where z⁻¹ is unit. A single real pole
// takes one zero, at the sign of B1.
func chain(analogue []complex128, like Section, unit complex128) Sections {
	var s Sections
	var alone []float64
	for _, p := range analogue {
		z := (1 + p) / (1 - p)
		switch {
		case math.Abs(imag(z)) < 1e-14:
			alone = append(alone, real(z))
		case imag(z) > 0:
			s = append(s, Section{like.B0, like.B1, like.B2, -2 * real(z), real(z)*real(z) + imag(z)*imag(z)})
		}
	}
	for ; len(alone) > 1; alone = alone[2:] {
		s = append(s, Section{like.B0, like.B1, like.B2, -(alone[0] + alone[1]), alone[0] * alone[1]})
	}
	if len(alone) == 1 {
		s = append(s, Section{B0: like.B0, B1: like.B1 / 2, A1: -alone[0]})
	}
	s.normalise(unit)
	return s
}

// normalise makes the gain of each section 1 where z⁻¹ is unit.
func (s Sections) normalise(unit complex128) {
	for i := range s {
		k := 1 / cmplx.Abs(s[i].at(unit))
		s[i].B0, s[i].B1, s[i].B2 = k*s[i].B0, k*s[i].B1, k*s[i].B2
	}
}

// at is the transfer function where z⁻¹ is q.
func (c Section) at(q complex128) complex128 {
	r := func(v float64) complex128 { return complex(v, 0) }
	return (r(c.B0) + q*(r(c.B1)+q*r(c.B2))) / (1 + q*(r(c.A1)+q*r(c.A2)))
}

// Gain is |H| at f Hz, a ratio of amplitudes; NaN without a usable rate.
func (s Sections) Gain(f, rateHz float64) float64 {
	if !(rateHz > 0) || math.IsInf(rateHz, 0) || math.IsNaN(f) || math.IsInf(f, 0) {
		return math.NaN()
	}
	h := complex(1, 0)
	q := cmplx.Exp(complex(0, -2*math.Pi*math.Mod(f/rateHz, 1)))
	for _, c := range s {
		h *= c.at(q)
	}
	return cmplx.Abs(h)
}

// FilterState is what a causal filter remembers between two blocks of a signal;
// the zero value is rest. Whoever owns the signal owns it.
type FilterState struct{ z [][2]float64 }

// Causal filters a block of a signal and carries state on, so that block by
// block gives what one call gives. From rest, the first 3/lowest edge seconds
// are transient. A sample that is not finite gives NaN, and the filter starts
// anew behind it. It writes into dst when dst is long enough; x may be dst.
func Causal[T float32 | float64](dst []float64, s Sections, state *FilterState, x []T) []float64 {
	dst = resize(dst, len(x))
	for i, v := range x {
		dst[i] = float64(v)
	}
	if len(state.z) != len(s) {
		state.z = make([][2]float64, len(s))
	}
	for i, c := range s {
		state.z[i] = c.run(dst, state.z[i])
	}
	return dst
}

// run filters y in place (transposed direct form II, as scipy.signal.sosfilt).
func (c Section) run(y []float64, z [2]float64) [2]float64 {
	z0, z1 := z[0], z[1]
	for i, v := range y {
		o := c.B0*v + z0
		z0 = c.B1*v - c.A1*o + z1
		z1 = c.B2*v - c.A2*o
		if o-o != 0 { // NaN or Inf
			o, z0, z1 = math.NaN(), 0, 0
		}
		y[i] = o
	}
	return [2]float64{z0, z1}
}

// settled is the state after an endless input of 1, and the output then
// (scipy.signal.sosfilt_zi).
func (c Section) settled() (z [2]float64, gain float64) {
	gain = (c.B0 + c.B1 + c.B2) / (1 + c.A1 + c.A2)
	z[1] = c.B2 - c.A2*gain
	z[0] = c.B1 - c.A1*gain + z[1]
	return z, gain
}

// ZeroPhase filters x forwards and backwards: no delay, and the square of Gain,
// −6 dB at an edge. Both ends are continued by their point reflection and the
// filter starts settled, as in scipy.signal.sosfiltfilt; a block shorter than
// that padding is continued by all it has. It writes into dst when dst is long
// enough. All values are NaN when there is a reason.
func ZeroPhase[T float32 | float64](dst []float64, s Sections, x []T) ([]float64, asset.Reason) {
	var room []float64
	return zeroPhase(dst, &room, s, x)
}

// zeroPhase is ZeroPhase with room for the samples and what continues them.
func zeroPhase[T float32 | float64](dst []float64, room *[]float64, s Sections, x []T) ([]float64, asset.Reason) {
	n := len(x)
	if n == 0 {
		return dst[:0], ReasonEmpty
	}
	e, why := binade(x)
	if why != "" {
		return allMissing(dst, n), why
	}
	pad := min(s.padding(), n-1)
	y := resize(*room, n+2*pad)
	*room = y
	scaleInto(y[pad:pad+n], x, -e)
	for i := range pad {
		y[pad-1-i] = 2*y[pad] - y[pad+1+i]
		y[pad+n+i] = 2*y[pad+n-1] - y[pad+n-2-i]
	}
	for range 2 {
		s.fromSettled(y)
		for i, j := 0, len(y)-1; i < j; i, j = i+1, j-1 {
			y[i], y[j] = y[j], y[i]
		}
	}
	dst = resize(dst, n)
	if !scaleInto(dst, y[pad:pad+n], e) {
		return allMissing(dst, n), ReasonUndefined
	}
	return dst, ""
}

// fromSettled filters y in place as if its first value had lasted for ever.
func (s Sections) fromSettled(y []float64) {
	level := y[0]
	for _, c := range s {
		z, gain := c.settled()
		c.run(y, [2]float64{level * z[0], level * z[1]})
		level *= gain
	}
}

// padding is scipy's default: three times the taps, less the poles or zeros at
// the origin.
func (s Sections) padding() int {
	zeros, poles := 0, 0
	for _, c := range s {
		if c.B2 == 0 {
			zeros++
		}
		if c.A2 == 0 {
			poles++
		}
	}
	return 3 * (2*len(s) + 1 - min(zeros, poles))
}

// binade is the exponent of the largest |x|: x·2⁻ᵉ lies within ±1, so that what
// is computed of it cannot overflow. It also says why x cannot be used.
func binade[T float32 | float64](x []T) (e int, why asset.Reason) {
	if len(x) == 0 {
		return 0, ReasonEmpty
	}
	top := 0.0
	for _, v := range x {
		a := math.Abs(float64(v))
		if a-a != 0 {
			return 0, ReasonNonFinite
		}
		top = max(top, a)
	}
	_, e = math.Frexp(top)
	return e, ""
}

// scaleInto writes x·2ᵉ and reports whether all of it is finite.
func scaleInto[T float32 | float64](dst []float64, x []T, e int) bool {
	sum := 0.0
	k, quick := math.Ldexp(1, e), e > -1000 && e < 1000
	for i, v := range x {
		f := float64(v) * k
		if !quick {
			f = math.Ldexp(float64(v), e)
		}
		dst[i] = f
		sum += f - f
	}
	return sum == 0
}

// allMissing is n times NaN.
func allMissing(dst []float64, n int) []float64 {
	dst = resize(dst, n)
	for i := range dst {
		dst[i] = math.NaN()
	}
	return dst
}
