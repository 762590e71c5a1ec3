package main

import (
	"compress/gzip"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/telltale-iot/telltale/models"
)

// shipped holds what the demo starts commissioned with; "make shipped" makes it
// again from the simulator.
//
//go:embed all:shipped
var shipped embed.FS

func shippedBaselines() (*baselines, error) {
	file, err := shipped.Open("shipped/baselines.json.gz")
	if err != nil {
		return nil, fmt.Errorf("shipped baselines: %w", err)
	}
	defer file.Close() //nolint:errcheck // embedded
	packed, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("shipped baselines: %w", err)
	}
	body, err := io.ReadAll(packed)
	if err != nil {
		return nil, fmt.Errorf("shipped baselines: %w", err)
	}
	b, err := parseBaselines(body)
	if err != nil {
		return nil, fmt.Errorf("shipped baselines: %w", err)
	}
	return b, nil
}

// shipModels pushes the shipped models into a repository that has none of their
// name, and promotes them.
func shipModels(ctx context.Context, repo *models.Repository, library string) error {
	names, err := fs.Glob(shipped, "shipped/*.onnx")
	if err != nil {
		return err
	}
	have, err := repo.List(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		file, err := shipped.ReadFile(name)
		if err != nil {
			return err
		}
		contract, err := models.Parse(file)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if holds(have, contract.Name, contract.Digest) {
			continue
		}
		if err := ship(ctx, repo, file, contract.Name, library); err != nil {
			return err
		}
	}
	return nil
}

func holds(have []models.Version, name, digest string) bool {
	for _, v := range have {
		if v.Name == name && v.Digest == digest {
			return true
		}
	}
	return false
}

// ship pushes one model by way of a temporary file.
func ship(ctx context.Context, repo *models.Repository, file []byte, name, library string) error {
	dir, err := os.MkdirTemp("", "telltale")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path := filepath.Join(dir, name+".onnx")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return err
	}
	by := models.By{Who: "telltale " + version, Reason: "shipped with the program"}
	v, err := repo.Push(ctx, path, name, by, proof(library))
	if err != nil {
		return err
	}
	_, err = repo.Promote(ctx, v.Ref(), models.Production, 0, "", by)
	return err
}

// proof loads a model and runs its self-test, in a child process.
func proof(library string) func([]byte) error {
	return func(file []byte) error {
		_, err := prover(library).Prove(context.Background(), file)
		return err
	}
}
