package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

// A self-test may be shorter than a window where the graph takes any length; the time
// of an answer is that of a window.
func TestAnswerTimeOfAShortSelfTest(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("..", "..", "models", "testdata", "plain.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	const key, value = "pdm.selftest", `{"input": [[60, 2], [61, 2.2]], "output": [120, 4, 122, 4.4]}`
	prop := append([]byte{1<<3 | 2, byte(len(key))}, key...)
	prop = append(append(prop, 2<<3|2, byte(len(value))), value...)
	file = append(append(file, 14<<3|2, byte(len(prop))), prop...) // of two alike the later counts
	took, err := answerTime(t.Context(), file, "")
	if errors.Is(err, models.ErrNoRuntime) {
		t.Skip(err)
	}
	if err != nil || took <= 0 {
		t.Errorf("answerTime = %v, %v", took, err)
	}
}
