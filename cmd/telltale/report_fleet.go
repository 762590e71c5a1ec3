package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// fleetRow is one component in the report's fleet table.
type fleetRow struct {
	Asset       asset.ID
	Component   string
	Worst, Last asset.Number
	WorstAt     time.Time
	Mode        asset.Mode
	RUL         asset.RUL
	Alerts      int
	Open        int
	Severity    int // the gravest of its alerts; 0 without one
	First       time.Time
	Lead        asset.Number // of the first alert that meets a label
	Truth       string       // what the labels say of it
	Section     bool         // has one of its own
}

// fleet lists every component, those with alerts first, then by their worst risk.
func fleet(s *summary, w *works, tracks map[part]*track, alerts []asset.Alert) []fleetRow {
	var out []fleetRow
	for _, id := range w.ids {
		of := tracksOf(tracks, id)
		if len(of) == 0 { // nothing of it was ever judged
			of = []*track{{part: part{id, ""}, worst: asset.Risk{Risk: asset.Missing()}, last: asset.Risk{Risk: asset.Missing(), RUL: asset.NoRUL()}}}
		}
		for _, t := range of {
			out = append(out, newFleetRow(s, t, alerts))
		}
	}
	slices.SortStableFunc(out, func(a, b fleetRow) int {
		return cmp.Or(-cmp.Compare(min(a.Alerts, 1), min(b.Alerts, 1)), -cmp.Compare(a.Worst, b.Worst))
	})
	return out
}

func newFleetRow(s *summary, t *track, alerts []asset.Alert) fleetRow {
	row := fleetRow{
		Asset: t.asset, Component: t.component, Worst: t.worst.Risk, WorstAt: t.worst.Time, Last: t.last.Risk, Mode: t.last.Mode, RUL: t.last.RUL,
		Lead: asset.Missing(),
	}
	for _, a := range alerts {
		if a.Asset != t.asset || a.Component != t.component {
			continue
		}
		if row.Alerts++; row.First.IsZero() {
			row.First = a.Opened
		}
		if a.Cleared == nil {
			row.Open++
		}
		if _, severity := a.Current(); row.Severity == 0 || severity < row.Severity {
			row.Severity = severity
		}
		row.Mode = cmp.Or(row.Mode, a.Mode)
	}
	if s.Truth == nil {
		return row
	}
	for _, c := range s.Truth.PerAsset {
		if c.Asset != t.asset || (c.Component != "" && t.component != "" && c.Component != t.component) {
			continue
		}
		row.Truth = c.Kind + " " + string(c.Mode)
		if !row.Lead.Known() {
			row.Lead = c.LeadH
		}
	}
	return row
}

// headline is the run in a sentence.
func headline(s *summary, alerts []asset.Alert) string {
	blamed := map[asset.ID]bool{}
	for _, a := range alerts {
		blamed[a.Asset] = true
	}
	first := fmt.Sprintf("%d alert(s) on %d of %d asset(s) in %s of event time", len(alerts), len(blamed), s.Assets, hours(s.EventTo.Sub(s.EventFrom).Hours()))
	t := s.Truth
	if t == nil {
		return first + "; there are no labels to hold them against."
	}
	if t.Faults == 0 {
		return fmt.Sprintf("%s; no fault is labelled, %d alert(s) count as false.", first, t.FalseAlerts)
	}
	lead := ""
	if t.MedianLeadH.Known() {
		lead = fmt.Sprintf(", at the median %s before the end", hours(float64(t.MedianLeadH)))
	}
	return fmt.Sprintf("%s; %d of %d known fault(s) announced%s, %d false alert(s).", first, t.Detected, t.Faults, lead, t.FalseAlerts)
}

func tiles(s *summary) []reportTile {
	out := []reportTile{
		{"assets", fmt.Sprint(s.Assets), s.Dataset},
		{"alerts", fmt.Sprint(s.Alerts), fmt.Sprintf("%d work order(s)", s.Orders)},
	}
	if t := s.Truth; t != nil {
		if t.Faults > 0 {
			lo, hi := wilson(t.Detected, t.Faults)
			out = append(out, reportTile{"faults announced", fmt.Sprintf("%d/%d", t.Detected, t.Faults), fmt.Sprintf("95 %% interval %.0f–%.0f %%", 100*lo, 100*hi)})
		}
		if t.MedianLeadH.Known() {
			out = append(out, reportTile{"median lead", hours(float64(t.MedianLeadH)), "alert opened to labelled end"})
		}
		note := "no fault-free time was observed"
		if t.FalsePerYear.Known() {
			note = fmt.Sprintf("%.3g per asset-year, from %s", float64(t.FalsePerYear), hours(t.ObservedH))
		}
		out = append(out, reportTile{"false alerts", fmt.Sprint(t.FalseAlerts), note})
	}
	return append(out, reportTile{"event time", hours(s.EventTo.Sub(s.EventFrom).Hours()), "read in " + hours(s.WallS/3600)})
}

