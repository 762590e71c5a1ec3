package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/simulate"
)

// farmProof measures what the pipeline finds on simulated farms over a year.
type farmProof struct {
	out, repo, onnx       string
	seeds, turbines, jobs int
	first                 uint64
	json                  bool
	models                proofModels
}

func farmProofCommand() *cobra.Command {
	var p farmProof
	c := &cobra.Command{
		Use: "farm-proof --out DIR", Short: "What is found, missed and wrongly raised on simulated farms with known truth",
		Long: "Simulates a year of one farm a seed, sends it through the stages with the shipped classes and prints leads, false\n" +
			"alerts and orders, coverage of remaining lives and blame for sensor faults, each with its interval, and what it\n" +
			"would have cost. A seed that is done stays done: the same command goes on.",
		Example: "  telltale farm-proof --out build/faults --seeds 50\n  telltale farm-proof --out build/faults --seeds 3 --turbines 8 --json",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&p.out, "out", "", "folder for seeds, figures.json and report.html (required)")
	f.IntVar(&p.seeds, "seeds", 3, "how many farms")
	f.Uint64Var(&p.first, "first", 1, "the first seed")
	f.IntVar(&p.turbines, "turbines", 8, "turbines of a farm")
	f.IntVar(&p.jobs, "jobs", runtime.NumCPU(), "farms at the same time")
	f.StringVar(&p.repo, "repo", "", "model repository: models and learned parameters in production are used; default OUT/models with the shipped models")
	f.StringVar(&p.onnx, "onnxruntime", "", "path of the ONNX Runtime library")
	f.BoolVar(&p.json, "json", false, "print figures.json instead of the table")
	return c
}

// proofReport is figures.json.
type proofReport struct {
	Seeds     int           `json:"seeds"`
	Turbines  int           `json:"turbine_years"`
	Figures   []proofFigure `json:"figures"`
	Views     []proofFigure `json:"views"`
	Economics *economics    `json:"economics"`
}

func (p *farmProof) run(ctx context.Context, stdout, stderr io.Writer) error {
	switch {
	case p.out == "":
		return fmt.Errorf("%w: --out is missing: name the folder to write to", errUsage)
	case p.seeds < 1 || p.turbines < 1 || p.jobs < 1:
		return fmt.Errorf("%w: --seeds %d, --turbines %d, --jobs %d: want at least 1", errUsage, p.seeds, p.turbines, p.jobs)
	}
	if err := os.MkdirAll(p.out, 0o755); err != nil { //nolint:gosec // results are for others to read
		return err
	}
	identity, err := p.identity(ctx)
	if err != nil {
		return err
	}
	results := make([][]proofTurbine, p.seeds)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.jobs)
	for i := range results {
		g.Go(func() (err error) {
			results[i], err = p.seed(ctx, identity, p.first+uint64(i), stderr)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var all []proofTurbine
	for _, r := range results {
		all = append(all, r...)
	}
	report := proofReport{Seeds: p.seeds, Turbines: len(all), Figures: figures(all), Views: viewFigures(all)}
	if report.Economics, err = economicsOf(all); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(p.out, "figures.json"), report); err != nil {
		return err
	}
	if err := writeEconomics(filepath.Join(p.out, "report.html"), report); err != nil {
		return err
	}
	if p.json {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(report)
	}
	if err := printFigures(stdout, p.seeds, len(all), slices.Concat(report.Figures, report.Views)); err != nil {
		return err
	}
	return report.Economics.print(stdout)
}

// seedFile is what is kept of a farm.
type seedFile struct {
	Build    string         `json:"build"` // digest of the program that made it, with its models
	Of       int            `json:"of"`    // turbines
	Turbines []proofTurbine `json:"turbines"`
}

// seed runs one farm, or reads what this very program made of it before.
func (p *farmProof) seed(ctx context.Context, identity string, seed uint64, stderr io.Writer) ([]proofTurbine, error) {
	path := filepath.Join(p.out, fmt.Sprintf("seed-%d.json", seed))
	var have seedFile
	body, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(body, &have) == nil && have.Build == identity && have.Of == p.turbines {
		return have.Turbines, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	turbines, err := proveFarm(ctx, yearOf(seed, p.turbines), p.models)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", seed, err)
	}
	fmt.Fprintf(stderr, "seed %d done\n", seed)
	return turbines, writeJSON(path, seedFile{identity, p.turbines, turbines})
}

// identity opens the models and names what a farm's results depend on.
func (p *farmProof) identity(ctx context.Context) (string, error) {
	build, err := ownDigest()
	if err != nil {
		return "", err
	}
	if err := (modelsConfig{Repository: p.repo}).there(); err != nil {
		return "", err
	}
	p.models.library = p.onnx
	shelf := modelsConfig{Repository: cmp.Or(p.repo, filepath.Join(p.out, "models"))}
	if p.models.repo, err = openRepository(ctx, shelf, slog.Default()); err != nil {
		return "", err
	}
	if p.repo == "" {
		if err := shipModels(ctx, p.models.repo, p.onnx); err != nil {
			slog.Warn("no learned view", "error", err)
		}
	}
	farm, err := simulate.New(yearOf(p.first, 1))
	if err != nil {
		return "", err
	}
	w, closeModels, err := p.models.works(ctx, farm)
	if err != nil {
		return "", err
	}
	defer closeModels()
	return strings.Join(append([]string{build, w.learned.digest()}, w.use.digests()...), " "), nil
}

// ownDigest is the SHA-256 of the running program.
func ownDigest() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
