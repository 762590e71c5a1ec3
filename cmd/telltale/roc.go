package main

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// roc is an area under the ROC curve with the parts of it that each asset holds, for
// its variance: rows of one asset are not independent. DeLong's components, summed by
// cluster (DeLong et al. 1988, Biometrics 44:837; Obuchowski 1997, Biometrics 53:567).
type roc struct {
	area     float64   // NaN where one kind of row is absent
	pos, neg []float64 // by cluster: rows of each kind
	v10, v01 []float64 // by cluster: sum of the components of each kind
}

// newRoc ranks the rows; those without a score are left out.
func newRoc(truth []bool, cluster []int, score []float64) roc {
	clusters := 0
	var order []int
	for i, s := range score {
		clusters = max(clusters, cluster[i]+1)
		if !math.IsNaN(s) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case score[a] < score[b]:
			return -1
		case score[a] > score[b]:
			return 1
		}
		return 0
	})
	r := roc{pos: make([]float64, clusters), neg: make([]float64, clusters), v10: make([]float64, clusters), v01: make([]float64, clusters)}
	var m, n float64
	for _, i := range order {
		if truth[i] {
			m++
			r.pos[cluster[i]]++
		} else {
			n++
			r.neg[cluster[i]]++
		}
	}
	if m == 0 || n == 0 {
		r.area = math.NaN()
		return r
	}
	var below, missed float64 // healthy and failing rows of lower scores
	for from := 0; from < len(order); {
		to, healthy := from, 0.0
		for ; to < len(order) && score[order[to]] == score[order[from]]; to++ {
			if !truth[order[to]] {
				healthy++
			}
		}
		failing := float64(to-from) - healthy
		for _, i := range order[from:to] {
			if c := cluster[i]; truth[i] {
				r.v10[c] += (below + healthy/2) / n
			} else {
				r.v01[c] += (m - missed - failing/2) / m
			}
		}
		below, missed, from = below+healthy, missed+failing, to
	}
	for _, v := range r.v10 {
		r.area += v / m
	}
	return r
}

// less is the difference of two areas over the same rows.
func (r roc) less(o roc) roc {
	d := roc{area: r.area - o.area, pos: r.pos, neg: r.neg, v10: slices.Clone(r.v10), v01: slices.Clone(r.v01)}
	for i := range d.v10 {
		d.v10[i] -= o.v10[i]
		d.v01[i] -= o.v01[i]
	}
	return d
}

// interval is the 95 % interval of the area by Obuchowski's variance; missing with
// less than five assets of either kind, where that variance means nothing.
func (r roc) interval() (low, high asset.Number) {
	const fewest = 5
	var m, n, i10, i01, all float64
	for c := range r.pos {
		m, n = m+r.pos[c], n+r.neg[c]
		if r.pos[c] > 0 {
			i10++
		}
		if r.neg[c] > 0 {
			i01++
		}
		if r.pos[c]+r.neg[c] > 0 {
			all++
		}
	}
	if math.IsNaN(r.area) || i10 < fewest || i01 < fewest {
		return asset.Missing(), asset.Missing()
	}
	var s10, s01, s11 float64
	for c := range r.pos {
		a, b := r.v10[c]-r.pos[c]*r.area, r.v01[c]-r.neg[c]*r.area
		s10, s01, s11 = s10+a*a, s01+b*b, s11+a*b
	}
	s10 *= i10 / ((i10 - 1) * m)
	s01 *= i01 / ((i01 - 1) * n)
	s11 *= all / (all - 1)
	se := math.Sqrt(math.Max(s10/m+s01/n+2*s11/(m*n), 0))
	const z = 1.959963984540054
	return asset.Number(r.area - z*se), asset.Number(r.area + z*se)
}
