package models

import "math"

// kolmogorov is the probability that the distribution functions of two samples
// of one continuous distribution, worth m and n independent values, differ by d
// or more somewhere: that of a single sample of round(m·n/(m+n)) values.
func kolmogorov(d, m, n float64) float64 {
	switch en := max(math.Round(m*n/(m+n)), 1); {
	case math.IsNaN(d):
		return math.NaN()
	case d*en <= 0.5:
		return 1
	case d >= 1:
		return 0
	case en*d*d >= 1.5: // what is neglected is below 2e-4 of it
		return math.Min(1, 2*smirnov(d, en))
	case en <= 200:
		return 1 - kolmogorovCDF(d, int(en))
	default:
		return kolmogorovTail(d, en)
	}
}

// smirnov is P(D⁺ₙ ≥ d) = d·Σ C(n,j)·(d + j/n)^(j−1)·(1 − d − j/n)^(n−j) over
// j ≤ n(1−d) (Birnbaum & Tingey 1951, Ann. Math. Stat. 22:592). Twice it is the
// two-sided probability where both sides hardly ever happen together (Miller
// 1956, JASA 51:111).
func smirnov(d, n float64) float64 {
	if n > 1e5 { // the limit, with its term of order 1/√n (Smirnov 1944)
		return math.Exp(-2*n*d*d - 2*d/3)
	}
	sum := 0.0
	logN, _ := math.Lgamma(n + 1)
	for j := 0.0; j <= n*(1-d); j++ {
		rest := 1 - d - j/n
		if rest <= 0 {
			break
		}
		a, _ := math.Lgamma(j + 1)
		b, _ := math.Lgamma(n - j + 1)
		sum += math.Exp(logN - a - b + (j-1)*math.Log(d+j/n) + (n-j)*math.Log(rest))
	}
	return d * sum
}

// kolmogorovCDF is P(Dₙ < d), exact: n!/nⁿ times an element of the n-th power of a
// matrix of 2k−1 rows, where d = (k − h)/n (Marsaglia, Tsang & Wang 2003, J. Stat.
// Softw. 8(18)).
func kolmogorovCDF(d float64, n int) float64 {
	k := int(float64(n)*d) + 1
	m := 2*k - 1
	h := float64(k) - float64(n)*d
	base := make([]float64, m*m)
	for i := range m {
		for j := range m {
			if i-j+1 >= 0 {
				base[i*m+j] = 1
			}
		}
	}
	for i := range m {
		base[i*m] -= math.Pow(h, float64(i+1))
		base[(m-1)*m+i] -= math.Pow(h, float64(m-i))
	}
	if 2*h-1 > 0 {
		base[(m-1)*m] += math.Pow(2*h-1, float64(m))
	}
	for i := range m {
		for j := range m {
			for g := 2; g <= i-j+1; g++ {
				base[i*m+j] /= float64(g)
			}
		}
	}
	// One factor n!/nⁿ a step keeps the power within range.
	row := make([]float64, m)
	row[k-1] = 1
	for step := 1; step <= n; step++ {
		next := make([]float64, m)
		for i, v := range row {
			for j := range m {
				next[j] += v * base[i*m+j]
			}
		}
		for j := range next {
			next[j] *= float64(step) / float64(n)
		}
		row = next
	}
	return row[k-1]
}

// kolmogorovTail is the limit 2·Σ(−1)^(j−1)·exp(−2j²x²) at x = d·√n, moved by
// 1/(6√n) + (x−1)/(4n) (Vrbik 2018, Pioneer J. Theor. Appl. Stat. 15:15).
func kolmogorovTail(d, n float64) float64 {
	x := d * math.Sqrt(n)
	x += 1/(6*math.Sqrt(n)) + (x-1)/(4*n)
	sum, sign := 0.0, 1.0
	for j := 1.0; j <= 100; j++ {
		term := math.Exp(-2 * j * j * x * x)
		sum += sign * term
		if term < 1e-16 {
			break
		}
		sign = -sign
	}
	return math.Max(0, math.Min(1, 2*sum))
}
