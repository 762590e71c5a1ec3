package main

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/api"
)

func alertsCommand() *cobra.Command {
	var c client
	cmd := &cobra.Command{
		Use: "alerts", Short: "Alerts of a running service",
		Example: "  telltale alerts list --asset T03\n  telltale alerts show 0a1b2c3d-…",
		Args:    exactly("list|show"),
		RunE:    unknownVerb,
	}
	c.flags(cmd)
	cmd.AddCommand(alertsList(&c), alertsShow(&c))
	return cmd
}

func alertsList(c *client) *cobra.Command {
	var id string
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List open alerts, newest first", Example: "  telltale alerts list --all --json", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			if id != "" {
				q.Set("asset", id)
			}
			if !all {
				q.Set("state", "open")
			}
			var got struct {
				Alerts []api.AlertView `json:"alerts"`
			}
			if err := c.get(cmd.Context(), "alerts", q, &got); err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), got.Alerts)
			}
			var rows [][]string
			for _, a := range got.Alerts {
				cleared := ""
				if a.Cleared != nil {
					cleared = clock(*a.Cleared)
				}
				rows = append(rows, []string{
					a.ID, string(a.Asset), a.Component, string(a.Current.Mode), strconv.Itoa(a.Current.Severity), clock(a.Opened), cleared,
					shown(a.Risk, "%.2f"), shown(a.RUL.P50, "%.0f"),
				})
			}
			return table(cmd.OutOrStdout(), []string{"ID", "ASSET", "COMPONENT", "MODE", "SEVERITY", "OPENED", "CLEARED", "RISK", "RUL P50 H"}, rows)
		},
	}
	cmd.Flags().StringVar(&id, "asset", "", "of this asset alone")
	cmd.Flags().BoolVar(&all, "all", false, "cleared ones too")
	cmd.Flags().IntVar(&limit, "limit", 200, "how many at most, 1 to 1000")
	return cmd
}

func alertsShow(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one alert with its evidence and orders", Example: "  telltale alerts show 0a1b2c3d-…", Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var a api.AlertDetail
			if err := c.get(cmd.Context(), "alerts/"+url.PathEscape(args[0]), nil, &a); err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), a)
			}
			cleared := ""
			if a.Cleared != nil {
				cleared = clock(*a.Cleared)
			}
			rows := [][]string{
				{"id", a.ID},
				{"asset", string(a.Asset)},
				{"component", a.Component},
				{"mode", string(a.Current.Mode)},
				{"severity", strconv.Itoa(a.Current.Severity)},
				{"opened", clock(a.Opened)},
				{"cleared", cleared},
				{"risk", shown(a.Risk, "%.3f")},
				{"rul h", remaining(a.RUL)},
			}
			for _, e := range a.Evidence {
				rows = append(rows, []string{"evidence", e.Source + ": " + e.Text})
			}
			for _, o := range a.Orders {
				rows = append(rows, []string{"order", o.ID + " " + string(o.Status) + " " + o.ERPNumber})
			}
			return table(cmd.OutOrStdout(), []string{"FIELD", "VALUE"}, rows)
		},
	}
}
