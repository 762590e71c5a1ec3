package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

var (
	t0    = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	plate = asset.Nameplate{
		ID: "wt1", Kind: "wind-turbine",
		Channels: []asset.Channel{{Name: "gen-de", Kind: "acceleration", Unit: "g", RateHz: 1000}},
		Metrics:  []asset.Metric{{Name: "oil_temperature", Unit: "°C"}},
	}
	options = ingest.Options{
		Rules: ingest.Rules{Ranges: map[string][2]float64{"wind_speed": {0, 100}}},
		Kinds: map[string]ingest.Rules{"wind-turbine": {Units: map[string]string{"wind_speed": "m/s"}}},
	}
	inf = math.Inf(1)
	nan = math.NaN()
)

func points(t time.Time, p ...asset.Point) asset.Reading {
	return asset.Reading{Asset: "wt1", Time: t, Points: p}
}

func wave(t time.Time, change func(*asset.Waveform)) asset.Reading {
	w := asset.Waveform{Channel: "gen-de", Start: t, RateHz: 1000, Unit: "g", Samples: []float32{0, 1, -2}, Quality: 100}
	if change != nil {
		change(&w)
	}
	return asset.Reading{Asset: "wt1", Time: ingest.Newest(w), Wave: &w}
}

func TestCheckRefuses(t *testing.T) {
	good := asset.Point{Metric: "oil_temperature", Value: 60, Unit: "°C", Quality: 100}
	with := func(change func(*asset.Point)) asset.Reading {
		p := good
		change(&p)
		return points(t0, p)
	}
	for name, tc := range map[string]struct {
		r    asset.Reading
		want asset.Reason
	}{
		"unknown asset":           {asset.Reading{Asset: "x", Time: t0, Points: []asset.Point{good}}, ingest.UnknownAsset},
		"no time":                 {asset.Reading{Asset: "wt1", Points: []asset.Point{good}}, ingest.BadTime},
		"NaN":                     {with(func(p *asset.Point) { p.Value = nan }), ingest.NotFinite},
		"infinite":                {with(func(p *asset.Point) { p.Value = -inf }), ingest.NotFinite},
		"hotter than 1000 °C":     {with(func(p *asset.Point) { p.Value = 1000.1 }), ingest.OutOfRange},
		"hotter in °F":            {with(func(p *asset.Point) { p.Value, p.Unit = 1833, "°F" }), ingest.OutOfRange},
		"below zero kelvin":       {with(func(p *asset.Point) { p.Value, p.Unit = -1, "K" }), ingest.OutOfRange},
		"range of a metric":       {with(func(p *asset.Point) { p.Metric, p.Value, p.Unit = "wind_speed", 101, "m/s" }), ingest.OutOfRange},
		"unknown unit":            {with(func(p *asset.Point) { p.Unit = "furlong" }), ingest.UnknownUnit},
		"unit of another kind":    {with(func(p *asset.Point) { p.Unit = "bar" }), ingest.WrongUnit},
		"against the class":       {with(func(p *asset.Point) { p.Metric, p.Unit = "wind_speed", "bar" }), ingest.WrongUnit},
		"quality above 100":       {with(func(p *asset.Point) { p.Quality = 101 }), ingest.BadQuality},
		"quality NaN":             {with(func(p *asset.Point) { p.Quality = nan }), ingest.BadQuality},
		"no name":                 {with(func(p *asset.Point) { p.Metric = "" }), ingest.BadName},
		"name of 101":             {with(func(p *asset.Point) { p.Metric = strings.Repeat("µ", 101) }), ingest.BadName},
		"event of no kind":        {asset.Reading{Asset: "wt1", Time: t0, Event: &asset.Event{}}, ingest.BadName},
		"unknown channel":         {wave(t0, func(w *asset.Waveform) { w.Channel = "x" }), ingest.UnknownChannel},
		"no samples":              {wave(t0, func(w *asset.Waveform) { w.Samples = nil }), ingest.Empty},
		"rate 0":                  {wave(t0, func(w *asset.Waveform) { w.RateHz = 0 }), ingest.BadRate},
		"rate NaN":                {wave(t0, func(w *asset.Waveform) { w.RateHz = nan }), ingest.BadRate},
		"rate off by 2 %":         {wave(t0, func(w *asset.Waveform) { w.RateHz = 1020 }), ingest.BadRate},
		"a NaN sample":            {wave(t0, func(w *asset.Waveform) { w.Samples = []float32{1, float32(nan), 2} }), ingest.NotFinite},
		"infinite in m/s²":        {wave(t0, func(w *asset.Waveform) { w.Samples = []float32{math.MaxFloat32} }), ingest.NotFinite},
		"waveform in a velocity":  {wave(t0, func(w *asset.Waveform) { w.Unit = "mm/s" }), ingest.WrongUnit},
		"waveform of no unit":     {wave(t0, func(w *asset.Waveform) { w.Unit = "?" }), ingest.UnknownUnit},
		"waveform of bad quality": {wave(t0, func(w *asset.Waveform) { w.Quality = -1 }), ingest.BadQuality},
	} {
		t.Run(name, func(t *testing.T) {
			v := ingest.NewValidator([]asset.Nameplate{plate}, options)
			got, refused := v.Check(tc.r)
			if !got.Blank() || len(refused) != 1 || refused[0].Reason != tc.want || !errors.Is(refused[0], asset.ErrInvalid) {
				t.Errorf("got %+v, %v; want %s alone", got, refused, tc.want)
			}
			// What was refused leaves no trace: the good one at the same time passes.
			if _, refused = v.Check(points(t0, good)); refused != nil {
				t.Errorf("afterwards: %v", refused)
			}
		})
	}
}

