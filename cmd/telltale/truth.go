package main

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/pipeline"
)

// truthReport holds the alerts against labels.csv.
type truthReport struct {
	Faults        int          `json:"faults"`   // failures and spans of known fault
	Detected      int          `json:"detected"` // with an alert of the machine before the end
	MedianLeadH   asset.Number `json:"median_lead_h"`
	FalseAlerts   int          `json:"false_alerts"` // of the machine, where no fault is known
	ObservedH     float64      `json:"observed_h"`   // judged event time outside known faults
	FalsePerYear  asset.Number `json:"false_alerts_per_asset_year"`
	WrongMode     int          `json:"wrong_mode"`    // alerts on a fault that name another mode than the label
	SensorAlerts  int          `json:"sensor_alerts"` // reported apart: they blame no machine
	PerAsset      []caseReport `json:"per_asset"`
	LabelsAreFull bool         `json:"labels_complete"` // false: assets without labels are in the set, and say nothing
}

// caseReport is one label.
type caseReport struct {
	Asset     asset.ID     `json:"asset"`
	Component string       `json:"component"`
	Kind      string       `json:"kind"`
	Mode      asset.Mode   `json:"mode"`
	Alert     string       `json:"alert,omitempty"`
	Named     asset.Mode   `json:"named_mode,omitempty"`
	LeadH     asset.Number `json:"lead_h"`
}

// ablation is how well each score alone separates known fault from the rest.
type ablation struct {
	Rows    int          `json:"rows"`
	Risk    asset.Number `json:"auc_risk"`
	ML      asset.Number `json:"auc_ml"`
	Physics asset.Number `json:"auc_physics"`
	Rule    asset.Number `json:"auc_rule"`
}

// judge reads the truth, if the set has it, and every risk; it also fills in the
// span of event time.
func judge(ctx context.Context, in summaryInput, s *summary) (*truthReport, *ablation, error) {
	labels, err := dataset.Labels(in.dir)
	if err != nil {
		return nil, nil, err
	}
	span := map[asset.ID][2]time.Time{}
	var scores [4][]float64
	var truth []bool
	lives := toldLives(labels)
	err = in.db.EachRisk(ctx, func(r asset.Risk) error {
		if s.EventFrom.IsZero() || r.Time.Before(s.EventFrom) {
			s.EventFrom = r.Time
		}
		if r.Time.After(s.EventTo) {
			s.EventTo = r.Time
		}
		at := span[r.Asset]
		if at[0].IsZero() {
			at[0] = r.Time
		}
		at[1] = r.Time
		span[r.Asset] = at
		for _, l := range lives[r.Asset] {
			if l.hear(&r) {
				break
			}
		}
		truth = append(truth, inFault(labels, r.Asset, r.Time))
		for i, v := range []asset.Number{r.Risk, r.MLScore, r.PhysicsScore, r.RuleScore} {
			scores[i] = append(scores[i], float64(v))
		}
		return nil
	})
	if err == nil && s.EventFrom.IsZero() { // nobody gave a verdict
		err = in.db.EachFrame(ctx, func(f pipeline.Frame) error {
			if s.EventFrom.IsZero() {
				s.EventFrom = f.Time
			}
			s.EventTo = f.Time
			return nil
		})
	}
	if err != nil || len(labels) == 0 {
		return nil, nil, err
	}
	s.Prognosis = prognosis(lives)
	return compareAlerts(in, labels, span), &ablation{
		Rows: len(truth), Risk: auc(truth, scores[0]), ML: auc(truth, scores[1]), Physics: auc(truth, scores[2]), Rule: auc(truth, scores[3]),
	}, nil
}

func inFault(labels []dataset.Label, id asset.ID, t time.Time) bool {
	return slices.ContainsFunc(labels, func(l dataset.Label) bool {
		return l.Asset == id && l.Kind == "fault" && !t.Before(l.Start) && (l.End.IsZero() || !t.After(l.End))
	})
}

