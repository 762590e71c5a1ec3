package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/store"
)

// modelDrift holds what a model reads today against what it was trained on.
type modelDrift struct {
	*modelShelf
	data string
	opt  models.DriftOptions
}

// driftReport is every asset's drift, and what a farm has in common.
type driftReport struct {
	Model  string             `json:"model"`
	Assets []models.Drift     `json:"assets"`
	Common []models.FarmDrift `json:"common"`
}

func (m *modelShelf) drift() *cobra.Command {
	d := modelDrift{modelShelf: m}
	cmd := &cobra.Command{
		Use: "drift VERSION", Short: "Say whether what a model reads has moved since its training",
		Long: "Holds the features that the service keeps in --data, and the model's scores, against the distributions that the\n" +
			"model file carries. Features that move alike on many assets at once are no fault: they are named by themselves.",
		Example: "  telltale model drift drivetrain-lstm --data data --since 168h", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := d.report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return d.print(cmd.OutOrStdout(), report)
		},
	}
	cmd.Flags().StringVar(&d.data, "data", "data", servicePlace)
	cmd.Flags().DurationVar(&d.opt.Span, "since", 7*24*time.Hour, "span that ends at the newest instant")
	return cmd
}

func (d *modelDrift) report(ctx context.Context, ref string) (driftReport, error) {
	if d.opt.Span < time.Hour {
		return driftReport{}, fmt.Errorf("%w: --since %v: an hour or more", errUsage, d.opt.Span)
	}
	v, contract, err := d.open().Show(ctx, ref)
	if err != nil {
		return driftReport{}, err
	}
	db, err := openService(ctx, d.data)
	if err != nil {
		return driftReport{}, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	latest, err := db.LatestRisks(ctx)
	if err != nil {
		return driftReport{}, err
	}
	newest := map[asset.ID]time.Time{}
	var now time.Time
	for _, r := range latest {
		if r.Time.After(newest[r.Asset]) {
			newest[r.Asset] = r.Time
		}
		if r.Time.After(now) {
			now = r.Time
		}
	}
	out := driftReport{Model: v.Ref(), Assets: []models.Drift{}, Common: []models.FarmDrift{}}
	for _, id := range sortedKeys(newest) {
		got, err := d.features(ctx, db, id, contract, now)
		if err != nil {
			return driftReport{}, err
		}
		scores, err := d.scores(ctx, db, id, contract, now)
		if err != nil {
			return driftReport{}, err
		}
		out.Assets = append(out.Assets, append(got, scores...)...)
	}
	if len(out.Assets) == 0 {
		return out, fmt.Errorf("%s: %s has neither scores of it nor features that its file has the distribution of", v.Ref(), d.data)
	}
	out.Common = append(out.Common, models.CommonDrift(out.Assets, d.opt)...)
	return out, nil
}

// features judges the features of one asset, in rows as the model reads them; none
// when it has none of them.
func (d *modelDrift) features(ctx context.Context, db store.Store, id asset.ID, c models.Contract, now time.Time) ([]models.Drift, error) {
	watched, at := c.Watches()
	if len(watched) == 0 {
		return nil, nil
	}
	keys := make([]string, len(c.Features))
	for i, f := range c.Features {
		keys[i] = f.Name
	}
	series, err := db.Trend(ctx, id, keys, now.Add(-d.opt.Span), now, 0)
	if err != nil {
		return nil, err
	}
	l := labelledAsset{id: id, at: map[int64]*instant{}}
	for _, s := range series {
		for _, p := range s.Points {
			l.instant(p.Time).values[s.Key] = float64(p.Value)
		}
	}
	if len(l.instants) == 0 {
		return nil, nil
	}
	l.sort()
	monitor := models.NewDriftMonitor(id, watched, d.opt)
	one := c.Reads(c.Component)
	one.Steps, one.Stride, one.Carries = 1, 1, false
	row := make([]float64, len(watched))
	for _, r := range l.cut(one) {
		for k, j := range at {
			row[k] = float64(r.Values[j])
		}
		monitor.Observe(r.Time, "", row)
	}
	return monitor.Report(now), nil
}

// scores judges the model's scores on one asset; none when it did not score it.
func (d *modelDrift) scores(ctx context.Context, db store.Store, id asset.ID, c models.Contract, now time.Time) ([]models.Drift, error) {
	watched, ok := c.WatchesScore()
	if !ok {
		return nil, nil
	}
	monitor, n := models.NewDriftMonitor(id, []models.Watched{watched}, d.opt), 0
	filter := store.ScoreFilter{Asset: id, Component: c.Component, Digests: []string{c.Digest}, From: now.Add(-d.opt.Span), To: now}
	err := db.EachScore(ctx, filter, func(s asset.Score) error {
		n++
		monitor.Observe(s.Time, s.Regime, []float64{float64(s.Score)})
		return nil
	})
	if err != nil || n == 0 {
		return nil, err
	}
	return monitor.Report(now), nil
}

func (d *modelDrift) print(to io.Writer, r driftReport) error {
	if d.json {
		return printJSON(to, r)
	}
	var rows [][]string
	for _, a := range r.Assets {
		rows = append(rows, []string{
			string(a.Asset), a.Feature, a.Regime, string(a.Verdict), strconv.Itoa(a.N), figure(a.NEff), figure(a.PSI), figure(a.P), figure(a.W1), figure(a.Missing), a.Text,
		})
	}
	if err := table(to, []string{"ASSET", "FEATURE", "REGIME", "VERDICT", "N", "N_EFF", "PSI", "KS P", "W1", "MISSING", "WHY"}, rows); err != nil {
		return err
	}
	for _, c := range r.Common {
		fmt.Fprintf(to, "\n%s\n", c.Text)
	}
	return nil
}
