package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sandbox"
	"github.com/telltale-iot/telltale/workorders/sap"
)

// client asks a running service over its API.
type client struct {
	url  string
	json bool
}

// flags adds what every command against the API understands.
func (c *client) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&c.url, "api", "http://127.0.0.1:8080", "address of the service")
	cmd.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON")
}

// maxAnswer is the longest answer that is read.
const maxAnswer = 64 << 20

// get reads /api/v1/path into into.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	base, err := url.Parse(c.url)
	if err != nil || base.Host == "" {
		return fmt.Errorf("%w: --api %q: want an address such as http://127.0.0.1:8080", errUsage, c.url)
	}
	u := base.JoinPath("api", "v1", path)
	u.RawQuery = query.Encode()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no service at %s: start it, or name another address with --api: %w", c.url, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: %w", u, err)
	}
	if answer.StatusCode != http.StatusOK {
		var p api.Problem
		if json.Unmarshal(body, &p) != nil || p.Detail == "" {
			p.Detail = answer.Status
		}
		return errors.New(p.Detail)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s does not answer as a telltale does: %w", u, err)
	}
	return nil
}

// printJSON writes one indented document.
func printJSON(to io.Writer, v any) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows under their heads; an empty cell becomes a dash.
func table(to io.Writer, heads []string, rows [][]string) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heads}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = cell; cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// shown writes a number for a person; a missing one is empty.
func shown(n asset.Number, format string) string {
	if !n.Known() {
		return ""
	}
	return fmt.Sprintf(format, float64(n))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// newERP makes the adapter that a configuration names, and its name; nil for none.
func newERP(conf erpConfig) (workorders.ERP, string, error) {
	caller := &http.Client{Timeout: time.Minute} // the forwarder's own limit is shorter
	switch conf.Kind {
	case "", "none":
		return nil, "", nil
	case "sandbox":
		return sandbox.NewClient(conf.URL, caller), conf.Kind, nil
	case "sap":
		password, err := secret(conf.PasswordFile)
		if err != nil {
			return nil, "", fmt.Errorf("erp.password_file: %w", err)
		}
		opt := sap.Options{
			URL: conf.URL, User: conf.User, Password: password, Type: conf.SAP.NotificationType,
			PlanningPlant: conf.SAP.PlanningPlant, PlannerGroup: conf.SAP.PlannerGroup, Objects: map[asset.ID]sap.Object{}, HTTP: caller,
		}
		for id, equipment := range conf.SAP.Equipment {
			opt.Objects[asset.ID(id)] = sap.Object{Equipment: equipment}
		}
		erp, err := sap.New(opt)
		if err != nil {
			return nil, "", fmt.Errorf("erp: %w", err)
		}
		return byComponent{erp, conf.SAP.Equipment}, conf.Kind, nil
	}
	return nil, "", fmt.Errorf("erp.kind: %q is not allowed: none, sandbox, sap", conf.Kind)
}

// byComponent names the equipment of a component where it has its own: the
// adapter knows it under asset/component.
type byComponent struct {
	workorders.ERP
	equipment map[string]string
}

// Create makes the order on the component's equipment, else on its asset's.
func (e byComponent) Create(ctx context.Context, o workorders.Order) (string, error) {
	if key := string(o.Asset) + "/" + o.Component; e.equipment[key] != "" {
		o.Asset = asset.ID(key)
	}
	return e.ERP.Create(ctx, o)
}
