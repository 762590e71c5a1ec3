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

// What a model's first output means.
const (
	OutputError = "error" // [batch, time, features]: normalised input minus what was expected
	OutputRUL   = "rul"   // [batch, 1 or 3]: remaining hours, median or P10, P50, P90
)

// Contract is what a model file says of itself (metadata_props pdm.*).
type Contract struct {
	Name        string            `json:"name"`
	Class       string            `json:"asset_class"`
	Component   string            `json:"component,omitempty"`
	Features    []Input           `json:"features"` // in order
	PeriodS     float64           `json:"sampling_period_s"`
	Window      int               `json:"window"` // steps
	Stride      int               `json:"stride"`
	Threshold   float64           `json:"threshold"` // on the score's scale; 0 means that the model never speaks up
	Calibration Calibration       `json:"calibration"`
	Digest      string            `json:"digest"`              // SHA-256 of the file
	Output      string            `json:"output"`              // OutputError or OutputRUL
	CapH        float64           `json:"rul_cap_h,omitempty"` // "rul": answers at the cap mean "at least"; 0 means none
	About       map[string]string `json:"about,omitempty"`     // training data, framework, licence: as stamped
	SelfTest    SelfTest          `json:"-"`
	X           string            `json:"-"` // name of the graph's input
	Y           string            `json:"-"` // name of its first output
}

// Input is one feature a model reads.
type Input struct {
	Name string `json:"name"` // channel/feature
	Unit string `json:"unit"`
	Agg  string `json:"agg"` // of the values within a period: last (default), mean, min, max
}

// Calibration maps scores to p-values by split conformal prediction. With Mean
// and Precision the score is the Mahalanobis distance of the mean error.
type Calibration struct {
	N         int         `json:"n"`
	Alpha     float64     `json:"alpha"`
	Quantiles []float64   `json:"quantiles"`           // sorted calibration scores, or evenly spaced quantiles of them
	Mean      []float64   `json:"mean,omitempty"`      // of the window's mean error, by feature
	Precision [][]float64 `json:"precision,omitempty"` // inverse covariance of the same
}

// SelfTest is one example that travels inside the model file: the loader
// refuses a model that no longer computes Output from Input.
type SelfTest struct {
	Input  [][]float64 `json:"input"`  // steps × features, raw units
	Output []float64   `json:"output"` // row-major
}

// Runner runs one loaded model on a batch of sequences. It answers with one row
// of outputs for each sequence. It is safe for concurrent use.
type Runner interface {
	Run(ctx context.Context, batch []features.Sequence) ([][]float32, error)
	Close() error
}
