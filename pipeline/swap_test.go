package pipeline

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// versions is a line-up of one model whose version and verdict can be changed.
type versions struct {
	edition uint64
	ref     string
	p       float64 // that every sequence is answered with; NaN: warming up
	reads   features.Reads
}

func (v *versions) Reads(asset.ID, uint64) ([]features.Reads, uint64) {
	return []features.Reads{v.reads}, v.edition
}

func (v *versions) Score(_ context.Context, batch []features.Sequence) ([]features.Answer, error) {
	out := make([]features.Answer, len(batch))
	for i, q := range batch {
		a := asset.Assessment{
			Component: q.Component, View: asset.Learned, Source: "m", Digest: v.ref, Time: q.Time, Score: 1, P: asset.Number(v.p),
			Limit: asset.Missing(), FailP: asset.Missing(), RUL: asset.NoRUL(), Trust: 1,
		}
		if math.IsNaN(v.p) {
			a.Trust, a.Reason = 0, "warming-up"
		}
		out[i] = features.Answer{Assessment: a, Scores: []asset.Score{{Time: q.Time, Asset: q.Asset, Component: q.Component, Model: v.ref, Serves: true}}}
	}
	return out, nil
}

// oneMetric is a machine of one component whose only view is the learned one.
func oneMetric(id asset.ID) (*Line, bool) {
	return &Line{
		Plate:   asset.Nameplate{ID: id, Components: []asset.Component{{Name: "bearing"}}, Metrics: []asset.Metric{{Name: "temperature"}}},
		Checker: plain{}, Extractor: mean{}, Monitor: mute{}, Twin: mute{}, Alarm: AlarmOptions{On: 0.15, M: 3, N: 4},
	}, true
}

// mute says nothing and carries nothing.
type mute struct{}

func (mute) Observe(*features.Snapshot) []asset.Assessment { return nil }
func (mute) Step(features.Snapshot) []asset.Assessment     { return nil }
func (mute) Judge(asset.Risk)                              {}
func (mute) Save() map[string][]byte                       { return nil }
func (mute) Load(map[string][]byte) error                  { return nil }

// minute is one reading; Step concludes an instant with the reading after it.
func minute(k int) Arrival {
	return Arrival{From: int64(k), Next: int64(k + 1), Reading: asset.Reading{
		Asset: "a", Time: epoch.Add(time.Duration(k) * time.Minute), Points: []asset.Point{{Metric: "temperature", Value: float64(k), Quality: 100}},
	}}
}

