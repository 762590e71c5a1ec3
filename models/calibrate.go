package models

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// ErrUncalibrated says that probabilities cannot be fitted or assessed.
var ErrUncalibrated = errors.New("scores cannot be calibrated")

// Platt maps a score to a probability, 1/(1 + exp(−(A·s + B))) (Platt 1999, in
// Advances in Large Margin Classifiers, 61–74; without his smoothed targets).
type Platt struct{ A, B float64 }

// FitPlatt is the maximum-likelihood fit, by Newton's method with halved steps
// (Lin, Lin & Weng 2007, Mach. Learn. 68:267). Labels that the scores separate
// completely have no such fit.
func FitPlatt(score []float64, label []bool) (Platt, error) {
	positives, err := countLabels(score, label)
	if err != nil {
		return Platt{}, err
	}
	// Standard scores keep the Hessian well conditioned, whatever the scale.
	mean, sd := moments(score)
	if !(sd > 0) {
		return Platt{}, fmt.Errorf("%w: all %d scores are alike", ErrUncalibrated, len(score))
	}
	a, b := 0.0, math.Log(float64(positives)/float64(len(label)-positives))
	loss := plattLoss(score, label, mean, sd, a, b)
	for range 100 {
		var ga, gb, haa, hab, hbb float64
		for i, s := range score {
			x := (s - mean) / sd
			p := 1 / (1 + math.Exp(-(a*x + b)))
			e, w := p, p*(1-p)
			if label[i] {
				e--
			}
			ga, gb = ga+e*x, gb+e
			haa, hab, hbb = haa+w*x*x, hab+w*x, hbb+w
		}
		det := haa*hbb - hab*hab
		if !(det > 1e-300) || math.Abs(a) > 1e4 || loss < 1e-6 {
			return Platt{}, fmt.Errorf("%w: the scores separate the labels completely", ErrUncalibrated)
		}
		da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
		step, next := 1.0, 0.0
		for ; step > 1e-10; step /= 2 {
			if next = plattLoss(score, label, mean, sd, a-step*da, b-step*db); next <= loss {
				break
			}
		}
		if !(next <= loss) {
			break // no step of this precision is downhill: it is there
		}
		done := loss-next <= 1e-15*loss
		a, b, loss = a-step*da, b-step*db, next
		if done || math.Abs(da)+math.Abs(db) < 1e-10*(1+math.Abs(a)+math.Abs(b)) {
			break
		}
	}
	return Platt{A: a / sd, B: b - a*mean/sd}, nil
}

// plattLoss is the negative log-likelihood, written so that nothing overflows.
func plattLoss(score []float64, label []bool, mean, sd, a, b float64) float64 {
	sum := 0.0
	for i, s := range score {
		z := a*(s-mean)/sd + b
		if label[i] {
			z = -z
		}
		sum += math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z)))
	}
	return sum
}

// P is the probability that belongs to a score.
func (p Platt) P(score float64) float64 { return 1 / (1 + math.Exp(-(p.A*score + p.B))) }

// Isotonic maps a score to a probability that never falls: linear between knots,
// constant outside.
type Isotonic struct{ X, Y []float64 }

// FitIsotonic is the least-squares fit that never falls, by pooling adjacent
// violators (Ayer et al. 1955, Ann. Math. Stat. 26:641). Equal scores are one.
func FitIsotonic(score []float64, label []bool) (Isotonic, error) {
	if _, err := countLabels(score, label); err != nil {
		return Isotonic{}, err
	}
	type block struct{ from, to, sum, weight float64 }
	var blocks []block
	order := sortedBy(score)
	for i := 0; i < len(order); {
		b := block{from: score[order[i]], to: score[order[i]]}
		for ; i < len(order) && score[order[i]] == b.from; i++ {
			b.weight++
			if label[order[i]] {
				b.sum++
			}
		}
		for k := len(blocks); k > 0 && blocks[k-1].sum*b.weight >= b.sum*blocks[k-1].weight; k-- {
			b.from, b.sum, b.weight = blocks[k-1].from, b.sum+blocks[k-1].sum, b.weight+blocks[k-1].weight
			blocks = blocks[:k-1]
		}
		blocks = append(blocks, b)
	}
	var f Isotonic
	for _, b := range blocks {
		y := b.sum / b.weight
		f.X, f.Y = append(f.X, b.from), append(f.Y, y)
		if b.to > b.from {
			f.X, f.Y = append(f.X, b.to), append(f.Y, y)
		}
	}
	return f, nil
}

