package physics

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// ROM is a model of few states that was taken from measured or computed snapshots:
// x⁺ = A·x, and Basis·x is what was measured.
type ROM struct {
	Method    string    `json:"method"` // dmd, era, pod
	DtS       float64   `json:"dt_s"`
	Rows      int       `json:"rows"` // of a snapshot
	Snapshots int       `json:"snapshots"`
	Rank      int       `json:"rank"`
	Energy    float64   `json:"energy"` // share of the snapshots' squares that the rank holds
	Error     float64   `json:"error"`  // of a run from the first snapshot on, RMS over that of the snapshots
	A         []float64 `json:"a"`      // rank × rank, row by row
	Basis     []float64 `json:"basis"`  // rows × rank, row by row
	Start     []float64 `json:"start"`  // x of the first snapshot
	Modes     []ROMMode `json:"modes"`  // slowest first
	Rejected  []ROMMode `json:"rejected,omitempty"`
	MaxAbs    float64   `json:"max_abs"`   // largest |λ| as identified
	Projected bool      `json:"projected"` // and A was brought to |λ| ≤ 1
}

// ROMMode is a pair of conjugate eigenvalues λ of A, or a real one: s = ln λ/Δt,
// f = |s|/2π, ζ = −Re s/|s|.
type ROMMode struct {
	Hz     float64 `json:"hz"`
	Zeta   float64 `json:"zeta"`
	Abs    float64 `json:"abs"`    // |λ| as identified
	Energy float64 `json:"energy"` // share, of the motion in this mode
	Why    string  `json:"why,omitempty"`
}

// ROMOptions say how a model is taken from snapshots.
type ROMOptions struct {
	Method  string  // dmd (default), era, pod
	DtS     float64 // from one snapshot to the next; required
	Rank    int     // states; 0: as many as Energy takes, for era up to the largest gap between singular values
	Energy  float64 // share of the squares to keep; default 0.999
	MaxZeta float64 // modes damped more are spurious; default 0.2
	Delays  int     // snapshots one over the other for dmd and pod, 1 (default) to 64; a standing wave takes two (Hankel DMD: Arbabi & Mezić 2017, SIAM J. Appl. Dyn. Syst. 16:2096)
}

// ErrROM marks snapshots or options that give no model.
var ErrROM = errors.New("physics: reduced-order model")

func (o ROMOptions) withDefaults() (ROMOptions, error) {
	if o.Method == "" {
		o.Method = "dmd"
	}
	o.Energy, o.MaxZeta = def(o.Energy, 0.999), def(o.MaxZeta, 0.2)
	switch {
	case !slices.Contains([]string{"dmd", "era", "pod"}, o.Method):
		return o, fmt.Errorf("%w: method %q: dmd, era or pod", ErrROM, o.Method)
	case !(o.DtS > 0) || math.IsInf(o.DtS, 1):
		return o, fmt.Errorf("%w: dt %g s: seconds above 0", ErrROM, o.DtS)
	case !(o.Energy > 0 && o.Energy <= 1):
		return o, fmt.Errorf("%w: energy %g: a share in (0, 1]", ErrROM, o.Energy)
	case !(o.MaxZeta > 0 && o.MaxZeta <= 1):
		return o, fmt.Errorf("%w: greatest damping %g: a share in (0, 1]", ErrROM, o.MaxZeta)
	case o.Delays < 0 || o.Delays > 64:
		return o, fmt.Errorf("%w: %d delays: 1 to 64", ErrROM, o.Delays)
	case o.Rank < 0:
		return o, fmt.Errorf("%w: rank %d: 1 or more, 0 to choose", ErrROM, o.Rank)
	}
	return o, nil
}

