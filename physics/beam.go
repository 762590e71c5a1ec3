package physics

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// BeamElement is a stretch of a beam with properties that do not change along it.
type BeamElement struct {
	LengthM    float64
	MassKgPerM float64
	EI         float64 // bending stiffness in N·m²
	FibreM     float64 // from the neutral axis to the outer fibre; 0: not known, and then no strain
}

// Beam is a slender structure that bends in one plane, clamped at its root:
// Euler–Bernoulli elements with cubic shape functions and consistent mass
// (Cook, Malkus, Plesha & Witt 2002, Concepts and Applications of Finite Element
// Analysis, sections 2.3 and 11.3).
type Beam struct {
	Elements []BeamElement // from the root
	RootM    float64       // from the axis of rotation to the root
	TipKg    float64       // mass on the tip
	TipKgM2  float64       // and its rotary inertia
	InPlane  bool          // it bends in the plane of rotation, as a blade does edgewise
}

// Section is a cross-section of a table, as a blade's data sheet gives them.
type Section struct {
	AtM        float64 // from the root
	MassKgPerM float64
	EI         float64
	FibreM     float64
}

// ErrBeam marks a beam that cannot be computed.
var ErrBeam = errors.New("physics: beam")

// NewBeam puts one element between each two sections of a table; its properties are
// the mean of both ends', its mass times the factor that brings the table's total to
// what the blade weighs.
func NewBeam(table []Section, massFactor float64) Beam {
	var b Beam
	for i := 1; i < len(table); i++ {
		p, q := table[i-1], table[i]
		b.Elements = append(b.Elements, BeamElement{
			LengthM: q.AtM - p.AtM, MassKgPerM: massFactor * (p.MassKgPerM + q.MassKgPerM) / 2,
			EI: (p.EI + q.EI) / 2, FibreM: (p.FibreM + q.FibreM) / 2,
		})
	}
	return b
}

// Tube is a tapered tube of round section, such as a tower; diameter and wall thickness
// change linearly from base to top.
type Tube struct {
	HeightM, BaseM, TopM   float64 // height, outer diameters
	BaseWallM, TopWallM    float64
	ModulusPa, DensityKgM3 float64
}

// Beam cuts the tube into n elements of one length with the properties of their middle.
func (t Tube) Beam(n int) Beam {
	var b Beam
	for i := range n {
		u := (float64(i) + 0.5) / float64(n)
		d, w := t.BaseM+u*(t.TopM-t.BaseM), t.BaseWallM+u*(t.TopWallM-t.BaseWallM)
		inner := d - 2*w
		b.Elements = append(b.Elements, BeamElement{
			LengthM:    t.HeightM / float64(n),
			MassKgPerM: t.DensityKgM3 * math.Pi / 4 * (d*d - inner*inner),
			EI:         t.ModulusPa * math.Pi / 64 * (math.Pow(d, 4) - math.Pow(inner, 4)),
			FibreM:     d / 2,
		})
	}
	return b
}

// Validate names what cannot be computed.
func (b Beam) Validate() error {
	if len(b.Elements) == 0 || len(b.Elements) > 400 {
		return fmt.Errorf("%w: %d elements: 1 to 400", ErrBeam, len(b.Elements))
	}
	for i, e := range b.Elements {
		for _, v := range []struct {
			name  string
			value float64
		}{{"length", e.LengthM}, {"mass per metre", e.MassKgPerM}, {"EI", e.EI}} {
			if !(v.value > 0) || v.value > 1e15 {
				return fmt.Errorf("%w: element %d: %s %g: above 0", ErrBeam, i, v.name, v.value)
			}
		}
	}
	if !(b.TipKg >= 0) || !(b.TipKgM2 >= 0) || !(b.RootM >= 0) || b.TipKg > 1e15 || b.TipKgM2 > 1e15 || b.RootM > 1e6 {
		return fmt.Errorf("%w: mass %g kg and inertia %g kg·m² of the tip, root at %g m: 0 or more", ErrBeam, b.TipKg, b.TipKgM2, b.RootM)
	}
	return nil
}

// LengthM is from root to tip.
func (b Beam) LengthM() float64 {
	var l float64
	for _, e := range b.Elements {
		l += e.LengthM
	}
	return l
}

// MassKg is the mass of the elements, and FirstMoment ∫m·r dr about the root, in kg·m.
func (b Beam) MassKg() (mass, firstMoment float64) {
	var x float64
	for _, e := range b.Elements {
		m := e.MassKgPerM * e.LengthM
		mass += m
		firstMoment += m * (x + e.LengthM/2)
		x += e.LengthM
	}
	return mass, firstMoment
}

// Scaled is the beam at s times its size in the same materials: masses per metre grow
// with s², EI with s⁴, tip masses with s³ (geometric similarity; Manwell, McGowan &
// Rogers 2009, Wind Energy Explained, section 7.7). Frequencies fall with 1/s.
func (b Beam) Scaled(s float64) Beam {
	out := b
	out.Elements = append([]BeamElement(nil), b.Elements...)
	for i := range out.Elements {
		e := &out.Elements[i]
		e.LengthM, e.FibreM = e.LengthM*s, e.FibreM*s
		e.MassKgPerM, e.EI = e.MassKgPerM*s*s, e.EI*s*s*s*s
	}
	out.RootM, out.TipKg, out.TipKgM2 = b.RootM*s, b.TipKg*s*s*s, b.TipKgM2*s*s*s*s*s
	return out
}

