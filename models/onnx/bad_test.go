package onnx_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// badFiles are the files of testdata/bad, with words of the reason.
var badFiles = map[string]string{
	"batch-fixed":             `input "x" has a batch of 1: a dynamic batch is wanted (torch.onnx.export`,
	"batch-mean":              "probe answers something else in a batch of 2",
	"calibration-many":        "metadata pdm.calibration has 3 quantiles of n = 2 scores",
	"calibration-precision":   "metadata pdm.calibration has mean and precision of another width",
	"calibration-regime":      "metadata pdm.calibration has quantiles that are not sorted",
	"calibration-unsorted":    "metadata pdm.calibration has quantiles that are not sorted",
	"contract-2":              `metadata pdm.contract is "2": this build reads 1`,
	"custom-in-branch":        "node Identity is of domain com.example: only ai.onnx and ai.onnx.ml",
	"custom-operator":         `node "mine" (Twice) is of domain com.example: only ai.onnx and ai.onnx.ml`,
	"deep":                    "file has graphs nested deeper than 8",
	"empty":                   "file is empty",
	"empty-weight":            `weight "w" does not fill its dims, 2 elements of float32`,
	"endless-loop":            "probe took more than 1s of processor time",
	"external-absolute":       `weight "w" lies outside the file, at "/etc/passwd": all weights must be in it (torch.onnx.export(..., external_data=False)`,
	"external-parent":         `weight "w" lies outside the file, at "../../../etc/passwd"`,
	"features-agg":            `metadata pdm.features aggregates "de_acc/rms" by "median": last, mean, min or max`,
	"features-name":           `metadata pdm.features has "rms" at 1: channel/feature is wanted`,
	"features-not-json":       "metadata pdm.features is not the JSON that is wanted",
	"features-twice":          `metadata pdm.features names "oil_temperature/value" twice`,
	"features-unit":           `metadata pdm.features has "de_acc/rms" in "furlong": a unit of`,
	"flat-width":              `input "x" has 11 values, pdm.window and pdm.features make 6 × 2`,
	"forecast-scale":          `metadata pdm.scale has 0 values: output "forecast" wants one above 0 for each of the 2 features`,
	"forecast-shape":          `output "err" is [?, ?, 2]: forecast wants [batch, 2]`,
	"function":                "file defines operators of its own",
	"huge-dims":               "file is too large: its weights have more than",
	"inf-output":              "probe answers +Inf at 0: no number",
	"input-double":            `input "x" is float64: float32 is wanted`,
	"input-float16":           `input "x" is float16: float32 is wanted`,
	"input-int":               `input "x" is int64: float32 is wanted`,
	"input-none":              "graph has no input",
	"input-second":            "graph has the inputs x, mask: one input",
	"ir-new":                  "file has IR version 14: at most 13",
	"kind":                    `output "err" is [?, ?, 2]: rul wants [batch, 1 or 3]`,
	"lstm-layout":             `node "lstm" (LSTM) has layout=1`,
	"mask-width":              `input "x" has 2 columns, pdm.features and pdm.mask ask for 4`,
	"memory-bomb":             "it asks for more memory than is allowed",
	"missing-calibration":     "metadata pdm.calibration is missing",
	"missing-features":        "metadata pdm.features is missing",
	"missing-license":         "metadata pdm.license is missing (telltale model annotate",
	"missing-selftest":        "metadata pdm.selftest is missing",
	"missing-training_sha256": "metadata pdm.training_sha256 is missing",
	"missing-window":          "metadata pdm.window is missing",
	"modes-one":               "metadata pdm.modes names 1 modes",
	"modes-sum":               "that sum to 1 are wanted (end the graph with Softmax)",
	"modes-unknown":           `metadata pdm.modes names "wobble"`,
	"modes-width":             `output "err" is [?, 2]: modes wants [batch, 3]`,
	"nan-output":              "probe answers NaN at 0: no number",
	"nan-weight":              `weight "w" holds NaN`,
	"odd-type":                `weight "w" is of an unknown data type 99`,
	"opset-ml-new":            "file is of opset 6 of ai.onnx.ml: at most 5",
	"opset-new":               "file is of opset 27 of ai.onnx: at most 26 (torch.onnx.export(..., opset_version=18)",
	"opset-none":              "file names no opset of ai.onnx",
	"output-batch-fixed":      `output "err" has a batch of 1`,
	"output-double":           `output "err" is float64: float32 is wanted`,
	"output-narrow":           `output "err" is [?, ?, 1]: error wants [batch, time, 2]`,
	"output-none":             "graph has no output",
	"output-order":            `output "score" does not fit pdm.output "error", output "err" does: it must be the first`,
	"output-sequence":         `output "err" is a sequence: a float32 tensor is wanted (skl2onnx: options={'zipmap': False})`,
	"output-text":             `output "err" is text: float32 is wanted`,
	"output-undeclared":       `output "err" answers [1 2] to one sequence of 6 × 2`,
	"output-unknown":          `metadata pdm.output is "logits": error, forecast, rul or modes`,
	"period":                  `metadata pdm.sampling_period_s is "ten minutes"`,
	"random":                  "file is not an ONNX file",
	"rank-4":                  `input "x" is [?, 1, ?, 2]: float32 [batch, time, features]`,
	"reference-width":         "metadata pdm.reference describes 1 features, pdm.features names 2",
	"rul-width":               `output "err" is [?, 2]: rul wants [batch, 1 or 3]`,
	"selftest-long":           "self-test answers 12 values, 13 are expected",
	"selftest-off":            "self-test answers 120 at 0, 0 is expected",
	"selftest-width":          "metadata pdm.selftest has 3 values in row 0, the graph reads 2 columns",
	"shape-by-data":           "the output's shape must not depend on the data",
	"short-weight":            `weight "w" does not fill its dims`,
	"sparse-weight":           "file holds a sparse weight",
	"state-batch":             `input "h" is [1, 1, 3]: a state is [layers × directions, batch, hidden]`,
	"state-dims":              `input "h" is [?, 3]: a state is`,
	"state-order":             `output "hn" comes first, and pdm.state names it as memory`,
	"state-stride":            "metadata pdm.stride is 1, pdm.window 6: a stateful model reads each row once",
	"state-swap":              `metadata pdm.state has on_swap "merge": reset or keep`,
	"state-undeclared":        "graph has the inputs x, h: one input",
	"state-unknown":           `metadata pdm.state names output "c", which the graph does not have`,
	"state-unlike":            `output "hn" is [1, ?, 4], its input "h" is [1, ?, 3]: they must be alike`,
	"state-unlike-run":        `output "hn" is [1 1 6], its input [1 1 3]: they must be alike`,
	"steps":                   `input "x" has 9 steps, pdm.window is 6`,
	"text":                    "file is not an ONNX file",
	"text-weight":             `weight "w" holds text`,
	"threshold":               `metadata pdm.threshold is "-1": a number within`,
	"truncated":               "file is not an ONNX file, or was cut off",
	"unknown-operator":        "graph is not loaded by ONNX Runtime",
	"width":                   `input "x" has 3 columns, pdm.features names 2`,
}

// Each file is refused for its own reason, by what is read in it or by a child
// that runs it.
func TestBadFilesAreRefusedForTheirReason(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	needsRuntime(t)
	files, err := filepath.Glob(filepath.Join(testdata, "bad", "*.onnx"))
	if err != nil || len(files) != len(badFiles) {
		t.Errorf("%d files (%v), %d reasons", len(files), err, len(badFiles))
	}
	p := &onnx.Prover{Limits: onnx.Limits{CPU: time.Second}}
	for name, want := range badFiles {
		t.Run(name, func(t *testing.T) {
			_, err := p.Prove(context.Background(), read(t, "bad/"+name))
			var bad *models.ContractError
			if !errors.As(err, &bad) || !errors.Is(err, models.ErrContract) {
				t.Fatalf("Prove = %v, want a ContractError", err)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Prove = %v, want %q", err, want)
			}
			if strings.ContainsAny(err.Error(), "\n\t") {
				t.Errorf("more than one line: %q", err)
			}
			if len(bad.Findings) > 3 {
				t.Errorf("%d findings for one mistake: %v", len(bad.Findings), err)
			}
		})
	}
}
