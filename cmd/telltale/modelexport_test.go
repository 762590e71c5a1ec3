package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/sqlite"
)

func TestExportTrainingSplitsByAssetAndTime(t *testing.T) {
	whole := made(t, shop.whole)
	dir := filepath.Join(t.TempDir(), "train")
	in := "gearbox_oil_temperature/residual_z"
	note := parsed[trainingNote](t, "model", "export-training", whole, "--out", dir, "--class", "wind-turbine", "--component", "gearbox", "--inputs", in, "--json")
	s := note.Split
	if len(s.Train) != 2 || len(s.Calibration) != 1 || slices.Contains(s.Train, s.Calibration[0]) {
		t.Errorf("train %v, calibration %v; want 2 and another", s.Train, s.Calibration)
	}
	if !s.TrainUntil.After(note.From) || !s.TrainUntil.Before(note.To) {
		t.Errorf("trained until %v, want within %v and %v", s.TrainUntil, note.From, note.To)
	}
	file, err := os.ReadFile(filepath.Join(dir, "features.parquet"))
	if sum := sha256.Sum256(file); err != nil || hex.EncodeToString(sum[:]) != note.SHA256 {
		t.Errorf("digest %s, want that of the file: %v", note.SHA256, err)
	}
	body, err := os.ReadFile(filepath.Join(dir, "training.json"))
	var kept trainingNote
	if err == nil {
		err = json.Unmarshal(body, &kept)
	}
	if err != nil || kept.Command == "" {
		t.Errorf("training.json: %v in %s", err, body)
	}
	if code, _, bad := typed(t, "model", "export-training", whole, "--out", dir, "--class", "wind-turbine", "--inputs", "no/such"); code != 1 {
		t.Errorf("unknown input: exit %d %s, want 1", code, bad)
	}
}

// A day of an exported service, by its number.
var serviceStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func onDay(d float64) time.Time {
	return serviceStart.Add(time.Duration(d * 24 * float64(time.Hour)))
}

// served is the data folder of a service of 60 days of two turbines, with one alert
// each from day 20 to day 24, and maintenance of the second one on day 40.
func served(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), storePath(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test's
	at, err := db.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	fx := pipeline.Effects{Epoch: at.Epoch, Next: 1, Events: []pipeline.TwinEvent{{Asset: "b", Time: onDay(40), Kind: "part-replaced", Payload: "bearing"}}}
	for d := range 60 {
		for _, id := range []asset.ID{"a", "b"} {
			fx.Frames = append(fx.Frames, pipeline.Frame{Asset: id, Time: onDay(float64(d)), Vectors: []features.Vector{{
				Channel: "acc", Fields: []features.Field{{Channel: "acc", Name: "rms", Unit: "g"}}, Values: []float64{float64(d)}, Quality: 100, WindowS: 1, Start: onDay(float64(d)),
			}}})
		}
	}
	for _, id := range []asset.ID{"a", "b"} {
		end := onDay(24)
		fx.Alerts = append(fx.Alerts, asset.Alert{
			ID: "alert-" + string(id), Asset: id, Component: "bearing", Mode: asset.Wear, Severity: 3, Opened: onDay(20), Changed: end, Cleared: &end,
			RUL: asset.NoRUL(), Changes: []asset.Change{{Time: end, What: "cleared", Mode: asset.OuterRace, Severity: 3, RUL: asset.NoRUL()}},
		})
	}
	if err := db.Keep(t.Context(), fx); err != nil {
		t.Fatal(err)
	}
	return dir
}

type exported struct {
	Time    time.Time  `parquet:"time,timestamp(microsecond)"`
	Asset   string     `parquet:"asset"`
	Value   *float64   `parquet:"value,optional"`
	Unit    string     `parquet:"unit"`
	Label   string     `parquet:"label"`
	Mode    string     `parquet:"mode"`
	Verdict string     `parquet:"verdict"`
	Known   *time.Time `parquet:"known_at,optional,timestamp(microsecond)"`
}

