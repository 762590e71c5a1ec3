package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"gonum.org/v1/gonum/mat"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/physics"
)

// romImport is one run of "telltale rom import".
type romImport struct {
	opt         physics.ROMOptions
	shelf       modelsConfig
	name, class string
	out         string
	transposed  bool
	json        bool
	by          models.By
}

// storedROM is a parameter set that holds a reduced-order model.
type storedROM struct {
	Source string      `json:"source"` // the file it was taken from
	ROM    physics.ROM `json:"rom"`
}

// shownROM is what the commands print.
type shownROM struct {
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	storedROM
}

func romCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rom", Short: "Reduced-order models from snapshots of a simulation or a measurement",
		Long: "Takes the motion that a finite-element or multi-body program, or a set of sensors, wrote down at equal steps of\n" +
			"time and makes a model of few states of it, with its natural frequencies and damping.",
		Example: "  telltale rom import blade.npy --dt 0.05 --method era --repo data/models --name blade",
		Args:    exactly("import|show"), RunE: unknownVerb,
	}
	c.AddCommand(romImportCommand(), romShowCommand())
	return c
}

func romImportCommand() *cobra.Command {
	var r romImport
	c := &cobra.Command{
		Use: "import SNAPSHOTS", Short: "Make a model of a snapshot matrix",
		Long: "Reads a matrix with a row for each place and a column for each instant: NumPy (.npy, versions 1 to 3, either order)\n" +
			"or Matrix Market (.mtx, array or coordinate, real, general or symmetric), and identifies x⁺ = A·x:\n\n" +
			"  dmd  dynamic mode decomposition of any motion; a standing wave takes --delays 2 or more\n" +
			"  era  eigensystem realisation of a free decay; best with few sensors and with noise\n" +
			"  pod  proper orthogonal decomposition: the basis that holds most, and a fit of the motion in it\n\n" +
			"Prints every mode with its frequency, damping and share of the motion, what was rejected and why, and the largest\n" +
			"|λ|; a model that would grow is brought to |λ| ≤ 1. It is written to a file, or stored as a new version of a\n" +
			"parameter set in the repository.",
		Example: "  telltale rom import blade.npy --dt 0.05 --method era --repo data/models --name blade --class wind-turbine\n" +
			"  telltale rom import tower.mtx --dt 0.02 --delays 4 --energy 0.9999 --out tower.json",
		Args: exactly("SNAPSHOTS"),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args[0]) },
	}
	f := c.Flags()
	f.Float64Var(&r.opt.DtS, "dt", 0, "seconds from one snapshot to the next (required)")
	f.StringVar(&r.opt.Method, "method", "dmd", "dmd, era or pod")
	f.IntVar(&r.opt.Rank, "rank", 0, "states; 0: as many as --energy takes, for era up to the largest gap")
	f.Float64Var(&r.opt.Energy, "energy", 0.999, "share of the snapshots' squares to keep")
	f.IntVar(&r.opt.Delays, "delays", 1, "snapshots one over the other, for dmd and pod")
	f.Float64Var(&r.opt.MaxZeta, "max-damping", 0.2, "modes damped more are spurious")
	f.BoolVar(&r.transposed, "transposed", false, "a row is an instant, a column a place")
	f.StringVar(&r.out, "out", "", "JSON file to write")
	f.StringVar(&r.shelf.Repository, "repo", "", "repository to store it in")
	f.BoolVar(&r.shelf.PlainHTTP, "plain-http", false, "no TLS to a registry on another machine")
	f.StringVar(&r.name, "name", "", "its name there")
	f.StringVar(&r.class, "class", "wind-turbine", "class of the machines that it stands for")
	f.StringVar(&r.by.Who, "as", doer(), "who does it, for the history")
	f.Lookup("as").DefValue = "TELLTALE_USER, or user@host"
	f.BoolVar(&r.json, "json", false, "print JSON")
	return c
}

func (r *romImport) run(cmd *cobra.Command, path string) error {
	switch {
	case r.opt.DtS <= 0:
		return fmt.Errorf("%w: --dt is missing: seconds from one snapshot to the next", errUsage)
	case (r.shelf.Repository == "") != (r.name == ""):
		return fmt.Errorf("%w: --repo and --name go together", errUsage)
	case r.name != "" && (models.CheckName(r.name) != nil || strings.Contains(r.name, "/")):
		return fmt.Errorf("%w: --name %q: small letters, digits and dashes", errUsage, r.name)
	case r.out == "" && r.name == "":
		return fmt.Errorf("%w: where shall it go: --out FILE, or --repo R --name N", errUsage)
	}
	x, err := readSnapshots(path)
	if err != nil {
		return err
	}
	if r.transposed {
		x = mat.DenseCopyOf(x.T())
	}
	m, err := physics.NewROM(x, r.opt)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	shown := shownROM{storedROM: storedROM{filepath.Base(path), m}}
	if err := r.keep(cmd, &shown); err != nil {
		return err
	}
	return shown.print(cmd, r.json)
}

