package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/store"
)

func exportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "What a store holds, for other databases",
		Example: "  telltale export line --store data/telltale",
		Args:    exactly("line"), RunE: unknownVerb,
	}
	c.AddCommand(exportLineCommand())
	return c
}

// lineArgs are the flags of telltale export line.
type lineArgs struct {
	store, from, to, url, token string
	follow                      bool
	late, every                 time.Duration
}

func exportLineCommand() *cobra.Command {
	var a lineArgs
	c := &cobra.Command{
		Use: "line --store PLACE", Short: "Features and risks in InfluxDB line protocol",
		Long: "Writes telltale_feature (tags asset, channel) and telltale_risk (tags asset, component) with times in nanoseconds\n" +
			"to standard output, or posts them to --url in batches, again while the server is away. With --follow it goes on\n" +
			"with what is committed. A line that comes twice is the same point.",
		Example: "  telltale export line --store data/telltale --from 2026-01-01T00:00:00Z > january.line\n" +
			"  telltale export line --store data/telltale --follow --url 'https://influx.example.org/api/v2/write?org=plant&bucket=telltale' --token-file token",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := c.Flags()
	f.StringVar(&a.store, "store", "", servicePlace+" (required)")
	f.StringVar(&a.from, "from", "", "RFC 3339 time of the first rows; default: all")
	f.StringVar(&a.to, "to", "", "RFC 3339 time of the last rows; default: all")
	f.StringVar(&a.url, "url", "", "write API of version 2 to post to; default: standard output")
	f.StringVar(&a.token, "token-file", "", "file that holds the token for --url")
	f.BoolVar(&a.follow, "follow", false, "go on with what is committed, until it is told to end")
	f.DurationVar(&a.late, "late", time.Hour, "with --follow: how far the event time of an asset may be behind the others'")
	f.DurationVar(&a.every, "every", 5*time.Second, "with --follow: time between two looks at the store")
	return c
}

func (a *lineArgs) run(ctx context.Context, stdout io.Writer) error {
	if a.store == "" {
		return fmt.Errorf("%w: --store is missing: name the %s", errUsage, servicePlace)
	}
	from, err := flagTime("from", a.from, time.Unix(0, 0))
	if err != nil {
		return err
	}
	to, err := flagTime("to", a.to, endOfLines())
	if err != nil {
		return err
	}
	switch {
	case to.Before(from):
		return fmt.Errorf("%w: --to %s lies before --from", errUsage, a.to)
	case a.follow && a.to != "":
		return fmt.Errorf("%w: --follow has no end: leave --to out", errUsage)
	case a.follow && (a.late < 0 || a.every < 10*time.Millisecond):
		return fmt.Errorf("%w: --late %s, --every %s: want at least 0s and 10ms", errUsage, a.late, a.every)
	case a.url == "" && a.token != "":
		return fmt.Errorf("%w: --token-file without --url", errUsage)
	}
	x := &lineExport{to: lineWriter{stdout}}
	if a.url != "" {
		if x.to, err = newLinePost(a.url, a.token); err != nil {
			return err
		}
	}
	db, err := openService(ctx, a.store)
	if err != nil {
		return err
	}
	defer db.Close()        //nolint:errcheck // it was only read
	x.db = db.(store.Spans) // every database gives them
	if a.follow {
		return x.follow(ctx, from, a.late, a.every)
	}
	return x.span(ctx, from, to)
}

// flagTime reads an RFC 3339 time that fits in nanoseconds.
func flagTime(name, text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Before(time.Unix(0, 0)) || t.After(endOfLines()) {
		return t, fmt.Errorf("%w: --%s %q: want an RFC 3339 time from 1970 to 2262, such as 2026-03-01T12:00:00Z", errUsage, name, text)
	}
	return t, nil
}
