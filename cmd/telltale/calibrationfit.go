package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/pipeline"
)

// The ways to calibrate, from the simplest on. Platt is a line from the summed log
// likelihood ratio to the log odds, weights one for each group of signals, isotonic any
// course that rises.
var calibrationMethods = []string{byHand, "platt", "weights", "isotonic"}

// farLLR is beyond every sum of capped log likelihood ratios.
const farLLR = 50

// calibrationFolds is how many parts the assets are held out in.
const calibrationFolds = 5

// chooseCalibration compares the ways on assets that they were not fitted on and takes
// the simplest one whose log loss is within a standard error of the best (Breiman et
// al. 1984, Classification and Regression Trees, 3.4.3).
func chooseCalibration(blocks []*calibrationBlock) calibrationLearn {
	out := describe(blocks)
	var assets []asset.ID
	for _, b := range blocks {
		if !slices.Contains(assets, b.asset) {
			assets = append(assets, b.asset)
		}
	}
	switch {
	case out.Events < fewestEvents:
		out.Why = fmt.Sprintf("too few events were judged: %d of at least %d", out.Events, fewestEvents)
		return out
	case len(assets) < 2*calibrationFolds:
		out.Why = fmt.Sprintf("too few assets to hold some out: %d of at least %d", len(assets), 2*calibrationFolds)
		return out
	}
	out.Quality = map[string]quality{}
	losses := map[string][]float64{} // by asset
	for _, method := range calibrationMethods {
		loss, q, err := crossValidated(method, blocks, assets)
		if err != nil {
			continue // that way cannot be gone with this history
		}
		losses[method], out.Quality[method] = loss, q
	}
	best := byHand
	for _, m := range calibrationMethods {
		if l, ok := losses[m]; ok && meanLoss(l) < meanLoss(losses[best]) {
			best = m
		}
	}
	for _, m := range calibrationMethods {
		if l, ok := losses[m]; ok && meanLoss(l) <= meanLoss(losses[best])+standardErrorOf(l, losses[best]) {
			out.Method = m
			break
		}
	}
	out.Why = "the simplest within a standard error of the best log loss on assets that were held out"
	return *refitCalibration(out, blocks)
}

// refitCalibration fits the chosen method on these blocks; what cannot be fitted on
// them stays by hand.
func refitCalibration(chosen calibrationLearn, blocks []*calibrationBlock) *calibrationLearn {
	out := describe(blocks)
	out.Method, out.Why, out.Quality = chosen.Method, chosen.Why, chosen.Quality
	if err := out.fit(blocks); err != nil {
		out.Method, out.Why, out.Weights, out.Curve = byHand, err.Error(), nil, pipeline.Curve{}
	}
	return &out
}

func describe(blocks []*calibrationBlock) calibrationLearn {
	out := calibrationLearn{Method: byHand}
	seen := map[asset.ID]bool{}
	for _, b := range blocks {
		out.Rows += b.seen
		if b.failing {
			out.Events++
		}
		if !seen[b.asset] {
			seen[b.asset] = true
			out.Assets++
		}
	}
	if len(blocks) > 0 {
		out.Base = float64(out.Events) / float64(len(blocks))
	}
	return out
}

// crossValidated is the mean log loss of each asset under fits that did not see it.
func crossValidated(method string, blocks []*calibrationBlock, assets []asset.ID) ([]float64, quality, error) {
	losses := make([]float64, len(assets))
	counts := make([]float64, len(assets))
	var all []float64
	var truth []bool
	for fold := range calibrationFolds {
		out := func(b *calibrationBlock) bool { return slices.Index(assets, b.asset)%calibrationFolds == fold }
		rest := slices.DeleteFunc(slices.Clone(blocks), out)
		c := describe(rest)
		c.Method = method
		if err := c.fit(rest); err != nil {
			return nil, quality{}, err
		}
		for _, b := range blocks {
			if !out(b) {
				continue
			}
			at := slices.Index(assets, b.asset)
			for _, r := range b.spread() {
				p := logistic(c.llr(r) + logitOf(c.Base))
				all, truth = append(all, p), append(truth, b.failing)
				losses[at] -= math.Log(max(chanceOf(b.failing, p), 1e-15))
				counts[at]++
			}
		}
	}
	for i := range losses {
		losses[i] /= max(counts[i], 1)
	}
	q, err := models.Assess(all, truth)
	return losses, quality{q.Brier, q.LogLoss, q.ECE, q.AUC}, err
}

// chanceOf is the probability that was given to what came.
func chanceOf(y bool, p float64) float64 {
	if y {
		return p
	}
	return 1 - p
}

// llr is what the calibration makes of a row.
func (c *calibrationLearn) llr(r calibrationRow) float64 {
	l := r.total
	if len(c.Weights) > 0 {
		l = 0
		for _, g := range append(asset.Groups(), "") {
			w, ok := c.Weights[g]
			if !ok {
				w = 1
			}
			l += w * r.groups[g]
		}
	}
	return c.Curve.At(l)
}