// P is the probability that belongs to a score; NaN without a fit.
func (f Isotonic) P(score float64) float64 {
	if len(f.X) == 0 || math.IsNaN(score) {
		return math.NaN()
	}
	i := sort.SearchFloat64s(f.X, score)
	switch {
	case i == 0:
		return f.Y[0]
	case i == len(f.X):
		return f.Y[i-1]
	}
	at := (score - f.X[i-1]) / (f.X[i] - f.X[i-1])
	return f.Y[i-1] + at*(f.Y[i]-f.Y[i-1])
}

// Quality says how good probabilities, or the scores behind them, are.
type Quality struct {
	Brier   float64 // mean square error (Brier 1950)
	LogLoss float64 // mean negative log-likelihood
	ECE     float64 // expected calibration error, ten bins of equal width
	AUC     float64 // area under the receiver operating characteristic
	AP      float64 // average precision: area under precision over recall, in steps
}

// Assess holds probabilities against what came of them.
func Assess(p []float64, label []bool) (Quality, error) {
	if _, err := countLabels(p, label); err != nil {
		return Quality{}, err
	}
	var q Quality
	const bins = 10
	var sum, hits [bins]float64
	n := float64(len(p))
	for i, v := range p {
		if v < 0 || v > 1 {
			return Quality{}, fmt.Errorf("%w: %g is no probability", ErrUncalibrated, v)
		}
		y, clipped := 0.0, min(max(v, 1e-15), 1-1e-15)
		k := min(int(v*bins), bins-1)
		if label[i] {
			y = 1
			q.LogLoss -= math.Log(clipped) / n
		} else {
			q.LogLoss -= math.Log1p(-clipped) / n
		}
		q.Brier += (v - y) * (v - y) / n
		sum[k], hits[k] = sum[k]+v, hits[k]+y
	}
	for k := range bins {
		q.ECE += math.Abs(sum[k]-hits[k]) / n
	}
	q.AUC, q.AP = ranked(p, label)
	return q, nil
}

// ranked is the area under the receiver operating characteristic (ties count
// half: Hanley & McNeil 1982, Radiology 143:29) and the average precision
// Σ (Rₙ − Rₙ₋₁)·Pₙ.
func ranked(score []float64, label []bool) (auc, ap float64) {
	order := sortedBy(score)
	slices.Reverse(order)
	positives := 0.0
	for _, y := range label {
		if y {
			positives++
		}
	}
	negatives := float64(len(label)) - positives
	hits, falses := 0.0, 0.0
	for i := 0; i < len(order); {
		tp, fp, s := 0.0, 0.0, score[order[i]]
		for ; i < len(order) && score[order[i]] == s; i++ {
			if label[order[i]] {
				tp++
			} else {
				fp++
			}
		}
		auc += fp * (hits + tp/2) / (positives * negatives)
		hits, falses = hits+tp, falses+fp
		ap += tp / positives * hits / (hits + falses)
	}
	return auc, ap
}

func countLabels(score []float64, label []bool) (positives int, err error) {
	if len(score) != len(label) {
		return 0, fmt.Errorf("%w: %d scores and %d labels", ErrUncalibrated, len(score), len(label))
	}
	if slices.ContainsFunc(score, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return 0, fmt.Errorf("%w: one of %d scores is not a number", ErrUncalibrated, len(score))
	}
	for _, y := range label {
		if y {
			positives++
		}
	}
	if positives == 0 || positives == len(label) {
		return 0, fmt.Errorf("%w: %d of %d labels are positive, both kinds are needed", ErrUncalibrated, positives, len(label))
	}
	return positives, nil
}

func sortedBy(score []float64) []int {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return score[order[i]] < score[order[j]] })
	return order
}

func moments(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, math.Sqrt(sd)
}
