package onnx_test

import (
	"context"
	"testing"
	"time"
	"os"
	"path/filepath"

	"github.com/telltale-iot/telltale/models/onnx"
)

func TestSmoke(t *testing.T) {
	p := &onnx.Prover{Note: func(s string) { t.Log(s) }}
	for _, f := range []string{"good", "rul", "softplus", "nan", "batch-mean"} {
		b, _ := os.ReadFile(filepath.Join(testdata, f+".onnx"))
		began := time.Now()
		proof, err := p.Prove(context.Background(), b)
		t.Log(f, proof, err, time.Since(began))
	}
}
