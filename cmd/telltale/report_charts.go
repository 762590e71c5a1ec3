package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/store"
)

// reportChart is one drawing; the page's script knows its kinds.
type reportChart struct {
	Kind   string        `json:"kind"` // risk, trend, rul, spectrum
	Title  string        `json:"title"`
	Unit   string        `json:"unit,omitempty"`
	Series []reportCurve `json:"series"`
	Limits []reportLine  `json:"limits,omitempty"`
	Alerts []reportLine  `json:"alerts,omitempty"` // moments in Unix seconds
	Span   [2]float64    `json:"span"`             // of the asset's risks
	Learn  *[2]float64   `json:"learn,omitempty"`  // commissioning span
	End    *float64      `json:"end,omitempty"`    // labelled end of life
	Marks  []reportLine  `json:"marks,omitempty"`  // of a spectrum, in Hz
}

// reportCurve is one course; Low and High make a band around it.
type reportCurve struct {
	Name string  `json:"name"`
	X    numbers `json:"x"`
	Y    numbers `json:"y"`
	Low  numbers `json:"low,omitempty"`
	High numbers `json:"high,omitempty"`
}

// reportLine is a labelled place on an axis.
type reportLine struct {
	Name string  `json:"name"`
	At   float64 `json:"at"`
}

// frame is what every chart over time of an asset shows.
func (b *reportBuilder) frame(plate asset.Nameplate, tracks []*track, own []asset.Alert) reportChart {
	var c reportChart
	for _, a := range own {
		c.Alerts = append(c.Alerts, reportLine{fmt.Sprintf("%s, severity %d", cmp.Or(string(a.Mode), "alert"), a.Severity), seconds(a.Opened)})
	}
	for i, t := range tracks {
		from, to := seconds(t.first), seconds(t.last.Time)
		if i == 0 {
			c.Span = [2]float64{from, to}
		}
		c.Span = [2]float64{math.Min(c.Span[0], from), math.Max(c.Span[1], to)}
	}
	if l := plate.Learning; l != nil && *l != (asset.Learning{}) {
		for _, t := range tracks {
			if t.learnedTo.After(t.first) && (c.Learn == nil || seconds(t.learnedTo) > c.Learn[1]) {
				c.Learn = &[2]float64{seconds(t.first), seconds(t.learnedTo)}
			}
		}
	}
	if b.page.Truth != nil {
		for _, k := range b.page.Truth.PerAsset {
			for _, a := range own {
				if k.Alert == a.ID && k.LeadH.Known() {
					end := seconds(a.Opened) + float64(k.LeadH)*3600
					c.End = &end
				}
			}
		}
	}
	return c
}

func (b *reportBuilder) add(c reportChart) int {
	b.page.Charts = append(b.page.Charts, c)
	return len(b.page.Charts) - 1
}

func (b *reportBuilder) risk(c reportChart, tracks []*track) int {
	c.Kind, c.Title = "risk", "Risk of failure"
	if len(tracks) > 0 {
		c.Title += " within " + hours(tracks[0].last.HorizonH)
	}
	for _, t := range tracks {
		x, y := t.risk.extremes(b.points)
		c.Series = append(c.Series, reportCurve{Name: t.component, X: x, Y: y})
	}
	return b.add(c)
}

// rul draws the remaining life of the first component that has one.
func (b *reportBuilder) rul(c reportChart, tracks []*track) (int, bool) {
	for _, t := range tracks {
		curve := reportCurve{Name: "P50"}
		some := false
		for _, d := range t.rul.newest(b.points / 2) {
			curve.X, curve.Y = append(curve.X, d.t), append(curve.Y, d.v)
			curve.Low, curve.High = append(curve.Low, d.band[0]), append(curve.High, d.band[1])
			some = some || !math.IsNaN(d.v)
		}
		if some {
			c.Kind, c.Title, c.Unit, c.Series = "rul", "Remaining life of "+t.component+", P10–P90", "h", []reportCurve{curve}
			return b.add(c), true
		}
	}
	return 0, false
}

// leading are the evidence names of an asset's alerts, the weightiest first; of
// its worst instant when there are none. Each comes with its newest limit.
func leading(own []asset.Alert, worst asset.Risk) []asset.Evidence {
	all := slices.Clone(worst.Evidence)
	for _, a := range own {
		all = append(all, a.Evidence...)
	}
	slices.SortStableFunc(all, func(x, y asset.Evidence) int {
		if x.Weight.Known() != y.Weight.Known() {
			return cmp.Compare(y.Weight, x.Weight) // NaN is least
		}
		return -cmp.Compare(x.Weight, y.Weight)
	})
	var out []asset.Evidence
	for _, e := range all {
		if !slices.ContainsFunc(out, func(o asset.Evidence) bool { return o.Name == e.Name }) {
			out = append(out, e)
		}
	}
	return out
}

