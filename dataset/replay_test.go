package dataset_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

var t0 = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return t0.Add(time.Duration(math.Round(s * 1e9))) }

// The rows that tests write, as another program would.
type (
	waveRow struct {
		Time    int64     `parquet:"time,timestamp(microsecond)"`
		Asset   string    `parquet:"asset,dict"`
		Channel string    `parquet:"channel"`
		Rate    float64   `parquet:"rate_hz"`
		Unit    string    `parquet:"unit"`
		Quality int32     `parquet:"quality"`
		Samples []float32 `parquet:"samples,list"`
	}
	pointRow struct {
		Time    int64    `parquet:"time,timestamp(microsecond)"`
		Asset   string   `parquet:"asset,dict"`
		Metric  string   `parquet:"metric,dict"`
		Value   *float64 `parquet:"value,optional"`
		Unit    string   `parquet:"unit"`
		Quality int32    `parquet:"quality"`
	}
)

func wave(id, channel string, start, rate float64, n int) waveRow {
	r := waveRow{Time: at(start).UnixMicro(), Asset: id, Channel: channel, Rate: rate, Unit: "g", Quality: 100}
	for i := range n {
		r.Samples = append(r.Samples, float32(i))
	}
	return r
}

func point(id, metric string, t, v float64) pointRow {
	return pointRow{Time: at(t).UnixMicro(), Asset: id, Metric: metric, Value: &v, Unit: "°C", Quality: 100}
}

func write[T any](tb testing.TB, path string, rows ...T) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := parquet.WriteFile(path, rows); err != nil {
		tb.Fatal(err)
	}
}

