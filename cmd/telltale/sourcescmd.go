package main

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/api"
)

func sourcesCommand() *cobra.Command {
	var c client
	cmd := &cobra.Command{
		Use: "sources", Short: "Sources of a running service: which speak, which are silent, what was refused",
		Example: "  telltale sources list\n  telltale sources refused --reason undecodable",
		Args:    exactly("list|refused"),
		RunE:    unknownVerb,
	}
	c.flags(cmd)
	cmd.AddCommand(sourcesList(&c), sourcesRefused(&c))
	return cmd
}

func sourcesList(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the sources as they stand", Example: "  telltale sources list", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var got struct {
				Sources []api.Source `json:"sources"`
			}
			if err := c.get(cmd.Context(), "sources", nil, &got); err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), got.Sources)
			}
			var rows [][]string
			for _, s := range got.Sources {
				rows = append(rows, sourceRow(s))
			}
			return table(cmd.OutOrStdout(), []string{"SOURCE", "STATE", "HEARD", "READINGS", "REFUSED", "GAPS", "OUTAGES", "QUEUED", "CLOCK S", "DRIFT PPM", "WHY"}, rows)
		},
	}
}

func sourceRow(s api.Source) []string {
	state, heard := "down", "never"
	if s.Up {
		state = "up"
	}
	if !s.Heard.IsZero() {
		heard = time.Since(s.Heard).Round(time.Second).String() + " ago"
	}
	refused := int64(0)
	for _, n := range s.Refused {
		refused += n
	}
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		s.Name, state, heard, count(s.Readings), count(refused), count(s.Gaps), count(s.Outages), count(int64(s.Queued)),
		shown(s.Offset, "%+.3f"), shown(s.Drift, "%+.1f"), s.Why,
	}
}

func sourcesRefused(c *client) *cobra.Command {
	var reason string
	var limit int
	cmd := &cobra.Command{
		Use: "refused", Short: "List what was refused, the newest first, with its first bytes",
		Long:    "Lists messages that were refused as a whole, and readings held back before the flow. --json has all of their bytes, in base64.",
		Example: "  telltale sources refused --reason undecodable --limit 20", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var got struct {
				DeadLetters []api.DeadLetter `json:"dead_letters"`
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if reason != "" {
				query.Set("reason", reason)
			}
			if err := c.get(cmd.Context(), "dead-letters", query, &got); err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), got.DeadLetters)
			}
			var rows [][]string
			for _, d := range got.DeadLetters {
				at := d.Topic
				if d.Offset > 0 {
					at = fmt.Sprintf("%s/%d@%d", d.Topic, d.Partition, d.Offset)
				}
				rows = append(rows, []string{clock(d.Time), d.Source, at, string(d.Reason), d.Text, glimpse(d.Payload)})
			}
			return table(cmd.OutOrStdout(), []string{"TIME", "SOURCE", "AT", "REASON", "TEXT", "BYTES"}, rows)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "only of this reason, such as undecodable")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many, 1 to 1000")
	return cmd
}

// glimpse is the beginning of a payload: as text where it is some, else in hexadecimal.
func glimpse(b []byte) string {
	const most = 40
	more := ""
	if len(b) > most {
		b, more = b[:most], "…"
	}
	if utf8.Valid(b) && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' }) {
		return string(b) + more
	}
	return strings.ToUpper(hex.EncodeToString(b)) + more
}
