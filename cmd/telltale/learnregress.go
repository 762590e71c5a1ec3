package main

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/physics"
)

// regressedLife is one life as a regression reads it: the inputs of each instant
// and the remaining hours, capped.
type regressedLife struct {
	asset  asset.ID
	order  int // of the asset in its fleet: it decides on half and fold
	inputs [][]float64
	hours  []float64
}

// fleetFit holds what every life of a fleet adds to the normal equations, so that
// a life can be taken out again. The inputs are standardised by one half of the
// lives: what is left out of a fit has no part in that either.
type fleetFit struct {
	capH   float64
	lives  []regressedLife
	half   [2]halfFit
	unseen [][]outcome // for each life
}

// halfFit are the normal equations under the standardisation of every second life.
type halfFit struct {
	scale physics.RegressionFit // without weights
	all   normal
	folds [regressionFolds]normal // of the lives of each fold alone
}

// normal are normal equations: Σ b bᵀ and Σ b y over rows with basis b and target y.
type normal struct {
	gram   *mat.SymDense
	moment []float64
}

// outcome is one prediction for a life that the fit did not see.
type outcome struct{ predicted, rest float64 }

const (
	// regressionFolds is how often the fleet is fitted without a part of its lives
	// to learn how far the predictions are off. It is even: a fold is within one half.
	regressionFolds = 4
	// fewestRegressed is how many failed lives a regression wants.
	fewestRegressed = 8
	// ridge is the penalty for each row; the inputs are standardised.
	ridge = 1e-3
)

// fit reads the regressions of a class's laws from its fleet.
func (l *learning) fit(fleet []*historian) map[string]*fleetFit {
	out := map[string]*fleetFit{}
	for order, r := range fleet {
		for _, g := range r.regressions {
			life, capH := r.regressed(g)
			if len(life.inputs) == 0 {
				continue
			}
			if out[g.law] == nil {
				out[g.law] = &fleetFit{capH: capH}
			}
			life.order = order
			out[g.law].lives = append(out[g.law].lives, life)
		}
	}
	for law, f := range out {
		if len(f.lives) < fewestRegressed {
			delete(out, law)
			continue
		}
		f.solve()
	}
	return out
}

// regressed lets the very law that will judge others go through a life; it is
// empty when that did not end in a failure.
func (r *historian) regressed(g regressionPlace) (regressedLife, float64) {
	law, life := physics.NewRegression(g.opt), regressedLife{asset: r.plate.ID}
	end, failed := r.failure(g.component)
	if !failed {
		return life, law.CapH()
	}
	var state physics.State
	for _, row := range r.rows {
		if row.values == nil || row.time.After(end) {
			continue
		}
		state, _ = law.Step(state, r.snapshot(row))
		if in, ok := law.Inputs(state); ok {
			life.inputs = append(life.inputs, in)
			life.hours = append(life.hours, math.Min(end.Sub(row.time).Hours(), law.CapH()))
		}
	}
	return life, law.CapH()
}

// solve accumulates both halves and sees how far predictions for unseen lives are off.
func (f *fleetFit) solve() {
	f.unseen = make([][]outcome, len(f.lives))
	for h := range f.half {
		half := &f.half[h]
		half.scale = standard(f.lives, h)
		for k := range half.folds {
			half.folds[k] = f.add(half.scale, func(l regressedLife) bool { return l.order%regressionFolds == k })
		}
		half.all = sum(half.folds[:])
	}
	for k := range regressionFolds {
		half := &f.half[(k+1)%2] // lives of fold k are of the other half
		w, ok := half.all.less(half.folds[k])
		if !ok {
			continue
		}
		for i, life := range f.lives {
			if life.order%regressionFolds == k {
				f.unseen[i] = f.outcomes(half.scale, w, life)
			}
		}
	}
}

// standard is the mean and deviation of the inputs over every second life.
func standard(lives []regressedLife, half int) physics.RegressionFit {
	width := len(lives[0].inputs[0])
	fit := physics.RegressionFit{Mean: make([]float64, width), Sd: make([]float64, width)}
	for j := range width {
		var n, mean, m2 float64
		for _, life := range lives {
			if life.order%2 != half {
				continue
			}
			for _, in := range life.inputs { // Welford 1962
				n++
				d := in[j] - mean
				mean += d / n
				m2 += d * (in[j] - mean)
			}
		}
		fit.Mean[j] = mean
		if sd := math.Sqrt(m2 / math.Max(n, 1)); sd > 1e-6*math.Abs(mean) {
			fit.Sd[j] = sd
		}
	}
	return fit
}

// block is how many rows are multiplied at once.
const block = 512