func folder(tb testing.TB, assets ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	text := "name: small\nkind: pump\nlearning: {rows: 7}\nassets:\n"
	for _, a := range assets {
		text += "- id: " + a + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "dataset.yaml"), []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// replay reads a folder to its end.
func replay(tb testing.TB, dir string, opt dataset.ReplayOptions) (all []asset.Reading, refused map[asset.Reason]int) {
	tb.Helper()
	set, err := dataset.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	refused = map[asset.Reason]int{}
	opt.Refuse = func(e *asset.Invalid) { refused[e.Reason]++ }
	r, err := set.Replay(opt)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	return drain(tb, r), refused
}

func drain(tb testing.TB, r *dataset.Replay) (all []asset.Reading) {
	tb.Helper()
	for {
		x, _, err := r.Next(tb.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, x)
	}
}

// line tells a reading in short.
func line(r asset.Reading) string {
	s := fmt.Sprintf("%.3f %s", r.Time.Sub(t0).Seconds(), r.Asset)
	if w := r.Wave; w != nil {
		s += fmt.Sprintf(" %s %d from %.3f", w.Channel, len(w.Samples), w.Start.Sub(t0).Seconds())
		if w.First {
			s += " first"
		}
		if w.Last {
			s += " last"
		}
	}
	for _, p := range r.Points {
		s += fmt.Sprintf(" %s=%g", p.Metric, p.Value)
	}
	if r.Event != nil {
		s += " " + r.Event.Kind
	}
	return s
}

func lines(all []asset.Reading) string {
	var b strings.Builder
	for _, r := range all {
		b.WriteString(line(r) + "\n")
	}
	return b.String()
}

func TestReplayMergesByNewestSample(t *testing.T) {
	dir := folder(t, "a", "b")
	// Two channels a little apart, a record that lasts 2.5 s, an asset after another.
	write(t, dir+"/waveforms/1.parquet", wave("a", "x", 0.001, 10, 25), wave("a", "y", 0, 10, 10), wave("b", "x", 0, 10, 5))
	write(t, dir+"/telemetry/1.parquet", point("a", "m1", 1, 1), point("a", "m2", 1, 2), point("a", "m1", 2, 3), point("b", "m1", 0.5, 4), point("b", "m1", 1, 5))
	write(t, dir+"/telemetry/2.parquet", point("a", "m3", 1, 6))
	got, refused := replay(t, dir, dataset.ReplayOptions{})
	want := `0.400 b x 5 from 0.000 first last
0.500 b m1=4
0.900 a y 10 from 0.000 first last
0.901 a x 10 from 0.001 first
1.000 a m1=1 m2=2 m3=6
1.000 b m1=5
1.901 a x 10 from 1.001
2.000 a m1=3
2.401 a x 5 from 2.001 last
`
	if lines(got) != want || len(refused) > 0 {
		t.Errorf("got\n%swant\n%srefused %v", lines(got), want, refused)
	}
	if s := got[6].Wave.Samples; s[0] != 10 || s[9] != 19 {
		t.Errorf("second block holds %v, want 10 … 19", s)
	}
}

// Writers such as pandas keep repeated timestamps and qualities in a dictionary.
func TestTimesMayBeInADictionary(t *testing.T) {
	type row struct {
		Time    int64   `parquet:"time,timestamp(microsecond),dict"`
		Asset   string  `parquet:"asset,dict"`
		Metric  string  `parquet:"metric,dict"`
		Value   float64 `parquet:"value,dict"`
		Unit    string  `parquet:"unit,dict"`
		Quality int32   `parquet:"quality,dict"`
	}
	dir := folder(t, "a")
	write(t, filepath.Join(dir, "telemetry", "t.parquet"), row{1e6, "a", "x", 1, "1", 100}, row{1e6, "a", "y", 2, "1", 100}, row{2e6, "a", "x", 3, "1", 100})
	all, refused := replay(t, dir, dataset.ReplayOptions{})
	if len(all) != 2 || len(refused) != 0 {
		t.Fatalf("got %d readings, refused %v; want 2 readings", len(all), refused)
	}
	if at := all[1].Time.UnixMicro(); at != 2e6 || len(all[0].Points) != 2 {
		t.Errorf("second reading at %d µs, first with %d points; want 2000000 and 2", at, len(all[0].Points))
	}
}

func TestTiesGoByAssetThenEventPointsChannels(t *testing.T) {
	dir := t.TempDir()
	w, err := dataset.NewWriter(dir, dataset.Set{Name: "ties", Assets: []asset.Nameplate{{ID: "b", Kind: "pump"}, {ID: "a", Kind: "pump"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []asset.ID{"b", "a"} {
		for _, c := range []string{"y", "x"} {
			if err := w.Wave(dataset.Record{Asset: id, Channel: c, Start: t0, RateHz: 1, Unit: "g", Quality: 90, Counts: []int32{7}, Scale: 0.5}); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Points(id, t0, []asset.Point{{Metric: "m", Value: 0, Unit: "1", Quality: 100}}), w.Event(id, t0, asset.Event{Kind: "status"})); err != nil {
			t.Fatal(err)
		}
	}
	labels := []dataset.Label{{Asset: "a", Component: "c", Mode: asset.Crack, Kind: "failure", End: at(9)}}
	if err := w.Close(labels, "made up\n"); err != nil {
		t.Fatal(err)
	}
	got, _ := replay(t, dir, dataset.ReplayOptions{})
	want := ""
	for _, id := range []string{"a", "b"} {
		want += fmt.Sprintf("0.000 %s status\n0.000 %s m=0\n0.000 %s x 1 from 0.000 first last\n0.000 %s y 1 from 0.000 first last\n", id, id, id, id)
	}
	if lines(got) != want {
		t.Errorf("got\n%swant\n%s", lines(got), want)
	}
	if v := got[2].Wave; v.Samples[0] != 3.5 || v.Quality != 90 {
		t.Errorf("count 7 × 0.5 = %v with quality %v", v.Samples[0], v.Quality)
	}
	if back, err := dataset.Labels(dir); err != nil || !reflect.DeepEqual(back, labels) {
		t.Errorf("labels %v, %v; want %v", back, err, labels)
	}
}

func TestBackwardsRowsAreRefused(t *testing.T) {
	dir := folder(t, "a", "b")
	write(t, dir+"/waveforms/1.parquet", wave("a", "x", 10, 10, 1), wave("a", "x", 5, 10, 1), wave("b", "x", 6, 10, 1), wave("a", "x", 11, 10, 1))
	write(t, dir+"/telemetry/1.parquet", point("a", "m", 3, 1), point("a", "m", 2, 2), point("a", "m", 2.5, 3), point("a", "m", 4, 4))
	got, refused := replay(t, dir, dataset.ReplayOptions{})
	want := "3.000 a m=1\n4.000 a m=4\n6.000 b x 1 from 6.000 first last\n10.000 a x 1 from 10.000 first last\n11.000 a x 1 from 11.000 first last\n"
	if lines(got) != want || refused[dataset.TimeBackwards] != 3 {
		t.Errorf("got\n%swant\n%srefused %v, want 3 time-backwards", lines(got), want, refused)
	}
}

func TestMissingValueIsNotZero(t *testing.T) {
	dir := folder(t, "a")
	zero := point("a", "zero", 1, 0)
	null := point("a", "null", 1, 0)
	null.Value = nil
	write(t, dir+"/telemetry/1.parquet", zero, null)
	got, _ := replay(t, dir, dataset.ReplayOptions{})
	if p := got[0].Points; p[0].Value != 0 || !math.IsNaN(p[1].Value) {
		t.Errorf("points %v, want 0 and missing", p)
	}
}

// messy writes a folder with everything at once, the same for the same seed.
func messy(tb testing.TB, seed uint64) string {
	tb.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	ids := []string{"a", "b", "c", "d"}
	dir := folder(tb, ids...)
	for f := range 3 {
		var waves []waveRow
		var points []pointRow
		clock := make([]float64, len(ids))
		if f == 0 { // asset after asset
			for i, id := range ids {
				for range 40 {
					clock[i] += rng.Float64() * 4
					waves = append(waves, wave(id, "x", clock[i], 16, rng.IntN(60)))
					points = append(points, point(id, "m", clock[i], 1), point(id, "n", clock[i], 2))
				}
			}
		} else { // assets mixed, their clocks far apart
			for range 200 {
				i := rng.IntN(len(ids))
				clock[i] += rng.Float64() * 2
				waves = append(waves, wave(ids[i], fmt.Sprint("y", f), clock[i]+float64(i*7), 100, rng.IntN(300)))
				points = append(points, point(ids[i], fmt.Sprint("k", f), math.Floor(clock[i])+float64(i*7), rng.Float64()))
			}
		}
		for k, path := range []string{"waveforms", "telemetry"} {
			p := fmt.Sprintf("%s/%s/%d.parquet", dir, path, f)
			if k == 0 {
				write(tb, p, waves...)
			} else {
				write(tb, p, points...)
			}
		}
	}
	return dir
}

func TestSeekIsSkip(t *testing.T) {
	dir := messy(t, 1)
	all, _ := replay(t, dir, dataset.ReplayOptions{})
	set, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	reported := 0
	r, err := set.Replay(dataset.ReplayOptions{Refuse: func(*asset.Invalid) { reported++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, offset := range []int{17, 400, 399, 1, len(all) - 1, 0, len(all)} {
		if err := r.SeekTo(int64(offset)); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, r); !reflect.DeepEqual(got, all[offset:]) && len(got)+len(all[offset:]) > 0 {
			t.Errorf("seek to %d: %d readings follow, want the %d of a full replay", offset, len(got), len(all)-offset)
		}
	}
	if err := r.SeekTo(int64(len(all)) + 1); err != nil || len(drain(t, r)) > 0 {
		t.Errorf("seek to what the end caused: %v", err)
	}
	if err := r.SeekTo(int64(len(all)) + 2); err == nil {
		t.Error("seek past the end went through")
	}
	if reported > 0 {
		t.Errorf("%d refusals of a clean folder", reported)
	}
}

// Cut at To, a replay delivers the same readings up to To in the same order,
// and after it only the rest of records that had begun.
func TestCutIsPrefix(t *testing.T) {
	for seed := range uint64(5) {
		dir := messy(t, seed)
		all, _ := replay(t, dir, dataset.ReplayOptions{})
		rng := rand.New(rand.NewPCG(seed, 2))
		for range 5 {
			to := all[rng.IntN(len(all))].Time
			cut, _ := replay(t, dir, dataset.ReplayOptions{To: to})
			for i, r := range cut {
				if r.Time.After(to) {
					for _, rest := range cut[i:] {
						if rest.Wave == nil || rest.Wave.First && rest.Wave.Start.After(to) {
							t.Fatalf("seed %d to %s: %s comes after the cut", seed, to, line(rest))
						}
					}
					cut = cut[:i]
					break
				}
			}
			if !reflect.DeepEqual(cut, all[:len(cut)]) || all[len(cut)-1].Time.After(to) || len(cut) < len(all) && !all[len(cut)].Time.After(to) {
				t.Fatalf("seed %d to %s: %d readings are no prefix of %d", seed, to, len(cut), len(all))
			}
		}
	}
}

func TestFromCutsWhatBeganBefore(t *testing.T) {
	dir := folder(t, "a")
	write(t, dir+"/waveforms/1.parquet", wave("a", "x", 0, 10, 25), wave("a", "x", 3, 10, 5))
	write(t, dir+"/telemetry/1.parquet", point("a", "m", 1, 1), point("a", "m", 2, 2))
	got, _ := replay(t, dir, dataset.ReplayOptions{From: at(2), To: at(3)})
	if want := "2.000 a m=2\n3.400 a x 5 from 3.000 first last\n"; lines(got) != want {
		t.Errorf("got\n%swant\n%s", lines(got), want)
	}
}
