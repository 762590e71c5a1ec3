package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
)

func twinsCommand() *cobra.Command {
	var c client
	cmd := &cobra.Command{
		Use: "twins", Short: "Twins of a running service",
		Example: "  telltale twins list\n  telltale twins show T03 --json",
		Args:    exactly("list|show"),
		RunE:    unknownVerb,
	}
	c.flags(cmd)
	cmd.AddCommand(twinsList(&c), twinsShow(&c))
	return cmd
}

// unknownVerb answers a command that only groups others.
func unknownVerb(cmd *cobra.Command, args []string) error {
	return fmt.Errorf("%w: %s has no %q (see %s --help)", errUsage, cmd.CommandPath(), args[0], cmd.CommandPath())
}

// remaining is a remaining life for a person.
func remaining(r asset.RUL) string {
	if !r.P50.Known() {
		return ""
	}
	return fmt.Sprintf("%s (%s to %s)", shown(r.P50, "%.0f"), shown(r.P10, "%.0f"), shown(r.P90, "%.0f"))
}

func twinsList(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the twins, the most urgent first", Example: "  telltale twins list", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var got struct {
				Assets []api.Summary `json:"assets"`
			}
			if err := c.get(cmd.Context(), "assets", nil, &got); err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), got.Assets)
			}
			var rows [][]string
			for _, a := range got.Assets {
				updated := ""
				if a.Updated != nil {
					updated = clock(*a.Updated)
				}
				rows = append(rows, []string{string(a.ID), a.Kind, a.State, a.Component, string(a.Mode), shown(a.Risk, "%.3f"), remaining(a.RUL), updated})
			}
			return table(cmd.OutOrStdout(), []string{"ID", "KIND", "STATE", "COMPONENT", "MODE", "RISK", "RUL H", "UPDATED"}, rows)
		},
	}
}

func twinsShow(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show what one twin knows", Example: "  telltale twins show T03 --json", Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var d api.Detail
			if err := c.get(cmd.Context(), "assets/"+url.PathEscape(args[0]), nil, &d); err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), d)
			}
			rows := [][]string{
				{"asset", "", "id", string(d.ID), ""},
				{"asset", "", "state", d.State, ""},
				{"asset", "", "operation", d.Operation, ""},
				{"asset", "", "speed", shown(d.SpeedRpm, "%.4g"), "rpm"},
				{"asset", "", "load", shown(d.LoadN, "%.4g"), "N"},
			}
			for _, p := range d.Components {
				if p.Verdict != nil {
					rows = append(rows, []string{"verdict", p.Name, "risk", shown(p.Verdict.Risk, "%.3f"), "1"},
						[]string{"verdict", p.Name, "remaining life", remaining(p.Verdict.RUL), "h"})
				}
				for _, q := range p.Physics {
					rows = append(rows, []string{q.Source, p.Name, q.Name, shown(q.Value, "%.4g"), q.Unit})
				}
			}
			for _, q := range d.Metrics {
				rows = append(rows, []string{"feature", "", q.Name, shown(q.Value, "%.4g"), q.Unit})
			}
			return table(cmd.OutOrStdout(), []string{"SOURCE", "COMPONENT", "NAME", "VALUE", "UNIT"}, rows)
		},
	}
}
