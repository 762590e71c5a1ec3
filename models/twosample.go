package models

import (
	"math"
	"slices"
	"sort"
)

// Distance says how far values lie from those that they are held against.
type Distance struct {
	PSI  float64 // population stability index over 10 bins
	KS   float64 // largest difference of the distribution functions
	P    float64 // probability of such a KS between samples of one distribution
	W1   float64 // Wasserstein-1, in the unit of the values
	NEff float64 // independent values that the current ones are worth
}

// psiBins and psiFloor are those of the usual credit-scoring practice: deciles
// of the reference, and no share below the floor.
const (
	psiBins  = 10
	psiFloor = 1e-4
)

// TwoSample compares current values with a reference sample, both taken for
// independent. NaN where either is empty. Values have to be finite.
func TwoSample(reference, current []float64) Distance {
	if len(reference) == 0 || len(current) == 0 {
		return noDistance()
	}
	r, c := slices.Sorted(slices.Values(reference)), slices.Sorted(slices.Values(current))
	edges := make([]float64, psiBins-1)
	for i := range edges {
		edges[i] = quantileOf(r, float64(i+1)/psiBins)
	}
	d := Distance{NEff: float64(len(c)), PSI: psi(sharesOf(r, edges), sharesOf(c, edges))}
	d.KS, d.W1 = apart(r, c)
	d.P = kolmogorov(d.KS, float64(len(r)), d.NEff)
	return d
}

func noDistance() Distance {
	nan := math.NaN()
	return Distance{PSI: nan, KS: nan, P: nan, W1: nan}
}

// quantileOf is Hyndman and Fan's type 7 (1996, Am. Stat. 50:361) of sorted values.
func quantileOf(sorted []float64, u float64) float64 {
	at := u * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}

// sharesOf counts sorted values into the bins between edges: each holds its lower
// edge and not its upper one; the outer bins are open.
func sharesOf(sorted, edges []float64) []float64 {
	shares := make([]float64, len(edges)+1)
	from := 0
	for i, e := range edges {
		to := sort.SearchFloat64s(sorted, e)
		shares[i] = float64(to-from) / float64(len(sorted))
		from = to
	}
	shares[len(edges)] = float64(len(sorted)-from) / float64(len(sorted))
	return shares
}

// psi is Σ (qᵢ − pᵢ)·ln(qᵢ/pᵢ): Jeffreys' divergence of binned shares (1946, Proc.
// R. Soc. A 186:453), known as the population stability index. Shares below the
// floor count as the floor; they are not made to sum to 1 again.
func psi(p, q []float64) float64 {
	sum := 0.0
	for i := range p {
		a, b := max(p[i], psiFloor), max(q[i], psiFloor)
		sum += (b - a) * math.Log(b/a)
	}
	return sum
}

// apart is the largest difference between the distribution functions of two
// sorted samples and the area between them, which is Wasserstein-1 (Vallender
// 1974, Theory Prob. Appl. 18:784).
func apart(a, b []float64) (most, area float64) {
	i, j, last := 0, 0, math.Min(a[0], b[0])
	for i < len(a) || j < len(b) {
		next := math.Inf(1)
		if i < len(a) {
			next = a[i]
		}
		if j < len(b) {
			next = math.Min(next, b[j])
		}
		gap := math.Abs(float64(i)/float64(len(a)) - float64(j)/float64(len(b)))
		most, area = math.Max(most, gap), area+gap*(next-last)
		for i < len(a) && a[i] == next {
			i++
		}
		for j < len(b) && b[j] == next {
			j++
		}
		last = next
	}
	return most, area
}

