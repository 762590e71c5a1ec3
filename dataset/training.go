package dataset

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// TrainingRow is one feature of one window with what was known of the machine then.
type TrainingRow struct {
	FeatureRow
	Component string // that the row is to judge
	Unit      string
	Regime    string     // operating regime, empty where none is known
	Label     string     // healthy, fault, maintenance, unknown
	Mode      asset.Mode // of a fault
	Verdict   string     // an engineer's on the alert that stood then; empty without
	Known     time.Time  // from when on Label and Verdict were known; zero for unknown
}

// TrainingWriter writes features.parquet of a training export. The same rows give
// the same bytes.
type TrainingWriter struct{ sheet *sheet }

// NewTrainingWriter begins a file, which appears at path when it is closed.
func NewTrainingWriter(path string) (*TrainingWriter, error) {
	s, err := newSheet(path, []col{
		{"time", timeNode()},
		{"asset", textNode()},
		{"component", textNode()},
		{"channel", textNode()},
		{"feature", textNode()},
		{"value", numberNode()},
		{"quality", numberNode()},
		{"window_s", numberNode()},
		{"unit", textNode()},
		{"regime", textNode()},
		{"label", textNode()},
		{"mode", textNode()},
		{"verdict", textNode()},
		{"known_at", optionalTimeNode()},
	})
	if err != nil {
		return nil, err
	}
	return &TrainingWriter{s}, nil
}

// Write adds a row; rows come sorted by time, asset, channel and feature.
func (w *TrainingWriter) Write(r TrainingRow) error {
	s := w.sheet
	s.time(r.Time)
	s.text(string(r.Asset))
	s.text(r.Component)
	s.text(r.Channel)
	s.text(r.Feature)
	for _, v := range []asset.Number{r.Value, asset.Number(r.Quality), asset.Number(r.WindowS)} {
		s.number(v)
	}
	for _, v := range []string{r.Unit, r.Regime, r.Label, string(r.Mode), r.Verdict} {
		s.text(v)
	}
	s.optionalTime(r.Known)
	return s.end()
}

// Close renames the finished file into place.
func (w *TrainingWriter) Close() error { return w.sheet.close() }

// Discard drops the file instead of Close.
func (w *TrainingWriter) Discard() { w.sheet.discard() }
