package pipeline

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/features"
)

func reading(at time.Duration, names ...string) *features.Snapshot {
	s := &features.Snapshot{Asset: "a", Time: epoch.Add(at)}
	for _, n := range names {
		s.Vectors = append(s.Vectors, features.Vector{Fields: []features.Field{{Channel: n, Name: "value"}}, Values: []float64{1}})
	}
	return s
}

// A snapshot that ends a row with a hole and completes the next gives two sequences:
// each of its own instant, or the second answer would take the place of the first.
func TestTwoRowsOfOneSnapshotHaveTwoInstants(t *testing.T) {
	r := NewRows(features.Reads{Component: "c", Inputs: []features.Input{{Name: "x/value"}, {Name: "y/value"}}, Steps: 1, PeriodS: 60})
	var got []features.Sequence
	for _, s := range []*features.Snapshot{reading(0, "x", "y"), reading(time.Minute, "x"), reading(2*time.Minute, "x", "y")} {
		got = append(got, r.Add(s)...)
	}
	if len(got) != 3 {
		t.Fatalf("%d sequences, want 3", len(got))
	}
	for i, q := range got {
		if want := epoch.Add(time.Duration(i) * time.Minute); !q.Time.Equal(want) {
			t.Errorf("row %d is of %v, want %v", i, q.Time, want)
		}
	}
}

// What overflows is missing: it must not end the flow when rows are carried.
func TestRowsThatOverflowAreCarried(t *testing.T) {
	q := newSequence(features.Reads{Component: "c", Inputs: []features.Input{{Name: "x/value", Agg: "mean"}}, Steps: 2, PeriodS: 60})
	for i, v := range []float64{math.MaxFloat64, -math.MaxFloat64, math.Inf(1)} {
		s := reading(time.Duration(i)*time.Second, "x")
		s.Vectors[0].Values[0] = v
		q.add(s)
	}
	if _, err := q.save(); err != nil {
		t.Error(err)
	}
}