// fit takes the method's way. Log odds of the history become log likelihood ratios by
// its base rate, so that the class's prior stays the prior (King & Zeng 2001, Polit.
// Anal. 9:137).
func (c *calibrationLearn) fit(blocks []*calibrationBlock) error {
	if c.Method == byHand {
		return nil
	}
	var rows []calibrationRow
	var score []float64
	var truth []bool
	for _, b := range blocks {
		for _, r := range b.spread() {
			rows, score, truth = append(rows, r), append(score, r.total), append(truth, b.failing)
		}
	}
	base := logitOf(c.Base)
	switch c.Method {
	case "platt":
		p, err := models.FitPlatt(score, truth)
		if err != nil {
			return err
		}
		if p.A <= 0 {
			return fmt.Errorf("%w: what argues for failures was said of healthy machines", models.ErrUncalibrated)
		}
		c.Curve = line(p.A, p.B-base)
	case "isotonic":
		f, err := models.FitIsotonic(score, truth)
		if err != nil {
			return err
		}
		least := 1 / float64(c.Events+2) // no history of n events shows a rarer one (Laplace)
		c.Curve = pipeline.Curve{X: f.X}
		for _, p := range f.Y {
			c.Curve.Y = append(c.Curve.Y, logitOf(min(max(p, least), 1-least))-base)
		}
	case "weights":
		w, b, err := fitWeights(rows, truth)
		if err != nil {
			return err
		}
		c.Weights, c.Curve = w, line(1, b-base)
	}
	return nil
}

// line is a curve that is straight as far as sums reach.
func line(slope, offset float64) pipeline.Curve {
	return pipeline.Curve{X: []float64{-farLLR, farLLR}, Y: []float64{offset - slope*farLLR, offset + slope*farLLR}}
}

// mostWeight bounds a group's weight; 0 mutes it.
const mostWeight = 3

// fitWeights is the logistic regression on what each group said, with weights that are
// never negative and are drawn to 1, what stands without history, as if one block had
// said so (ridge). It descends along the gradient, projected on the bounds.
func fitWeights(rows []calibrationRow, truth []bool) (weights map[asset.Group]float64, offset float64, err error) {
	var groups []asset.Group
	for _, g := range asset.Groups() {
		if slices.ContainsFunc(rows, func(r calibrationRow) bool { return r.groups[g] != 0 }) {
			groups = append(groups, g)
		}
	}
	if len(groups) < 2 {
		return nil, 0, fmt.Errorf("%w: %d group(s) of signals spoke, weights are between groups", models.ErrUncalibrated, len(groups))
	}
	x := make([][]float64, len(rows)) // the groups, and 1; what is of no group is taken as it is
	rest := make([]float64, len(rows))
	for i, r := range rows {
		for _, g := range groups {
			x[i] = append(x[i], r.groups[g])
		}
		x[i], rest[i] = append(x[i], 1), r.groups[""]
	}
	w := make([]float64, len(groups)+1)
	for k := range groups {
		w[k] = 1
	}
	loss, gradient := weightLoss(x, rest, truth, w)
	for step, n := 1.0, 0; step > 1e-6 && n < 500; n++ {
		next := make([]float64, len(w))
		for k := range w {
			if next[k] = w[k] - step*gradient[k]; k < len(groups) {
				next[k] = min(max(next[k], 0), mostWeight)
			}
		}
		l, g := weightLoss(x, rest, truth, next)
		if !(l < loss-1e-7) {
			step /= 2
			continue
		}
		w, loss, gradient, step = next, l, g, 1.5*step
	}
	weights = map[asset.Group]float64{}
	for k, g := range groups {
		weights[g] = w[k]
	}
	return weights, w[len(groups)], nil
}

// weightLoss is the mean negative log-likelihood with the ridge, and its gradient.
func weightLoss(x [][]float64, rest []float64, truth []bool, w []float64) (loss float64, gradient []float64) {
	gradient = make([]float64, len(w))
	n := float64(len(x))
	for i, row := range x {
		z := rest[i]
		for k, v := range row {
			z += w[k] * v
		}
		e := logistic(z)
		s := z
		if truth[i] {
			e, s = e-1, -z
		}
		loss += (max(s, 0) + math.Log1p(math.Exp(-math.Abs(s)))) / n
		for k, v := range row {
			gradient[k] += e * v / n
		}
	}
	for k := range len(w) - 1 {
		d := w[k] - 1
		loss += blockRows / n * d * d / 2
		gradient[k] += blockRows / n * d
	}
	return loss, gradient
}

func logistic(l float64) float64 { return 1 / (1 + math.Exp(-l)) }

func logitOf(p float64) float64 {
	p = min(max(p, 1e-9), 1-1e-9)
	return math.Log(p / (1 - p))
}

func meanLoss(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v / float64(len(x))
	}
	return sum
}

// standardErrorOf is that of the mean difference of two losses, asset by asset.
func standardErrorOf(a, b []float64) float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	m, sum := meanLoss(d), 0.0
	for _, v := range d {
		sum += (v - m) * (v - m)
	}
	n := float64(len(d))
	return math.Sqrt(sum/max(n-1, 1)) / math.Sqrt(n)
}
