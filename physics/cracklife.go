package physics

import (
	"fmt"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// crackLife is the distribution of the cycles that a crack has left: of the particles'
// own by equal shares, each log-normal by the scatter along the way.
type crackLife struct {
	nodes [crackNodes]float64 // rising, +Inf where the crack does not grow
	sd    float64             // of the logarithm
}

const (
	crackNodes = 40
	crackGrid  = 96 // steps in ln a to the end
)

// life is what is left from each particle's length to end.
func (l Crack) life(x []float64, end float64) (out crackLife) {
	c := l.cloud(x)
	w, _ := c.weights()
	least := end
	for i := range w {
		least = math.Min(least, c.row(i)[partLength])
	}
	p, stress := l.opt.Paris, x[crackStress]
	h := math.Log(end/least) / crackGrid
	var at, lnK, bent [crackGrid + 1]float64
	for j := range at {
		at[j] = least * math.Exp(float64(j)*h)
		lnK[j] = math.Log(p.driving(at[j], stress))
		bent[j] = p.bent(lnK[j])
	}
	left, order := make([]float64, len(w)), make([]int, len(w))
	var lnC, m float64
	for i := range w {
		row := c.row(i)
		order[i] = i
		lnC, m = lnC+w[i]*row[partLnC], m+w[i]*row[partM]
		if a := row[partLength]; a < end {
			cost := func(j int) float64 { return at[j] * math.Exp(-row[partLnC]-row[partM]*lnK[j]-bent[j]) }
			first := min(int(math.Log(a/least)/h)+1, crackGrid)
			own := a / l.of(row).Rate(a, stress)
			now := cost(first)
			left[i] = math.Log(at[first]/a) * (own + now) / 2 // trapezoids in ln a
			for j := first + 1; j <= crackGrid; j++ {
				then := cost(j)
				left[i] += h * (now + then) / 2
				now = then
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case left[a] < left[b]:
			return -1
		case left[a] > left[b]:
			return 1
		}
		return 0
	})
	k, sum := 0, 0.0
	for _, i := range order {
		for sum += w[i]; k < crackNodes && sum >= (float64(k)+0.5)/crackNodes-1e-12; k++ {
			out.nodes[k] = left[i]
		}
	}
	for ; k > 0 && k < crackNodes; k++ {
		out.nodes[k] = out.nodes[k-1]
	}
	typical := p
	typical.C, typical.M = math.Exp(lnC), m
	out.sd = l.opt.PathSd * l.scatter(typical, x[crackLength], end, stress)
	return out
}

// scatter is √Σ share²·(cell/length) over the cells of the way from a to end: how much
// of the scatter of one cell is left in the sum of their cycles.
func (l Crack) scatter(p Paris, a, end, stress float64) float64 {
	if a >= end || p.Rate(a, stress) <= 0 {
		return 0
	}
	var sum, squares float64
	way := math.Log(end / a)
	cells := min(int(math.Ceil(way/pathCell)), 200)
	for j := range cells {
		from, to := float64(j)*way/float64(cells), float64(j+1)*way/float64(cells)
		mid := a * math.Exp((from+to)/2)
		n := (to - from) * mid / p.Rate(mid, stress)
		sum += n
		squares += n * n * pathCell / (to - from)
	}
	return math.Sqrt(squares) / math.Max(sum, 1e-300)
}

// within is the probability that the end comes within n cycles.
func (f crackLife) within(n float64) float64 {
	var p float64
	for _, left := range f.nodes {
		switch {
		case left <= 0:
			p++
		case n > 0 && !math.IsInf(left, 1):
			p += normalCDF(math.Log(n/left) / math.Max(f.sd, 0.01))
		}
	}
	return p / crackNodes
}

// median of the particles' own.
func (f crackLife) median() float64 { return f.nodes[crackNodes/2] }

func (l Crack) assess(x []float64, in features.Snapshot) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	stress := x[crackStress]
	end := l.end(l.opt.Paris, l.peak(x))
	a.Limit, a.Score = asset.Number(l.opt.Limit), 0
	a.Trust = 0.5
	if x[crackMeasured] > 0 {
		a.Trust = 0.9
	}
	if x[crackLength] >= end {
		a.Score, a.FailP, a.RUL = 1, 1, tidy(0, 0, 0, 1)
	} else if stress > 0 {
		f := l.life(x, end)
		if used, left := x[crackCycles], f.median(); !math.IsInf(left, 1) && used+left > 0 {
			a.Score = number(used / (used + left))
		}
		if rate := x[crackRate]; rate > 0 {
			a.FailP = number(f.within(l.opt.HorizonH * rate))
			cdf := func(t float64) float64 { return f.within(t * rate) }
			at := func(p float64) float64 { return reached(cdf, p) }
			a.RUL = tidy(at(0.1), at(0.5), at(0.9), cdf(asset.SoonH))
		}
	}
	a.Abnormal = float64(a.Score) >= l.opt.Limit
	a.Modes = map[asset.Mode]float64{asset.Crack: 0.5}
	a.Evidence = []asset.Evidence{fact(l.Name(), "crack-length", x[crackLength]*1e3, end*1e3,
		fmt.Sprintf("crack of %.2f mm of %.2f mm after %.3g cycles at last %.0f MPa, ΔK %.1f MPa√m",
			x[crackLength]*1e3, end*1e3, x[crackCycles], stress, l.opt.Paris.intensity(x[crackLength], stress)))}
	return a
}

// Quantities names the state for people.
func (l Crack) Quantities(s State) []Quantity {
	x, fresh := open(s, l.Name(), l.size())
	if fresh {
		l.begin(x)
	}
	c := l.cloud(x)
	w, _ := c.weights()
	lnC, m, v00, v01, v11 := c.moments(w, partLnC, partM)
	v00, v11 = math.Max(v00, 0), math.Max(v11, 0)
	out := []Quantity{
		{"crack length", number(x[crackLength] * 1e3), "mm"},
		{"cycles", number(x[crackCycles]), "1"},
		{"ln C", number(lnC), "1"},
		{"ln C, standard deviation", number(math.Sqrt(v00)), "1"},
		{"m", number(m), "1"},
		{"m, standard deviation", number(math.Sqrt(v11)), "1"},
		{"correlation of ln C and m", number(v01 / math.Sqrt(v00*v11)), "1"},
		{"stress range", number(x[crackStress]), "MPa"},
		{"stress intensity range", number(l.opt.Paris.intensity(x[crackLength], x[crackStress])), "MPa√m"},
		{"lengths measured", number(x[crackMeasured]), "1"},
		{"stretches skipped", number(x[crackPassed]), "1"},
		{"particles' worth", number(x[crackWorth]), "1"},
	}
	return out
}