// compareAlerts matches alerts with labels: an alert belongs to a fault when it
// was open inside its span; to a failure when it was opened before it.
func compareAlerts(in summaryInput, labels []dataset.Label, span map[asset.ID][2]time.Time) *truthReport {
	t := &truthReport{MedianLeadH: asset.Missing(), FalsePerYear: asset.Missing(), LabelsAreFull: true}
	used := map[string]bool{}
	var leads []float64
	for _, l := range labels {
		if l.Kind != "failure" && l.Kind != "fault" {
			continue
		}
		t.Faults++
		c := caseReport{Asset: l.Asset, Component: l.Component, Kind: l.Kind, Mode: l.Mode, LeadH: asset.Missing()}
		for _, a := range in.alerts {
			if a.Asset != l.Asset || a.Mode == asset.SensorFault || !meets(a, l) {
				continue
			}
			used[a.ID] = true
			if c.Alert == "" {
				mode, _ := a.Current()
				c.Alert, c.Named = a.ID, mode
				if !l.End.IsZero() { // a fault that is still there has no lead yet
					c.LeadH = asset.Number(l.End.Sub(a.Opened).Hours())
					leads = append(leads, float64(c.LeadH))
				}
				t.Detected++
				if l.Mode != asset.Healthy && mode != l.Mode {
					t.WrongMode++
				}
			}
		}
		t.PerAsset = append(t.PerAsset, c)
	}
	if n := len(leads); n > 0 {
		slices.Sort(leads)
		t.MedianLeadH = asset.Number((leads[(n-1)/2] + leads[n/2]) / 2)
	}
	for _, a := range in.alerts {
		switch {
		case a.Mode == asset.SensorFault:
			t.SensorAlerts++
		case !used[a.ID]:
			t.FalseAlerts++
		}
	}
	t.exposure(in, labels, span)
	return t
}

// meets reports whether an alert speaks of a labelled fault.
func meets(a asset.Alert, l dataset.Label) bool {
	if l.Kind == "failure" {
		return l.End.IsZero() || !a.Opened.After(l.End)
	}
	open := !a.Opened.After(l.End) || l.End.IsZero()
	return open && (a.Cleared == nil || a.Cleared.After(l.Start))
}

// exposure is the time in which an alert would have been false.
func (t *truthReport) exposure(in summaryInput, labels []dataset.Label, span map[asset.ID][2]time.Time) {
	for _, id := range in.w.ids {
		hours, failing, known := span[id][1].Sub(span[id][0]).Hours(), false, false
		for _, l := range labels {
			if l.Asset != id {
				continue
			}
			known = true
			switch {
			case l.Kind == "failure":
				failing = true
			case l.Kind == "fault" && !l.End.IsZero():
				hours -= l.End.Sub(l.Start).Hours()
			}
		}
		t.LabelsAreFull = t.LabelsAreFull && known
		if !failing {
			t.ObservedH += math.Max(hours, 0)
		}
	}
	if t.ObservedH > 0 {
		t.FalsePerYear = asset.Number(float64(t.FalseAlerts) / t.ObservedH * 8766)
	}
}

// auc is the area under the ROC curve by ranks, ties shared (Mann & Whitney
// 1947); missing when one class is absent. Missing scores are left out.
func auc(truth []bool, score []float64) asset.Number {
	type row struct {
		s float64
		y bool
	}
	var rows []row
	for i, s := range score {
		if !math.IsNaN(s) {
			rows = append(rows, row{s, truth[i]})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.s, b.s) })
	var ranks, pos float64
	for i := 0; i < len(rows); {
		j := i
		for j < len(rows) && rows[j].s == rows[i].s {
			j++
		}
		for k := i; k < j; k++ {
			if rows[k].y {
				ranks += float64(i+j+1) / 2
				pos++
			}
		}
		i = j
	}
	neg := float64(len(rows)) - pos
	if pos == 0 || neg == 0 {
		return asset.Missing()
	}
	return asset.Number((ranks - pos*(pos+1)/2) / (pos * neg))
}
