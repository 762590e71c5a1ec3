package physics

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// azimuths are the steps of one turn.
const azimuths = 36

// operating is what SCADA says of an interval.
type operating struct {
	wind    float64 // at the hub, m/s
	gust    float64 // its standard deviation
	omega   float64 // of the rotor, rad/s
	thrustN float64
	torque  float64 // of the rotor, N·m
}

// airDensity is that of the standard atmosphere at sea level, kg/m³.
const airDensity = 1.225

// thrust is that of an actuator disc which takes the power out of the wind: C_P = P/(½ρAv³)
// is the share κ of 4a·(1 − a)², and C_T = 4a·(1 − a) with the smaller induction a ≤ 1/3
// (Burton, Jenkins, Sharpe & Bossanyi 2011, Wind Energy Handbook, section 3.2). Above rated
// wind a falls, and the thrust with it. κ = 0.85: what blades lose of that power and not of
// the thrust, as in the NREL 5 MW turbine (C_P 0.482 at C_T 0.77).
func thrust(powerW, wind, areaM2 float64) float64 {
	const kappa, most = 0.85, 4.0 / 27 // of a·(1 − a)²
	if !(powerW > 0) || !(wind > 0) {
		return 0
	}
	goal := powerW / (0.5 * airDensity * areaM2 * wind * wind * wind) / (4 * kappa)
	lo, hi := 0.0, 1.0/3
	if goal >= most {
		lo = hi
	}
	for range 50 {
		mid := (lo + hi) / 2
		if mid*(1-mid)*(1-mid) < goal {
			lo = mid
		} else {
			hi = mid
		}
	}
	a := (lo + hi) / 2
	return 0.5 * airDensity * areaM2 * wind * wind * 4 * a * (1 - a)
}

// response is a beam in one plane as its modes move it, and the strain of one section.
type response struct {
	modes    []Mode
	zeta     float64     // structural, of critical
	loads    [][]float64 // modal forces φᵀ·f of each load of one unit
	residual []float64   // strain of the section by each load beyond that of the modes (mode acceleration: Craig & Kurdila 2006, Fundamentals of Structural Dynamics, section 11.2)
	strain   []float64   // of the section by each mode
	aero     []float64   // by mode: ∫p(r)·φ² dr for a load p of one newton
	atM      float64     // where the section lies, from the root
}

// newResponse takes n modes of the beam turning at omega and the loads per metre, each a
// function of the distance from the root. The section is the one that load worst strains most.
func newResponse(b Beam, omega float64, n int, zeta float64, worst int, loads []func(x float64) float64, tip []float64) (response, error) {
	modes, err := b.Modes(omega, n)
	if err != nil {
		return response{}, err
	}
	r := response{modes: modes, zeta: zeta}
	k, _ := b.clamped(omega)
	var chol mat.Cholesky
	chol.Factorize(k) // positive definite: Modes has found so
	static := make([][]float64, len(loads))
	for j, load := range loads {
		f := b.nodal(load)
		f[len(f)-2] += tip[j]
		var u mat.VecDense
		if err := chol.SolveVecTo(&u, mat.NewVecDense(len(f), f)); err != nil {
			return response{}, err
		}
		static[j] = u.RawVector().Data
		forces := make([]float64, n)
		for i, m := range modes {
			forces[i] = mat.Dot(mat.NewVecDense(len(f), m.Shape), mat.NewVecDense(len(f), f))
		}
		r.loads = append(r.loads, forces)
	}
	section, most, x := 0, -1.0, 0.0
	for e, el := range b.Elements {
		if s := math.Abs(el.FibreM * b.curvature(static[worst], e)); s > most {
			section, most, r.atM = e, s, x+el.LengthM/2
		}
		x += el.LengthM
	}
	y := b.Elements[section].FibreM
	for _, m := range modes {
		r.strain = append(r.strain, y*b.curvature(m.Shape, section))
		r.aero = append(r.aero, b.squared(m, loads[worst])+tip[worst]*m.Shape[len(m.Shape)-2]*m.Shape[len(m.Shape)-2])
	}
	for j := range loads {
		left := y * b.curvature(static[j], section)
		for i, m := range modes {
			left -= r.loads[j][i] / (m.Omega * m.Omega) * r.strain[i]
		}
		r.residual = append(r.residual, left)
	}
	return r, nil
}

// nodal are the forces and moments on the free nodes that do the work of a load per metre,
// taken as even over each element.
func (b Beam) nodal(load func(x float64) float64) []float64 {
	out := make([]float64, 2*len(b.Elements))
	var x float64
	for e, el := range b.Elements {
		p, l := load(x+el.LengthM/2), el.LengthM
		if e > 0 {
			out[2*e-2] += p * l / 2
			out[2*e-1] += p * l * l / 12
		}
		out[2*e] += p * l / 2
		out[2*e+1] -= p * l * l / 12
		x += l
	}
	return out
}

// squared is ∫load·φ² dr.
func (b Beam) squared(m Mode, load func(x float64) float64) float64 {
	var x, sum float64
	for e, el := range b.Elements {
		sum += BeamElement{LengthM: el.LengthM, MassKgPerM: math.Max(load(x+el.LengthM/2), 0)}.mass().form(nodes(m.Shape, e))
		x += el.LengthM
	}
	return sum
}

