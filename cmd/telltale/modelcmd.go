package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/models"
)

// modelShelf is a repository as the commands see it.
type modelShelf struct {
	dir  string
	json bool
}

func (m *modelShelf) open() *models.Repository { return models.OpenRepository(m.dir, time.Now) }

func modelCommand() *cobra.Command {
	var m modelShelf
	cmd := &cobra.Command{
		Use: "model", Short: "The repository of models and learned parameters",
		Long: "A version is NAME:VERSION, NAME (the one in production), NAME:STAGE, or its digest. Stages are staging, shadow\n" +
			"(scores beside production, is only logged), canary (scores a share of the assets), production and archived.",
		Example: "  telltale model push drivetrain.onnx\n  telltale model promote drivetrain-lstm:1 production",
		Args:    exactly("push|list|show|check|annotate|promote|shadow|canary|rollback|export-training|gates|replay|drift"),
		RunE:    unknownVerb,
	}
	cmd.PersistentFlags().StringVar(&m.dir, "repo", filepath.Join("data", "models"), "folder of the repository")
	cmd.PersistentFlags().BoolVar(&m.json, "json", false, "print JSON")
	cmd.AddCommand(
		m.push(), m.list(), m.show(), m.check(), m.annotate(), m.promote(), m.shadow(), m.canary(), m.rollback(), m.exportTraining(),
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
		stage := string(v.Stage)
		if v.Stage == models.Canary {
			stage += fmt.Sprintf(" %g", v.Share)
		}
		var notes []string
		for _, k := range sortedKeys(v.Notes) {
			notes = append(notes, k+"="+v.Notes[k])
		}
		rows = append(rows, []string{v.Ref(), v.Kind, stage, v.Class, v.Component, v.Digest[:min(12, len(v.Digest))], strconv.FormatInt(v.Size, 10), clock(v.Pushed), strings.Join(notes, " ")})
	}
	return table(to, []string{"VERSION", "KIND", "STAGE", "CLASS", "COMPONENT", "DIGEST", "BYTES", "PUSHED", "NOTES"}, rows)
}

func (m *modelShelf) push() *cobra.Command {
	var name, library string
	cmd := &cobra.Command{
		Use: "push FILE", Short: "Store a model file as a new version",
		Long: "Refuses a file that breaks the contract, or whose self-test does not come out. Where ONNX Runtime is not\n" +
			"found, the file is read but not run. The same file again is the same version.",
		Example: "  telltale model push drivetrain.onnx --repo data/models", Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			repo := m.open()
			v, err := repo.Push(args[0], name, proof(library))
			if errors.Is(err, models.ErrNoRuntime) {
				fmt.Fprintln(cmd.ErrOrStderr(), "note: the self-test was not run: ONNX Runtime was not found")
				v, err = repo.Push(args[0], name, nil)
			}
			return m.print(cmd, v, err)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "store it under this name instead of its own")
	cmd.Flags().StringVar(&library, "onnxruntime", "", "path of the ONNX Runtime library")
	return cmd
}

func (m *modelShelf) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List every version", Example: "  telltale model list --json", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := m.open().List()
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
			v, contract, err := m.open().Show(args[0])
			if err != nil {
				return err
			}
			out := shownModel{Version: v}
			if v.Kind == "model" {
				out.Contract = &contract
			}
			if m.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			rows := [][]string{
				{"version", v.Ref()},
				{"kind", v.Kind},
				{"stage", string(v.Stage)},
				{"class", v.Class},
				{"component", v.Component},
				{"sha256", v.Digest},
				{"bytes", strconv.FormatInt(v.Size, 10)},
			}
			if out.Contract != nil {
				rows = append(rows, contractRows(contract)...)
			}
			for _, k := range sortedKeys(v.Notes) {
				rows = append(rows, []string{"note " + k, v.Notes[k]})
			}
			for _, s := range v.History {
				rows = append(rows, []string{"history", clock(s.At) + " " + string(s.To)})
			}
			return table(cmd.OutOrStdout(), []string{"FIELD", "VALUE"}, rows)
		},
	}
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

func (m *modelShelf) annotate() *cobra.Command {
	return &cobra.Command{
		Use: "annotate VERSION KEY TEXT", Short: "Set a note of a version; an empty TEXT removes it",
		Example: "  telltale model annotate drivetrain-lstm:1 approved \"2026-01-31, reliability\"", Args: exactly("VERSION", "KEY", "TEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := m.open().Annotate(args[0], args[1], args[2])
			return m.print(cmd, v, err)
		},
	}
}

func (m *modelShelf) promote() *cobra.Command {
	var share float64
	cmd := &cobra.Command{
		Use: "promote VERSION STAGE", Short: "Bring a version to a stage",
		Long:    "The version that held a stage of which there is one goes back: from production to the archive, else to staging.",
		Example: "  telltale model promote drivetrain-lstm:2 production", Args: exactly("VERSION", "STAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch to := models.Stage(args[1]); to {
			case models.Staging, models.Shadow, models.Canary, models.Production, models.Archived:
				v, err := m.open().Promote(args[0], to, share)
				return m.print(cmd, v, err)
			}
			return fmt.Errorf("%w: stage %q: want staging, shadow, canary, production or archived", errUsage, args[1])
		},
	}
	cmd.Flags().Float64Var(&share, "share", 0, "of the assets, for canary: above 0, below 1")
	return cmd
}

func (m *modelShelf) shadow() *cobra.Command {
	return &cobra.Command{
		Use: "shadow VERSION", Short: "Let a version score beside production, for the log alone",
		Example: "  telltale model shadow drivetrain-lstm:2", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := m.open().Promote(args[0], models.Shadow, 0)
			return m.print(cmd, v, err)
		},
	}
}

func (m *modelShelf) canary() *cobra.Command {
	var share float64
	cmd := &cobra.Command{
		Use: "canary VERSION", Short: "Let a version score a share of the assets",
		Example: "  telltale model canary drivetrain-lstm:2 --share 0.1", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := m.open().Promote(args[0], models.Canary, share)
			return m.print(cmd, v, err)
		},
	}
	cmd.Flags().Float64Var(&share, "share", 0.1, "of the assets: above 0, below 1")
	return cmd
}

func (m *modelShelf) rollback() *cobra.Command {
	return &cobra.Command{
		Use: "rollback NAME", Short: "Bring the version back that was in production before",
		Example: "  telltale model rollback drivetrain-lstm", Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := m.open().Rollback(args[0])
			return m.print(cmd, v, err)
		},
	}
}
