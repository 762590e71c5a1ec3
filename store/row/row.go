// Package row holds what every store does to values before it writes them and after it
// has read them, so that stores differ in their database alone.
package row

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/store"
)

// ErrDamaged marks a row that this program did not write, or that was damaged.
var ErrDamaged = errors.New("damaged row")

// Finite reports whether v is a number; what is not is missing in a database.
func Finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Modes is JSON without weights that are not numbers: they would make JSON fail,
// and a batch that cannot be kept stops its shard. Nil when there are none.
func Modes(modes map[asset.Mode]float64) ([]byte, error) {
	if len(modes) == 0 {
		return nil, nil
	}
	clean := make(map[asset.Mode]float64, len(modes))
	for m, w := range modes {
		if Finite(w) {
			clean[m] = w
		}
	}
	return json.Marshal(clean)
}

// Marks leaves out those at no frequency.
func Marks(marks []features.Mark) []features.Mark {
	return slices.DeleteFunc(slices.Clone(marks), func(m features.Mark) bool { return !Finite(m.Hz) })
}

// Alert is JSON, with a horizon that is a number.
func Alert(a asset.Alert) ([]byte, error) {
	if !Finite(a.HorizonH) {
		a.HorizonH = 0
	}
	return json.Marshal(a)
}

// List is JSON; nil when the list is empty.
func List[T any](list []T) ([]byte, error) {
	if len(list) == 0 {
		return nil, nil
	}
	return json.Marshal(list)
}

// Decode reads optional JSON into v.
func Decode(text []byte, v any) error {
	if text == nil {
		return nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// Stride is the least k for which every k-th of n rows in that many parts is at most limit rows.
func Stride(n, limit, parts int) int {
	if n <= limit {
		return 1
	}
	room := max(limit-parts+1, 1) // each part may round up by one
	return (n + room - 1) / room
}

// Bounds are the stored instants of a span that may be open at either end.
func Bounds(from, to time.Time) (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	if !from.IsZero() {
		low = from.UnixNano()
	}
	if !to.IsZero() {
		high = to.UnixNano()
	}
	return low, high
}

// AddCount adds c, which counts answers with that reason, to counts that are in the
// order of digest, model and stage.
func AddCount(counts []store.ScoreCount, c store.ScoreCount, reason asset.Reason) []store.ScoreCount {
	switch {
	case models.Failed(reason):
		c.Failed = c.N
	case reason != "":
		c.Missing = c.N
	}
	if k := len(counts) - 1; k >= 0 && counts[k].Digest == c.Digest && counts[k].Model == c.Model && counts[k].Stage == c.Stage {
		last := &counts[k]
		last.N, last.Abnormal, last.Missing, last.Failed = last.N+c.N, last.Abnormal+c.Abnormal, last.Missing+c.Missing, last.Failed+c.Failed
		return counts
	}
	return append(counts, c)
}

// Wanted says where the rows of each schema hold the values of series: by schema, and
// which schemas a channel's rows have.
type Wanted struct {
	Slots   map[int64][]Slot
	Schemas map[string][]int64
}

// Slot is where a wanted key is found in the rows of a schema.
type Slot struct{ Series, Value int }

// Want finds the keys in the schemas and makes an empty series for each.
func Want(keys []string, fields map[int64][]features.Field, channels map[int64]string) (Wanted, []store.Series) {
	w := Wanted{map[int64][]Slot{}, map[string][]int64{}}
	series := make([]store.Series, len(keys))
	for i, k := range keys {
		series[i].Key = k
	}
	for schema, list := range fields {
		for j, f := range list {
			if i := slices.Index(keys, f.Key()); i >= 0 {
				w.Slots[schema] = append(w.Slots[schema], Slot{i, j})
				series[i].Unit = f.Unit
			}
		}
		if len(w.Slots[schema]) > 0 {
			w.Schemas[channels[schema]] = append(w.Schemas[channels[schema]], schema)
		}
	}
	return w, series
}

// Add puts the values of a row where they are wanted.
func (w Wanted) Add(series []store.Series, schema int64, at time.Time, values []float64) error {
	for _, s := range w.Slots[schema] {
		if s.Value >= len(values) {
			return fmt.Errorf("%w: %d values, none at %d", ErrDamaged, len(values), s.Value)
		}
		series[s.Series].Points = append(series[s.Series].Points, store.Point{Time: at, Value: asset.Number(values[s.Value])})
	}
	return nil
}

// Sort puts the points of every series in the order of their time.
func Sort(series []store.Series) {
	for i := range series {
		slices.SortStableFunc(series[i].Points, func(a, b store.Point) int { return a.Time.Compare(b.Time) })
	}
}
