package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/pipeline"
)

// viewReport is what a user of one view alone would have had.
type viewReport struct {
	View         string       `json:"view"` // fused, ml, physics, rule
	Rows         int          `json:"rows"` // with a verdict
	AUC          asset.Number `json:"auc"`  // of its probability, see ablationReport
	AUCLow       asset.Number `json:"auc_low"`
	AUCHigh      asset.Number `json:"auc_high"`
	Alerts       int          `json:"alerts"` // of the machine
	Faults       int          `json:"faults"`
	Detected     int          `json:"detected"`
	MedianLeadH  asset.Number `json:"median_lead_h"`
	FalseAlerts  int          `json:"false_alerts"`
	FalsePerYear asset.Number `json:"false_alerts_per_asset_year"`
}

// gainReport is the fused verdict less that of the best view alone.
type gainReport struct {
	Best        string       `json:"best"` // by its AUC; where there is none, by what it detected
	AUC         asset.Number `json:"auc"`  // on rows that both judged
	AUCLow      asset.Number `json:"auc_low"`
	AUCHigh     asset.Number `json:"auc_high"`
	Detected    int          `json:"detected"`
	FalseAlerts int          `json:"false_alerts"`
	MedianLeadH asset.Number `json:"median_lead_h"`
}

// reliability is how far the fused risk is a probability.
type reliability struct {
	Rows    int          `json:"rows"`
	Failing int          `json:"failing"` // rows that end in a failure within the horizon, or lie in a fault
	Events  int          `json:"events"`  // labelled failures and faults among them
	Brier   asset.Number `json:"brier"`
	LogLoss asset.Number `json:"log_loss"`
	ECE     asset.Number `json:"ece"`
	Method  string       `json:"method"` // expert: by hand; platt, isotonic or weights: fitted on history
}

// viewNames in the order of the report; the first is what the run itself said, the others
// are in the order of asset.ViewLLR.Views.
var viewNames = [4]string{"fused", string(asset.Learned), string(asset.Derived), string(asset.Ruled)}

// viewJudge runs each view's probability through the alarm as if it were alone. Rows
// count where labels know the machine; one is failing inside a labelled fault, and
// where a labelled failure follows within the horizon of the risk.
type viewJudge struct {
	w       *works
	labels  []dataset.Label
	options map[asset.ID]lineOptions
	alarms  map[part]*[4]pipeline.Episodes
	alerts  [4]map[string]asset.Alert
	cluster []int // the asset of each row
	failing []bool
	scores  [4][]float64
	events  map[int]bool // labels that a failing row met
	number  map[asset.ID]int
}

// lineOptions are those of an asset's fusion and alarm.
type lineOptions struct {
	fusion pipeline.FusionOptions
	alarm  pipeline.AlarmOptions
}

func newViewJudge(w *works, labels []dataset.Label) *viewJudge {
	j := &viewJudge{w: w, labels: labels, options: map[asset.ID]lineOptions{}, alarms: map[part]*[4]pipeline.Episodes{}, events: map[int]bool{}, number: map[asset.ID]int{}}
	for i := range j.alerts {
		j.alerts[i] = map[string]asset.Alert{}
	}
	return j
}

// hear takes the risks in order of time.
func (j *viewJudge) hear(r asset.Risk) {
	opt, ok := j.options[r.Asset]
	if !ok {
		plate := j.w.plates[r.Asset]
		c := j.w.classes.Of(plate.Kind)
		opt = lineOptions{j.w.fusion(c, plate), alarmOptions(c)}
		j.options[r.Asset], j.number[r.Asset] = opt, len(j.number)
	}
	at := part{r.Asset, r.Component}
	if j.alarms[at] == nil {
		j.alarms[at] = &[4]pipeline.Episodes{}
		for i := range j.alarms[at] {
			j.alarms[at][i] = pipeline.NewEpisodes(opt.alarm)
		}
	}
	risks := [4]asset.Number{r.Risk}
	for i, l := range r.LLR.Views() {
		if risks[i+1] = asset.Missing(); r.Risk.Known() { // else it is learning still
			risks[i+1] = opt.fusion.Posterior(l)
		}
	}
	for i, p := range risks {
		alone := r
		alone.Risk = p
		if i > 0 && !p.Known() && r.Mode != asset.SensorFault {
			continue
		}
		if alert, changed := j.alarms[at][i].Hear(alone); changed {
			j.alerts[i][alert.ID] = alert
		}
	}
	j.note(r, risks)
}