// NewROM takes a model from snapshots, which are the columns of x in the order of time.
func NewROM(x *mat.Dense, o ROMOptions) (ROM, error) {
	o, err := o.withDefaults()
	if err != nil {
		return ROM{}, err
	}
	rows, cols := x.Dims()
	if cols < 4+o.Delays || rows < 1 {
		return ROM{}, fmt.Errorf("%w: %d×%d numbers: a row for each place and a column for each of at least %d instants", ErrROM, rows, cols, 4+o.Delays)
	}
	var top float64
	for i := range rows {
		for j := range cols {
			v := x.At(i, j)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return ROM{}, fmt.Errorf("%w: row %d, column %d is no number", ErrROM, i+1, j+1)
			}
			top = math.Max(top, math.Abs(v))
		}
	}
	if top == 0 {
		return ROM{}, fmt.Errorf("%w: every number is 0", ErrROM)
	}
	scaled := mat.NewDense(rows, cols, nil)
	scaled.Apply(func(_, _ int, v float64) float64 { return v / top }, x)
	var r reduced
	switch o.Method {
	case "dmd":
		r, err = dynamicModes(delayed(scaled, o.Delays), o)
	case "era":
		r, err = eigensystem(scaled, o)
	case "pod":
		r, err = properModes(delayed(scaled, o.Delays), o)
	}
	if err != nil {
		return ROM{}, err
	}
	r.basis = mat.DenseCopyOf(r.basis.Slice(0, rows, 0, r.a.RawMatrix().Cols))
	return r.model(scaled, top, o)
}

// reduced is what the methods have in common.
type reduced struct {
	a, basis *mat.Dense
	start    *mat.VecDense
	energy   float64
}

