package physics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// DriveTrain is a rotor with blades that bend edgewise, a shaft that twists, and a
// generator. Angles, stiffness and damping are those of the slow shaft.
type DriveTrain struct {
	RotorKgM2 float64 // of the whole rotor where it is taken as rigid
	HubKgM2   float64 // without blades
	GenKgM2   float64 // on the fast shaft
	Gear      float64 // fast over slow
	NmPerRad  float64
	NmsPerRad float64
	Blade     Beam // in the plane of rotation; pitch and twist are left out
	Blades    int
}

// nrel5MWDriveTrain is that of the NREL 5 MW turbine (the public OpenFAST deck's
// DTTorSpr, DTTorDmp, GenIner, HubIner, GBRatio).
func nrel5MWDriveTrain() DriveTrain {
	return DriveTrain{
		RotorKgM2: 38759227, HubKgM2: 115926, GenKgM2: 534.116, Gear: 97, NmPerRad: 867.637e6, NmsPerRad: 6.215e6,
		Blade: nrel5MWBlade(true), Blades: 3,
	}
}

// generator is the generator's inertia as the slow shaft feels it: N²·J.
func (d DriveTrain) generator() float64 { return d.GenKgM2 * d.Gear * d.Gear }

// RigidFree is the torsional frequency of a rigid rotor against the generator, both free to
// turn, √(k·(1/J_r + 1/J_g))/2π, with its damping ratio c·√((1/J_r + 1/J_g)/k)/2.
func (d DriveTrain) RigidFree() (hz, zeta float64) {
	inverse := 1/d.RotorKgM2 + 1/d.generator()
	return math.Sqrt(d.NmPerRad*inverse) / (2 * math.Pi), d.NmsPerRad / 2 * math.Sqrt(inverse/d.NmPerRad)
}

// RigidLocked is that of a rigid rotor with the generator held, √(k/J_r)/2π: flexible
// blades lie well below it.
func (d DriveTrain) RigidLocked() float64 { return math.Sqrt(d.NmPerRad/d.RotorKgM2) / (2 * math.Pi) }

// onHub are a blade's matrices with the hub's angle first, which moves the root by its
// distance from the axis and turns it; the rest are absolute.
func (d DriveTrain) onHub() (k, m *mat.SymDense) {
	kf, mf := d.Blade.free(0)
	hub := func(s *mat.SymDense) *mat.SymDense {
		n, r := s.SymmetricDim(), d.Blade.RootM
		out := mat.NewSymDense(n-1, nil)
		out.SetSym(0, 0, r*r*s.At(0, 0)+2*r*s.At(0, 1)+s.At(1, 1))
		for i := 2; i < n; i++ {
			out.SetSym(0, i-1, r*s.At(0, i)+s.At(1, i))
			for j := i; j < n; j++ {
				out.SetSym(i-1, j-1, s.At(i, j))
			}
		}
		return out
	}
	return hub(kf), hub(mf)
}

// matrices put shaft, generator (unless it is held) and blades together, each blade by all
// its degrees of freedom or, with perBlade above 0, by so many modes (Craig–Bampton).
func (d DriveTrain) matrices(locked bool, perBlade int) (k, m *mat.SymDense, err error) {
	if err := d.Blade.Validate(); err != nil {
		return nil, nil, err
	}
	if d.Blades < 1 || d.Blades > 8 || !(d.NmPerRad > 0) || !(d.GenKgM2 > 0) || !(d.Gear > 0) || !(d.HubKgM2 >= 0) {
		return nil, nil, fmt.Errorf("%w: drive train of %d blades (1 to 8), stiffness %g N·m/rad, generator %g kg·m², ratio %g", ErrBeam, d.Blades, d.NmPerRad, d.GenKgM2, d.Gear)
	}
	kb, mb := d.onHub()
	if perBlade > 0 {
		if kb, mb, err = craigBampton(kb, mb, 1, perBlade); err != nil {
			return nil, nil, err
		}
	}
	ends := 2 // hub, generator
	if locked {
		ends = 1
	}
	inner := kb.SymmetricDim() - 1
	n := ends + d.Blades*inner
	k, m = mat.NewSymDense(n, nil), mat.NewSymDense(n, nil)
	k.SetSym(0, 0, d.NmPerRad+float64(d.Blades)*kb.At(0, 0))
	m.SetSym(0, 0, d.HubKgM2+float64(d.Blades)*mb.At(0, 0))
	if !locked {
		k.SetSym(0, 1, -d.NmPerRad)
		k.SetSym(1, 1, d.NmPerRad)
		m.SetSym(1, 1, d.generator())
	}
	for b := range d.Blades {
		at := ends + b*inner - 1
		for i := 1; i <= inner; i++ {
			k.SetSym(0, at+i, kb.At(0, i))
			m.SetSym(0, at+i, mb.At(0, i))
			for j := i; j <= inner; j++ {
				k.SetSym(at+i, at+j, kb.At(i, j))
				m.SetSym(at+i, at+j, mb.At(i, j))
			}
		}
	}
	return k, m, nil
}

// RotorInertia is that of hub and blades by the elements, in kg·m².
func (d DriveTrain) RotorInertia() float64 {
	sum := d.HubKgM2
	r := d.Blade.RootM
	for _, e := range d.Blade.Elements {
		o := r + e.LengthM
		sum += float64(d.Blades) * e.MassKgPerM * (o*o*o - r*r*r) / 3
		r = o
	}
	return sum + float64(d.Blades)*(d.Blade.TipKg*r*r+d.Blade.TipKgM2)
}

// turnShift lets a rotor that turns as a rigid body be solved, in (rad/s)².
const turnShift = 1

// Modes are the n slowest of the train; perBlade is the number of modes that stand for a
// blade, 0 for all its degrees of freedom. With the generator free the first is the rotation.
func (d DriveTrain) Modes(locked bool, perBlade, n int) ([]Mode, error) {
	k, m, err := d.matrices(locked, perBlade)
	if err != nil {
		return nil, err
	}
	shift := 0.0
	if !locked {
		shift = turnShift
	}
	return modesOf(k, m, n, shift)
}

// damping is what the shaft's damper makes of a mode: φᵀ·C·φ/2ω, 0 for the rotation.
func (d DriveTrain) damping(m Mode, locked bool) float64 {
	twist := m.Shape[0]
	if !locked {
		twist -= m.Shape[1]
	}
	if m.Omega < 1e-2 {
		return 0
	}
	return d.NmsPerRad * twist * twist / (2 * m.Omega)
}
