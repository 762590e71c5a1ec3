package main

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/oci"
	"github.com/telltale-iot/telltale/models/onnx"
)

// pointRow is a row of telemetry as a foreign program may write it.
type pointRow struct {
	Time    *int64   `parquet:"time,optional,timestamp(microsecond)"`
	Asset   string   `parquet:"asset"`
	Metric  string   `parquet:"metric"`
	Value   *float64 `parquet:"value,optional"`
	Unit    string   `parquet:"unit"`
	Quality float64  `parquet:"quality"`
}

// soundRow is a row of a waveform.
type soundRow struct {
	Time    int64     `parquet:"time,timestamp(microsecond)"`
	Asset   string    `parquet:"asset"`
	Channel string    `parquet:"channel"`
	RateHz  float64   `parquet:"rate_hz"`
	Unit    string    `parquet:"unit"`
	Quality float64   `parquet:"quality"`
	Samples []float32 `parquet:"samples,list"`
}

func writeRows[T any](t *testing.T, path string, rows []T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[T](f)
	_, err = w.Write(rows)
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// dayOfFarm makes a small farm that a test may damage.
func dayOfFarm(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "day")
	if e := telltale(t, "simulate", "--out", dir, "--turbines", "2", "--for", "36h", "--wave-every", "6h", "--seed", "2", "--healthy"); e.code != 0 {
		t.Fatal(e.stderr)
	}
	return dir
}

// dayStart is when the farm starts.
var dayStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// badPoints are rows that cannot be true, each with the reason it is counted under.
func badPoints() (rows []pointRow, reasons map[string]int64) {
	reasons = map[string]int64{}
	add := func(reason string, at time.Duration, id, metric string, value float64, unit string, quality float64) {
		us := dayStart.Add(at).UnixMicro()
		rows = append(rows, pointRow{&us, id, metric, &value, unit, quality})
		reasons[reason]++
	}
	const hour = time.Hour
	add(string(ingest.BadTime), -66*365*24*hour, "wt01", "early", 1, "1", 100) // 1960
	add(string(ingest.OutOfRange), 5*hour+time.Second, "wt01", "gearbox_oil_temperature", 1000.5, "°C", 100)
	add(string(ingest.OutOfRange), 6*hour, "wt01", "spare_temperature", 1300, "K", 100)
	add(string(ingest.OutOfRange), 6*hour, "wt01", "other_temperature", -274, "°C", 100)
	add(string(ingest.BadQuality), 6*hour, "wt01", "a", 1, "1", 100.5)
	add(string(ingest.BadQuality), 6*hour, "wt01", "b", 1, "1", -1)
	add(string(ingest.NotFinite), 6*hour, "wt01", "c", math.NaN(), "1", 100)
	add(string(ingest.NotFinite), 6*hour, "wt01", "d", math.Inf(1), "1", 100)
	add(string(ingest.NotFinite), 6*hour, "wt01", "e", math.Inf(-1), "1", 100)
	add(string(ingest.NotFinite), 6*hour, "wt01", "f", 0, "1", 100)
	rows[len(rows)-1].Value = nil
	add(string(ingest.BadName), 6*hour, "wt01", strings.Repeat("n", 101), 1, "1", 100)
	add(string(ingest.BadName), 6*hour, "wt01", strings.Repeat("ü", 101), 1, "1", 100)
	add(string(ingest.BadName), 6*hour, "wt01", "", 1, "1", 100)
	add(string(ingest.UnknownUnit), 7*hour+time.Minute, "wt01", "rotor_speed", 1, "furlong", 100)
	add(string(ingest.WrongUnit), 7*hour+2*time.Minute, "wt01", "rotor_speed", 1, "bar", 100)
	add(string(ingest.UnknownAsset), 8*hour, "wt99", "rotor_speed", 1, "rpm", 100)
	add(string(dataset.TimeBackwards), 7*hour, "wt01", "rotor_speed", 1, "rpm", 100)
	rows = append(rows, pointRow{nil, "wt01", "rotor_speed", new(float64), "rpm", 100})
	reasons[string(dataset.NoTime)]++
	add(string(ingest.BadTime), 200*365*24*hour, "wt01", "rotor_speed", 1, "rpm", 100)
	return rows, reasons
}