// model finds the modes of A, rejects what is none, and makes A stable.
func (r reduced) model(x *mat.Dense, scale float64, o ROMOptions) (ROM, error) {
	rows, cols := x.Dims()
	rank := r.a.RawMatrix().Cols
	var eigen mat.Eigen
	if !eigen.Factorize(r.a, mat.EigenBoth) {
		return ROM{}, fmt.Errorf("%w: the eigenvalues were not found: try another rank", ErrROM)
	}
	m := ROM{Method: o.Method, DtS: o.DtS, Rows: rows, Snapshots: cols, Rank: rank, Energy: math.Min(r.energy, 1)}
	values := eigen.Values(nil)
	var right, left mat.CDense
	eigen.VectorsTo(&right)
	eigen.LeftVectorsTo(&left)
	energies := r.energies(values, &right, &left, cols)
	for i, z := range values {
		m.MaxAbs = math.Max(m.MaxAbs, cmplx.Abs(z))
		if imag(z) < 0 {
			continue // of a pair one is told
		}
		mode := modeOf(z, o)
		if mode.Energy = energies[i]; mode.Why == "" {
			m.Modes = append(m.Modes, mode)
		} else {
			m.Rejected = append(m.Rejected, mode)
		}
	}
	bySpeed := func(a, b ROMMode) int {
		switch {
		case a.Hz < b.Hz:
			return -1
		case a.Hz > b.Hz:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(m.Modes, bySpeed)
	slices.SortStableFunc(m.Rejected, bySpeed)
	if m.MaxAbs > 1 {
		m.Projected = true
		stabilise(r.a, values, &right, &left, m.MaxAbs)
	}
	m.A = append([]float64(nil), mat.DenseCopyOf(r.a).RawMatrix().Data...)
	m.Start = append([]float64(nil), r.start.RawVector().Data...)
	m.Basis = make([]float64, 0, rows*rank)
	for i := range rows {
		for j := range rank {
			m.Basis = append(m.Basis, scale*r.basis.At(i, j))
		}
	}
	m.Error = r.error(x)
	return m, nil
}

// modeOf reads an eigenvalue; Why says what is wrong with it.
func modeOf(z complex128, o ROMOptions) ROMMode {
	m := ROMMode{Abs: cmplx.Abs(z)}
	if m.Abs < 1e-12 {
		m.Zeta, m.Why = 1, "dies within a snapshot"
		return m
	}
	s := cmplx.Log(z) / complex(o.DtS, 0)
	m.Hz = cmplx.Abs(s) / (2 * math.Pi)
	if m.Hz > 0 {
		m.Zeta = -real(s) / cmplx.Abs(s)
	}
	switch {
	case imag(z) == 0:
		m.Why = "does not swing"
	case m.Zeta < -1e-9:
		m.Why = "grows: negative damping"
	case m.Zeta > o.MaxZeta:
		m.Why = fmt.Sprintf("damped by more than %g", o.MaxZeta)
	}
	m.Zeta += 0 // no negative zero
	return m
}

// along are the coefficients of x in the right eigenvectors: vᴴ·x/(vᴴ·w); 0 where both
// vectors of a defective eigenvalue stand at right angles.
func along(right, left *mat.CDense, i int, x []float64) complex128 {
	var up, down complex128
	for k := range x {
		v := cmplx.Conj(left.At(k, i))
		up += v * complex(x[k], 0)
		down += v * right.At(k, i)
	}
	if cmplx.Abs(down) < 1e-12 {
		return 0
	}
	return up / down
}

// energies are the shares of Σ_t|α(t)|²·‖Basis·w‖² of each eigenvalue, a pair counted
// with both, in a run from the start.
func (r reduced) energies(values []complex128, right, left *mat.CDense, steps int) []float64 {
	out := make([]float64, len(values))
	rows := r.basis.RawMatrix().Rows
	var total float64
	for i, z := range values {
		var norm float64
		for p := range rows {
			var sum complex128
			for k := range values {
				sum += complex(r.basis.At(p, k), 0) * right.At(k, i)
			}
			norm += real(sum)*real(sum) + imag(sum)*imag(sum)
		}
		alpha := cmplx.Abs(along(right, left, i, r.start.RawVector().Data))
		grown, q := float64(steps), math.Pow(cmplx.Abs(z), 2)
		if math.Abs(q-1) > 1e-12 {
			grown = (math.Pow(q, float64(steps)) - 1) / (q - 1)
		}
		out[i] = math.Min(alpha*alpha*norm*grown, math.MaxFloat64/float64(2*len(values)))
		total += out[i]
	}
	for i, z := range values {
		if total > 0 {
			out[i] /= total
		}
		if imag(z) > 0 {
			out[i] *= 2
		}
	}
	return out
}

// stabilise brings eigenvalues outside the unit circle back onto it along their own vectors,
// A + Σ(λ/|λ| − λ)·w·vᴴ/(vᴴ·w), which leaves the others as they are. Where that cannot be
// told apart the whole of A is divided by the largest.
func stabilise(a *mat.Dense, values []complex128, right, left *mat.CDense, largest float64) {
	n := len(values)
	fixed := mat.DenseCopyOf(a)
	for i, z := range values {
		if cmplx.Abs(z) <= 1 {
			continue
		}
		change := z/complex(cmplx.Abs(z), 0) - z
		unit := make([]float64, n)
		for q := range n {
			clear(unit)
			unit[q] = 1
			c := change * along(right, left, i, unit)
			for p := range n {
				fixed.Set(p, q, fixed.At(p, q)+real(c*right.At(p, i)))
			}
		}
	}
	if radius(fixed) <= 1+1e-9 {
		a.Copy(fixed)
		if again := radius(a); again > 1 {
			a.Scale(1/again, a)
		}
		return
	}
	a.Scale(1/largest, a)
}

// radius is the largest |λ|; +Inf when it was not found.
func radius(a *mat.Dense) float64 {
	var eigen mat.Eigen
	if !eigen.Factorize(a, mat.EigenNone) {
		return math.Inf(1)
	}
	var top float64
	for _, z := range eigen.Values(nil) {
		top = math.Max(top, cmplx.Abs(z))
	}
	return top
}

// error runs the model from its start and compares with the snapshots.
func (r reduced) error(x *mat.Dense) float64 {
	rows, cols := x.Dims()
	state := mat.VecDenseCopyOf(r.start)
	var next, field mat.VecDense
	var wrong, whole float64
	for j := range cols {
		field.MulVec(r.basis, state)
		for i := range rows {
			d := x.At(i, j) - field.AtVec(i)
			wrong += d * d
			whole += x.At(i, j) * x.At(i, j)
		}
		next.MulVec(r.a, state)
		state.CopyVec(&next)
	}
	return math.Sqrt(wrong / whole)
}
