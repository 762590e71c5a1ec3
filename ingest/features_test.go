package ingest_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// computed is a reading of features of a second of a channel.
func computed(at time.Time, change func(*asset.Features)) asset.Reading {
	f := asset.Features{Channel: "gen-de", Start: at.Add(-999 * time.Millisecond), End: at, RateHz: 1000, Samples: 1000, Quality: 90, Values: []asset.Feature{
		{Name: "rms", Unit: "m/s²", Value: 2}, {Name: "crest", Unit: "1", Value: math.NaN(), Reason: "flat"},
	}}
	if change != nil {
		change(&f)
	}
	return asset.Reading{Asset: "wt1", Time: at, Features: []asset.Features{f}}
}

func TestFeaturesAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*asset.Features)
		want   asset.Reason
	}{
		"unknown channel":     {func(f *asset.Features) { f.Channel = "x" }, ingest.UnknownChannel},
		"of no samples":       {func(f *asset.Features) { f.Samples = 0 }, ingest.Empty},
		"no values":           {func(f *asset.Features) { f.Values = nil }, ingest.Empty},
		"rate off":            {func(f *asset.Features) { f.RateHz = 1100 }, ingest.BadRate},
		"quality":             {func(f *asset.Features) { f.Quality = 101 }, ingest.BadQuality},
		"no time":             {func(f *asset.Features) { f.Start = time.Time{} }, ingest.BadTime},
		"another length":      {func(f *asset.Features) { f.Start = f.Start.Add(-time.Second) }, ingest.BadTime},
		"from the future":     {func(f *asset.Features) { f.Start, f.End = f.Start.Add(time.Second), f.End.Add(time.Second) }, ingest.BadTime},
		"no name":             {func(f *asset.Features) { f.Values[0].Name = "" }, ingest.BadName},
		"a long name":         {func(f *asset.Features) { f.Values[1].Name = strings.Repeat("x", 101) }, ingest.BadName},
		"infinite":            {func(f *asset.Features) { f.Values[1].Value = math.Inf(1) }, ingest.NotFinite},
		"beyond the physical": {func(f *asset.Features) { f.Values[0].Value = 1e7 }, ingest.OutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			v := ingest.NewValidator([]asset.Nameplate{plate}, options)
			got, refused := v.Check(computed(t0, tc.change))
			if !got.Blank() || len(refused) != 1 || refused[0].Reason != tc.want {
				t.Errorf("got %+v, %v; want %s alone", got, refused, tc.want)
			}
			if got, refused = v.Check(computed(t0, nil)); refused != nil || len(got.Features) != 1 {
				t.Errorf("afterwards: %+v, %v", got, refused)
			}
		})
	}
}

func TestFeaturesThatComeAgainAreRefused(t *testing.T) {
	v := ingest.NewValidator([]asset.Nameplate{plate}, options)
	for i, want := range []asset.Reason{"", ingest.Duplicate, "", ingest.TimeBackwards} {
		at := t0.Add([]time.Duration{0, 0, time.Second, 0}[i])
		_, refused := v.Check(computed(at, nil))
		if want == "" && refused != nil || want != "" && (len(refused) != 1 || refused[0].Reason != want) {
			t.Errorf("reading %d: %v, want %q", i, refused, want)
		}
	}
	if _, refused := v.Check(wave(t0.Add(-time.Hour), func(*asset.Waveform) {})); refused != nil {
		t.Errorf("samples of the channel: %v", refused)
	}
}

// Evidence that is wrong costs no features.
func TestEvidenceIsCheckedByItself(t *testing.T) {
	proof := func(change func(*asset.Waveform)) asset.Reading {
		w := asset.Waveform{Channel: "gen-de", Start: t0.Add(-999 * time.Millisecond), RateHz: 1000, Unit: "g", Quality: 90, First: true, Last: true, Counts: make([]int16, 1000), Scale: 1}
		change(&w)
		return computed(t0, func(f *asset.Features) { f.Evidence = &w })
	}
	for name, tc := range map[string]struct {
		change func(*asset.Waveform)
		want   asset.Reason
	}{
		"as it is":        {func(*asset.Waveform) {}, ""},
		"another length":  {func(w *asset.Waveform) { w.Counts = w.Counts[1:] }, ingest.Undecodable},
		"another rate":    {func(w *asset.Waveform) { w.RateHz = 2000 }, ingest.BadRate},
		"unknown channel": {func(w *asset.Waveform) { w.Channel = "y" }, ingest.UnknownChannel},
	} {
		t.Run(name, func(t *testing.T) {
			got, refused := ingest.NewValidator([]asset.Nameplate{plate}, options).Check(proof(tc.change))
			if len(got.Features) != 1 || (got.Features[0].Evidence != nil) != (tc.want == "") || tc.want != "" && (len(refused) != 1 || refused[0].Reason != tc.want) {
				t.Fatalf("got %+v, %v; want %q", got, refused, tc.want)
			}
			if e := got.Features[0].Evidence; e != nil && (e.Unit != "m/s²" || math.Abs(e.Scale-9.80665) > 1e-9) {
				t.Errorf("evidence in %s, scale %g; want m/s²", e.Unit, e.Scale)
			}
		})
	}
}
