//go:build accept

package main

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/sqlite"
)

// keptReading is an instant of an asset as the store has it.
type keptReading struct {
	at     time.Time
	values map[string]float64 // by metric; what was not measured is left out
}

// silence is a time in which nothing arrived, as the store says.
type silence struct {
	from, to time.Time
	text     string
}

// leavings are what an ended service has of an asset in its store.
type leavings struct {
	readings []keptReading // of the metrics
	windows  []keptReading // of the channels, by their ends: "rms"
	gaps     []silence
	counts   map[string]int64 // of the whole service
}

// kept reads what the ended service left in its store.
func (s *collector) kept(id asset.ID) (left leavings) {
	s.t.Helper()
	db, err := sqlite.Open(s.t.Context(), storePath(filepath.Join(s.dir, "data")), sqlite.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	err = db.EachFrame(s.t.Context(), func(f pipeline.Frame) error {
		if f.Asset != id {
			return nil
		}
		r, w := keptReading{f.Time, map[string]float64{}}, keptReading{f.Time, map[string]float64{}}
		for _, v := range f.Vectors {
			for i, field := range v.Fields {
				switch {
				case math.IsNaN(v.Values[i]):
				case v.Channel == "" && field.Name == "value":
					r.values[field.Channel] = v.Values[i]
				case v.Channel != "" && field.Name == "rms":
					w.values["rms"] = v.Values[i]
				}
			}
		}
		if len(r.values) > 0 {
			left.readings = append(left.readings, r)
		}
		if len(w.values) > 0 {
			left.windows = append(left.windows, w)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(left.readings) == 0 {
		s.t.Fatal("nothing is kept")
	}
	events, err := db.TwinEvents(s.t.Context(), id, 10000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == ingest.GapEvent {
			left.gaps = append(left.gaps, silenceOf(s.t, e))
		}
	}
	slices.SortFunc(left.gaps, func(a, b silence) int { return a.from.Compare(b.from) })
	if left.counts, err = db.Counts(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return left
}

func silenceOf(t *testing.T, e pipeline.TwinEvent) silence {
	t.Helper()
	m := regexp.MustCompile(`nothing from (\S+) to ([^ :]+:[^ :]+:[^ :]+)`).FindStringSubmatch(e.Payload)
	if m == nil {
		t.Fatalf("a gap says %q", e.Payload)
	}
	from, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		t.Fatal(err)
	}
	return silence{from, e.Time, fmt.Sprint(e.Payload)}
}
