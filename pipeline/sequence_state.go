package pipeline

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/features"
)

// carriedRows is what a sequence carries over a restart.
type carriedRows struct {
	Reads  string          `json:"reads"`
	Newest time.Time       `json:"newest"`
	Since  int             `json:"since,omitempty"`
	Fresh  bool            `json:"fresh,omitempty"`
	Had    []bool          `json:"had,omitempty"`
	Rows   []byte          `json:"rows,omitempty"` // float32, little-endian
	Began  time.Time       `json:"began,omitzero"`
	Last   time.Time       `json:"last,omitzero"`
	Regime string          `json:"regime,omitempty"`
	Value  []float64       `json:"value,omitempty"`
	Count  []uint32        `json:"count,omitempty"`
	States []carriedMemory `json:"states,omitempty"`
}

// carriedMemory is what one version of a stateful model remembers.
type carriedMemory struct {
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
	Rows   int       `json:"rows"`
	Values []byte    `json:"values"`
	Last   []byte    `json:"last"`
	Regime string    `json:"regime,omitempty"`
}

func (q *sequence) save() ([]byte, error) {
	c := carriedRows{
		Reads: q.key, Newest: q.newest, Since: q.since, Fresh: q.fresh, Had: q.had, Rows: packed(q.rows),
		Began: q.row.began, Last: q.row.last, Regime: q.row.regime, Value: q.row.value, Count: q.row.count,
	}
	if m := q.memory; m != nil {
		for _, digest := range slices.Sorted(maps.Keys(m.States)) {
			r := m.States[digest]
			c.States = append(c.States, carriedMemory{digest, r.At, r.Rows, packed(r.Values), packed(r.Last), r.Regime})
		}
	}
	return json.Marshal(c)
}

var errCarried = errors.New("carried state has another shape")

func (q *sequence) load(b []byte) error {
	var c carriedRows
	if err := json.Unmarshal(b, &c); err != nil {
		return fmt.Errorf("%w: %w", errCarried, err)
	}
	width := len(q.names)
	if c.Reads != q.key || len(c.Rows)%(4*max(width, 1)) != 0 || len(c.Value) != len(c.Count) || len(c.Value) > width {
		return errCarried
	}
	q.newest, q.since, q.fresh, q.had, q.rows = c.Newest, c.Since, c.Fresh, c.Had, unpacked(c.Rows)
	q.row = partial{began: c.Began, last: c.Last, regime: c.Regime, value: c.Value, count: c.Count}
	if q.memory != nil {
		if len(c.States) > 0 {
			q.memory.States = map[string]features.Recurrent{}
		}
		for _, s := range c.States {
			q.memory.States[s.Digest] = features.Recurrent{At: s.At, Rows: s.Rows, Values: unpacked(s.Values), Last: unpacked(s.Last), Regime: s.Regime}
		}
	}
	return nil
}

// packed writes values as little-endian float32.
func packed(values []float32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// unpacked is the inverse of packed; the rest of a broken value is dropped.
func unpacked(b []byte) []float32 {
	out := make([]float32, 0, len(b)/4)
	for ; len(b) >= 4; b = b[4:] {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return out
}
