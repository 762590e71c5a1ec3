package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/models"
)

// modelShelf is a repository as the commands see it.
type modelShelf struct {
	conf modelsConfig
	json bool
	by   models.By
	repo *models.Repository

	despite bool // gates that did not pass
}

// open is the repository of --repo, which was opened before the command began.
func (m *modelShelf) open() *models.Repository { return m.repo }

func modelCommand() *cobra.Command {
	var m modelShelf
	cmd := &cobra.Command{
		Use: "model", Short: "The repository of models, learned parameters and geometry",
		Long: "A version is NAME:VERSION, NAME (the one in production), NAME:STAGE, NAME:TAG, or its file's digest. Stages are\n" +
			"candidate, shadow (scores beside production, is only logged), canary (scores a share of the assets), production and\n" +
			"archived; each holds for everything, for a --class or for an --asset. The repository is a folder of OCI layouts or\n" +
			"any OCI registry; moving a tag there with another tool is a change of stage too.",
		Example: "  telltale model push drivetrain.onnx\n  telltale model promote drivetrain-lstm:1 production --reason \"better on WTG-04\"",
		Args:    exactly("push|list|show|history|check|annotate|note|promote|shadow|canary|pin|rollback|sign|verify|export-training|gates|replay|drift"),
		RunE:    unknownVerb,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			m.repo, err = openRepository(cmd.Context(), m.conf, log)
			return err
		},
	}
	f := cmd.PersistentFlags()
	f.StringVar(&m.conf.Repository, "repo", filepath.Join("data", "models"), "folder of the repository, or oci://HOST/PREFIX")
	f.BoolVar(&m.conf.PlainHTTP, "plain-http", false, "no TLS to a registry on another machine")
	f.BoolVar(&m.json, "json", false, "print JSON")
	f.StringVar(&m.by.Who, "as", doer(), "who does it, for the history")
	f.StringVar(&m.by.Reason, "reason", "", "why, for the history")
	f.Lookup("as").DefValue = "TELLTALE_USER, or user@host"
	cmd.AddCommand(
		m.push(), m.list(), m.show(), m.history(), m.check(), m.annotate(), m.note(), m.promote(), m.shadow(), m.canary(), m.pin(), m.rollback(),
		m.sign(), m.verify(), m.exportTraining(),
		m.gates(), m.replay(), m.drift(),
	)
	return cmd
}

// print writes what became of a version.
func (m *modelShelf) print(cmd *cobra.Command, v models.Version, err error) error {
	if err != nil {
		return err
	}
	return m.printAll(cmd.OutOrStdout(), []models.Version{v}, v)
}

func (m *modelShelf) printAll(to io.Writer, list []models.Version, document any) error {
	if m.json {
		return printJSON(to, document)
	}
	var rows [][]string
	for _, v := range list {
		var notes []string
		for _, k := range sortedKeys(v.Notes) {
			notes = append(notes, k+"="+v.Notes[k])
		}
		rows = append(rows, []string{v.Ref(), v.Kind, placesOf(v), v.Class, v.Component, v.Digest[:min(12, len(v.Digest))], strconv.FormatInt(v.Size, 10), clock(v.Pushed), strings.Join(notes, " ")})
	}
	return table(to, []string{"VERSION", "KIND", "STAGE", "CLASS", "COMPONENT", "DIGEST", "BYTES", "PUSHED", "NOTES"}, rows)
}