// trends draws the features that the evidence names, then levels that every
// engineer asks for.
func (b *reportBuilder) trends(ctx context.Context, frame reportChart, plate asset.Nameplate, own []asset.Alert, worst asset.Risk) ([]int, error) {
	limits := map[string]asset.Evidence{}
	var keys []string
	want := func(key string) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, e := range leading(own, worst) {
		want(e.Name)
		limits[e.Name] = e
	}
	for _, e := range leading(own, worst) { // the metric that a residual is of
		metric, _, _ := strings.Cut(e.Name, "/")
		_, of, named := strings.Cut(e.Source, " ")
		for _, m := range plate.Metrics {
			if m.Name == metric || named && m.Name == of {
				want(m.Name + "/value")
			}
		}
	}
	for _, ch := range plate.Channels {
		want(ch.Name + "/rms")
	}
	for _, m := range plate.Metrics[:min(len(plate.Metrics), reportTrends)] {
		want(m.Name + "/value")
	}
	keys = keys[:min(len(keys), 3*reportTrends)]
	from, to := b.page.S.EventFrom.Add(-time.Hour), b.page.S.EventTo.Add(time.Hour)
	got, err := b.db.Trend(ctx, plate.ID, keys, from, to, 0)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, s := range got {
		if len(out) == reportTrends {
			break
		}
		if c, ok := b.trend(frame, s, limits); ok {
			out = append(out, b.add(c))
		}
	}
	return out, nil
}

func (b *reportBuilder) trend(c reportChart, s store.Series, limits map[string]asset.Evidence) (reportChart, bool) {
	var course thinned
	some := false
	for _, p := range s.Points {
		course.add(dot{t: seconds(p.Time), v: float64(p.Value)})
		some = some || p.Value.Known()
	}
	if !some {
		return c, false
	}
	x, y := course.extremes(b.points)
	c.Kind, c.Title, c.Unit, c.Series = "trend", s.Key, s.Unit, []reportCurve{{Name: s.Key, X: x, Y: y}}
	if e, ok := limits[s.Key]; ok && e.Limit.Known() {
		c.Limits = []reportLine{{"limit of " + e.Source, float64(e.Limit)}}
	}
	return c, true
}

// spectra draws each channel's spectra as they were at commissioning, when the
// first alert opened, and at the end; channels that the evidence names go first.
func (b *reportBuilder) spectra(ctx context.Context, frame reportChart, plate asset.Nameplate, own []asset.Alert, worst asset.Risk) ([]int, error) {
	var out []int
	for _, channel := range channelsFirst(plate, leading(own, worst)) {
		charts := map[string]*reportChart{}
		var kinds []string
		for _, m := range moments(frame, own, b.page.S.EventTo) {
			got, at, err := b.db.Spectra(ctx, plate.ID, channel, m.at)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, s := range got {
				c := charts[s.Kind]
				if c == nil {
					c = &reportChart{Kind: "spectrum", Title: channel + " " + s.Kind + " spectrum", Unit: s.Unit}
					charts[s.Kind] = c
					kinds = append(kinds, s.Kind)
				}
				c.Marks = marks(s)
				c.Series = append(c.Series, curve(s, m.name+" "+at.UTC().Format("2006-01-02 15:04:05")))
			}
		}
		for _, k := range kinds {
			if len(out) < reportSpectra {
				out = append(out, b.add(*charts[k]))
			}
		}
	}
	return out, nil
}

// moment is an instant whose spectra are shown.
type moment struct {
	name string
	at   time.Time
}

func moments(frame reportChart, own []asset.Alert, end time.Time) []moment {
	var out []moment
	if frame.Learn != nil {
		out = append(out, moment{"commissioning", time.UnixMicro(int64(frame.Learn[1] * 1e6))})
	}
	if len(own) > 0 {
		out = append(out, moment{"alert", own[0].Opened})
	}
	return append(out, moment{"newest", end.Add(time.Hour)})
}

// channelsFirst lists channels, those that evidence names before the others.
func channelsFirst(plate asset.Nameplate, evidence []asset.Evidence) []string {
	var out []string
	for _, e := range evidence {
		for _, ch := range plate.Channels {
			if len(e.Name) > len(ch.Name) && e.Name[:len(ch.Name)+1] == ch.Name+"/" && !slices.Contains(out, ch.Name) {
				out = append(out, ch.Name)
			}
		}
	}
	for _, ch := range plate.Channels {
		if !slices.Contains(out, ch.Name) {
			out = append(out, ch.Name)
		}
	}
	return out[:min(len(out), reportSpectra)]
}

func marks(s features.Spectrum) []reportLine {
	out := make([]reportLine, len(s.Marks))
	for i, m := range s.Marks {
		out[i] = reportLine{m.Name, m.Hz}
	}
	return out
}

func curve(s features.Spectrum, name string) reportCurve {
	c := reportCurve{Name: name, X: make(numbers, len(s.Bins)), Y: make(numbers, len(s.Bins))}
	for i, v := range s.Bins {
		c.X[i], c.Y[i] = float64(i)*s.StepHz, float64(v)
	}
	return c
}
