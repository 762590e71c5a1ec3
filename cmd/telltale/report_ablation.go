package main

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// reportAblation is what each view alone would have told, as a table and bars.
type reportAblation struct {
	*ablation
	Rows   []viewReport
	Bars   []viewBar
	Height int
	Gained string // what fusing brought, in a sentence
	Sure   string // how far the risk is a probability
}

// viewBar is one bar of the chart: the area under the ROC curve, 0 to 1, with its interval.
type viewBar struct {
	Name, Value         string
	Y, Text, Mid        int // top of the bar, base line of the words, middle
	Width, Low, High    float64
	HasInterval, HasBar bool
}

// The chart in pixels: where bars begin, how long 1 is, and the height of a row.
const (
	barsFrom = 90
	barsLong = 380
	barRow   = 26
)

func newReportAblation(a *ablation) *reportAblation {
	if a == nil {
		return nil
	}
	out := &reportAblation{ablation: a, Rows: a.Views}
	for i, v := range a.Views {
		b := viewBar{Name: viewTitle(v.View), Value: digits(float64(v.AUC)), Y: i*barRow + 5, Text: i*barRow + 18, Mid: i*barRow + 13}
		if b.HasBar = v.AUC.Known(); b.HasBar {
			b.Width = barsLong * float64(v.AUC)
		}
		if b.HasInterval = v.AUCLow.Known() && v.AUCHigh.Known(); b.HasInterval {
			b.Low = barsFrom + barsLong*math.Max(float64(v.AUCLow), 0)
			b.High = barsFrom + barsLong*math.Min(float64(v.AUCHigh), 1)
			b.Value += fmt.Sprintf(" (%s – %s)", digits(float64(v.AUCLow)), digits(float64(v.AUCHigh)))
		}
		out.Bars = append(out.Bars, b)
	}
	out.Height = len(a.Views)*barRow + 6
	out.Gained, out.Sure = gained(a.Gain), surely(a.Reliability)
	return out
}

// HasBars is false where no view has an area to draw.
func (r *reportAblation) HasBars() bool {
	for _, b := range r.Bars {
		if b.HasBar {
			return true
		}
	}
	return false
}

func viewTitle(name string) string {
	switch asset.View(name) {
	case asset.Learned:
		return "learned model"
	case asset.Derived:
		return "physics"
	case asset.Ruled:
		return "rules"
	}
	return "fused"
}

func gained(g *gainReport) string {
	if g == nil {
		return "One view alone had something to say, so fusing could change nothing."
	}
	area := "the area under the ROC curve is not known"
	if g.AUC.Known() {
		area = fmt.Sprintf("area under the ROC curve %+.3f", float64(g.AUC))
		if g.AUCLow.Known() {
			area += fmt.Sprintf(" (95 %%: %+.3f to %+.3f)", float64(g.AUCLow), float64(g.AUCHigh))
		} else {
			area += " (too few assets for an interval)"
		}
	}
	return fmt.Sprintf("Fused less the best view alone, %s: %s; %+d fault(s) detected, %+d false alert(s).", viewTitle(g.Best), area, g.Detected, g.FalseAlerts)
}

func surely(r *reliability) string {
	if r == nil || !r.Brier.Known() {
		return ""
	}
	return fmt.Sprintf("The risk as a probability (calibrated: %s): Brier %s, log loss %s, expected calibration error %s over %s verdict(s), %s of them failing, %d labelled event(s).",
		r.Method, digits(float64(r.Brier)), digits(float64(r.LogLoss)), digits(float64(r.ECE)), count(int64(r.Rows)), count(int64(r.Failing)), r.Events)
}