// keep stores the model.
func (r *romImport) keep(cmd *cobra.Command, s *shownROM) error {
	body, err := json.Marshal(s.storedROM)
	if err != nil {
		return fmt.Errorf("the model: %w", err)
	}
	if r.out != "" {
		if err := os.WriteFile(r.out, append(body, '\n'), 0o600); err != nil {
			return err
		}
	}
	if r.name == "" {
		return nil
	}
	repo, err := openRepository(cmd.Context(), r.shelf, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
	if err != nil {
		return err
	}
	by := r.by
	by.Reason = fmt.Sprintf("%s of %s", s.ROM.Method, s.Source)
	v, err := repo.PushParams(cmd.Context(), r.name, r.class, "", body, by)
	if err != nil {
		return err
	}
	s.Version, s.Digest = v.Ref(), v.Digest
	return nil
}

// readSnapshots reads a matrix as the file's ending says.
func readSnapshots(path string) (*mat.Dense, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > 8*maxFileSamples {
		return nil, fmt.Errorf("%s: %d bytes are too many: fewer snapshots or places", path, info.Size())
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var x *mat.Dense
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".npy":
		x, err = npyMatrix(body)
	case ".mtx", ".mm":
		x, err = physics.ReadMatrixMarket(bytes.NewReader(body))
	default:
		return nil, fmt.Errorf("%w: %s: snapshots end in .npy or .mtx", errUsage, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// npyMatrix is a NumPy array as a matrix; one of one dimension is a single place.
func npyMatrix(body []byte) (*mat.Dense, error) {
	x, rows, columns, fortran, err := readNPY(body)
	switch {
	case err != nil:
		return nil, err
	case len(x) == 0:
		return nil, errors.New("no numbers inside")
	case columns == 1:
		return mat.NewDense(1, rows, x), nil
	case fortran:
		return mat.DenseCopyOf(mat.NewDense(columns, rows, x).T()), nil
	}
	return mat.NewDense(rows, columns, x), nil
}

func romShowCommand() *cobra.Command {
	var shelf modelsConfig
	var class string
	var asJSON bool
	c := &cobra.Command{
		Use: "show NAME[:VERSION]|FILE", Short: "Show the modes of a stored model",
		Example: "  telltale rom show blade:1 --repo data/models", Args: exactly("NAME[:VERSION]|FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var s shownROM
			body, err := os.ReadFile(args[0])
			if err != nil {
				repo, err := openRepository(cmd.Context(), shelf, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
				if err != nil {
					return err
				}
				var v models.Version
				if v, body, err = repo.Get(cmd.Context(), romRef(args[0], class)); err != nil {
					return err
				}
				s.Version, s.Digest = v.Ref(), v.Digest
			}
			if s.storedROM, err = parseROM(body); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return s.print(cmd, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&shelf.Repository, "repo", filepath.Join("data", "models"), "folder of the repository, or oci://HOST/PREFIX")
	f.BoolVar(&shelf.PlainHTTP, "plain-http", false, "no TLS to a registry on another machine")
	f.StringVar(&class, "class", "wind-turbine", "class that it was stored for")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// romRef is how the repository knows NAME[:VERSION] of a class; NAME/CLASS:VERSION stays.
func romRef(ref, class string) string {
	name, version, tagged := strings.Cut(ref, ":")
	if strings.Contains(name, "/") {
		return ref
	}
	name = models.ParamsName(name, class)
	if tagged {
		return name + ":" + version
	}
	return name
}

// parseROM reads a stored model and refuses any other parameter set.
func parseROM(body []byte) (storedROM, error) {
	var s storedROM
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("no reduced-order model: %w", err)
	}
	m := s.ROM
	if m.Rank < 1 || len(m.A) != m.Rank*m.Rank || len(m.Basis) != m.Rows*m.Rank {
		return s, errors.New("no reduced-order model: its matrices do not have the size of its rank")
	}
	return s, nil
}

func (s shownROM) print(cmd *cobra.Command, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, s)
	}
	m := s.ROM
	if s.Version != "" {
		fmt.Fprintf(out, "%s  sha256 %.12s…\n", s.Version, s.Digest)
	}
	fmt.Fprintf(out, "%s of %s: %d snapshots of %d places, %g s apart; %d states hold %.4f %% of the energy; error of a free run %.3g\n",
		m.Method, s.Source, m.Snapshots, m.Rows, m.DtS, m.Rank, 100*m.Energy, m.Error)
	projected := ""
	if m.Projected {
		projected = ", brought to 1"
	}
	fmt.Fprintf(out, "max|λ| %.9g%s\n", m.MaxAbs, projected)
	var rows [][]string
	for _, mode := range append(append([]physics.ROMMode(nil), m.Modes...), m.Rejected...) {
		word := "kept"
		if mode.Why != "" {
			word = "rejected: " + mode.Why
		}
		rows = append(rows, []string{
			fmt.Sprintf("%.6g", mode.Hz), fmt.Sprintf("%.4g", mode.Zeta), fmt.Sprintf("%.8g", mode.Abs),
			fmt.Sprintf("%.3f %%", 100*mode.Energy), word,
		})
	}
	return table(out, []string{"F HZ", "DAMPING", "|λ|", "ENERGY", "MODE"}, rows)
}