// exportedDays exports and returns what each day of each asset is.
func exportedDays(t *testing.T, data string, more ...string) map[string]exported {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{"model", "export-training", data, "--out", dir, "--class", "bearing-rig", "--component", "bearing", "--inputs", "acc/rms"}, more...)
	if code, out, bad := typed(t, args...); code != 0 {
		t.Fatalf("%v: exit %d: %s%s", args, code, out, bad)
	}
	rows, err := parquet.ReadFile[exported](filepath.Join(dir, "features.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	days := map[string]exported{}
	for _, r := range rows {
		days[fmt.Sprintf("%s%.0f", r.Asset, r.Time.Sub(serviceStart).Hours()/24)] = r
	}
	return days
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExportTrainingOfAServiceSaysWhatIsHealthy(t *testing.T) {
	verdicts := written(t, "verdicts.csv", "alert,verdict,mode,by,at,note\nalert-a,confirmed,,kim,2026-01-30T00:00:00Z,\nalert-b,false-alarm,,kim,2026-02-05T00:00:00Z,\n")
	labels := written(t, "labels.csv", "asset,component,mode,kind,start,end\na,gearbox,wear,failure,,2026-02-20T00:00:00Z\nb,bearing,cage,fault,2026-01-06T00:00:00Z,2026-01-08T00:00:00Z\n")
	days := exportedDays(t, served(t), "--verdicts", verdicts, "--labels", labels)
	for day, want := range map[string]exported{
		"a10": {Label: "healthy"},
		"a22": {Label: "fault", Mode: string(asset.OuterRace), Verdict: "confirmed"}, // as the alert said in the end
		"a25": {Label: "healthy"},
		"a45": {Label: "unknown"}, // the gearbox failed on day 50
		"a56": {Label: "unknown"},
		"a58": {Label: "healthy"},
		"b4":  {Label: "healthy"},
		"b6":  {Label: "fault", Mode: "cage"},
		"b22": {Label: "healthy", Verdict: "false-alarm"},
		"b36": {Label: "unknown"}, // a part was replaced on day 40
		"b48": {Label: "healthy"},
	} {
		got := days[day]
		if got.Label != want.Label || got.Mode != want.Mode || got.Verdict != want.Verdict || got.Unit != "g" || got.Value == nil {
			t.Errorf("%s is %+v, want %+v", day, got, want)
		}
		if (got.Known == nil) != (got.Label == "unknown") {
			t.Errorf("%s: %s known at %v", day, got.Label, got.Known)
		}
	}
	sound := written(t, "sound.csv", "asset,component,mode,kind,start,end\na,bearing,,healthy,2026-01-01T00:00:00Z,2026-01-31T00:00:00Z\n")
	if days := exportedDays(t, served(t), "--labels", sound); days["a22"].Label != "healthy" || days["b22"].Label != "unknown" {
		t.Errorf("an alert without a verdict on a machine called healthy makes its rows %q, on another %q; want healthy and unknown", days["a22"].Label, days["b22"].Label)
	}
	if days := exportedDays(t, served(t)); days["a22"].Label != "unknown" || days["a22"].Known != nil {
		t.Errorf("an alert without a verdict makes its rows %+v, want unknown", days["a22"])
	}
}

func TestExportTrainingKnowsNothingLater(t *testing.T) {
	data := served(t)
	verdicts := written(t, "verdicts.csv", "alert,verdict,mode,by,at,note\nalert-a,confirmed,,kim,2026-01-30T00:00:00Z,\nalert-a,false-alarm,,lee,2026-03-20T00:00:00Z,\n")
	labels := written(t, "labels.csv", "asset,component,mode,kind,start,end\nb,bearing,cage,fault,2026-01-03T00:00:00Z,2026-02-10T00:00:00Z\n")
	for _, day := range []float64{15, 22, 31, 45} {
		asOf := onDay(day)
		days := exportedDays(t, data, "--verdicts", verdicts, "--labels", labels, "--as-of", asOf.Format(time.RFC3339))
		if len(days) != 2*int(day+1) {
			t.Errorf("as of day %g: %d rows, want %d", day, len(days), 2*int(day+1))
		}
		for name, r := range days {
			if r.Known != nil && r.Known.After(asOf) {
				t.Errorf("as of day %g: %s is %s, known only at %v", day, name, r.Label, r.Known)
			}
			if (r.Label == "unknown") != (r.Known == nil) {
				t.Errorf("as of day %g: %s is %s and known at %v", day, name, r.Label, r.Known)
			}
		}
		label, verdict := "unknown", ""
		if day > 29 {
			label, verdict = "fault", "confirmed"
		}
		if got := days["a20"]; day >= 20 && (got.Label != label || got.Verdict != verdict) {
			t.Errorf("as of day %g: a20 is %+v, want %s", day, got, label)
		}
		label = "unknown" // the label ends on day 40
		if day > 40 {
			label = "fault"
		}
		if got := days["b5"]; got.Label != label {
			t.Errorf("as of day %g: b5 is %+v, want %s", day, got, label)
		}
	}
	if code, _, said := typed(t, "model", "export-training", data, "--out", t.TempDir(), "--class", "x", "--inputs", "acc/rms", "--as-of", "yesterday"); code != 2 {
		t.Errorf("--as-of yesterday: exit %d %s, want 2", code, said)
	}
}

func TestRegimeOfARow(t *testing.T) {
	frame := func(minute float64, speed, power float64) pipeline.Frame {
		f := pipeline.Frame{Time: serviceStart.Add(time.Duration(minute * float64(time.Minute)))}
		for name, v := range map[string]float64{"n": speed, "p": power} {
			f.Vectors = append(f.Vectors, features.Vector{Fields: []features.Field{{Channel: name, Name: "value"}}, Values: []float64{v}})
		}
		return f
	}
	opt := features.RegimesOptions{Speed: "n", Power: "p", RatedRPM: 100, RatedKW: 1000}
	var o operatingPoint
	nan := math.NaN()
	for _, step := range []struct {
		f    pipeline.Frame
		want string
	}{
		{frame(0, 15, nan), ""},
		{frame(1, 15, 510), "3/5"}, // 15 of 100 rpm in twentieths, 510 of 1000 kW in tenths
		{frame(29, nan, nan), "3/5"},
		{frame(32, nan, nan), ""},
		{frame(33, 20, 510), "4/5"},
		{frame(34, 20, 1e9), ""},
	} {
		if got := o.regime(opt, step.f); got != step.want {
			t.Errorf("at %v: regime %q, want %q", step.f.Time, got, step.want)
		}
	}
	wind := features.RegimeKey{Wind: 4}
	if got := wind.String(); got != "w4" {
		t.Errorf("wind bin %q, want w4", got)
	}
}