// What becomes of counters, opinions and episodes at a swap: the component's risk
// goes on. Its marks (m of n) stay; the new version's first word replaces the old
// one's opinion, which until then ages; an open episode stays the same episode, and
// its history says which version spoke from when on.
func TestASwapGoesOnWithTheComponent(t *testing.T) {
	v := &versions{edition: 1, ref: "m:1", p: 1e-6, reads: features.Reads{Component: "bearing", Inputs: []features.Input{{Name: "temperature/value"}}, Steps: 1, PeriodS: 60}}
	s, err := NewShard(0, 1, 0, oneMetric, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	step := func(n int) (risks []asset.Risk, alerts []asset.Alert, events []TwinEvent) {
		for range n {
			fx, err := s.Step(t.Context(), []Arrival{minute(at)})
			if err != nil {
				t.Fatal(err)
			}
			at++
			risks, alerts, events = append(risks, fx.Risks...), append(alerts, fx.Alerts...), append(events, fx.Events...)
		}
		return risks, alerts, events
	}
	risks, alerts, _ := step(2)
	if len(alerts) != 0 || len(risks) == 0 || risks[len(risks)-1].Risk < 0.15 {
		t.Fatalf("version 1 alone: risks %v, alerts %v", risks, alerts)
	}
	before := len(risks)

	v.ref, v.edition = "m:2", 2 // speaks the same: the marks of version 1 count on
	risks, alerts, events := step(3 - before)
	if len(alerts) != 1 || len(risks) == 0 {
		t.Fatalf("after the swap the third of four marks opens: %d risks, alerts %v", len(risks), alerts)
	}
	episode := alerts[0].ID
	if !slices.ContainsFunc(events, func(e TwinEvent) bool {
		return e.Kind == "model-changed" && e.Payload == "bearing: m:2 instead of m:1"
	}) {
		t.Errorf("history %v does not tell of the swap", events)
	}

	v.ref, v.edition, v.p = "m:3", 3, math.NaN() // knows nothing yet: the old opinion stands and ages
	risks, alerts, _ = step(2)
	if len(alerts) != 0 || len(risks) > 0 && risks[0].Risk < 0.15 {
		t.Errorf("while version 3 warms up: risks %v, alerts %v", risks, alerts)
	}
	v.p = 1 // sees nothing: its word replaces what was said before at once
	risks, alerts, _ = step(1)
	if len(risks) != 1 || risks[0].Risk > 0.02 || len(alerts) != 0 {
		t.Errorf("version 3 sees nothing: risks %v, alerts %v; the episode must not clear before its dwell", risks, alerts)
	}
	_, alerts, _ = step(130)
	if len(alerts) != 1 || alerts[0].ID != episode || alerts[0].Cleared == nil {
		t.Errorf("the same episode should clear after its dwell: %v", alerts)
	}
}

// A version that reads other features begins with no rows of its own; the rows of one
// that stays go on, over a restart as well.
func TestRowsFollowTheLineUp(t *testing.T) {
	one := features.Reads{Component: "bearing", Inputs: []features.Input{{Name: "temperature/value"}}, Steps: 3, PeriodS: 60}
	v := &versions{edition: 1, ref: "m:1", p: 0.5, reads: one}
	d := newDisk()
	s, err := NewShard(0, 1, 0, oneMetric, v, d.recall)
	if err != nil {
		t.Fatal(err)
	}
	scored := func(from, to int) (n int64) {
		for k := from; k < to; k++ {
			fx, err := s.Step(t.Context(), []Arrival{minute(k)})
			if err != nil {
				t.Fatal(err)
			}
			d.keep(t, fx)
			n += fx.Counts["scored"]
		}
		return n
	}
	first := scored(0, 8)
	if first < 5 {
		t.Fatalf("%d scores of 8 rows with windows of 3", first)
	}
	if s, err = NewShard(0, 1, d.next, oneMetric, v, d.recall); err != nil {
		t.Fatal(err)
	}
	if n := scored(8, 12); n != 4 {
		t.Errorf("%d of 4 rows were scored after a restart: the rows before it are lost", n)
	}
	rows := func() (n int) {
		for k, body := range d.state {
			if k.Asset == "a" && k.Part[:4] == "rows" && len(body) > 0 {
				n++
			}
		}
		return n
	}
	v.reads.Steps, v.edition = 4, 2
	if n := scored(12, 17); n != 2 || rows() != 1 {
		t.Errorf("%d scores of 5 rows with windows of 4 that began with none, %d sets of rows kept; want 2 and 1", n, rows())
	}
}

// A row merges what comes within one period and honours the aggregation.
func TestARowMergesThePeriod(t *testing.T) {
	in := func(name, agg string) features.Input { return features.Input{Name: name, Agg: agg} }
	snap := func(at float64, kv ...any) *features.Snapshot {
		s := &features.Snapshot{Asset: "a", Time: epoch.Add(time.Duration(at * float64(time.Second))), Vectors: []features.Vector{{}}}
		for i := 0; i < len(kv); i += 2 {
			s.Vectors[0].Fields = append(s.Vectors[0].Fields, features.Field{Channel: kv[i].(string), Name: "v"})
			s.Vectors[0].Values = append(s.Vectors[0].Values, kv[i+1].(float64))
		}
		return s
	}
	nan := math.NaN()
	for name, tc := range map[string]struct {
		inputs []features.Input
		snaps  []*features.Snapshot
		want   [][]float64 // the newest row of each sequence
	}{
		"all at once": {
			[]features.Input{in("x/v", ""), in("y/v", "last")},
			[]*features.Snapshot{snap(0, "x", 1.0, "y", 2.0), snap(2, "x", 9.0, "y", 9.0), snap(10, "x", 3.0, "y", 4.0)},
			[][]float64{{1, 2}, {3, 4}},
		},
		"one after the other": {
			[]features.Input{in("x/v", ""), in("y/v", "")},
			[]*features.Snapshot{snap(0, "x", 1.0), snap(3, "y", 2.0), snap(10, "x", 3.0), snap(12, "y", 4.0)},
			[][]float64{{1, 2}, {3, 4}},
		},
		"one stays away": { // the first row without it waits for the next to begin, the others do not
			[]features.Input{in("x/v", ""), in("y/v", "")},
			[]*features.Snapshot{snap(0, "x", 1.0, "y", 2.0), snap(10, "x", 3.0), snap(20, "x", 5.0), snap(30, "x", 6.0)},
			[][]float64{{1, 2}, {3, nan}, {5, nan}, {6, nan}},
		},
		"aggregated": {
			[]features.Input{in("x/v", "mean"), in("y/v", "max"), in("z/v", "min")},
			[]*features.Snapshot{
				snap(0, "x", 1.0, "y", 2.0, "z", 2.0), snap(3, "x", 3.0, "y", 5.0), snap(9, "x", 5.0, "y", 4.0, "z", 1.0),
				snap(10, "x", 7.0, "y", 1.0, "z", 0.0), snap(20, "x", 0.0, "y", 0.0, "z", 0.0),
			},
			[][]float64{{3, 5, 1}, {7, 1, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newSequence(features.Reads{Component: "c", Inputs: tc.inputs, Steps: 1, PeriodS: 10})
			var got []string
			for i, s := range tc.snaps {
				for _, due := range q.add(s) {
					got = append(got, fmt.Sprint(due.Values))
				}
				body, err := q.save()
				if err != nil {
					t.Fatal(err)
				}
				next := newSequence(q.in)
				if err := next.load(body); err != nil {
					t.Fatalf("after snapshot %d: %v", i, err)
				}
				q = next // every snapshot is followed by a restart
			}
			var want []string
			for _, w := range tc.want {
				want = append(want, fmt.Sprint(w))
			}
			if !slices.Equal(got, want) {
				t.Errorf("rows %v, want %v", got, want)
			}
		})
	}
}