// turn is the strain over one turn of the rotor once the motion repeats itself: at(ψ) gives
// the size of each load, and drag the aerodynamic damping force per m/s and newton of load.
// Each mode is stepped exactly for a turn from rest; the motion that repeats starts where
// x = A^N·x + that, which is two equations.
func (r response) turn(omega, drag float64, at func(psi float64, sizes []float64), strain []float64) []float64 {
	dt := 2 * math.Pi / omega / azimuths
	sizes := make([]float64, azimuths*len(r.loads))
	strain = append(strain[:0], make([]float64, azimuths)...)
	for s := range azimuths {
		row := sizes[s*len(r.loads) : (s+1)*len(r.loads)]
		at((float64(s)+0.5)*2*math.Pi/azimuths, row)
		for j, l := range row {
			strain[s] += r.residual[j] * l
		}
	}
	var force [azimuths]float64
	for i, m := range r.modes {
		zeta := r.zeta + drag*r.aero[i]/(2*m.Omega)
		for s := range azimuths {
			force[s] = 0
			for j := range r.loads {
				force[s] += r.loads[j][i] * sizes[s*len(r.loads)+j]
			}
		}
		one, whole := newOscillator(m.Omega, zeta, dt), newOscillator(m.Omega, zeta, dt*azimuths)
		var q, v float64
		for s := range azimuths {
			q, v = one.step(q, v, force[s])
		}
		a, c := 1-whole.a00, -whole.a01
		d, e := -whole.a10, 1-whole.a11
		if det := a*e - c*d; math.Abs(det) > 1e-12 {
			q, v = (e*q-c*v)/det, (a*v-d*q)/det
		}
		for s := range azimuths {
			before := q
			q, v = one.step(q, v, force[s])
			strain[s] += (before + q) / 2 * r.strain[i]
		}
	}
	return strain
}

// rotor is the geometry that the wind acts on.
type rotor struct {
	radiusM, rootM, hubM float64 // radius, of the blade's root, hub above ground
	towerM, overhangM    float64 // diameter of the tower where the blade passes; blade before it
	shear                float64 // exponent of the wind profile (IEC 61400-1: 0.2)
	blades               float64
}

// area is that of the disc.
func (r rotor) area() float64 { return math.Pi * r.radiusM * r.radiusM }

// Loads of a blade flapwise, per newton of its thrust: as it lies along the blade, times the
// height above the hub over the hub's once and twice.
func (r rotor) flapLoads() []func(x float64) float64 {
	scale := 2 / (r.radiusM*r.radiusM - r.rootM*r.rootM) // ∫ scale·r dr = 1
	at := func(power int) func(float64) float64 {
		return func(x float64) float64 {
			z := r.rootM + x
			return scale * z * math.Pow(z/r.hubM, float64(power))
		}
	}
	return []func(float64) float64{at(0), at(1), at(2)}
}

// flap gives their sizes at an azimuth (0: upwards): the wind (1 + z/h)^α ≈ 1 + α·z/h +
// ½α(α−1)·(z/h)² (IEC 61400-1, normal wind profile), and before the tower less by the
// potential flow about a cylinder (Burton et al. 2011, section 5.5). A load grows with the
// wind that the section sees, at one speed of rotation and one pitch.
func (r rotor) flap(thrustN, psi float64, sizes []float64) {
	t, c := thrustN/r.blades, math.Cos(psi)
	sizes[0] = t * (1 - r.shadow(psi))
	sizes[1] = t * r.shear * c
	sizes[2] = t * r.shear * (r.shear - 1) / 2 * c * c
}

// shadow is the share of the wind that is missing before the tower, at three quarters of the
// blade: a²·(x² − y²)/(x² + y²)², here its mean over a step of the turn, since it is narrow:
// a²·[y/(x² + y²)] from the step's start to its end, over the way.
func (r rotor) shadow(psi float64) float64 {
	if math.Cos(psi) >= 0 {
		return 0
	}
	reach, a, x := 0.75*r.radiusM, r.towerM/2, r.overhangM
	y0, y1 := reach*math.Sin(psi-math.Pi/azimuths), reach*math.Sin(psi+math.Pi/azimuths)
	return a * a * (y1/(x*x+y1*y1) - y0/(x*x+y0*y0)) / (y1 - y0)
}

// push is the thrust of all blades at the azimuth of the first; what grows with the cosine
// cancels.
func (r rotor) push(thrustN, psi float64, sizes []float64) {
	var sum float64
	n := int(r.blades)
	for b := range n {
		p := psi + 2*math.Pi*float64(b)/float64(n)
		z := 0.75 * r.radiusM / r.hubM * math.Cos(p)
		sum += 1 - r.shadow(p) + r.shear*z + r.shear*(r.shear-1)/2*z*z
	}
	sizes[0] = thrustN * sum / float64(n)
}

// gusts are the slow changes of the wind within an interval: a narrow-banded normal process of
// standard deviation σ that rises v/L times a second, L = 340.2 m (IEC 61400-1:2019, Kaimal
// spectrum), so that amplitudes are Rayleigh's, a = σ·√(2x) with x exponential (Bendat 1964,
// NASA CR-33). The six points of Gauss and Laguerre take a power of up to 22 of it exactly
// (Abramowitz & Stegun 25.4.45).
var gusts = [6]struct{ x, share float64 }{
	{0.222846604179, 0.458964673950},
	{1.188932101673, 0.417000830772},
	{2.992736326059, 0.113373382074},
	{5.775143569105, 0.0103991974531},
	{9.837467418383, 2.61017202815e-4},
	{15.982873980602, 8.98547906430e-7},
}

// gustLengthM is L.
const gustLengthM = 340.2
