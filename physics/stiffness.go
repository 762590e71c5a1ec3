package physics

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// lossSteps are the stiffness losses of an element that the inverse tells apart.
var lossSteps = [...]float64{0.02, 0.03, 0.045, 0.065, 0.095, 0.14, 0.2, 0.28, 0.38, 0.5, 0.65, 0.8}

// lossTable is what a stiffness loss of one element does to the modes of a beam.
type lossTable struct {
	modes  []Mode                      // at rest
	middle []float64                   // of each element, from the root in m
	length []float64                   // of each element
	drop   [][len(lossSteps)][]float64 // by element and loss: relative fall of ω² of each mode
	ice    []float64                   // relative fall of ω² for ice of the beam's own mass, by mode
	spin   []float64                   // K of f(Ω)² = f₀² + K·f_Ω², by mode (Southwell & Gough 1921, ARC R&M 766)
}

// newLossTable solves the softened beam in a small basis that holds the answer: the modes of
// the healthy beam and the two ways in which the element bends, as the rest of the beam
// follows them (its attachment modes).
func newLossTable(b Beam, omega float64, n int) (lossTable, error) {
	held := max(n, min(n+6, 2*len(b.Elements)-2)) // with the two attachment modes no more than there are
	modes, err := b.Modes(0, held)
	if err != nil {
		return lossTable{}, err
	}
	t := lossTable{modes: modes[:n], ice: b.iceShares(modes[:n])}
	k, m := b.clamped(0)
	var chol mat.Cholesky
	chol.Factorize(k) // positive definite: Modes has found so
	size := k.SymmetricDim()
	var at float64
	for e, el := range b.Elements {
		t.middle, t.length = append(t.middle, at+el.LengthM/2), append(t.length, el.LengthM)
		at += el.LengthM
		basis := mat.NewDense(size, held+2, nil)
		for j, mode := range modes {
			basis.SetCol(j, mode.Shape)
		}
		for j, way := range [2][4]float64{{0, -1, 0, 1}, {2 / el.LengthM, 1, -2 / el.LengthM, 1}} {
			f := mat.NewVecDense(size, nil)
			for p, v := range way {
				if i := 2*e - 2 + p; i >= 0 {
					f.SetVec(i, v)
				}
			}
			var u mat.VecDense
			if err := chol.SolveVecTo(&u, f); err != nil {
				return lossTable{}, err
			}
			u.ScaleVec(1/math.Sqrt(math.Max(mat.Inner(&u, m, &u), 1e-300)), &u)
			basis.SetCol(held+j, u.RawVector().Data)
		}
		falls, err := t.falls(b.Elements[e], e, basis, k, m)
		if err != nil {
			return lossTable{}, err
		}
		t.drop = append(t.drop, falls)
	}
	turning, err := b.Modes(omega, n)
	if err != nil {
		return lossTable{}, err
	}
	for i := range t.modes {
		t.spin = append(t.spin, 0)
		if omega > 0 {
			t.spin[i] = (turning[i].Omega*turning[i].Omega - t.modes[i].Omega*t.modes[i].Omega) / (omega * omega)
		}
	}
	return t, nil
}

// falls are the relative falls of ω² for each loss of one element.
func (t lossTable) falls(el BeamElement, e int, basis *mat.Dense, k, m *mat.SymDense) (out [len(lossSteps)][]float64, err error) {
	_, n := basis.Dims()
	within := func(s mat.Symmetric) *mat.SymDense {
		var half, whole mat.Dense
		half.Mul(s, basis)
		whole.Mul(basis.T(), &half)
		sym := mat.NewSymDense(n, nil)
		for i := range n {
			for j := i; j < n; j++ {
				sym.SetSym(i, j, whole.At(i, j))
			}
		}
		return sym
	}
	kr, mr := within(k), within(m)
	ke, bend := mat.NewSymDense(n, nil), el.bending()
	for i := range n {
		u := nodes(mat.Col(nil, i, basis), e)
		for j := i; j < n; j++ {
			v := nodes(mat.Col(nil, j, basis), e)
			var sum float64
			for p := range 4 {
				for q := range 4 {
					sum += u[p] * bend[p][q] * v[q]
				}
			}
			ke.SetSym(i, j, sum)
		}
	}
	for d, loss := range lossSteps {
		soft := mat.NewSymDense(n, nil)
		for i := range n {
			for j := i; j < n; j++ {
				soft.SetSym(i, j, kr.At(i, j)-loss*ke.At(i, j))
			}
		}
		modes, err := modesOf(soft, mr, len(t.modes), 0)
		if err != nil {
			return out, err
		}
		for i, mode := range modes {
			healthy := t.modes[i].Omega
			out[d] = append(out[d], math.Max(0, 1-mode.Omega*mode.Omega/(healthy*healthy)))
		}
	}
	return out, nil
}