// caveats are the notes of the run and what else its figures do not prove.
func caveats(s *summary, w *works, tracks map[part]*track) []string {
	out := slices.Clone(s.Notes)
	learning, silent := false, 0
	for _, id := range w.ids {
		if !slices.ContainsFunc(tracksOf(tracks, id), func(t *track) bool { return t.worst.Risk.Known() }) {
			silent++
		}
		l := w.plates[id].Learning
		learning = learning || l != nil && *l != (asset.Learning{})
	}
	if learning {
		out = append(out, "Baselines were learned on the shaded span of each asset, which is taken as healthy: a fault already there is part of what counts as normal.")
	}
	if silent > 0 {
		out = append(out, fmt.Sprintf("%d asset(s) never got a verdict: no view had anything to go by. That they have no alert says nothing.", silent))
	}
	t := s.Truth
	if t == nil {
		return append(out, "There is no labels.csv: nothing here says whether an alert was right or a fault was missed.")
	}
	if t.Faults > 0 && t.Faults < 30 {
		lo, hi := wilson(t.Detected, t.Faults)
		out = append(out, fmt.Sprintf("%d known fault(s): on as many others of their kind, anything from %.0f to %.0f %% announced would be no surprise.", t.Faults, 100*lo, 100*hi))
	}
	switch {
	case t.ObservedH == 0:
		out = append(out, "No fault-free time was observed: the rate of false alerts is not known.")
	case t.ObservedH < 8766:
		out = append(out, fmt.Sprintf("%s of fault-free time were observed; rates per year are extrapolated, and up to %.3g false alerts per asset-year fit the count.",
			hours(t.ObservedH), poissonUpper(t.FalseAlerts)/t.ObservedH*8766))
	}
	if !t.LabelsAreFull {
		out = append(out, "Some assets have no labels. An alert on them counts as false here, though nobody knows that it was.")
	}
	if t.WrongMode > 0 {
		out = append(out, fmt.Sprintf("%d alert(s) on a known fault named another mode than the label.", t.WrongMode))
	}
	return out
}

// wilson is the 95 % score interval of k successes in n (Wilson 1927, JASA 22:209).
func wilson(k, n int) (lo, hi float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, m := float64(k)/float64(n), float64(n)
	mid, half := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return math.Max(0, (mid-half)/(1+z*z/m)), math.Min(1, (mid+half)/(1+z*z/m))
}

// poissonUpper is the 95 % upper limit of a Poisson mean after n events, by the
// chi-square quantile of Wilson & Hilferty (1931, PNAS 17:684); exact for none.
func poissonUpper(n int) float64 {
	if n == 0 {
		return -math.Log(0.05)
	}
	k := float64(n + 1)
	return k * math.Pow(1-1/(9*k)+1.644854/(3*math.Sqrt(k)), 3)
}

// reportTruth is the report's table of labels and alerts.
type reportTruth struct {
	*truthReport
	Missed []caseReport
	Hit    []caseReport
	Shown  []caseReport // those missed, then by lead; at most 100
}

func newReportTruth(s *summary) *reportTruth {
	if s.Truth == nil {
		return nil
	}
	t := &reportTruth{truthReport: s.Truth}
	for _, c := range s.Truth.PerAsset {
		if c.Alert == "" {
			t.Missed = append(t.Missed, c)
		} else {
			t.Hit = append(t.Hit, c)
		}
	}
	slices.SortStableFunc(t.Hit, func(a, b caseReport) int { return cmp.Compare(a.LeadH, b.LeadH) })
	t.Shown = slices.Concat(t.Missed, t.Hit)
	t.Shown = t.Shown[:min(len(t.Shown), 100)]
	return t
}

func reportCounts(s *summary) []reportCount {
	var out []reportCount
	for _, g := range []struct {
		name string
		of   map[string]int64
	}{{"read", s.In}, {"refused", s.Refused}, {"not computable", s.Missing}, {"produced", s.Out}} {
		for _, k := range slices.Sorted(maps.Keys(g.of)) {
			out = append(out, reportCount{g.name, k, g.of[k]})
		}
	}
	return out
}