// badSounds are records that cannot be used.
func badSounds() (rows []soundRow, reasons map[string]int64) {
	reasons = map[string]int64{}
	ok := make([]float32, 400)
	add := func(reason string, minutes int, r soundRow) {
		r.Time = dayStart.Add(7*time.Hour + time.Duration(minutes)*time.Minute).UnixMicro()
		r.Asset = "wt02"
		rows = append(rows, r)
		reasons[reason]++
	}
	const channel, rate = "gearbox-hss", 25600
	add(string(ingest.UnknownChannel), 0, soundRow{Channel: "no-such", RateHz: rate, Unit: "m/s²", Quality: 100, Samples: ok})
	add(string(ingest.BadRate), 1, soundRow{Channel: channel, RateHz: math.NaN(), Unit: "m/s²", Quality: 100, Samples: ok})
	add(string(ingest.BadRate), 2, soundRow{Channel: channel, RateHz: 0, Unit: "m/s²", Quality: 100, Samples: ok})
	add(string(ingest.BadRate), 3, soundRow{Channel: channel, RateHz: -rate, Unit: "m/s²", Quality: 100, Samples: ok})
	add(string(ingest.BadRate), 4, soundRow{Channel: channel, RateHz: rate / 2, Unit: "m/s²", Quality: 100, Samples: ok})
	add(string(ingest.WrongUnit), 5, soundRow{Channel: channel, RateHz: rate, Unit: "mm/s", Quality: 100, Samples: ok})
	add(string(ingest.UnknownUnit), 6, soundRow{Channel: channel, RateHz: rate, Unit: "volts-ish", Quality: 100, Samples: ok})
	add(string(ingest.BadQuality), 7, soundRow{Channel: channel, RateHz: rate, Unit: "m/s²", Quality: 101, Samples: ok})
	add(string(ingest.NotFinite), 8, soundRow{Channel: channel, RateHz: rate, Unit: "m/s²", Quality: 100, Samples: []float32{1, float32(math.NaN()), 2}})
	add(string(ingest.Empty), 9, soundRow{Channel: channel, RateHz: rate, Unit: "m/s²", Quality: 100})
	return rows, reasons
}

func TestAcceptBadRowsAreCountedAndTheRestGoesOn(t *testing.T) {
	dir := dayOfFarm(t)
	clean := backtested(t, dir)
	if r := readSummary(t, clean).Refused; sumOf(r) > 0 {
		t.Fatalf("a clean farm was refused: %v", r)
	}
	rows, want := badPoints()
	writeRows(t, filepath.Join(dir, "telemetry", "zz-foreign.parquet"), rows)
	sounds, more := badSounds()
	writeRows(t, filepath.Join(dir, "waveforms", "zz-foreign.parquet"), sounds)
	for k, n := range more {
		want[k] += n
	}
	out := t.TempDir()
	e := telltale(t, "backtest", dir, "--out", out)
	if e.code != 0 {
		t.Fatalf("exit %d: %s", e.code, e.stderr)
	}
	sameRows(t, clean, out)
	got := readSummary(t, out).Refused
	for reason, n := range want {
		if got[reason] != n {
			t.Errorf("refused %s: %d, want %d", reason, got[reason], n)
		}
	}
	if sumOf(got) != sumOf(want) {
		t.Errorf("refused %v, want %v", got, want)
	}
}