// iceShares are ∫s·φ² dr of each mode for ice of the beam's own mass, which grows linearly
// from the root to half the length and stays so to the tip (Germanischer Lloyd 2010,
// Guideline for the Certification of Wind Turbines, 4.2.4.2): ω² falls by so much for each
// share of ice.
func (b Beam) iceShares(modes []Mode) []float64 {
	mass, _ := b.MassKg()
	length := b.LengthM()
	top := mass / (0.75 * length) // kg/m on the outer half
	out := make([]float64, len(modes))
	for i, m := range modes {
		var x float64
		for e, el := range b.Elements {
			u := nodes(m.Shape, e)
			s := top * math.Min(1, 2*(x+el.LengthM/2)/length)
			ice := BeamElement{LengthM: el.LengthM, MassKgPerM: s}
			out[i] += ice.mass().form(u)
			x += el.LengthM
		}
	}
	return out
}

// shift is how far the square of one natural frequency lies from its healthy value.
type shift struct {
	plane, mode int
	own         bool    // of the part that is judged, not of one like it beside
	z           float64 // (f² − f_healthy²)/f_healthy²
	v           float64 // its variance
	slope       float64 // per hour
	slopeVar    float64
}

// verdict is what the shifts say of one part: probabilities that sum to 1, and the loss
// where it has one.
type verdict struct {
	Healthy, Crack, Ice, Other, Unclear float64
	Loss, LossP10, LossP90              float64 // share of the bending stiffness of one element, where the part is cracked
	AtM, FromM, ToM                     float64 // most likely element, and the 80 % range
	element, planes                     int     // most likely
	IceShare                            float64 // mass of ice over mass of the part, where it is ice
}

// Prior weights of what may have happened to a part, and what the shifts cannot explain:
// house rules. A cracked part is rarer than ice where there can be ice.
const (
	priorHealthy = 0.90
	priorCrack   = 0.02
	priorIce     = 0.05
	priorOther   = 0.02  // one beside it is cracked
	priorUnclear = 0.005 // sensor, mounting, repair: this part alone, or all of them
	looseSd      = 0.02  // of a shift that nothing explains
	modelShare   = 0.25  // of a predicted shift that the beam may be wrong by
	iceUneven    = 0.3   // from blade to blade
)

// hypothesis sums up a family of explanations.
type hypothesis struct{ logs []float64 }

func (h *hypothesis) add(log float64) { h.logs = append(h.logs, log) }

// judge weighs the explanations against each other: nothing changed, this part lost stiffness
// in one element (in one plane or all), ice lies on all, another part changed, none of these.
func judge(tables []lossTable, seen []shift, canIce bool) verdict {
	var own, beside float64 // log likelihoods that nothing changed
	var ownLoose, besideLoose float64
	for _, s := range seen {
		still, loose := logNormal(s.z, s.v), logNormal(s.z, s.v+looseSd*looseSd)
		if s.own {
			own, ownLoose = own+still, ownLoose+loose
		} else {
			beside, besideLoose = beside+still, besideLoose+loose
		}
	}
	crack, cells := cracks(tables, seen, beside)
	ice, masses := hypothesis{}, []float64(nil)
	if canIce {
		for mu := 0.003; mu < 0.5; mu *= 1.25 {
			var log float64
			for _, s := range seen {
				want := -mu * tables[s.plane].ice[s.mode]
				log += logNormal(s.z-want, s.v+iceUneven*iceUneven*want*want)
			}
			ice.add(log)
			masses = append(masses, mu)
		}
	}
	anySibling := besideLoose != 0
	other := math.Inf(-1)
	if anySibling {
		other = own + besideLoose
	}
	unclear := logMean([]float64{ownLoose + beside, ownLoose + besideLoose})
	parts := []float64{
		math.Log(priorHealthy) + own + beside, math.Log(priorCrack) + logMean(crack.logs), math.Log(priorIce) + logMean(ice.logs),
		math.Log(priorOther) + other, math.Log(priorUnclear) + unclear,
	}
	p := shares(parts)
	v := verdict{Healthy: p[0], Crack: p[1], Ice: p[2], Other: p[3], Unclear: p[4]}
	v.locate(tables, shares(crack.logs), cells)
	for i, w := range shares(ice.logs) {
		v.IceShare += w * masses[i]
	}
	return v
}

