// Package models keeps versions of trained models, checks that one fits what the
// flow can produce, and swaps the one in use without dropping a window.
package models

import (
	"context"
	"errors"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// What a caller decides on.
var (
	ErrContract  = errors.New("model does not fit")             // refused: its inputs or metadata are not ours
	ErrNoRuntime = errors.New("ONNX Runtime library not found") // the flow goes on without a learned view
	ErrNotFound  = errors.New("no such model")
)

// Kind is what a model is for.
type Kind string

// The kinds of models.
const (
	Anomaly    Kind = "anomaly"    // how far from healthy: autoencoder, forecaster
	Life       Kind = "rul"        // remaining useful life
	Classifier Kind = "classifier" // which mode
)

// What a model's first output means.
const (
	OutputError    = "error"    // [batch, time, features]: normalised input minus what was expected
	OutputForecast = "forecast" // [batch, features]: the row that follows the window, in raw units
	OutputRUL      = "rul"      // [batch, 1 or 3]: remaining hours, median or P10, P50, P90
	OutputModes    = "modes"    // [batch, modes]: probabilities, which sum to 1
)

// What becomes of a stateful model's memory when another version takes over.
const (
	StateReset = "reset" // it starts from nothing (default)
	StateKeep  = "keep"  // it goes on from what the version before it remembered
)

// Contract is what a model file says of itself (metadata_props pdm.*).
type Contract struct {
	Name        string            `json:"name"`
	Kind        Kind              `json:"kind"`
	Class       string            `json:"asset_class"`
	Component   string            `json:"component,omitempty"`
	Features    []Input           `json:"features"` // in order
	PeriodS     float64           `json:"sampling_period_s"`
	Window      int               `json:"window"` // steps that the graph reads
	Stride      int               `json:"stride"`
	Threshold   float64           `json:"threshold"` // on the score's scale; 0 means that the model never speaks up
	Calibration Calibration       `json:"calibration"`
	Digest      string            `json:"digest"`              // SHA-256 of the file
	Output      string            `json:"output"`              // OutputError, …
	CapH        float64           `json:"rul_cap_h,omitempty"` // "rul": answers at the cap mean "at least"; 0 means none
	Modes       []asset.Mode      `json:"modes,omitempty"`     // "modes": what each column stands for; empty is healthy
	Scale       []float64         `json:"scale,omitempty"`     // "forecast": what an error of each feature is divided by
	Mask        bool              `json:"mask,omitempty"`      // the graph reads a second half of columns: 1 where a value was there, 0 where it was filled
	State       *State            `json:"state,omitempty"`     // nil: each window stands for itself
	Reference   []Reference       `json:"reference,omitempty"` // of each feature, what the model was trained on; empty: drift is not watched
	About       map[string]string `json:"about,omitempty"`     // training data, framework, licence: as stamped
	SelfTest    SelfTest          `json:"-"`
	X           string            `json:"-"` // name of the graph's input
	Y           string            `json:"-"` // name of its first output
	Dims        []int64           `json:"-"` // of the input, -1 where any fits: [batch, time, columns], or [batch, time × columns]
}

// Input is one feature a model reads.
type Input = features.Input

// State says how a stateful graph hands its memory on: after the data, the graph
// has the inputs In and, in the same order, the outputs Out, each
// [layers × directions, batch, hidden]. Such a model reads each row once: its
// stride equals its window.
type State struct {
	In     []string `json:"inputs"`
	Out    []string `json:"outputs"`
	OnSwap string   `json:"on_swap"` // StateReset or StateKeep
	Regime bool     `json:"reset_on_regime,omitempty"`
	WarmUp int      `json:"warm_up,omitempty"` // rows after a reset of which nothing is said
	Dims   [][2]int `json:"-"`                 // of each input: layers × directions, hidden
}

// Reference is the distribution of a feature, or of the scores, that later values
// are held against.
type Reference struct {
	N         int       `json:"n"`         // independent values behind it
	Quantiles []float64 `json:"quantiles"` // evenly spaced from the least to the greatest, sorted; 41 by default
}

// Calibration maps scores to p-values by split conformal prediction. With Mean
// and Precision the score is the Mahalanobis distance of the mean error.
type Calibration struct {
	N         int                    `json:"n"`
	Alpha     float64                `json:"alpha"`
	Quantiles []float64              `json:"quantiles"`           // sorted calibration scores, or evenly spaced quantiles of them
	Mean      []float64              `json:"mean,omitempty"`      // of the window's mean error, by feature
	Precision [][]float64            `json:"precision,omitempty"` // inverse covariance of the same
	Regimes   map[string]Calibration `json:"regimes,omitempty"`   // by regime, where one has enough scores of its own: n and quantiles
}

// SelfTest is one example that travels inside the model file: the loader
// refuses a model that no longer computes Output from Input. A stateful model
// starts from zeros.
type SelfTest struct {
	Input  [][]float64 `json:"input"`  // steps × columns of the graph, raw units
	Output []float64   `json:"output"` // row-major
}

// Runner runs one loaded model on a batch of sequences. It answers with one
// result for each. It is safe for concurrent use.
type Runner interface {
	Run(ctx context.Context, batch []Row) ([]Result, error)
	Close() error
}

// Row is what one run of a model reads for one sequence.
type Row struct {
	Values []float32 // steps × columns of the graph
	State  []float32 // of a stateful model: its inputs one after the other; nil means zeros
}

// Result is what a run answers for one sequence.
type Result struct {
	Values []float32 // the first output, row-major
	State  []float32 // of a stateful model: its outputs one after the other
}

// Reads is what the flow has to cut for the model: for a forecast, the row that
// it is held against too.
func (c Contract) Reads(component string) features.Reads {
	steps := c.Window
	if c.Output == OutputForecast {
		steps++
	}
	return features.Reads{Component: component, Inputs: c.Features, Steps: steps, Stride: c.Stride, PeriodS: c.PeriodS, Carries: c.State != nil}
}
