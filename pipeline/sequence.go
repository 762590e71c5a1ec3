package pipeline

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/features"
)

// sequence collects the rows that a learned model reads.
type sequence struct {
	in     ModelInput
	rows   []float32 // the last Steps rows, oldest first
	newest time.Time
	since  int // rows since the last score
}

// add appends a row when the snapshot holds any of the model's features, at most
// one for each period, and returns the sequence when a score is due. A gap of
// more than three periods starts afresh.
func (q *sequence) add(s *features.Snapshot) (features.Sequence, bool) {
	row := make([]float32, len(q.in.Keys))
	some := false
	for i, key := range q.in.Keys {
		channel, name, _ := strings.Cut(key, "/")
		v := s.Value(channel, name)
		row[i] = float32(v)
		some = some || !math.IsNaN(v)
	}
	since := s.Time.Sub(q.newest).Seconds()
	if !some || (len(q.rows) > 0 && since < 0.5*q.in.PeriodS) {
		return features.Sequence{}, false
	}
	if len(q.rows) > 0 && q.in.PeriodS > 0 && since > 3.5*q.in.PeriodS {
		q.rows, q.since = nil, 0
	}
	q.newest = s.Time
	width := len(q.in.Keys)
	q.rows = append(q.rows, row...)
	if over := len(q.rows) - q.in.Steps*width; over > 0 {
		q.rows = append(q.rows[:0:0], q.rows[over:]...)
	}
	q.since++
	if len(q.rows) < q.in.Steps*width || q.since < q.in.Stride {
		return features.Sequence{}, false
	}
	q.since = 0
	return features.Sequence{
		Asset: s.Asset, Component: q.in.Component, Time: s.Time,
		Steps: q.in.Steps, Width: width, Values: append([]float32(nil), q.rows...),
	}, true
}

// save packs the rows: newest (Unix ns), rows since the last score, then the
// values as little-endian float32.
func (q *sequence) save() []byte {
	b := make([]byte, 0, 16+4*len(q.rows))
	b = binary.LittleEndian.AppendUint64(b, uint64(q.newest.UnixNano()))
	b = binary.LittleEndian.AppendUint64(b, uint64(q.since))
	for _, v := range q.rows {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

var errCarried = errors.New("carried state has another shape")

func (q *sequence) load(b []byte) error {
	if len(b) < 16 || len(b)%4 != 0 {
		return errCarried
	}
	q.newest = time.Unix(0, int64(binary.LittleEndian.Uint64(b))).UTC()
	q.since = int(binary.LittleEndian.Uint64(b[8:]))
	q.rows = q.rows[:0]
	for b = b[16:]; len(b) > 0; b = b[4:] {
		q.rows = append(q.rows, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	if w := len(q.in.Keys); w == 0 || len(q.rows)%w != 0 || len(q.rows) > w*q.in.Steps {
		q.rows, q.since = nil, 0 // another model reads other rows: start afresh
	}
	return nil
}
