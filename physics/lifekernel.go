package physics

import (
	"cmp"
	"math"
	"slices"
)

// LifeKernel is what a fleet's lives say of the next one without assuming a law:
// the density of ln life, a kernel around each life that ended in a failure, and a
// broad base for a life unlike any before. A fleet whose parts die early or late,
// of two causes, keeps both.
type LifeKernel struct {
	Lives   []float64 `json:"lives"`   // hours
	Weights []float64 `json:"weights"` // of each; with that of the base they sum to 1
	Width   float64   `json:"width"`   // of a kernel, in ln
	Mean    float64   `json:"mean"`    // of the base, in ln
	Sd      float64   `json:"sd"`      // of the base, in ln
}

const (
	// fewestKernel is how many failures make a kernel: of two, the width is unknown.
	fewestKernel = 3
	// mostKernel bounds what has to be carried; of more, lives of every length stay.
	mostKernel = 100
	// leastWidth is the narrowest kernel: loads, speeds and the instant that counts
	// as the end are not the same to better than a tenth.
	leastWidth = 0.1
	// bearingSd is the deviation of ln life of rolling bearings of one kind under one
	// duty, π/(√6·e) with Weibull's slope e = 1.5 (ISO 281 has 10/9 to 1.5).
	bearingSd = 0.855
)

// NewLifeKernel gives each failure its Kaplan-Meier jump as weight (Marron & Padgett
// 1987, Ann. Stat. 15:1520) and n of n + 1 to all of them, one to the base: the
// next part is like an earlier one or new (Blackwell & MacQueen 1973, Ann. Stat.
// 1:353). The width is that under which each life is most likely given the others
// (Duin 1976, IEEE Trans. Comp. 25:1175). False of less than three failures.
func NewLifeKernel(lives []Lifetime) (LifeKernel, bool) {
	table := LifeTable(lives)
	var k LifeKernel
	var n float64
	before := 1.0
	for _, p := range table {
		k.Lives, k.Weights = append(k.Lives, p.H), append(k.Weights, before-p.Survival)
		before = p.Survival
		n += float64(p.Failed)
	}
	if n < fewestKernel {
		return LifeKernel{}, false
	}
	k.thin()
	var total, squares float64
	for i, h := range k.Lives {
		total += k.Weights[i]
		k.Mean += k.Weights[i] * math.Log(h)
	}
	k.Mean /= total
	for i, h := range k.Lives {
		d := math.Log(h) - k.Mean
		squares += k.Weights[i] * d * d
	}
	k.Sd = math.Sqrt(squares/total + bearingSd*bearingSd)
	k.Width = k.likeliestWidth(math.Max(2*math.Sqrt(squares/total), 2*leastWidth))
	for i := range k.Weights {
		k.Weights[i] *= n / (n + 1)
	}
	return k, true
}

// thin joins neighbours in length until few enough are left.
func (k *LifeKernel) thin() {
	n := len(k.Lives)
	if n <= mostKernel {
		return
	}
	var out LifeKernel
	for i := range mostKernel {
		from, to := i*n/mostKernel, (i+1)*n/mostKernel
		var sum float64
		for _, w := range k.Weights[from:to] {
			sum += w
		}
		out.Lives, out.Weights = append(out.Lives, k.Lives[(from+to)/2]), append(out.Weights, sum)
	}
	*k = out
}

// likeliestWidth tries widths from the least to the most.
func (k *LifeKernel) likeliestWidth(most float64) float64 {
	type width struct{ h, fit float64 }
	const tries = 40
	all := make([]width, tries)
	for i := range all {
		h := leastWidth * math.Pow(most/leastWidth, float64(i)/(tries-1))
		all[i] = width{h, k.leaveOneOut(h)}
	}
	return slices.MaxFunc(all, func(a, b width) int { return cmp.Compare(a.fit, b.fit) }).h
}

// leaveOneOut is the mean log density of each life under the kernels of the others.
func (k *LifeKernel) leaveOneOut(h float64) float64 {
	var sum float64
	for i := range k.Lives {
		var f, others float64
		for j := range k.Lives {
			if j != i {
				f += k.Weights[j] * gauss(math.Log(k.Lives[i]/k.Lives[j]), h)
				others += k.Weights[j]
			}
		}
		sum += k.Weights[i] * math.Log(math.Max(f/math.Max(others, 1e-300), 1e-300))
	}
	return sum
}

// gauss is the density of N(0, h²), but for the constant.
func gauss(d, h float64) float64 { return math.Exp(-0.5*d*d/(h*h)) / h }

// known says whether there is any life in it.
func (k LifeKernel) known() bool {
	return len(k.Lives) > 0 && len(k.Lives) == len(k.Weights) && k.Width > 0
}

// logDensity is that of ln t at t hours, but for the constant.
func (k LifeKernel) logDensity(t float64) float64 {
	x := math.Log(t)
	var f float64
	base := 1.0
	for i, h := range k.Lives {
		f += k.Weights[i] * gauss(x-math.Log(h), k.Width)
		base -= k.Weights[i]
	}
	if base > 0 && k.Sd > 0 {
		f += base * gauss(x-k.Mean, k.Sd)
	}
	return math.Log(math.Max(f, 1e-300))
}

// Scaled is the kernel of lives that are c times as long.
func (k LifeKernel) Scaled(c float64) LifeKernel {
	k.Lives = slices.Clone(k.Lives)
	for i := range k.Lives {
		k.Lives[i] *= c
	}
	k.Mean += math.Log(c)
	return k
}