// note keeps the row for the figures, where labels know the machine.
func (j *viewJudge) note(r asset.Risk, risks [4]asset.Number) {
	known, failing := false, false
	for i, l := range j.labels {
		if l.Asset != r.Asset {
			continue
		}
		known = true
		if failsIn(l, r) {
			failing, j.events[i] = true, true
		}
	}
	if !known {
		return
	}
	j.cluster, j.failing = append(j.cluster, j.number[r.Asset]), append(j.failing, failing)
	for i, p := range risks {
		j.scores[i] = append(j.scores[i], float64(p))
	}
}

// failsIn reports whether a label says that the component is failing.
func failsIn(l dataset.Label, r asset.Risk) bool {
	if l.Component != "" && r.Component != "" && l.Component != r.Component {
		return false
	}
	switch l.Kind {
	case "fault":
		return !r.Time.Before(l.Start) && (l.End.IsZero() || !r.Time.After(l.End))
	case "failure":
		return !l.End.IsZero() && !r.Time.After(l.End) && l.End.Sub(r.Time).Hours() <= r.HorizonH
	}
	return false
}

// report holds every view against the labels.
func (j *viewJudge) report(in summaryInput, span map[asset.ID][2]time.Time, a *ablation) {
	for i, name := range viewNames {
		rows := 0
		for _, s := range j.scores[i] {
			if !math.IsNaN(s) {
				rows++
			}
		}
		if rows == 0 {
			continue // the view is not there
		}
		in.alerts = sortedAlerts(j.alerts[i])
		t := compareAlerts(in, j.labels, span)
		d := newRoc(j.failing, j.cluster, j.scores[i])
		low, high := d.interval()
		a.Views = append(a.Views, viewReport{
			View: name, Rows: rows, AUC: asset.Number(d.area), AUCLow: max(low, 0), AUCHigh: min(high, 1), // NaN stays NaN
			Alerts: len(in.alerts) - t.SensorAlerts,
			Faults: t.Faults, Detected: t.Detected, MedianLeadH: t.MedianLeadH, FalseAlerts: t.FalseAlerts, FalsePerYear: t.FalsePerYear,
		})
	}
	a.Gain = j.gain(a.Views)
	a.Reliability = j.reliability()
}

func sortedAlerts(by map[string]asset.Alert) []asset.Alert {
	out := make([]asset.Alert, 0, len(by))
	for _, id := range sortedKeys(by) {
		out = append(out, by[id])
	}
	slices.SortStableFunc(out, func(x, y asset.Alert) int {
		return compare(x.Opened, y.Opened, x.Asset, y.Asset, x.Component, y.Component)
	})
	return out
}

// gain is what fusing brought over the best view alone; nil with less than two views.
func (j *viewJudge) gain(views []viewReport) *gainReport {
	if len(views) < 3 || views[0].View != viewNames[0] {
		return nil
	}
	fused, best := views[0], views[1]
	better := func(a, b viewReport) int {
		if a.AUC.Known() && b.AUC.Known() {
			return cmp.Compare(a.AUC, b.AUC)
		}
		return cmp.Or(cmp.Compare(a.Detected, b.Detected), cmp.Compare(b.FalseAlerts, a.FalseAlerts))
	}
	for _, v := range views[2:] {
		if better(v, best) > 0 {
			best = v
		}
	}
	of := slices.Index(viewNames[:], best.View)
	a, b := slices.Clone(j.scores[0]), slices.Clone(j.scores[of])
	for i := range a {
		if math.IsNaN(a[i]) || math.IsNaN(b[i]) {
			a[i], b[i] = math.NaN(), math.NaN()
		}
	}
	d := newRoc(j.failing, j.cluster, a).less(newRoc(j.failing, j.cluster, b))
	low, high := d.interval()
	return &gainReport{
		Best: best.View, AUC: asset.Number(d.area), AUCLow: low, AUCHigh: high, Detected: fused.Detected - best.Detected,
		FalseAlerts: fused.FalseAlerts - best.FalseAlerts, MedianLeadH: fused.MedianLeadH - best.MedianLeadH,
	}
}

func (j *viewJudge) reliability() *reliability {
	out := &reliability{Events: len(j.events), Brier: asset.Missing(), LogLoss: asset.Missing(), ECE: asset.Missing(), Method: j.method()}
	var p []float64
	var y []bool
	for i, s := range j.scores[0] {
		if !math.IsNaN(s) {
			p, y = append(p, s), append(y, j.failing[i])
		}
	}
	for _, failing := range y {
		if failing {
			out.Failing++
		}
	}
	out.Rows = len(p)
	if q, err := models.Assess(p, y); err == nil {
		out.Brier, out.LogLoss, out.ECE = asset.Number(q.Brier), asset.Number(q.LogLoss), asset.Number(q.ECE)
	}
	return out
}