func sumOf(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

func sameRows(t *testing.T, want, got string) {
	t.Helper()
	for _, name := range []string{"features.parquet", "risks.parquet", "alerts.ndjson", "workorders.ndjson"} {
		if !bytes.Equal(bytesOf(t, filepath.Join(want, name)), bytesOf(t, filepath.Join(got, name))) {
			t.Errorf("%s is not as without the bad rows", name)
		}
	}
}

func TestAcceptADamagedFileCostsItsRowsAlone(t *testing.T) {
	dir := dayOfFarm(t)
	clean := backtested(t, dir)
	for name, bad := range map[string]func([]byte) []byte{
		"truncated":   func(b []byte) []byte { return b[:len(b)/2] },
		"empty":       func([]byte) []byte { return nil },
		"no Parquet":  func([]byte) []byte { return []byte("time,asset,channel\n2026-01-01,wt01,x\n") },
		"half a page": func(b []byte) []byte { c := bytes.Clone(b); clear(c[100:2000]); return c },
	} {
		t.Run(name, func(t *testing.T) {
			sound, err := filepath.Glob(filepath.Join(dir, "waveforms", "*.parquet"))
			if err != nil || len(sound) == 0 {
				t.Fatal(sound, err)
			}
			path := filepath.Join(dir, "waveforms", "zz-more.parquet")
			if err := os.WriteFile(path, bad(bytesOf(t, sound[0])), 0o644); err != nil {
				t.Fatal(err)
			}
			out := t.TempDir()
			e := telltale(t, "backtest", dir, "--out", out)
			if e.code != 0 || !strings.Contains(e.stderr, "zz-more.parquet") {
				t.Fatalf("exit %d: %q", e.code, e.stderr)
			}
			if n := readSummary(t, out).Refused["damaged-file"]; n != 1 {
				t.Errorf("%d damaged files counted, want 1", n)
			}
			if name != "half a page" { // whose other rows may well be read, as repeats
				sameRows(t, clean, out)
			}
		})
	}
}

func TestAcceptAFolderThatCannotBeMeant(t *testing.T) {
	plates := "name: x\nassets:\n- {id: a, kind: series, components: [{name: machine}], metrics: [{name: value, unit: '1'}]}\n"
	type short struct {
		Time  int64   `parquet:"time,timestamp(microsecond)"`
		Asset string  `parquet:"asset"`
		Value float64 `parquet:"value"`
	}
	type wrong struct {
		Time    string  `parquet:"time"`
		Asset   string  `parquet:"asset"`
		Metric  string  `parquet:"metric"`
		Value   float64 `parquet:"value"`
		Unit    string  `parquet:"unit"`
		Quality float64 `parquet:"quality"`
	}
	for name, tc := range map[string]struct {
		plates string
		put    func(t *testing.T, dir string)
		words  []string
	}{
		"no column": {plates, func(t *testing.T, dir string) {
			t.Helper()
			writeRows(t, filepath.Join(dir, "telemetry", "a.parquet"), []short{{1, "a", 1}})
		}, []string{"telemetry/a.parquet", "no column metric"}},
		"a column of another type": {plates, func(t *testing.T, dir string) {
			t.Helper()
			writeRows(t, filepath.Join(dir, "telemetry", "a.parquet"), []wrong{{"noon", "a", "value", 1, "1", 100}})
		}, []string{"telemetry/a.parquet", "time", "timestamp"}},
		"no files":       {plates, func(*testing.T, string) {}, []string{"telemetry/*.parquet"}},
		"no assets":      {"name: x\n", func(*testing.T, string) {}, []string{"dataset.yaml", "assets"}},
		"an asset twice": {"assets: [{id: a}, {id: a}]\n", func(*testing.T, string) {}, []string{"dataset.yaml", "twice"}},
		"no YAML":        {"assets: [\n", func(*testing.T, string) {}, []string{"dataset.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
			if err := os.WriteFile(filepath.Join(dir, "dataset.yaml"), []byte(tc.plates), 0o644); err != nil {
				t.Fatal(err)
			}
			tc.put(t, dir)
			oneError(t, telltale(t, "backtest", dir, "--out", out), 1, tc.words...)
			if _, err := os.Stat(out); err == nil {
				t.Error("OUT was made for nothing")
			}
		})
	}
}

func TestAcceptAModelThatCannotBeFed(t *testing.T) {
	if _, _, err := onnx.Library(""); err != nil {
		t.Skip(err)
	}
	t.Setenv(onnx.EnvLibrary, loaded(t))
	dir := dayOfFarm(t)
	clean := backtested(t, dir)
	repo := filepath.Join(t.TempDir(), "models")
	shelf, err := oci.Open(t.Context(), repo, oci.Options{})
	if err != nil {
		t.Fatal(err)
	}
	by := models.By{Who: "test"}
	for i, file := range []string{"good", "forecaster"} { // both want oil_temperature and de_acc, which no turbine has
		v, err := shelf.Push(t.Context(), filepath.Join("..", "..", "models", "testdata", file+".onnx"), "drivetrain-lstm", by, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shelf.Promote(t.Context(), v.Ref(), models.Production, 0, "", by); err != nil {
			t.Fatal(err)
		}
		args := []string{"backtest", dir, "--out", filepath.Join(t.TempDir(), "out"), "--repo", repo}
		if i > 0 {
			args = append(args, "--model", v.Ref())
		}
		oneError(t, said(telltale(t, args...)), 1, "drivetrain-lstm", "de_acc/rms", "not produced")
	}
	oneError(t, said(telltale(t, "backtest", dir, "--out", filepath.Join(t.TempDir(), "out"), "--repo", repo, "--model", "drivetrain-lstm:99")), 1, "drivetrain-lstm:99")
	sameRows(t, clean, backtested(t, dir, "--repo", t.TempDir())) // nothing in production costs the learned view alone
	nowhere := filepath.Join(t.TempDir(), "mistyped")
	oneError(t, said(telltale(t, "backtest", dir, "--out", filepath.Join(t.TempDir(), "out"), "--repo", nowhere)), 1, "mistyped")
}

// said leaves out of stderr what only informs.
func said(e ended) ended {
	var kept []string
	for l := range strings.Lines(e.stderr) {
		if !strings.Contains(l, " INFO ") {
			kept = append(kept, l)
		}
	}
	e.stderr = strings.Join(kept, "")
	return e
}

// loaded is the path of the ONNX Runtime library that this process found.
func loaded(t *testing.T) string {
	t.Helper()
	path, _, err := onnx.Library("")
	if err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
