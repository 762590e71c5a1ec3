package features

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// givenOf is a window as its vector and, if wanted, its samples.
func givenOf(w asset.Window, v Vector, samples bool) asset.Window {
	f := &asset.Features{Channel: w.Channel, Start: w.Start, End: w.End, RateHz: w.RateHz, Samples: w.Len(), Quality: v.Quality}
	for i, name := range v.Fields {
		x := asset.Feature{Name: name.Name, Unit: name.Unit, Value: v.Values[i]}
		if v.Reasons != nil {
			x.Reason = v.Reasons[i]
		}
		f.Values = append(f.Values, x)
	}
	w.Given = f
	if !samples {
		w.Samples = nil
	}
	return w
}

func TestGivenFeaturesAreTakenByName(t *testing.T) {
	plate := asset.Nameplate{ID: "m", Components: []asset.Component{{Name: "bearing"}}, Channels: []asset.Channel{{Name: "de", Kind: "acceleration", Unit: "m/s²", RateHz: 1000, Component: "bearing"}}}
	e := NewExtractor(ExtractorOptions{SpectrumBins: 64}, plate, nil)
	w := asset.Window{Channel: "de", RateHz: 1000, Quality: 90, Start: time.Unix(1, 0), End: time.Unix(1, 999e6), SpeedRpm: 1500}
	for i := range 1000 {
		w.Samples = append(w.Samples, float32(math.Sin(float64(i))+math.Sin(float64(i*i))))
	}
	want, lines, _ := e.Extract(w, true)
	equal := func(what string, got Vector) {
		t.Helper()
		for i := range want.Values {
			if math.Float64bits(got.Values[i]) != math.Float64bits(want.Values[i]) || (got.Reasons == nil) != (want.Reasons == nil) || got.Reasons != nil && got.Reasons[i] != want.Reasons[i] {
				t.Fatalf("%s: %s is %v, want %v", what, want.Fields[i].Name, got.Values[i], want.Values[i])
			}
		}
		if got.WindowS != want.WindowS || got.Quality != want.Quality || !got.Start.Equal(want.Start) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	got, none, _ := e.Extract(givenOf(w, want, false), true)
	equal("without samples", got)
	if len(none) > 0 {
		t.Errorf("%d spectra of no samples", len(none))
	}
	got, some, _ := e.Extract(givenOf(w, want, true), true)
	equal("with samples", got)
	if len(some) != len(lines) || len(some) == 0 {
		t.Errorf("%d spectra, want %d", len(some), len(lines))
	}

	odd := givenOf(w, want, false)
	odd.Given.Values[0].Unit = "g"
	odd.Given.Values[1].Name = "peak_of_another_version"
	odd.Given.Values[2].Value, odd.Given.Values[2].Reason = math.NaN(), ReasonFlat
	odd.Given.Values[3], odd.Given.Values[4] = odd.Given.Values[4], odd.Given.Values[3]
	got, _, _ = e.Extract(odd, false)
	for i, reason := range []asset.Reason{ReasonUnit, ReasonNotComputed, ReasonFlat, "", ""} {
		if got.Reasons[i] != reason || math.IsNaN(got.Values[i]) != (reason != "") || reason == "" && got.Values[i] != want.Values[i] {
			t.Errorf("%s: %v, %q; want %v, %q", got.Fields[i].Name, got.Values[i], got.Reasons[i], want.Values[i], reason)
		}
	}
}
