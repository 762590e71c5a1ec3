package simtest

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// follower is a monitor and a twin. It adds up all that it has seen, so that an instant
// that is lost, doubled or out of place shows in every risk after it.
type follower struct {
	view  asset.View
	n     uint64 // instants seen
	sum   float64
	dirty bool
}

// Observe is the monitor's part.
func (f *follower) Observe(s *features.Snapshot) []asset.Assessment { return f.see(*s) }

// Step is the twin's part.
func (f *follower) Step(s features.Snapshot) []asset.Assessment { return f.see(s) }

// Judge has nothing to note.
func (f *follower) Judge(asset.Risk) {}

func (f *follower) see(s features.Snapshot) []asset.Assessment {
	f.dirty = true
	f.n++
	var out []asset.Assessment
	for _, v := range s.Vectors {
		for _, x := range v.Values {
			if x == x {
				f.sum = f.sum*0.97 + x
			}
		}
		if v.Channel == "" {
			out = append(out, f.says(s, "gearbox", v.Values[len(v.Values)-1], 55))
		} else {
			out = append(out, f.says(s, "bearing", v.Values[0], 2))
		}
	}
	f.sum += float64(len(s.Events))
	return out
}

func (f *follower) says(s features.Snapshot, component string, value, limit float64) asset.Assessment {
	p := asset.Number(0.5)
	if value > limit {
		p = 1e-6
	}
	return asset.Assessment{
		Component: component, View: f.view, Source: "follower", Time: s.Time, Score: asset.Number(value), P: p, FailP: asset.Missing(),
		Limit: asset.Number(limit), Trust: 1, RUL: asset.NoRUL(), Modes: map[asset.Mode]float64{asset.Wear: 0.5},
		Evidence: []asset.Evidence{{Source: string(f.view) + "/follower", Name: component + "/sum", Value: asset.Number(f.sum), Limit: 1, Weight: asset.Number(f.n)}},
	}
}

// Save returns the sum when it has moved.
func (f *follower) Save() map[string][]byte {
	if !f.dirty {
		return nil
	}
	f.dirty = false
	return map[string][]byte{"sum": binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, f.n), math.Float64bits(f.sum))}
}

// moves is how many instants a saved follower has seen.
func moves(saved []byte) uint64 {
	if len(saved) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(saved)
}

// Load takes a saved sum back.
func (f *follower) Load(parts map[string][]byte) error {
	if b := parts["sum"]; len(b) == 16 {
		f.n, f.sum = binary.LittleEndian.Uint64(b), math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
	}
	return nil
}

// adder is a model: a sequence's score is its sum, or with a memory that of all it has read.
type adder struct{}

// Reads wants the level of the first channel, as a model without a memory and as one with it.
func (adder) Reads(asset.ID, uint64) ([]features.Reads, uint64) {
	in := []features.Input{{Name: "c0/rms"}}
	return []features.Reads{
		{Component: "bearing", Inputs: in, Steps: 3, PeriodS: slot.Seconds()},
		{Component: "gearbox", Inputs: in, Steps: 2, Stride: 2, PeriodS: slot.Seconds(), Carries: true},
	}, 1
}

// Score adds up.
func (adder) Score(_ context.Context, batch []features.Sequence) ([]features.Answer, error) {
	out := make([]features.Answer, len(batch))
	for i, q := range batch {
		sum := 0.0
		for _, v := range q.Values {
			if v == v {
				sum += float64(v)
			}
		}
		if m := q.Memory; m != nil {
			if m.States == nil || q.Fresh {
				m.States = map[string]features.Recurrent{"sum": {Values: make([]float32, 1)}}
			}
			m.States["sum"].Values[0] += float32(sum)
			sum = float64(m.States["sum"].Values[0])
		}
		out[i].Assessment = asset.Assessment{
			Component: q.Component, View: asset.Learned, Source: "adder", Time: q.Time, Score: asset.Number(sum), P: asset.Number(math.Exp(-sum / 8)),
			FailP: asset.Missing(), Limit: asset.Missing(), Trust: 1, RUL: asset.NoRUL(),
		}
	}
	return out, nil
}