// Compare holds values against the reference, whose distribution function is
// linear between its quantiles. nEff is what the values are worth in independent
// ones (see EffectiveN). NaN where either is empty. Values have to be finite.
func (r Reference) Compare(current []float64, nEff float64) Distance {
	if len(r.Quantiles) < 2 || r.N < 1 || len(current) == 0 {
		return noDistance()
	}
	c := slices.Sorted(slices.Values(current))
	edges, p := make([]float64, psiBins-1), make([]float64, psiBins)
	from := 0.0
	for i := range edges {
		edges[i] = quantileOf(r.Quantiles, float64(i+1)/psiBins)
		below, _ := r.share(edges[i])
		p[i], from = below-from, below
	}
	p[psiBins-1] = 1 - from
	d := Distance{NEff: nEff, PSI: psi(p, sharesOf(c, edges)), W1: r.area(c)}
	n := float64(len(c))
	for i := 0; i < len(c); {
		j := i
		for j < len(c) && c[j] == c[i] {
			j++
		}
		below, upTo := r.share(c[i])
		d.KS = max(d.KS, math.Abs(below-float64(i)/n), math.Abs(upTo-float64(j)/n))
		i = j
	}
	d.P = kolmogorov(d.KS, float64(r.N), nEff)
	return d
}

// share is how much of the reference lies below x, and at or below it: they
// differ where quantiles coincide.
func (r Reference) share(x float64) (below, upTo float64) {
	q := r.Quantiles
	last := float64(len(q) - 1)
	i := sort.SearchFloat64s(q, x) // q[i-1] < x ≤ q[i]
	switch {
	case i == len(q):
		return 1, 1
	case q[i] == x:
		j := i
		for j+1 < len(q) && q[j+1] == x {
			j++
		}
		return float64(i) / last, float64(j) / last
	case i == 0:
		return 0, 0
	}
	at := (float64(i-1) + (x-q[i-1])/(q[i]-q[i-1])) / last
	return at, at
}

// area is ∫|Q(u) − C(u)|du of the reference's quantile function Q, linear between
// its knots, and that of the sorted values, a step for each: Wasserstein-1.
func (r Reference) area(c []float64) float64 {
	n, last := float64(len(c)), float64(len(r.Quantiles)-1)
	sum, u := 0.0, 0.0
	for i, k := 0, 0; i < len(c) && k < len(r.Quantiles)-1; {
		endC, endQ := float64(i+1)/n, float64(k+1)/last
		next := min(endC, endQ)
		slope := (r.Quantiles[k+1] - r.Quantiles[k]) * last
		a := r.Quantiles[k] + slope*(u-float64(k)/last) - c[i]
		b := r.Quantiles[k] + slope*(next-float64(k)/last) - c[i]
		if a*b < 0 { // it crosses: two triangles
			sum += (next - u) * (a*a + b*b) / (2 * math.Abs(b-a))
		} else {
			sum += (next - u) * math.Abs(a+b) / 2
		}
		if endC <= next {
			i++
		}
		if endQ <= next {
			k++
		}
		u = next
	}
	return sum
}

// EffectiveN is how many independent values a series in order of time is worth:
// n/τ with the integrated autocorrelation time τ = 1 + 2·Σρ(k), summed up to the
// first lag M ≥ 5·τ(M) (Madras & Sokal 1988, J. Stat. Phys. 50:109). A series
// that is short for its τ hides it: τ is at least that of a first-order process
// whose ρ(1) is freed of its bias, (n·ρ(1) + 1)/(n − 3) (Kendall 1954, Biometrika
// 41:403). It is within 1 and n; a constant series is worth 1.
func EffectiveN(x []float64) float64 {
	n := float64(len(x))
	if n < 5 {
		return min(n, 1)
	}
	mean := 0.0
	for _, v := range x {
		mean += v / n
	}
	covariance := func(lag int) float64 {
		sum := 0.0
		for i := lag; i < len(x); i++ {
			sum += (x[i] - mean) * (x[i-lag] - mean)
		}
		return sum
	}
	variance := covariance(0)
	if !(variance > 0) {
		return 1
	}
	tau, first := 1.0, 0.0
	for lag := 1; lag < len(x); lag++ {
		rho := covariance(lag) / variance
		if lag == 1 {
			first = (n*rho + 1) / (n - 3)
		}
		tau += 2 * rho
		if float64(lag) >= 5*tau {
			break
		}
	}
	if first >= 1 {
		return 1
	}
	tau = max(tau, (1+first)/(1-first), 1)
	return max(n/tau, 1)
}
