package models

import (
	"fmt"
	"math"
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
func judgeError(a *asset.Assessment, q features.Sequence, y []float32, c Contract) {
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
	a.P = asset.Number(c.Calibration.P(score))
	if c.Threshold > 0 {
		a.Limit = asset.Number(c.Threshold)
		a.Abnormal = score > c.Threshold
	}
	if a.Abnormal || float64(a.P) <= tellP {
		a.Evidence = contributions(q, part, bias, score, c)
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
func contributions(q features.Sequence, part, bias []float64, score float64, c Contract) []asset.Evidence {
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
			Source: "ml/" + c.Name,
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

// judgeRUL reads hours: the median, or P10, P50 and P90. Higher scores are
// worse, so the score is the median with its sign turned.
func judgeRUL(a *asset.Assessment, y []float32, c Contract, horizonH float64) {
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
	}
	a.Score = asset.Number(-p50)
	a.P = asset.Number(c.Calibration.P(-p50))
	if c.Threshold > 0 {
		a.Limit = asset.Number(-c.Threshold)
		a.Abnormal = p50 < c.Threshold
	}
	if a.Abnormal {
		a.Evidence = []asset.Evidence{{
			Source: "ml/" + c.Name, Name: "remaining life", Value: asset.Number(p50), Limit: asset.Number(c.Threshold), Weight: 1,
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
