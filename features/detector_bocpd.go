package features

import (
	"cmp"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// BOCPDOptions configures the online change-point posterior. The defaults suit a
// standardised series.
type BOCPDOptions struct {
	Hazard float64 // probability of a change per step, constant; default 1/250
	Mu0    float64 // prior mean
	Kappa0 float64 // values that the prior mean is worth; default 1
	Alpha0 float64 // shape of the prior of the precision; default 1
	Beta0  float64 // rate of it, in the unit of x squared; default 1
	// Prune drops run lengths less probable than this, at most a thousandth of
	// Hazard; default 1e-6, negative to keep all.
	Prune float64
	// MaxRuns bounds the memory: the least probable go first; default 512.
	MaxRuns int
}

// BOCPDRun is the hypothesis that the last change was Length values ago, with the
// normal-inverse-gamma posterior of the values since.
type BOCPDRun struct {
	Length                 int
	P                      float64
	Mu, Kappa, Alpha, Beta float64
}

// BOCPD is the posterior of the run length since the last change of mean or
// variance (Adams & MacKay 2007, arXiv 0710.3742). Its fields are its whole
// state; a copy shares Runs with the original, so it has one owner.
type BOCPD struct {
	Options BOCPDOptions
	Runs    []BOCPDRun // by length, ascending
}

// NewBOCPD fills in the defaults. why is ReasonUndefined for options that are no
// probabilities or not positive.
func NewBOCPD(o BOCPDOptions) (b BOCPD, why asset.Reason) {
	o.Hazard = cmp.Or(o.Hazard, 1.0/250)
	o.Kappa0, o.Alpha0, o.Beta0 = cmp.Or(o.Kappa0, 1), cmp.Or(o.Alpha0, 1), cmp.Or(o.Beta0, 1)
	o.Prune, o.MaxRuns = cmp.Or(o.Prune, 1e-6), cmp.Or(o.MaxRuns, 512)
	ordinary := func(v float64) bool { return v >= 1e-100 && v <= 1e100 }
	if !(o.Hazard > 0 && o.Hazard < 1) || math.IsNaN(o.Prune) || !(math.Abs(o.Mu0) <= 1e100) || !ordinary(o.Kappa0) || !ordinary(o.Alpha0) || !ordinary(o.Beta0) || o.MaxRuns < 2 {
		return BOCPD{}, ReasonUndefined
	}
	// A run is born with the hazard's probability and must not die of it.
	o.Prune = min(o.Prune, o.Hazard/1000)
	return BOCPD{Options: o, Runs: []BOCPDRun{o.prior(1)}}, ""
}

func (o BOCPDOptions) prior(p float64) BOCPDRun {
	return BOCPDRun{P: p, Mu: o.Mu0, Kappa: o.Kappa0, Alpha: o.Alpha0, Beta: o.Beta0}
}

// Step takes one value. One that is no number, or beyond 1e140, is left out: the
// posterior stays what it was.
func (b *BOCPD) Step(x float64) (why asset.Reason) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return ReasonNonFinite
	}
	if math.Abs(x) > 1e140 {
		return ReasonRange
	}
	top := math.Inf(-1)
	for i := range b.Runs {
		r := &b.Runs[i]
		r.P = math.Log(r.P) + r.logPredictive(x)
		top = max(top, r.P)
	}
	total := 0.0
	for i := range b.Runs {
		r := &b.Runs[i]
		r.P = math.Exp(r.P - top)
		total += r.P
		r.grow(x)
	}
	h := b.Options.Hazard
	for i := range b.Runs {
		b.Runs[i].P *= (1 - h) / total
	}
	b.Runs = slices.Insert(b.Runs, 0, b.Options.prior(h))
	b.prune()
	return ""
}

// grow is the conjugate update with one value (Murphy 2007, "Conjugate Bayesian analysis of the Gaussian").
func (r *BOCPDRun) grow(x float64) {
	d := x - r.Mu
	r.Beta += r.Kappa / (2 * (r.Kappa + 1)) * d * d
	r.Mu += d / (r.Kappa + 1)
	r.Kappa++
	r.Alpha += 0.5
	r.Length++
}

// logPredictive is the logarithm of the Student density of 2α degrees of freedom
// about μ with the squared scale β(κ+1)/(ακ).
func (r *BOCPDRun) logPredictive(x float64) float64 {
	nu := 2 * r.Alpha
	s2 := r.Beta * (r.Kappa + 1) / (r.Alpha * r.Kappa)
	z := (x - r.Mu) / math.Sqrt(s2)
	tail := math.Log1p(z * z / nu)
	if math.IsInf(tail, 0) {
		tail = 2*math.Log(math.Abs(z)) - math.Log(nu)
	}
	a, _ := math.Lgamma((nu + 1) / 2)
	c, _ := math.Lgamma(nu / 2)
	return a - c - 0.5*math.Log(nu*math.Pi) - 0.5*math.Log(s2) - (nu+1)/2*tail
}

// prune forgets what is improbable and makes the rest add up to one.
func (b *BOCPD) prune() {
	if b.Options.Prune > 0 {
		b.Runs = slices.DeleteFunc(b.Runs, func(r BOCPDRun) bool { return r.P < b.Options.Prune })
	}
	for len(b.Runs) > b.Options.MaxRuns {
		least := len(b.Runs) - 1
		for i := least; i > 0; i-- {
			if b.Runs[i].P < b.Runs[least].P {
				least = i
			}
		}
		b.Runs = slices.Delete(b.Runs, least, least+1)
	}
	total := 0.0
	for _, r := range b.Runs {
		total += r.P
	}
	for i := range b.Runs {
		b.Runs[i].P /= total
	}
}

// RunLength is the most probable number of values since the last change.
func (b *BOCPD) RunLength() int {
	best := BOCPDRun{P: -1}
	for _, r := range b.Runs {
		if r.P > best.P {
			best = r
		}
	}
	return best.Length
}

// RecentP is the probability that the last change was at most n values ago.
func (b *BOCPD) RecentP(n int) float64 {
	sum := 0.0
	for _, r := range b.Runs {
		if r.Length <= n {
			sum += r.P
		}
	}
	return min(sum, 1)
}
