package dataset

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// FeatureRow is one feature of one window.
type FeatureRow struct {
	Time    time.Time // of the newest sample used
	Asset   asset.ID
	Channel string // or metric
	Feature string
	Value   asset.Number
	Quality float64 // 0–100
	WindowS float64 // 0 for an instant
}

// FeatureWriter writes features.parquet. The same rows give the same bytes.
type FeatureWriter struct{ sheet *sheet }

// NewFeatureWriter begins a file, which appears at path when it is closed.
func NewFeatureWriter(path string) (*FeatureWriter, error) {
	s, err := newSheet(path, []col{
		{"time", timeNode()},
		{"asset", textNode()},
		{"channel", textNode()},
		{"feature", textNode()},
		{"value", numberNode()},
		{"quality", numberNode()},
		{"window_s", numberNode()},
	})
	if err != nil {
		return nil, err
	}
	return &FeatureWriter{s}, nil
}

// Write adds a row; rows come sorted by time, asset, channel and feature.
func (w *FeatureWriter) Write(r FeatureRow) error {
	s := w.sheet
	s.time(r.Time)
	s.text(string(r.Asset))
	s.text(r.Channel)
	s.text(r.Feature)
	s.number(r.Value)
	s.number(asset.Number(r.Quality))
	s.number(asset.Number(r.WindowS))
	return s.end()
}

// Close renames the finished file into place.
func (w *FeatureWriter) Close() error { return w.sheet.close() }

// Discard drops the file instead of Close.
func (w *FeatureWriter) Discard() { w.sheet.discard() }

// RiskWriter writes risks.parquet. The same rows give the same bytes.
type RiskWriter struct{ sheet *sheet }

// NewRiskWriter begins a file, which appears at path when it is closed.
func NewRiskWriter(path string) (*RiskWriter, error) {
	s, err := newSheet(path, []col{
		{"time", timeNode()},
		{"asset", textNode()},
		{"component", textNode()},
		{"risk", numberNode()},
		{"horizon_h", numberNode()},
		{"anomaly", boolNode()},
		{"ml_score", numberNode()},
		{"ml_p", numberNode()},
		{"physics_score", numberNode()},
		{"rule_score", numberNode()},
		{"rul_p10_h", numberNode()},
		{"rul_p50_h", numberNode()},
		{"rul_p90_h", numberNode()},
		{"p_fail_48h", numberNode()},
		{"mode", textNode()},
		{"modes", weightsNode()},
		{"risk_low", numberNode()},
		{"risk_high", numberNode()},
		{"confidence", numberNode()},
		{"conflict", numberNode()},
		{"ml_llr", numberNode()},
		{"physics_llr", numberNode()},
		{"rule_llr", numberNode()},
	})
	if err != nil {
		return nil, err
	}
	return &RiskWriter{s}, nil
}

// Write adds a row; rows come sorted by time, asset and component.
func (w *RiskWriter) Write(r asset.Risk) error {
	s := w.sheet
	s.time(r.Time)
	s.text(string(r.Asset))
	s.text(r.Component)
	s.number(r.Risk)
	s.number(asset.Number(r.HorizonH))
	s.flag(r.Anomaly)
	for _, v := range []asset.Number{r.MLScore, r.MLP, r.PhysicsScore, r.RuleScore, r.RUL.P10, r.RUL.P50, r.RUL.P90, r.RUL.Soon} {
		s.number(v)
	}
	s.text(string(r.Mode))
	s.weights(r.Modes)
	c := r.Certainty
	for _, v := range []asset.Number{c.Low, c.High, c.Confidence, c.Conflict, r.LLR.ML, r.LLR.Physics, r.LLR.Rule} {
		s.number(v)
	}
	return s.end()
}

// Close renames the finished file into place.
func (w *RiskWriter) Close() error { return w.sheet.close() }

// Discard drops the file instead of Close.
func (w *RiskWriter) Discard() { w.sheet.discard() }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
