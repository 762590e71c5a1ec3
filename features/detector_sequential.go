package features

import (
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// CUSUM accumulates evidence of a lasting shift up and down of a standardised
// series: S⁺ = max(0, S⁺+z−k), S⁻ = max(0, S⁻−z−k) (Page 1954, Biometrika 41:100).
type CUSUM struct{ Up, Down float64 }

// Step takes one value with the allowance k (half the shift to find).
func (c CUSUM) Step(z, k float64) CUSUM {
	return CUSUM{math.Max(0, c.Up+z-k), math.Max(0, c.Down-z-k)}
}

// EWMA is z_t = λx + (1−λ)z with z_0 = 0 and the exact limit of its early steps
// (Roberts 1959; Lucas & Saccucci 1990, Technometrics 32:1).
type EWMA struct {
	Z    float64
	Left float64 // (1−λ)^(2t); 0 means nothing seen when N is 0
	N    int
}

// Step takes one standardised value.
func (e EWMA) Step(x, lambda float64) EWMA {
	left := e.Left
	if e.N == 0 {
		left = 1
	}
	return EWMA{lambda*x + (1-lambda)*e.Z, left * (1 - lambda) * (1 - lambda), e.N + 1}
}

// Sigma is the standard deviation of Z on independent standard input.
func (e EWMA) Sigma(lambda float64) float64 {
	if e.N == 0 {
		return 0
	}
	return math.Sqrt(lambda / (2 - lambda) * (1 - e.Left))
}

// persistence remembers the last n verdicts in a word, newest in bit 0.
type persistence struct{ bits uint64 }

// step adds a verdict and reports whether at least m of the last n were true.
func (p *persistence) step(bad bool, m, n int) bool {
	p.bits <<= 1
	if bad {
		p.bits |= 1
	}
	p.bits &= 1<<uint(n) - 1
	count := 0
	for b := p.bits; b != 0; b &= b - 1 {
		count++
	}
	return count >= m
}

// MOfN is the probability that at least m of n independent windows exceed their
// limit by chance when each does with probability p: the binomial tail, summed
// from its small end so that a tiny one keeps its digits.
func MOfN(m, n int, p float64) float64 {
	sum := 0.0
	for k := n; k >= max(m, 0); k-- {
		lg, _ := math.Lgamma(float64(n + 1))
		a, _ := math.Lgamma(float64(k + 1))
		b, _ := math.Lgamma(float64(n - k + 1))
		sum += math.Exp(lg-a-b) * math.Pow(p, float64(k)) * math.Pow(1-p, float64(n-k))
	}
	return math.Min(sum, 1)
}

// CusumARL is the mean number of samples to an alarm of a one-sided CUSUM with
// allowance k and limit h on N(mu, 1) input, by a Markov chain of the given
// number of states (Brook & Evans 1972, Biometrika 59:539). It panics unless
// h > 0 and states ≥ 2.
func CusumARL(k, h, mu float64, states int) float64 {
	if !(h > 0) || states < 2 {
		panic("features: CusumARL needs h > 0 and at least 2 states")
	}
	w := 2 * h / (2*float64(states) - 1)
	phi := func(x float64) float64 { return distuv.UnitNormal.CDF(x - mu) }
	a := mat.NewDense(states, states, nil)
	for i := range states {
		from := float64(i) * w
		for j := range states {
			p := phi(float64(j)*w - from + w/2 + k)
			if j > 0 {
				p -= phi(float64(j)*w - from - w/2 + k)
			}
			if i == j {
				a.Set(i, j, 1-p)
			} else {
				a.Set(i, j, -p)
			}
		}
	}
	one := mat.NewVecDense(states, nil)
	for i := range states {
		one.SetVec(i, 1)
	}
	var arl mat.VecDense
	if err := arl.SolveVec(a, one); err != nil {
		return math.Inf(1)
	}
	return arl.AtVec(0)
}