// placesOf is where a version stands, in words.
func placesOf(v models.Version) string {
	if len(v.Places) == 0 {
		return string(v.Stage)
	}
	var out []string
	for _, p := range v.Places {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

func (m *modelShelf) push() *cobra.Command {
	var name, library, class, component string
	cmd := &cobra.Command{
		Use: "push FILE", Short: "Store a model file or a geometry as a new version",
		Long: "Refuses a model that breaks the contract, or whose self-test does not come out. Where ONNX Runtime is not\n" +
			"found, the file is read but not run. A file that ends in .glb or .gltf is a geometry (glTF 2.0, everything in the\n" +
			"one file) and needs --name. The same file again is the same version.",
		Example: "  telltale model push drivetrain.onnx --repo data/models\n  telltale model push nacelle.glb --name wt-nacelle --class wind-turbine",
		Args:    exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			repo, ctx := m.open(), cmd.Context()
			switch strings.ToLower(filepath.Ext(args[0])) {
			case ".glb", ".gltf":
				if name == "" {
					return fmt.Errorf("%w: a geometry has no name of its own: give it one with --name", errUsage)
				}
				v, err := repo.PushGeometry(ctx, args[0], name, class, component, m.by)
				return m.print(cmd, v, err)
			}
			v, err := repo.Push(ctx, args[0], name, m.by, proof(library))
			if errors.Is(err, models.ErrNoRuntime) {
				fmt.Fprintln(cmd.ErrOrStderr(), "note: the self-test was not run: ONNX Runtime was not found")
				v, err = repo.Push(ctx, args[0], name, m.by, nil)
			}
			return m.print(cmd, v, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "store it under this name instead of its own")
	f.StringVar(&library, "onnxruntime", "", "path of the ONNX Runtime library")
	f.StringVar(&class, "class", "", "class of the machines that a geometry shows")
	f.StringVar(&component, "component", "", "component that a geometry shows")
	return cmd
}

func (m *modelShelf) list() *cobra.Command {
	return &cobra.Command{
		Use: "list [NAME…]", Short: "List every version, or those of some names", Example: "  telltale model list --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := m.open().List(cmd.Context(), args...)
			if err != nil {
				return err
			}
			if list == nil {
				list = []models.Version{}
			}
			return m.printAll(cmd.OutOrStdout(), list, list)
		},
	}
}

// shownModel is a version with its model's contract; none for a parameter set.
type shownModel struct {
	models.Version
	Contract *models.Contract `json:"contract,omitempty"`
}

func (m *modelShelf) show() *cobra.Command {
	return &cobra.Command{
		Use: "show VERSION", Short: "Show a version with the whole contract of its model",
		Example: "  telltale model show drivetrain-lstm:1", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, contract, err := m.open().Show(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			out := shownModel{Version: v}
			if v.Kind == models.KindModel {
				out.Contract = &contract
			}
			if m.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			rows := [][]string{
				{"version", v.Ref()},
				{"kind", v.Kind},
				{"stage", placesOf(v)},
				{"class", v.Class},
				{"component", v.Component},
				{"sha256", v.Digest},
				{"manifest", v.Manifest},
				{"bytes", strconv.FormatInt(v.Size, 10)},
				{"pushed", clock(v.Pushed) + " by " + v.By},
			}
			rows = append(rows, lineageRows(v.Lineage)...)
			if out.Contract != nil {
				rows = append(rows, contractRows(contract)...)
			}
			for _, k := range sortedKeys(v.Notes) {
				rows = append(rows, []string{"note " + k, v.Notes[k]})
			}
			for _, s := range v.History {
				rows = append(rows, []string{"history", strings.TrimSpace(strings.Join(stepRow(s), "  "))})
			}
			return table(cmd.OutOrStdout(), []string{"FIELD", "VALUE"}, rows)
		},
	}
}

func lineageRows(l models.Lineage) [][]string {
	var rows [][]string
	for _, r := range [][]string{
		{"training data", l.Training},
		{"code", l.Code},
		{"parent", l.Parent},
		{"framework", l.Framework},
		{"licence", l.Licence},
	} {
		if r[1] != "" {
			rows = append(rows, r)
		}
	}
	return rows
}

func contractRows(c models.Contract) [][]string {
	rows := [][]string{
		{"output", c.Output},
		{"period", fmt.Sprintf("%g s", c.PeriodS)},
		{"window", fmt.Sprintf("%d steps every %d", c.Window, c.Stride)},
		{"threshold", fmt.Sprintf("%g", c.Threshold)},
		{"calibrated on", fmt.Sprintf("%d windows at %g", c.Calibration.N, c.Calibration.Alpha)},
	}
	for _, f := range c.Features {
		rows = append(rows, []string{"input", fmt.Sprintf("%s [%s] %s", f.Name, f.Unit, f.Agg)})
	}
	for _, k := range sortedKeys(c.About) {
		rows = append(rows, []string{"about " + k, c.About[k]})
	}
	return rows
}

// stepRow is when, what, who and why of a step.
func stepRow(s models.Step) []string {
	at := "unknown"
	if !s.At.IsZero() {
		at = clock(s.At)
	}
	return []string{at, s.String(), s.Who, s.Reason}
}

func (m *modelShelf) history() *cobra.Command {
	return &cobra.Command{
		Use: "history NAME", Short: "Who did what to the versions of a name, oldest first",
		Example: "  telltale model history drivetrain-lstm", Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			steps, err := m.open().History(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if m.json {
				return printJSON(cmd.OutOrStdout(), steps)
			}
			var rows [][]string
			for _, s := range steps {
				r := stepRow(s)
				rows = append(rows, []string{r[0], s.Version, r[1], r[2], r[3]})
			}
			return table(cmd.OutOrStdout(), []string{"AT", "VERSION", "STEP", "WHO", "REASON"}, rows)
		},
	}
}
