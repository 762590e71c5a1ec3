package dataset

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var trainingColumns = []want{
	{name: "time", holds: instant},
	{name: "known_at", holds: instant},
	{name: "value", holds: number},
	{name: "quality", holds: number},
	{name: "window_s", holds: number},
	{name: "asset", holds: text},
	{name: "component", holds: text},
	{name: "channel", holds: text},
	{name: "feature", holds: text},
	{name: "unit", holds: text},
	{name: "regime", holds: text},
	{name: "label", holds: text},
	{name: "mode", holds: text},
	{name: "verdict", holds: text},
}

// EachTraining calls f for every row of a training export, in the order
// of the file. It stops at the first error, which it returns.
func EachTraining(path string, f func(TrainingRow) error) error {
	t := &table{path: path, name: filepath.Base(path)}
	if err := guard(func() error { return t.check(trainingColumns) }); err != nil {
		return fmt.Errorf("training export %s: %w", path, err)
	}
	var stop error
	err := guard(func() error {
		var err error
		stop, err = t.training(f)
		return err
	})
	if err == nil {
		return stop
	}
	return fmt.Errorf("training export %s: %s", path, oneLine(err))
}

// training reads the rows; stop is what f answered, err that the file is damaged.
func (t *table) training(f func(TrainingRow) error) (stop, err error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	defer t.close()
	n := newNames()
	var cols []*column
	for _, w := range trainingColumns {
		cols = append(cols, t.column(w.name, w.holds, n))
	}
	defer closeAll(cols)
	for range t.pq.NumRows() {
		for _, c := range cols {
			if err := c.fill(); err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return nil, err
			}
		}
		row := trainingAt(cols, n)
		for _, c := range cols {
			c.at++
		}
		if row.Time.IsZero() || row.Asset == "" {
			continue // nothing says what it belongs to
		}
		if stop := f(row); stop != nil {
			return stop, nil
		}
	}
	return nil, nil
}

// trainingAt takes the values that the columns stand at.
func trainingAt(cols []*column, n *names) TrainingRow {
	at := func(k int) time.Time {
		if v := cols[k].times[cols[k].at]; v != noTime {
			return time.UnixMicro(v).UTC()
		}
		return time.Time{}
	}
	value := func(k int) float64 { return cols[k].nums[cols[k].at] }
	word := func(k int) string { return n.list[cols[k].texts[cols[k].at]] }
	return TrainingRow{
		FeatureRow: FeatureRow{
			Time: at(0), Asset: asset.ID(word(5)), Channel: word(7), Feature: word(8), Value: asset.Number(value(2)), Quality: value(3), WindowS: value(4),
		},
		Component: word(6), Unit: word(9), Regime: word(10), Label: word(11), Mode: asset.Mode(word(12)), Verdict: word(13), Known: at(1),
	}
}
