package models

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// shown is how many features an assessment names, and tellP the p-value from
// which on it names any.
const (
	shown = 5
	tellP = 0.1
)

// judgeError scores the error of a reconstruction or forecast: y holds rows of
// normalised input minus expectation. The score is the mean square over rows and
// features, or the squared Mahalanobis distance of the mean error.
func judgeError(a *asset.Assessment, q *features.Sequence, y []float32, u *use) {
	c := &u.Contract
	width := len(c.Features)
	rows := float64(len(y) / width)
	bias := make([]float64, width) // mean error by feature
	part := make([]float64, width) // what each feature adds to the score
	for row := y; len(row) > 0; row = row[width:] {
		for j, v := range row[:width] {
			e := float64(v)
			bias[j] += e
			part[j] += e * e
		}
	}
	for j := range bias {
		bias[j] /= rows
		part[j] /= rows * float64(width)
	}
	if k := c.Calibration; len(k.Mean) == width {
		mahalanobis(part, bias, k.Mean, k.Precision)
	}
	score := 0.0
	for _, v := range part {
		score += v
	}
	a.Score = asset.Number(score)
	k, limit := c.Calibration.In(q.Regime, c.Threshold)
	a.P = asset.Number(k.P(score))
	if limit > 0 {
		a.Limit = asset.Number(limit)
		a.Abnormal = score > limit
	}
	if a.Abnormal || float64(a.P) <= tellP {
		a.Evidence = contributions(q, part, bias, score, u)
	}
}

// mahalanobis writes (e−μ)ⱼ·[Σ⁻¹(e−μ)]ⱼ into part: they sum to the squared
// distance (Mahalanobis 1936) and may be negative one by one.
func mahalanobis(part, e, mean []float64, precision [][]float64) {
	for j, row := range precision {
		dot := 0.0
		for i, p := range row {
			dot += p * (e[i] - mean[i])
		}
		part[j] = (e[j] - mean[j]) * dot
	}
}

// contributions names the features that make up most of the score.
func contributions(q *features.Sequence, part, bias []float64, score float64, u *use) []asset.Evidence {
	c := &u.Contract
	order := make([]int, len(part))
	for j := range order {
		order[j] = j
	}
	sort.SliceStable(order, func(i, j int) bool { return part[order[i]] > part[order[j]] })
	evidence := make([]asset.Evidence, 0, shown)
	for _, j := range order[:min(shown, len(order))] {
		if part[j] <= 0 {
			break
		}
		share := part[j] / score
		side := "above"
		if bias[j] < 0 {
			side = "below"
		}
		evidence = append(evidence, asset.Evidence{
			Source: "ml/" + u.ref,
			Name:   c.Features[j].Name,
			Value:  asset.Number(q.Values[(q.Steps-1)*q.Width+j]),
			Limit:  asset.Missing(),
			Weight: asset.Number(share),
			Text: fmt.Sprintf("%s is on average %.2g σ %s what the model expects: %.0f %% of its score",
				c.Features[j].Name, math.Abs(bias[j]), side, 100*share),
		})
	}
	return evidence
}

// judgeModes reads the probabilities of the modes. The score is that of not being
// healthy; where no column stands for healthy, that of the likeliest mode.
func judgeModes(a *asset.Assessment, y []float32, u *use) {
	c := &u.Contract
	score, best := 0.0, -1
	a.Modes = map[asset.Mode]float64{}
	for i, p := range y {
		mode := c.Modes[i]
		if mode == asset.Healthy {
			continue
		}
		a.Modes[mode] += float64(p)
		if best < 0 || p > y[best] {
			best = i
		}
	}
	if at := slices.Index(c.Modes, asset.Healthy); at >= 0 {
		score = 1 - float64(y[at])
	} else if best >= 0 {
		score = float64(y[best])
	}
	a.Score = asset.Number(score)
	a.P = asset.Number(c.Calibration.P(score))
	if c.Threshold > 0 {
		a.Limit = asset.Number(c.Threshold)
		a.Abnormal = score > c.Threshold
	}
	a.Sure = math.Max(score, 1e-9)
	if a.Abnormal && best >= 0 {
		a.Evidence = []asset.Evidence{{
			Source: "ml/" + u.ref, Name: string(c.Modes[best]), Value: asset.Number(y[best]), Limit: a.Limit, Weight: 1,
			Text: fmt.Sprintf("the classifier sees %s with a probability of %.2f", c.Modes[best], y[best]),
		}}
	}
}

// judgeRUL reads hours: the median, or P10, P50 and P90. Higher scores are
// worse, so the score is the median with its sign turned.
func judgeRUL(a *asset.Assessment, y []float32, u *use, horizonH float64) {
	c := &u.Contract
	hours := make([]float64, len(y))
	for i, v := range y {
		hours[i] = max(0, float64(v))
	}
	sort.Float64s(hours) // quantiles that cross are put in order
	p50 := hours[len(hours)/2]
	a.RUL.P50 = asset.Number(p50)
	if len(hours) == 3 {
		a.RUL.P10, a.RUL.P90 = asset.Number(hours[0]), asset.Number(hours[2])
		if c.CapH > 0 && hours[2] >= 0.999*c.CapH {
			a.RUL.P90 = asset.Missing() // "at least the cap"
		}
		a.FailP = asset.Number(failBy(horizonH, hours, c.CapH))
		a.RUL.Soon = asset.Number(failBy(asset.SoonH, hours, c.CapH))
	}
	a.Score = asset.Number(-p50)
	a.P = asset.Number(c.Calibration.P(-p50))
	if c.Threshold > 0 {
		a.Limit = asset.Number(-c.Threshold)
		a.Abnormal = p50 < c.Threshold
	}
	if a.Abnormal {
		a.Evidence = []asset.Evidence{{
			Source: "ml/" + u.ref, Name: "remaining life", Value: asset.Number(p50), Limit: asset.Number(c.Threshold), Weight: 1,
			Text: fmt.Sprintf("the model expects failure in %.3g h, less than %.3g h", p50, c.Threshold),
		}}
	}
}

// failBy is the probability that life ends by h, linear between the quantiles
// q = (P10, P50, P90), through 0 at 0. Beyond P90 it stays at 0.9; a quantile at
// the cap says only "not before".
func failBy(h float64, q []float64, capH float64) float64 {
	x0, p0 := 0.0, 0.0
	for i, p := range [...]float64{0.1, 0.5, 0.9} {
		x := q[i]
		if capH > 0 && x >= 0.999*capH && h < x {
			return p0
		}
		if h < x {
			return p0 + (p-p0)*(h-x0)/(x-x0)
		}
		x0, p0 = x, p
	}
	return p0
}
