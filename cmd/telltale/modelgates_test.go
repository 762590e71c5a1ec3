package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/sqlite"
)

var springtime = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// frozenEpisodes writes some machines that are healthy for two days and ill for one:
// the reading of good.onnx at its training mean, then far from it.
func frozenEpisodes(t *testing.T, assets int) string {
	t.Helper()
	dir := t.TempDir()
	w, err := dataset.NewTrainingWriter(filepath.Join(dir, "features.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for a := range assets {
		r := rand.New(rand.NewPCG(uint64(a), 1))
		for i := range 3 * 144 {
			row := dataset.TrainingRow{Component: "gearbox-bearing", Label: labelHealthy}
			row.Time, row.Asset = springtime.Add(time.Duration(i)*10*time.Minute), asset.ID(fmt.Sprintf("T%02d", a))
			rms := 2 + 0.1*r.NormFloat64()
			if i >= 2*144 {
				row.Label, row.Mode = labelFault, asset.Wear
			}
			if i >= 3*144-30-a {
				rms += 4
			}
			oil := row
			oil.Channel, oil.Feature, oil.Value = "oil_temperature", "value", asset.Number(60+r.NormFloat64())
			row.Channel, row.Feature, row.Value = "de_acc", "rms", asset.Number(rms)
			if err := errors.Join(w.Write(oil), w.Write(row)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// variant is good.onnx with another threshold of the same length.
func variant(t *testing.T, threshold string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "..", "models", "testdata", "good.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(file, []byte("pdm.threshold"))
	value := at + bytes.Index(file[at:], []byte("2.5"))
	copy(file[value:], threshold)
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// stocked pushes good.onnx, puts it in production, and pushes variants of it.
func stocked(t *testing.T, thresholds ...string) (repo string, versions []models.Version) {
	t.Helper()
	repo = t.TempDir()
	for i, threshold := range append([]string{"2.5"}, thresholds...) {
		v := parsed[models.Version](t, "model", "push", variant(t, threshold), "--repo", repo, "--json")
		if i == 0 {
			parsed[models.Version](t, "model", "promote", v.Ref(), "production", "--repo", repo, "--json")
		}
		versions = append(versions, v)
	}
	return repo, versions
}

func needsRuntime(t *testing.T) {
	t.Helper()
	if _, _, err := onnx.Library(""); err != nil {
		t.Skip(err)
	}
	t.Setenv(onnx.EnvLibrary, loaded(t))
}

func TestModelReplay(t *testing.T) {
	needsRuntime(t)
	repo, v := stocked(t, "2.4", "9e9", ".01")
	dir := frozenEpisodes(t, 6)
	equal := parsed[models.Replay](t, "model", "replay", v[1].Ref(), "--against", v[0].Name, "--episodes", dir, "--repo", repo, "--json")
	if equal.Old.Detected != 6 || equal.New.Detected != 6 || !equal.Passed || len(equal.Digest) != 64 || equal.New.Digest != v[1].Digest {
		t.Errorf("an equal version: %+v", equal)
	}
	// Abnormal from 300 + 10·a minutes before the end; the window takes two of its six rows in, then four scores.
	if l := float64(equal.Old.LeadH); l < 3.5 || l > 5.5 {
		t.Errorf("lead %g h, want about 4.5", l)
	}
	if again := parsed[models.Replay](t, "model", "replay", v[1].Ref(), "--against", v[0].Name, "--episodes", dir, "--repo", repo, "--json"); again.Digest != equal.Digest || fmt.Sprint(again) != fmt.Sprint(equal) {
		t.Error("the same episodes gave another result")
	}
	for name, tc := range map[string]struct{ ref, gate string }{"blind": {v[2].Ref(), "replay-detection"}, "always crying": {v[3].Ref(), "replay-alarms"}} {
		code, out, bad := typed(t, "model", "replay", tc.ref, "--against", v[0].Ref(), "--episodes", dir, "--repo", repo, "--json")
		var got models.Replay
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 {
			t.Fatalf("%s: exit %d, %v, %s", name, code, err, bad)
		}
		for _, g := range got.Gates {
			if g.Name == tc.gate && g.Verdict != models.GateFail {
				t.Errorf("%s: %+v, want fail", name, g)
			}
		}
	}
	if code, out, _ := typed(t, "model", "replay", v[2].Ref(), "--against", v[0].Ref(), "--episodes", dir, "--repo", repo); code != 1 || !strings.Contains(out, "not detected") {
		t.Errorf("for people: exit %d\n%s", code, out)
	}
	other := frozenEpisodes(t, 3)
	few := []string{"model", "replay", v[1].Ref(), "--against", v[0].Ref(), "--episodes", other, "--repo", repo, "--json"}
	if code, out, _ := typed(t, few...); code != 1 || !strings.Contains(out, `"unknown"`) {
		t.Errorf("three episodes: exit %d\n%s", code, out)
	}
	for name, args := range map[string][]string{
		"no episodes":  {"model", "replay", v[1].Ref(), "--against", v[0].Ref(), "--repo", repo},
		"odd alarm":    {"model", "replay", v[1].Ref(), "--against", v[0].Ref(), "--episodes", dir, "--repo", repo, "--alarm-m", "7"},
		"empty folder": {"model", "replay", v[1].Ref(), "--against", v[0].Ref(), "--episodes", t.TempDir(), "--repo", repo},
		"the same":     {"model", "replay", v[0].Ref(), "--against", v[0].Ref(), "--episodes", dir, "--repo", repo},
	} {
		if code, _, bad := typed(t, args...); code == 0 || strings.Count(bad, "\n") != 1 {
			t.Errorf("%s: exit %d: %q, want an error of one line", name, code, bad)
		}
	}
}

// serviceStore makes a data folder in which both versions have scored for some days.
func serviceStore(t *testing.T, days int, old, candidate models.Version) string {
	t.Helper()
	data := t.TempDir()
	db, err := sqlite.Open(t.Context(), storePath(data), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // Keep has said what matters
	at, err := db.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	fx := pipeline.Effects{Epoch: at.Epoch, Next: 1}
	r := rand.New(rand.NewPCG(5, 6))
	for i := range days * 24 {
		now := springtime.Add(time.Duration(i) * time.Hour)
		for a := range 5 {
			id := asset.ID(fmt.Sprintf("T%02d", a))
			s := asset.Score{
				Time: now, Asset: id, Component: "gearbox-bearing", Model: old.Ref(), Digest: old.Digest, Stage: "production", Serves: true,
				Score: asset.Number(20 + r.ExpFloat64()), P: asset.Number(r.Float64()), Abnormal: r.IntN(20) == 0,
			}
			fx.Scores = append(fx.Scores, s)
			s.Model, s.Digest, s.Stage, s.Serves = candidate.Ref(), candidate.Digest, "shadow", false
			fx.Scores = append(fx.Scores, s)
			fx.Risks = append(fx.Risks, asset.Risk{Time: now, Asset: id, Component: "gearbox-bearing", RUL: asset.NoRUL()})
		}
	}
	if err := db.Keep(t.Context(), fx); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestModelGates(t *testing.T) {
	needsRuntime(t)
	repo, v := stocked(t, "2.4")
	dir := frozenEpisodes(t, 6)
	data := serviceStore(t, 15, v[0], v[1])
	args := []string{"model", "gates", v[1].Ref(), "--data", data, "--repo", repo, "--json"}
	got := parsed[models.GateReport](t, append(args, "--episodes", dir, "--p99", "10s")...)
	if !got.Passed || got.Old != v[0].Ref() || got.New != v[1].Ref() || len(got.Gates) != 10 || float64(got.Rank) < 0.999 {
		t.Errorf("%+v", got)
	}
	for name, more := range map[string][]string{
		"without a replay": nil,
		"too slow":         {"--episodes", dir, "--p99", "1ns"},
		"too soon":         {"--episodes", dir, "--days", "30"},
	} {
		if code, out, bad := typed(t, append(args, more...)...); code != 1 || !strings.Contains(out, `"passed": false`) || !strings.Contains(bad, "not every gate") {
			t.Errorf("%s: exit %d: %s", name, code, bad)
		}
	}
	if code, out, _ := typed(t, "model", "gates", v[1].Ref(), "--data", data, "--repo", repo); code != 1 || !strings.Contains(out, "alarm-rate") {
		t.Errorf("for people: exit %d\n%s", code, out)
	}
	if code, _, bad := typed(t, "model", "gates", v[1].Ref(), "--data", t.TempDir(), "--repo", repo); code != 1 || !strings.Contains(bad, "--data") {
		t.Errorf("no service: exit %d %s", code, bad)
	}
}

func TestModelDrift(t *testing.T) {
	repo, v := stocked(t, "2.4")
	data := serviceStore(t, 8, v[0], v[1])
	got := parsed[driftReport](t, "model", "drift", v[0].Ref(), "--data", data, "--repo", repo, "--json")
	if len(got.Assets) != 5 || len(got.Common) != 1 || got.Common[0].Feature != "score" || len(got.Common[0].Assets) != 5 {
		t.Fatalf("scores of 20 where the calibration ends at 3: %+v", got)
	}
	for _, d := range got.Assets {
		if d.Verdict != models.DriftAct || d.N < 150 {
			t.Errorf("%+v, want act on about 168 scores", d)
		}
	}
	if code, out, bad := typed(t, "model", "drift", v[0].Ref(), "--data", data, "--repo", repo); code != 0 || !strings.Contains(out, "environment or software") {
		t.Errorf("for people: exit %d %s\n%s", code, bad, out)
	}
	if code, _, bad := typed(t, "model", "drift", v[0].Ref(), "--data", data, "--repo", repo, "--since", "1s"); code != 2 {
		t.Errorf("--since 1s: exit %d %s", code, bad)
	}
}

// referenced is good.onnx with the distributions that its features had in training.
func referenced(t *testing.T) string {
	t.Helper()
	path := variant(t, "2.5")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// One more of the repeated field metadata_props (14): an entry of key (1) and value (2).
	field := func(number byte, body []byte) []byte {
		return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(body))), body...)
	}
	value := []byte(`[{"n": 500, "quantiles": [57, 59, 59.5, 60, 60.5, 61, 63]}, {"n": 500, "quantiles": [1.7, 1.9, 1.95, 2, 2.05, 2.1, 2.3]}]`)
	file = append(file, field(14, append(field(1, []byte("pdm.reference")), field(2, value)...))...)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestModelDriftOfFeatures(t *testing.T) {
	repo, data := t.TempDir(), t.TempDir()
	v := parsed[models.Version](t, "model", "push", referenced(t), "--repo", repo, "--json")
	db, err := sqlite.Open(t.Context(), storePath(data), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // Keep has said what matters
	at, err := db.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	fx := pipeline.Effects{Epoch: at.Epoch, Next: 1}
	r := rand.New(rand.NewPCG(8, 9))
	quantiles := func(q ...float64) float64 { k := r.IntN(len(q) - 1); return q[k] + r.Float64()*(q[k+1]-q[k]) }
	for i := range 8 * 48 {
		for a := range 3 {
			id, now := asset.ID(fmt.Sprintf("T%02d", a)), springtime.Add(time.Duration(i)*30*time.Minute)
			rms := quantiles(1.7, 1.9, 1.95, 2, 2.05, 2.1, 2.3)
			if a == 1 {
				rms += 0.2
			}
			f := pipeline.Frame{Asset: id, Time: now, Vectors: []features.Vector{
				{Fields: []features.Field{{Channel: "oil_temperature", Name: "value", Unit: "°C"}}, Values: []float64{quantiles(57, 59, 59.5, 60, 60.5, 61, 63)}},
			}}
			fx.Frames = append(fx.Frames, f)
			f.Time = now.Add(time.Minute) // the window of the other channel ends a little later
			f.Vectors = []features.Vector{{Channel: "de_acc", Fields: []features.Field{{Channel: "de_acc", Name: "rms", Unit: "m/s²"}}, Values: []float64{rms}}}
			fx.Frames = append(fx.Frames, f)
			fx.Risks = append(fx.Risks, asset.Risk{Time: f.Time, Asset: id, Component: "gearbox-bearing", RUL: asset.NoRUL()})
		}
	}
	if err := db.Keep(t.Context(), fx); err != nil {
		t.Fatal(err)
	}
	got := parsed[driftReport](t, "model", "drift", v.Ref(), "--data", data, "--repo", repo, "--json")
	if len(got.Assets) != 6 || len(got.Common) != 0 {
		t.Fatalf("%+v, want two features on three assets and nothing in common", got)
	}
	for _, d := range got.Assets {
		want := models.DriftNone
		if d.Asset == "T01" && d.Feature == "de_acc/rms" {
			want = models.DriftAct
		}
		if d.Verdict != want || d.N < 300 || d.Missing > 0.01 {
			t.Errorf("%+v, want %s", d, want)
		}
	}
}

// A row is what a period gives: what is aggregated, what is missing, where a gap is.
func TestLabelledRowsAreCutAsTheFlowCutsThem(t *testing.T) {
	c := models.Contract{
		Features: []models.Input{{Name: "a/x"}, {Name: "b/y", Agg: "mean"}}, PeriodS: 600, Window: 3, Stride: 2,
	}
	l := &labelledAsset{id: "T01"}
	add := func(minute int, label string, values map[string]float64) {
		l.instants = append(l.instants, &instant{time: springtime.Add(time.Duration(minute) * time.Minute), values: values, label: label, regime: "r"})
	}
	for k := range 6 {
		add(10*k, "healthy", map[string]float64{"a/x": float64(k), "b/y": 1})
		add(10*k+5, "healthy", map[string]float64{"b/y": 3})
	}
	add(200, "fault", map[string]float64{"b/y": 7}) // after a gap
	add(210, "fault", map[string]float64{"a/x": 8, "b/y": 7})
	add(220, "fault", map[string]float64{"a/x": 9, "b/y": 7})
	add(230, "unknown", map[string]float64{"c/z": 9})
	got := l.cut(c.Reads("part"))
	if len(got) != 3 || fmt.Sprint(got[0].Values) != "[0 2 1 2 2 2]" || fmt.Sprint(got[1].Values) != "[2 2 3 2 4 2]" || fmt.Sprint(got[2].Values) != "[NaN 7 8 7 9 7]" {
		t.Fatalf("%+v", got)
	}
	if want := springtime.Add(30 * time.Minute); !got[0].Time.Equal(want) || got[0].Regime != "r" || got[0].Component != "part" {
		t.Errorf("%+v, want at %v", got[0], want)
	}
	e := l.episodes("part")
	if len(e) != 2 || e[0].Fault || !e[1].Fault || e[1].To.Sub(e[1].From) != 20*time.Minute {
		t.Errorf("episodes %+v", e)
	}
}