func TestCheckPassesTheRest(t *testing.T) {
	v := ingest.NewValidator([]asset.Nameplate{plate}, options)
	r := points(t0,
		asset.Point{Metric: "oil_temperature", Value: 212, Unit: "°F", Quality: 80},
		asset.Point{Metric: "bad", Value: nan, Unit: "1", Quality: 100},
		asset.Point{Metric: "oil_temperature", Value: 60, Unit: "°C", Quality: 100}, // once more
		asset.Point{Metric: "torque", Value: 2, Unit: "kN·m", Quality: 0})
	got, refused := v.Check(r)
	want := []asset.Point{{Metric: "oil_temperature", Value: 100, Unit: "°C", Quality: 80}, {Metric: "torque", Value: 2000, Unit: "N·m", Quality: 0}}
	if math.Abs(got.Points[0].Value-100) < 1e-9 {
		got.Points[0].Value = 100
	}
	if !reflect.DeepEqual(got.Points, want) || fmt.Sprint(reasons(refused)) != "[not-finite duplicate]" {
		t.Errorf("got %v, %v; want %v and not-finite, duplicate", got.Points, refused, want)
	}
	if r.Points[0].Unit != "°F" {
		t.Error("the reading that was checked has changed")
	}
}

func TestWaveBecomesCanonical(t *testing.T) {
	v := ingest.NewValidator([]asset.Nameplate{plate}, options)
	got, refused := v.Check(wave(t0, func(w *asset.Waveform) { w.RateHz = 1005 }))
	want := []float32{0, asset.StandardGravity, -2 * asset.StandardGravity}
	if refused != nil || got.Wave.Unit != "m/s²" || !reflect.DeepEqual(got.Wave.Samples, want) {
		t.Errorf("got %+v, %v; want %v m/s²", got.Wave, refused, want)
	}
}

func reasons(refused []*asset.Invalid) (out []asset.Reason) {
	for _, e := range refused {
		out = append(out, e.Reason)
	}
	return out
}

// step checks a reading at s seconds and names what became of it.
func step(v *ingest.Validator, s int) string {
	p := asset.Point{Metric: "m", Value: 1, Unit: "1", Quality: 100}
	if _, refused := v.Check(points(t0.Add(time.Duration(s)*time.Second), p)); refused != nil {
		return string(refused[0].Reason)
	}
	return "ok"
}

func TestTimeRunsForwards(t *testing.T) {
	v := ingest.NewValidator([]asset.Nameplate{plate}, options)
	got := ""
	for _, s := range []int{5, 5, 3, 6} {
		got += step(v, s) + " "
	}
	if want := "ok duplicate time-backwards ok "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, tc := range []struct {
		after time.Duration
		want  string
	}{{0, "[]"}, {0, "[duplicate]"}, {-time.Second, "[time-backwards]"}, {time.Second, "[]"}} {
		if _, refused := v.Check(wave(t0.Add(tc.after), nil)); fmt.Sprint(reasons(refused)) != tc.want {
			t.Errorf("block at %s: %v, want %s", tc.after, refused, tc.want)
		}
	}
}

func TestStateSurvives(t *testing.T) {
	v := ingest.NewValidator([]asset.Nameplate{plate}, options)
	step(v, 5)
	v.Check(wave(t0, nil))
	saved := v.Save()
	w := ingest.NewValidator([]asset.Nameplate{plate}, options)
	if err := w.Load(saved); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.Save(), saved) {
		t.Error("saved again, the state differs")
	}
	if got := step(w, 5); got != "duplicate" {
		t.Errorf("the newest again: %s, want duplicate", got)
	}
	w.Rewind(t0.Add(4 * time.Second))
	if got := step(w, 3) + " " + step(w, 4) + " " + step(w, 5) + " " + step(w, 5); got != "time-backwards ok ok duplicate" {
		t.Errorf("after Rewind: %s", got)
	}
	if err := w.Load([]byte("nonsense")); err == nil {
		t.Error("nonsense was loaded")
	}
}

func TestCutBlocks(t *testing.T) {
	w := asset.Waveform{Start: t0, RateHz: 4, Samples: make([]float32, 10), First: true, Last: true}
	got := ""
	for _, b := range ingest.Cut(w) {
		got += fmt.Sprint(len(b.Samples), b.Start.Sub(t0), ingest.Newest(b).Sub(t0), b.First, b.Last, "; ")
	}
	if want := "4 0s 750ms true false; 4 1s 1.75s false false; 2 2s 2.25s false true; "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := len(ingest.Cut(asset.Waveform{RateHz: nan, Samples: make([]float32, 3)})); n != 1 {
		t.Errorf("a waveform of no rate in %d blocks, want 1", n)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("m", 1.0, "°C", 100.0, int64(0), 1000.0, float32(1), "g")
	f.Fuzz(func(t *testing.T, metric string, value float64, unit string, quality float64, ns int64, rate float64, sample float32, waveUnit string) {
		v := ingest.NewValidator([]asset.Nameplate{plate}, options)
		r := wave(t0.Add(time.Duration(ns)), func(w *asset.Waveform) { w.RateHz, w.Samples, w.Unit = rate, []float32{sample}, waveUnit })
		r.Points = []asset.Point{{Metric: metric, Value: value, Unit: unit, Quality: quality}}
		got, refused := v.Check(r)
		for _, p := range got.Points {
			if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
				t.Errorf("%v passed", p)
			}
		}
		if w := got.Wave; w != nil && (math.IsNaN(float64(w.Samples[0])) || math.IsInf(float64(w.Samples[0]), 0)) {
			t.Errorf("%v passed", w.Samples)
		}
		if got.Blank() && len(refused) == 0 {
			t.Error("lost without a reason")
		}
	})
}
