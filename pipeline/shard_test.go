package pipeline

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// plain passes everything on.
type plain struct{}

func (plain) Check(r asset.Reading) (asset.Reading, []*asset.Invalid) { return r, nil }

func (plain) Save() []byte      { return nil }
func (plain) Load([]byte) error { return nil }
func (plain) Rewind(time.Time)  {}

// mean extracts the mean of a channel, or the points as they are.
type mean struct{}

func (mean) Extract(w asset.Window, _ bool) (features.Vector, []features.Spectrum, error) {
	v := features.Vector{Channel: w.Channel, Quality: w.Quality, WindowS: w.Seconds(), Start: w.Start}
	if w.Channel != "" {
		var sum float64
		for _, x := range w.Samples {
			sum += float64(x)
		}
		v.Fields = []features.Field{{Channel: w.Channel, Name: "mean"}, {Channel: w.Channel, Name: "n"}}
		v.Values = []float64{sum / float64(len(w.Samples)), float64(len(w.Samples))}
		return v, nil, nil
	}
	for _, p := range w.Points {
		v.Fields = append(v.Fields, features.Field{Channel: p.Metric, Name: "value"})
		v.Values = append(v.Values, p.Value)
	}
	return v, nil, nil
}

// adder accumulates everything it sees, so that a lost or doubled moment shows.
type adder struct {
	sum   float64
	dirty bool
}

func (a *adder) Observe(s *features.Snapshot) []asset.Assessment {
	for _, v := range s.Vectors {
		for _, x := range v.Values {
			a.sum = a.sum*0.999 + x
		}
	}
	a.dirty = true
	p := asset.Number(math.Exp(-math.Abs(a.sum) / 4))
	return []asset.Assessment{{
		Component: "bearing", View: asset.Ruled, Source: "adder", Time: s.Time, Score: asset.Number(a.sum), P: p,
		FailP: asset.Missing(), Limit: asset.Missing(), Trust: 1, RUL: asset.NoRUL(), Modes: map[asset.Mode]float64{asset.Wear: 0.5},
		Evidence: []asset.Evidence{{Source: "rule/adder", Name: "sum", Value: asset.Number(a.sum), Limit: 1, Weight: asset.Missing()}},
	}}
}

func (a *adder) Judge(asset.Risk) {}

func (a *adder) Step(features.Snapshot) []asset.Assessment { return nil }

func (a *adder) Save() map[string][]byte {
	if !a.dirty {
		return nil
	}
	a.dirty = false
	return map[string][]byte{"sum": binary.LittleEndian.AppendUint64(nil, math.Float64bits(a.sum))}
}