// add sums Σ b bᵀ and Σ b y over the chosen lives.
func (f *fleetFit) add(scale physics.RegressionFit, chosen func(regressedLife) bool) normal {
	width := len(scale.Basis(nil, scale.Mean))
	out := normal{mat.NewSymDense(width, nil), make([]float64, width)}
	rows := make([]float64, 0, block*width)
	flush := func() {
		if len(rows) == 0 {
			return
		}
		var part mat.SymDense
		part.SymOuterK(1, mat.NewDense(len(rows)/width, width, rows).T())
		out.gram.AddSym(out.gram, &part)
		rows = rows[:0]
	}
	for _, life := range f.lives {
		if !chosen(life) {
			continue
		}
		for t, in := range life.inputs {
			at := len(rows)
			rows = scale.Basis(rows, in)
			for j, b := range rows[at:] {
				out.moment[j] += b * life.hours[t]
			}
			if len(rows) == block*width {
				flush()
			}
		}
	}
	flush()
	return out
}

func sum(parts []normal) normal {
	out := normal{mat.NewSymDense(len(parts[0].moment), nil), make([]float64, len(parts[0].moment))}
	for _, p := range parts {
		out.gram.AddSym(out.gram, p.gram)
		for j, v := range p.moment {
			out.moment[j] += v
		}
	}
	return out
}

// less are the ridge weights without some of the rows.
func (h normal) less(rows normal) ([]float64, bool) {
	n := len(h.moment)
	gram := mat.NewSymDense(n, nil)
	gram.CopySym(h.gram)
	data, less := gram.RawSymmetric().Data, rows.gram.RawSymmetric().Data
	for i := range data {
		data[i] -= less[i]
	}
	count := gram.At(0, 0) // the basis begins with 1
	if count < 1 {
		return nil, false
	}
	right := mat.NewVecDense(n, nil)
	for j := range n {
		right.SetVec(j, h.moment[j]-rows.moment[j])
		if j > 0 {
			gram.SetSym(j, j, gram.At(j, j)+ridge*count)
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(gram) {
		return nil, false
	}
	var w mat.VecDense
	if chol.SolveVecTo(&w, right) != nil {
		return nil, false
	}
	return w.RawVector().Data, true
}

func (f *fleetFit) outcomes(scale physics.RegressionFit, w []float64, life regressedLife) []outcome {
	scale.Weights = w
	out := make([]outcome, len(life.inputs))
	for i, in := range life.inputs {
		p := math.Min(math.Max(scale.Predict(in), 0), f.capH)
		out[i] = outcome{p, life.hours[i] - p}
	}
	return out
}

// without is the fit of all lives but those of an asset; false when too few
// lives are left. An empty ID leaves none out.
func (f *fleetFit) without(id asset.ID) (regressionLearn, bool) {
	half, own := &f.half[0], -1
	var rest []outcome
	for _, l := range f.lives {
		if l.asset == id {
			own, half = l.order, &f.half[(l.order+1)%2]
		}
	}
	lives := 0
	for i, l := range f.lives {
		if l.order == own {
			continue
		}
		lives++
		if own < 0 || l.order%regressionFolds == own%regressionFolds { // fits that did not see the asset either
			rest = append(rest, f.unseen[i]...)
		}
	}
	if lives < fewestRegressed {
		return regressionLearn{}, false
	}
	w, ok := half.all.less(f.add(half.scale, func(l regressedLife) bool { return l.order == own }))
	if !ok {
		return regressionLearn{}, false
	}
	fit := half.scale
	fit.Weights, fit.Spread = w, spreadOf(rest, f.capH)
	return regressionLearn{Lives: lives, Fit: fit}, true
}

// spreadSteps is how many stretches of the prediction have a spread of their own.
const spreadSteps = 10

// spreadOf is how the remaining lives were spread, by what was predicted. A
// stretch with less than 20 instants takes its neighbour's.
func spreadOf(rest []outcome, capH float64) []physics.SpreadPoint {
	var out []physics.SpreadPoint
	for k := range spreadSteps {
		lo, hi := capH*float64(k)/spreadSteps, capH*float64(k+1)/spreadSteps
		var off []float64
		var squares float64
		for _, o := range rest {
			if o.predicted >= lo && (o.predicted < hi || k == spreadSteps-1) {
				off = append(off, o.rest)
				squares += o.rest * o.rest
			}
		}
		if len(off) < 20 {
			continue
		}
		slices.Sort(off)
		out = append(out, physics.SpreadPoint{
			At: (lo + hi) / 2, P10: quantile(off, 0.1), P90: quantile(off, 0.9), Sd: math.Sqrt(squares / float64(len(off))),
		})
	}
	return out
}