// cell is one place and size of a loss.
type cell struct{ element, loss, planes int }

// cracks lists every element and loss, in the first plane, in the second, in all of them;
// longer elements weigh more, losses evenly in their logarithm.
func cracks(tables []lossTable, seen []shift, beside float64) (hypothesis, []cell) {
	var h hypothesis
	var cells []cell
	length := 0.0
	for _, l := range tables[0].length {
		length += l
	}
	for planes := 1; planes < 1<<len(tables); planes++ {
		for e := range tables[0].drop {
			weight := math.Log(tables[0].length[e] / length * float64(len(tables[0].length)))
			for d := range lossSteps {
				log := beside + weight
				for _, s := range seen {
					if !s.own {
						continue
					}
					var want float64
					if planes>>s.plane&1 == 1 {
						want = -tables[s.plane].drop[e][d][s.mode]
					}
					log += logNormal(s.z-want, s.v+modelShare*modelShare*want*want)
				}
				h.add(log)
				cells = append(cells, cell{e, d, planes})
			}
		}
	}
	return h, cells
}

// locate fills in loss and place from the weights of the cells.
func (v *verdict) locate(tables []lossTable, weights []float64, cells []cell) {
	t := tables[0]
	byLoss, byPlace := make([]float64, len(lossSteps)), make([]float64, len(t.middle))
	best := 0
	for i, w := range weights {
		byLoss[cells[i].loss] += w
		byPlace[cells[i].element] += w
		if w > weights[best] {
			best = i
		}
	}
	v.Loss, v.LossP10, v.LossP90 = lossAt(byLoss, 0.5), lossAt(byLoss, 0.1), lossAt(byLoss, 0.9)
	v.element, v.planes = cells[best].element, cells[best].planes
	v.AtM = t.middle[v.element]
	v.FromM, v.ToM = t.middle[quantileIndex(byPlace, 0.1)], t.middle[quantileIndex(byPlace, 0.9)]
}

func quantileIndex(weights []float64, q float64) int {
	var sum float64
	for i, w := range weights {
		if sum += w; sum >= q {
			return i
		}
	}
	return len(weights) - 1
}

// lossAt is a quantile of the loss, on the logarithm within a step.
func lossAt(weights []float64, q float64) float64 {
	i := quantileIndex(weights, q)
	var before float64
	for _, w := range weights[:i] {
		before += w
	}
	ratio := lossSteps[1] / lossSteps[0]
	return lossSteps[i] * math.Pow(ratio, math.Min(math.Max((q-before)/math.Max(weights[i], 1e-12), 0), 1)-0.5)
}

// rate is how fast the loss grows per hour where the shifts of the most likely place grow as
// they do, by least squares, and its variance; +Inf variance when nothing tells.
func (v verdict) rate(tables []lossTable, seen []shift) (perH, variance float64) {
	nearest := 0
	for i, d := range lossSteps {
		if math.Abs(math.Log(d/v.Loss)) < math.Abs(math.Log(lossSteps[nearest]/v.Loss)) {
			nearest = i
		}
	}
	i := min(max(nearest, 1), len(lossSteps)-2)
	var up, down float64
	for _, s := range seen {
		if !s.own || v.planes>>s.plane&1 == 0 {
			continue
		}
		drop := tables[s.plane].drop[v.element]
		g := (drop[i-1][s.mode] - drop[i+1][s.mode]) / (lossSteps[i+1] - lossSteps[i-1]) // of z by the loss
		up += g * s.slope / s.slopeVar
		down += g * g / s.slopeVar
	}
	if !(down > 0) {
		return 0, math.Inf(1)
	}
	return up / down, 1 / down
}

// logMean is ln of the mean of exp; −Inf of nothing.
func logMean(logs []float64) float64 {
	top := math.Inf(-1)
	for _, l := range logs {
		top = math.Max(top, l)
	}
	if math.IsInf(top, -1) {
		return top
	}
	var sum float64
	for _, l := range logs {
		sum += math.Exp(l - top)
	}
	return top + math.Log(sum/float64(len(logs)))
}

// shares are exp of the logs over their sum.
func shares(logs []float64) []float64 {
	out := make([]float64, len(logs))
	top := math.Inf(-1)
	for _, l := range logs {
		top = math.Max(top, l)
	}
	if math.IsInf(top, -1) {
		return out
	}
	var sum float64
	for i, l := range logs {
		out[i] = math.Exp(l - top)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
