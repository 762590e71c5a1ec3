package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/postgres"
)

func storePositionsCommand() *cobra.Command {
	var path string
	var partition int32
	var to int64
	var asJSON bool
	c := &cobra.Command{
		Use: "positions -c FILE [--partition N --to OFFSET]", Short: "Where the processes of a topic stand, or move one partition on",
		Long: "Lists each partition with the offset of the next message and of the oldest that an open window needs. With --to\n" +
			"a partition goes on at that offset, past data that is gone: the history of its assets then says so. The process\n" +
			"that has the partition notices with its next commit, or at the next start.",
		Example: "  telltale store positions -c telltale.yaml\n  telltale store positions -c telltale.yaml --partition 3 --to 1204881", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return fmt.Errorf("%w: -c is missing: name the configuration file", errUsage)
			}
			if cmd.Flags().Changed("to") != cmd.Flags().Changed("partition") || to < 0 {
				return fmt.Errorf("%w: want --partition and --to together, the offset of a message", errUsage)
			}
			db, conf, err := openShared(cmd.Context(), path)
			if err != nil {
				return err
			}
			defer db.Close() //nolint:errcheck // it returns nil
			if cmd.Flags().Changed("to") {
				return movePosition(cmd.Context(), db, conf, partition, to)
			}
			return listPositions(cmd.Context(), db, cmd.OutOrStdout(), asJSON)
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration file (required)")
	c.Flags().Int32Var(&partition, "partition", 0, "that is moved")
	c.Flags().Int64Var(&to, "to", 0, "offset of the message that it goes on with")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

// openShared opens the store that the processes of a configuration share.
func openShared(ctx context.Context, path string) (*postgres.Store, *config, error) {
	_, conf, err := wireConfig(path)
	if err == nil {
		err = conf.checkProcess()
	}
	if err != nil {
		return nil, nil, err
	}
	password, err := secret(conf.Store.PasswordFile)
	if err != nil {
		return nil, nil, fmt.Errorf("store.password_file: %w", err)
	}
	db, err := postgres.Open(ctx, conf.Store.URL, postgres.Options{Password: password})
	return db, conf, err
}

func listPositions(ctx context.Context, db *postgres.Store, out io.Writer, asJSON bool) error {
	all, err := db.Positions(ctx)
	if err != nil {
		return err
	}
	type row struct {
		Partition int32     `json:"partition"`
		Epoch     int64     `json:"epoch"`
		Next      int64     `json:"next"`
		Low       int64     `json:"low"`
		Through   time.Time `json:"through"`
	}
	rows := make([]row, len(all))
	for i, p := range all {
		rows[i] = row{p.Shard, p.Epoch, kafka.Offset(p.Next), kafka.Offset(p.Low), p.Through}
	}
	if asJSON {
		return json.NewEncoder(out).Encode(rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PARTITION\tNEXT\tLOW\tTHROUGH\tTAKEN OVER")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%d\n", r.Partition, r.Next, r.Low, r.Through.UTC().Format(time.RFC3339), r.Epoch)
	}
	return w.Flush()
}

// movePosition has a partition go on elsewhere and says so of each of its assets.
func movePosition(ctx context.Context, db *postgres.Store, conf *config, partition int32, to int64) error {
	topic := conf.Source.Kafka.Topics[0]
	have, err := db.Meta(ctx, "shards")
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscanf(have, "%d", &n); err != nil || have != layoutOf(n, topic) {
		return fmt.Errorf("the store was made with shards: %q, want those of topic %s", have, topic)
	}
	all, err := db.Positions(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Shard != partition {
			continue
		}
		why := fmt.Errorf("partition %d was moved from offset %d to %d by hand", partition, kafka.Offset(p.Next), to)
		return db.Move(ctx, partition, kafka.Position(to, 0), gapsOf(conf, int(partition), n, p.Through, why))
	}
	return fmt.Errorf("partition %d was never worked on: want one that telltale store positions lists", partition)
}

// gapsOf are the events of assets that live in a partition.
func gapsOf(conf *config, partition, n int, since time.Time, why error) (events []pipeline.TwinEvent) {
	now := time.Now().UTC()
	if since.IsZero() {
		since = now
	}
	for _, a := range conf.Assets {
		if kafka.PartitionOf(a.ID, n) == partition {
			events = append(events, gapEvent(a.ID, since, now, why))
		}
	}
	return events
}

func gapEvent(id asset.ID, from, to time.Time, why error) pipeline.TwinEvent {
	e := ingest.Gap(id, from, to, "store", why).Event
	return pipeline.TwinEvent{Asset: id, Time: to, Kind: e.Kind, Payload: fmt.Sprintf("%s %s %s", e.Component, e.Code, e.Text)}
}