// Softened is the beam with element e's stiffness lowered by the share d: EI·(1 − d).
func (b Beam) Softened(e int, d float64) Beam {
	out := b
	out.Elements = append([]BeamElement(nil), b.Elements...)
	out.Elements[e].EI *= 1 - d
	return out
}

// NotchStiffnessLoss is the share of bending stiffness that an edge crack of depth a takes
// from a rectangular section of height h: d = 1 − (1 − a/h)³, what is left of it being h − a
// high. An approximation: the stress that the crack's flanks do not carry is not counted.
func NotchStiffnessLoss(a, h float64) float64 {
	left := 1 - math.Min(math.Max(a/h, 0), 1)
	return 1 - left*left*left
}

// The matrices of one element in the order deflection, slope, deflection, slope.
type elementMatrix [4][4]float64

// bending is (EI/l³)·[12 6l −12 6l; 4l² −6l 2l²; 12 −6l; 4l²].
func (e BeamElement) bending() elementMatrix {
	l := e.LengthM
	k := e.EI / (l * l * l)
	return elementMatrix{
		{12 * k, 6 * l * k, -12 * k, 6 * l * k},
		{6 * l * k, 4 * l * l * k, -6 * l * k, 2 * l * l * k},
		{-12 * k, -6 * l * k, 12 * k, -6 * l * k},
		{6 * l * k, 2 * l * l * k, -6 * l * k, 4 * l * l * k},
	}
}

// mass is (m·l/420)·[156 22l 54 −13l; 4l² 13l −3l²; 156 −22l; 4l²].
func (e BeamElement) mass() elementMatrix {
	l := e.LengthM
	m := e.MassKgPerM * l / 420
	return elementMatrix{
		{156 * m, 22 * l * m, 54 * m, -13 * l * m},
		{22 * l * m, 4 * l * l * m, 13 * l * m, -3 * l * l * m},
		{54 * m, 13 * l * m, 156 * m, -22 * l * m},
		{-13 * l * m, -3 * l * l * m, -22 * l * m, 4 * l * l * m},
	}
}

// tensed is what a pull of n newtons adds: n/(30l)·[36 3l −36 3l; 4l² −3l −l²; 36 −3l; 4l²].
func (e BeamElement) tensed(n float64) elementMatrix {
	l := e.LengthM
	g := n / (30 * l)
	return elementMatrix{
		{36 * g, 3 * l * g, -36 * g, 3 * l * g},
		{3 * l * g, 4 * l * l * g, -3 * l * g, -l * l * g},
		{-36 * g, -3 * l * g, 36 * g, -3 * l * g},
		{3 * l * g, -l * l * g, -3 * l * g, 4 * l * l * g},
	}
}

// pulls are the centrifugal forces N(r) = ∫ m·Ω²·r dr from r outwards, for each element the
// mean of both its ends.
func (b Beam) pulls(omega float64) []float64 {
	out := make([]float64, len(b.Elements))
	r := b.RootM + b.LengthM()
	n := b.TipKg * omega * omega * r
	for i := len(b.Elements) - 1; i >= 0; i-- {
		e := b.Elements[i]
		own := e.MassKgPerM * e.LengthM * omega * omega * (r - e.LengthM/2)
		out[i] = n + own/2
		n += own
		r -= e.LengthM
	}
	return out
}

// free are the matrices of the beam that nothing holds, turning at omega rad/s: two
// degrees of freedom for each node, deflection and slope, from the root. Rotation
// stiffens by the centrifugal pull; in the plane of rotation the inertia of the turning
// frame takes Ω²·M from that (spin softening).
func (b Beam) free(omega float64) (k, m *mat.SymDense) {
	n := 2 * (len(b.Elements) + 1)
	k, m = mat.NewSymDense(n, nil), mat.NewSymDense(n, nil)
	pull := b.pulls(omega)
	for i, e := range b.Elements {
		ke, me, ge := e.bending(), e.mass(), e.tensed(pull[i])
		for p := range 4 {
			for q := p; q < 4; q++ {
				at, to := 2*i+p, 2*i+q
				k.SetSym(at, to, k.At(at, to)+ke[p][q]+ge[p][q])
				m.SetSym(at, to, m.At(at, to)+me[p][q])
			}
		}
	}
	m.SetSym(n-2, n-2, m.At(n-2, n-2)+b.TipKg)
	m.SetSym(n-1, n-1, m.At(n-1, n-1)+b.TipKgM2)
	if b.InPlane {
		for p := range n {
			for q := p; q < n; q++ {
				k.SetSym(p, q, k.At(p, q)-omega*omega*m.At(p, q))
			}
		}
	}
	return k, m
}

// clamped are the matrices with the root held; degree of freedom 0 is the deflection of
// the first element's far end.
func (b Beam) clamped(omega float64) (k, m *mat.SymDense) {
	k, m = b.free(omega)
	n := k.SymmetricDim()
	return k.SliceSym(2, n).(*mat.SymDense), m.SliceSym(2, n).(*mat.SymDense)
}