func (a *adder) Load(parts map[string][]byte) error {
	if b := parts["sum"]; len(b) == 8 {
		a.sum = math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return nil
}

// carriedOn counts the sequences of stateful models, to know that there were any.
var carriedOn int

// echo scores a sequence by its sum.
type echo struct{}

func (echo) Reads(asset.ID, uint64) ([]features.Reads, uint64) {
	in := []features.Input{{Name: "temperature/value"}, {Name: "x/mean"}}
	return []features.Reads{
		{Component: "bearing", Inputs: in, Steps: 5, PeriodS: 1},
		{Component: "bearing", Inputs: in[1:], Steps: 2, Stride: 2, PeriodS: 1, Carries: true},
	}, 1
}

func (echo) Score(_ context.Context, batch []features.Sequence) ([]features.Answer, error) {
	out := make([]features.Answer, len(batch))
	for i, q := range batch {
		var sum float64
		for _, v := range q.Values {
			if v == v {
				sum += float64(v)
			}
		}
		if m := q.Memory; m != nil { // a stateful model: its memory is the sum of all it has read
			if m.States == nil || q.Fresh {
				m.States = map[string]features.Recurrent{"d": {Values: make([]float32, 1)}}
			}
			m.States["d"].Values[0] += float32(sum)
			sum = float64(m.States["d"].Values[0])
			carriedOn++
		}
		out[i].Assessment = asset.Assessment{
			Component: q.Component, View: asset.Learned, Source: "echo", Time: q.Time, Score: asset.Number(sum), P: asset.Number(math.Exp(-math.Abs(sum) / 2)),
			FailP: asset.Missing(), Limit: asset.Missing(), Trust: 1, RUL: asset.NoRUL(),
		}
	}
	return out, nil
}

func plant(opt WindowOptions) Plant {
	return func(id asset.ID) (*Line, bool) {
		if id == "stranger" {
			return nil, false
		}
		return &Line{
			Plate: asset.Nameplate{
				ID: id, Components: []asset.Component{{Name: "bearing"}},
				Channels: []asset.Channel{{Name: "x", Component: "bearing"}, {Name: "y", Component: "bearing"}},
				Metrics:  []asset.Metric{{Name: "temperature"}, {Name: "speed"}},
			},
			Window: opt, Checker: plain{}, Extractor: mean{}, Monitor: &adder{}, Twin: &adder{},
		}, true
	}
}

// history makes a random but ordered stream of three assets with blocks, points,
// gaps, stragglers, repeats and a stranger.
func history(seed uint64, n int) []Arrival {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []Arrival
	add := func(r asset.Reading) {
		out = append(out, Arrival{Reading: r, From: int64(len(out)), Next: int64(len(out) + 1)})
	}
	for i := 0; len(out) < n; i++ {
		t := epoch.Add(time.Duration(i) * 400 * time.Millisecond)
		for a := range 3 {
			id := asset.ID(fmt.Sprintf("a%d", a))
			if rng.IntN(20) == 0 {
				continue // a gap
			}
			for _, ch := range []string{"x", "y"} {
				w := &asset.Waveform{Channel: ch, Start: t, RateHz: 100, Quality: 100, First: i%7 == 0, Last: i%7 == 6}
				for range 40 {
					w.Samples = append(w.Samples, float32(rng.NormFloat64()+float64(i)/50))
				}
				add(asset.Reading{Asset: id, Time: t.Add(390 * time.Millisecond), Wave: w})
			}
			if rng.IntN(3) == 0 {
				pts := []asset.Point{{Metric: "temperature", Value: rng.Float64(), Quality: 100}}
				if rng.IntN(2) == 0 {
					pts = append(pts, asset.Point{Metric: "speed", Value: 1, Quality: 100})
				}
				add(asset.Reading{Asset: id, Time: t.Add(390 * time.Millisecond), Points: pts})
			}
			if rng.IntN(15) == 0 && len(out) > 10 {
				old := out[len(out)-1-rng.IntN(8)].Reading
				add(old)
			}
		}
		if rng.IntN(10) == 0 {
			add(asset.Reading{Asset: "stranger", Time: t, Points: []asset.Point{{Metric: "temperature"}}})
		}
	}
	return out[:n]
}

// disk keeps effects the way a store does.
type disk struct {
	next, low int64
	frames    []string
	risks     []string
	alerts    map[string]string
	counts    map[string]int64
	state     map[StateKey][]byte
}

func newDisk() *disk {
	return &disk{alerts: map[string]string{}, counts: map[string]int64{}, state: map[StateKey][]byte{}}
}

func (d *disk) keep(t *testing.T, fx Effects) {
	t.Helper()
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	d.next, d.low = fx.Next, fx.Low
	for _, f := range fx.Frames {
		d.frames = append(d.frames, text(f))
	}
	for _, r := range fx.Risks {
		d.risks = append(d.risks, text(r))
	}
	for _, a := range fx.Alerts {
		d.alerts[a.ID] = text(a)
	}
	for k, n := range fx.Counts {
		d.counts[k] += n
	}
	for k, b := range fx.State {
		d.state[k] = append([]byte(nil), b...)
	}
}

func (d *disk) recall(id asset.ID) (map[string][]byte, error) {
	out := map[string][]byte{}
	for k, b := range d.state {
		if k.Asset == id {
			out[k.Part] = b
		}
	}
	return out, nil
}

// play runs a history in batches; stop ends it after that many batches, as a
// crash would: what was read and not kept is gone.
func play(t *testing.T, d *disk, opt WindowOptions, h []Arrival, size, stop int) bool {
	t.Helper()
	return playOn(t, d, plant(opt), h, func() int { return size }, stop)
}

func playOn(t *testing.T, d *disk, plant Plant, h []Arrival, size func() int, stop int) bool {
	t.Helper()
	s, err := NewShard(0, 1, d.next, plant, echo{}, d.recall)
	if err != nil {
		t.Fatal(err)
	}
	rest := h[d.low:]
	for batches := 0; ; batches++ {
		if batches == stop {
			return false
		}
		// A batch holds size readings that are new, and whatever has to be read again.
		var batch []Arrival
		for fresh, most := 0, size(); len(rest) > 0 && fresh < most; rest = rest[1:] {
			batch = append(batch, rest[0])
			if rest[0].From >= d.next {
				fresh++
			}
		}
		if len(batch) == 0 {
			fx, err := s.Finish(t.Context(), int64(len(h)))
			if err != nil {
				t.Fatal(err)
			}
			d.keep(t, fx)
			return true
		}
		fx, err := s.Step(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		d.keep(t, fx)
	}
}

func TestARestartAtAnyBatchGivesTheSameBytes(t *testing.T) {
	for name, opt := range map[string]WindowOptions{
		"records as taken":    {},
		"one second":          {Seconds: 1},
		"overlapping windows": {Seconds: 1, Hop: 0.35},
		"out of order":        {Seconds: 1, Lateness: 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := history(7, 900)
			whole := newDisk()
			play(t, whole, opt, h, 50, -1)
			if len(whole.risks) < 50 || carriedOn < 20 || len(whole.alerts) == 0 {
				t.Fatalf("history too dull: %d risks, %d alerts", len(whole.risks), len(whole.alerts))
			}
			rng := rand.New(rand.NewPCG(3, 3))
			for range 15 {
				broken := newDisk()
				for !play(t, broken, opt, h, 50, 1+rng.IntN(5)) {
					if broken.low > broken.next {
						t.Fatalf("low %d beyond next %d", broken.low, broken.next)
					}
				}
				for what, pair := range map[string][2]any{
					"frames": {whole.frames, broken.frames}, "risks": {whole.risks, broken.risks},
					"alerts": {whole.alerts, broken.alerts}, "counts": {whole.counts, broken.counts},
				} {
					if !reflect.DeepEqual(pair[0], pair[1]) {
						t.Fatalf("%s differ after restarts: %s", what, firstDifference(pair[0], pair[1]))
					}
				}
			}
		})
	}
}

func TestBatchBordersDoNotShow(t *testing.T) {
	h := history(11, 600)
	one, other := newDisk(), newDisk()
	play(t, one, WindowOptions{Seconds: 1}, h, 40, -1)
	play(t, other, WindowOptions{Seconds: 1}, h, 97, -1)
	if !reflect.DeepEqual(one.risks, other.risks) || !reflect.DeepEqual(one.frames, other.frames) {
		t.Error("rows depend on how the input was batched")
	}
}

func TestNoRowDependsOnLaterInput(t *testing.T) {
	h := history(5, 600)
	whole := newDisk()
	play(t, whole, WindowOptions{Seconds: 1}, h, 50, -1)
	for _, n := range []int{1, 60, 177, 300, 555} {
		// Cut at a time: everything up to and including it is there.
		cut := h[n].Reading.Time
		var part []Arrival
		for _, a := range h {
			if a.Reading.Time.After(cut) {
				continue
			}
			a.From, a.Next = int64(len(part)), int64(len(part)+1)
			part = append(part, a)
		}
		d := newDisk()
		play(t, d, WindowOptions{Seconds: 1}, part, 50, -1)
		if len(d.risks) > len(whole.risks) || !reflect.DeepEqual(byAsset(t, d.risks), byAssetUntil(t, whole.risks, cut)) {
			t.Fatalf("risks up to %s differ when the input ends there", cut)
		}
	}
}

func byAsset(t *testing.T, risks []string) map[asset.ID][]string {
	t.Helper()
	return byAssetUntil(t, risks, epoch.AddDate(100, 0, 0))
}

func byAssetUntil(t *testing.T, risks []string, cut time.Time) map[asset.ID][]string {
	t.Helper()
	out := map[asset.ID][]string{}
	for _, s := range risks {
		var r asset.Risk
		if err := json.Unmarshal([]byte(s), &r); err != nil {
			t.Fatal(err)
		}
		if !r.Time.After(cut) {
			out[r.Asset] = append(out[r.Asset], s)
		}
	}
	return out
}

func firstDifference(a, b any) string {
	x, ok := a.([]string)
	y, ok2 := b.([]string)
	if !ok || !ok2 {
		return fmt.Sprintf("%v and %v", a, b)
	}
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("row %d:\n%s\n%s", i, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d and %d rows", len(x), len(y))
}
