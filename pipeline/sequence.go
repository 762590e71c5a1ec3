package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// sequence collects the rows that a learned model reads. A row is put together
// from the snapshots of one period: it is complete when every feature that the row
// before it had is there, and ends at the latest where the next one begins.
type sequence struct {
	in     features.Reads
	key    string      // of in
	names  [][2]string // channel and feature of each input
	whole  bool        // a row needs its whole period: something is aggregated
	rows   []float32   // oldest first: the last Steps rows, or of a model that carries those it has not read
	newest time.Time   // when the newest row began
	since  int         // rows since the last score
	had    []bool      // which features the last row had; nil before the first
	row    partial
	memory *features.Memory // of a model that carries
	fresh  bool             // what it remembers does not belong to the next sequence
}

// Rows cuts the sequences that a model reads out of snapshots of one asset, in order
// of time, as the flow does.
type Rows struct{ q *sequence }

// NewRows begins with no row.
func NewRows(in features.Reads) *Rows { return &Rows{newSequence(in)} }

// Add takes a snapshot in and returns the sequences that it completes.
func (r *Rows) Add(s *features.Snapshot) []features.Sequence { return r.q.add(s) }

// partial is the row under way.
type partial struct {
	began  time.Time // zero: none is under way
	last   time.Time // of the newest value in it
	regime string    // at last
	value  []float64
	count  []uint32
}

func newSequence(in features.Reads) *sequence {
	q := &sequence{in: in, key: in.Key()}
	for _, i := range in.Inputs {
		channel, name, _ := strings.Cut(i.Name, "/")
		q.names = append(q.names, [2]string{channel, name})
		q.whole = q.whole || i.Agg != "" && i.Agg != "last"
	}
	if in.Carries {
		q.memory = &features.Memory{}
	}
	return q
}

// part names the sequence in the carried state.
func (q *sequence) part() string {
	sum := sha256.Sum256([]byte(q.key))
	return "rows/" + hex.EncodeToString(sum[:8])
}

// add takes a snapshot in and returns the sequences that are due for a score: at
// most two, where it ends a row and completes the next. A gap of more than three
// periods starts afresh.
func (q *sequence) add(s *features.Snapshot) []features.Sequence {
	now, some := make([]float64, len(q.names)), false
	for i, n := range q.names {
		if now[i] = s.Value(n[0], n[1]); math.Abs(now[i]) > math.MaxFloat32 {
			now[i] = math.NaN() // no number of a row's precision
		}
		some = some || !math.IsNaN(now[i])
	}
	var due []features.Sequence
	age := s.Time.Sub(q.newest).Seconds()
	if gap := q.in.PeriodS > 0 && age > 3.5*q.in.PeriodS; gap && (q.underWay() || len(q.had) > 0) {
		q.forget() // with a row under way: it says nothing about now
	} else if q.underWay() && age >= q.ends() {
		at, regime := s.Time, s.Regime
		if !q.whole { // s may complete a row of its own
			at, regime = q.row.last, q.row.regime
		}
		due = q.close(s.Asset, at, regime, due)
	}
	if !some || !q.underWay() && len(q.had) > 0 && age < q.ends() {
		return due
	}
	if !q.underWay() {
		q.newest = s.Time
		q.row = partial{began: s.Time, value: make([]float64, len(now)), count: make([]uint32, len(now))}
	}
	for i, v := range now {
		if !math.IsNaN(v) {
			q.row.add(i, v, q.in.Inputs[i].Agg)
			q.row.last, q.row.regime = s.Time, s.Regime
		}
	}
	if !q.whole && q.complete() {
		due = q.close(s.Asset, s.Time, s.Regime, due)
	}
	return due
}

// ends is how many seconds after its beginning a row is over: half a period where
// one value of each feature makes it, so that a source may be late or early by that.
func (q *sequence) ends() float64 {
	if q.whole {
		return 0.99 * q.in.PeriodS
	}
	return 0.5 * q.in.PeriodS
}

func (q *sequence) underWay() bool { return !q.row.began.IsZero() }

// complete is true when the row has what the last one had.
func (q *sequence) complete() bool {
	for i, n := range q.row.count {
		if n == 0 && (q.had == nil || q.had[i]) {
			return false
		}
	}
	return true
}

// add takes one value in.
func (r *partial) add(i int, v float64, agg string) {
	r.count[i]++
	switch {
	case r.count[i] == 1:
		r.value[i] = v
	case agg == "mean":
		r.value[i] += (v - r.value[i]) / float64(r.count[i])
	case agg == "min":
		r.value[i] = math.Min(r.value[i], v)
	case agg == "max":
		r.value[i] = math.Max(r.value[i], v)
	default:
		r.value[i] = v
	}
}

// close ends the row under way, which counts as of at, and adds the sequence to due
// when a score is.
func (q *sequence) close(id asset.ID, at time.Time, regime string, due []features.Sequence) []features.Sequence {
	width := len(q.names)
	if q.had == nil {
		q.had = make([]bool, width)
	}
	for i, v := range q.row.value {
		if q.had[i] = q.row.count[i] > 0; !q.had[i] {
			v = math.NaN()
		}
		q.rows = append(q.rows, float32(v))
	}
	q.row = partial{}
	if over := len(q.rows) - q.in.Steps*width; over > 0 {
		q.rows = append(q.rows[:0:0], q.rows[over:]...)
	}
	q.since++
	if len(q.rows) < q.in.Steps*width || q.since < q.in.Stride {
		return due
	}
	q.since = 0
	out := features.Sequence{
		Asset: id, Component: q.in.Component, Reads: q.key, Time: at,
		Steps: q.in.Steps, Width: width, Values: append([]float32(nil), q.rows...), Regime: regime, Memory: q.memory, Fresh: q.fresh,
	}
	if q.in.Carries {
		q.rows, q.fresh = q.rows[:0], false // each row is read once
	}
	return append(due, out)
}

// forget starts afresh.
func (q *sequence) forget() {
	q.rows, q.since, q.had, q.row, q.fresh = nil, 0, nil, partial{}, q.in.Carries
}
