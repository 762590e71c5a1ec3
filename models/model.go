// Package models keeps versions of trained models, checks that one fits what the
// flow can produce, and swaps the one in use without dropping a window.
package models

import (
	"context"
	"errors"

	"github.com/telltale-iot/telltale/features"
)

// What a caller decides on.
var (
	ErrContract  = errors.New("model does not fit")             // refused: its inputs or metadata are not ours
	ErrNoRuntime = errors.New("ONNX Runtime library not found") // the flow goes on without a learned view
	ErrNotFound  = errors.New("no such model")
)

// Contract is what a model file says of itself (metadata_props pdm.*).
type Contract struct {
	Name        string      `json:"name"`
	Class       string      `json:"asset_class"`
	Component   string      `json:"component,omitempty"`
	Features    []Input     `json:"features"` // in order
	PeriodS     float64     `json:"sampling_period_s"`
	Window      int         `json:"window"` // steps
	Stride      int         `json:"stride"`
	Threshold   float64     `json:"threshold"`
	Calibration Calibration `json:"calibration"`
	Digest      string      `json:"digest"` // SHA-256 of the file
	Output      string      `json:"output"` // "error" (autoencoder residual) or "rul"
}

// Input is one feature a model reads.
type Input struct {
	Name string `json:"name"` // channel/feature
	Unit string `json:"unit"`
	Agg  string `json:"agg"`
}

// Calibration maps scores to p-values by split conformal prediction.
type Calibration struct {
	N         int       `json:"n"`
	Alpha     float64   `json:"alpha"`
	Quantiles []float64 `json:"quantiles"` // sorted calibration scores, or evenly spaced quantiles of them
}

// Runner runs one loaded model on a batch of sequences. It answers with one row
// of outputs for each sequence. It is safe for concurrent use.
type Runner interface {
	Run(ctx context.Context, batch []features.Sequence) ([][]float32, error)
	Close() error
}
