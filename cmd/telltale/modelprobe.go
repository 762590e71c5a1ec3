package main

import (
	"log/slog"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/models/onnx"
)

// provers remember for the life of the process what was proved of model files, by
// the ONNX Runtime library that ran them.
var provers struct {
	sync.Mutex
	by map[string]*onnx.Prover
}

// prover runs model files in a child of this program before it loads them itself.
func prover(library string) *onnx.Prover {
	provers.Lock()
	defer provers.Unlock()
	if provers.by == nil {
		provers.by = map[string]*onnx.Prover{}
	}
	p := provers.by[library]
	if p == nil {
		p = &onnx.Prover{Library: library, Note: func(text string) { slog.Default().Warn(text) }}
		provers.by[library] = p
	}
	return p
}

// probeCommand is what the child of a prover runs.
func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use: onnx.ProbeCommand, Hidden: true, Short: "Run one model file handed in on standard input, confined",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return onnx.ServeProbe(os.Stdin, cmd.OutOrStdout()) },
	}
}
