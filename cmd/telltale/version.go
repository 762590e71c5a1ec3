package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/dsp"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models/onnx"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "0.1.0-dev"

// build is what "telltale version" tells.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	ONNX     string `json:"onnx_runtime"`
	SIMD     string `json:"simd"`
	Features string `json:"feature_version"`
}

func about() build {
	b := build{Version: version, Commit: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, SIMD: dsp.Path(), Features: features.Version}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	if commit != "" {
		b.Commit = commit
	}
	if path, v, err := onnx.Library(""); err == nil {
		b.ONNX = v + " " + path
	} else {
		b.ONNX = "not found: " + err.Error()
	}
	return b
}

// commit is set by the build as version is.
var commit string

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Version, commit, Go, ONNX Runtime and the SIMD path in use", Example: "  telltale version --json", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := about()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "telltale %s (%s)\n%s %s, vectors: %s, features %s\nONNX Runtime: %s\n", b.Version, b.Commit, b.Go, b.Platform, b.SIMD, b.Features, b.ONNX)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
