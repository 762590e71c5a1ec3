package dataset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	type noUnit struct {
		Time    int64   `parquet:"time,timestamp(microsecond)"`
		Asset   string  `parquet:"asset"`
		Metric  string  `parquet:"metric"`
		Value   float64 `parquet:"value"`
		Quality int32   `parquet:"quality"`
	}
	type textTime struct {
		Time    string  `parquet:"time"`
		Asset   string  `parquet:"asset"`
		Metric  string  `parquet:"metric"`
		Value   float64 `parquet:"value"`
		Unit    string  `parquet:"unit"`
		Quality int32   `parquet:"quality"`
	}
	type noSamples struct {
		Time    int64   `parquet:"time,timestamp(microsecond)"`
		Asset   string  `parquet:"asset"`
		Channel string  `parquet:"channel"`
		Rate    float64 `parquet:"rate_hz"`
		Unit    string  `parquet:"unit"`
		Quality int32   `parquet:"quality"`
	}
	type noScale struct {
		noSamples
		Counts []int32 `parquet:"counts,list"`
	}
	for name, tc := range map[string]struct {
		make func(dir string)
		want string
	}{
		"missing column":   {func(d string) { write(t, d+"/telemetry/x.parquet", noUnit{}) }, "telemetry/x.parquet: no column unit"},
		"wrong type":       {func(d string) { write(t, d+"/telemetry/x.parquet", textTime{}) }, "telemetry/x.parquet: column time is STRING, want a timestamp"},
		"no samples":       {func(d string) { write(t, d+"/waveforms/x.parquet", noSamples{}) }, "waveforms/x.parquet: no column samples (or counts)"},
		"no scale":         {func(d string) { write(t, d+"/waveforms/x.parquet", noScale{}) }, "waveforms/x.parquet: no column scale"},
		"nothing to read":  {func(string) {}, "no waveforms/*.parquet and no telemetry/*.parquet"},
		"no dataset.yaml":  {func(d string) { _ = os.Remove(d + "/dataset.yaml") }, "no dataset.yaml"},
		"broken YAML":      {func(d string) { _ = os.WriteFile(d+"/dataset.yaml", []byte("assets: [{id: a"), 0o600) }, "dataset.yaml: "},
		"the same ID":      {func(d string) { _ = os.WriteFile(d+"/dataset.yaml", []byte("assets: [{id: a}, {id: a}]"), 0o600) }, `assets[1].id: "a" is declared twice`},
		"an ID of nothing": {func(d string) { _ = os.WriteFile(d+"/dataset.yaml", []byte("assets: [{kind: a}]"), 0o600) }, "assets[0].id: 0 characters, want 1–100"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, "a")
			tc.make(dir)
			_, err := dataset.Open(dir)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tc.want)
			}
		})
	}
}

func TestDefaultsOfTheSet(t *testing.T) {
	dir := t.TempDir()
	text := "name: n\nkind: pump\nlearning: {rows: 7}\nassets:\n- id: a\n  components: [{name: b, bearing: &b {bpfo_order: 3.5}}]\n- id: b\n  kind: fan\n  learning: {rows: 0}\n  components: [{name: b, bearing: *b}]\n"
	if err := os.WriteFile(dir+"/dataset.yaml", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/telemetry/1.parquet", point("a", "m", 1, 1))
	set, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, a := range set.Assets {
		got += fmt.Sprintf("%s %s %d %g; ", a.ID, a.Kind, a.Learning.Rows, a.Components[0].Bearing.BPFOOrder)
	}
	if want := "a pump 7 3.5; b fan 0 3.5; "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A damaged file is refused and the rest is processed, wherever the damage is.
func TestDamagedFileIsLeftOut(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"truncated":        func(b []byte) []byte { return b[:len(b)/2] },
		"empty":            func([]byte) []byte { return nil },
		"no footer":        func(b []byte) []byte { return append(b[:len(b)-4:len(b)-4], "nope"...) },
		"a footer of 4 GB": func(b []byte) []byte { copy(b[len(b)-8:], "\xff\xff\xff\xff"); return b },
		"bytes": func(b []byte) []byte {
			for i := 200; i < 400; i++ {
				b[i] ^= 0x5a
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, "a", "b")
			path := filepath.Join(dir, "waveforms", "bad.parquet")
			for _, p := range []string{path, dir + "/waveforms/good.parquet"} {
				id := "a"
				if p == path {
					id = "b"
				}
				write(t, p, wave(id, "x", 0, 1000, 500), wave(id, "x", 1, 1000, 500))
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, harm(b), 0o644); err != nil {
				t.Fatal(err)
			}
			got, refused := replay(t, dir, dataset.ReplayOptions{})
			good := 0
			for _, r := range got {
				if r.Asset == "a" {
					good++
				}
			}
			if good != 2 || refused[dataset.DamagedFile] != 1 {
				t.Errorf("%d good readings, want 2; refused %v, want 1 damaged-file\n%s", good, refused, lines(got))
			}
		})
	}
}

// Whatever happened to the bytes of a file: it is read or refused, and ends.
func TestChangedBytes(t *testing.T) {
	dir := t.TempDir()
	w, err := dataset.NewWriter(dir, dataset.Set{Assets: []asset.Nameplate{{ID: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := w.Wave(dataset.Record{Asset: "a", Channel: "x", Start: at(float64(i)), RateHz: 10, Unit: "g", Quality: 100, Counts: []int32{1, 2, 3, int32(i)}, Scale: 0.5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(nil, ""); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/floats.parquet", wave("a", "x", 0, 10, 20), wave("a", "x", 1, 10, 20))
	for _, path := range []string{dir + "/waveforms/a.parquet", dir + "/floats.parquet"} {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(200) {
			rng := rand.New(rand.NewPCG(seed, 3))
			b := slices.Clone(whole)
			for range 1 + rng.IntN(4) {
				b[rng.IntN(len(b))] = byte(rng.Uint32())
			}
			read(t, b)
		}
	}
}

// read replays a folder with one waveform file of these bytes.
func read(t *testing.T, b []byte) {
	t.Helper()
	dir := folder(t, "a")
	if err := errors.Join(os.MkdirAll(dir+"/waveforms", 0o755), os.WriteFile(dir+"/waveforms/f.parquet", b, 0o644)); err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Open(dir)
	if err != nil {
		return
	}
	r, err := set.Replay(dataset.ReplayOptions{Refuse: func(e *asset.Invalid) { _ = e.Error() }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	drain(t, r)
}

func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	write(f, dir+"/w.parquet", wave("a", "x", 0, 10, 20), wave("a", "x", 1, 10, 20))
	b, err := os.ReadFile(dir + "/w.parquet")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			t.Skip()
		}
		read(t, b)
	})
}
