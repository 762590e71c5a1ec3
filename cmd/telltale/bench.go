package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// benchmark measures what this build costs on this machine.
type benchmark struct {
	asJSON   bool
	runs     int
	onnx     string
	postgres string // address of a server to measure
	kafka    string // host:port of a broker to measure through
	rows     int    // of the history that is asked
	out      io.Writer
	table    *tabwriter.Writer
	stderr   io.Writer
	dir      string // temporary
}

// measured is one line of the benchmark: the median of n runs.
type measured struct {
	Stage  string  `json:"stage"`
	Case   string  `json:"case"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Better string  `json:"better"` // higher, lower
	N      int     `json:"n"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// benchStage measures one part of the product.
type benchStage struct {
	name string
	run  func(*benchmark, context.Context) error
}

// benchStages lists the stages in the order in which they run.
func benchStages() []benchStage {
	return []benchStage{
		{"fft", (*benchmark).fft},
		{"features", (*benchmark).features},
		{"decode", (*benchmark).decode},
		{"ingest", (*benchmark).ingest},
		{"flow", (*benchmark).flow},
		{"store", (*benchmark).store},
		{"gateway", (*benchmark).gateway},
		{"models", (*benchmark).models},
		{"scale", (*benchmark).scale},
		{"physics", (*benchmark).physics},
		{"pipeline", (*benchmark).pipeline},
		{"kafka", (*benchmark).throughKafka},
		{"queries", (*benchmark).queries},
	}
}

func benchCommand() *cobra.Command {
	b := benchmark{}
	names := make([]string, 0, 6)
	for _, s := range benchStages() {
		names = append(names, s.name)
	}
	c := &cobra.Command{
		Use: "bench [STAGE…]", Short: "The benchmark of this build on this machine",
		Long: "Measures in CPU seconds of this process (user and system, every thread), so that a busy machine changes little,\n" +
			"and gives the median of several runs with the least and greatest. Minutes for all of them.\n\n" +
			"  fft       the real transform alone\n" +
			"  features  all features of windows of int16 counts: full with one envelope band, merged as without one\n" +
			"  decode    replay of a dataset folder; MQTT payloads\n" +
			"  ingest    payloads of every format to readings, raw and packed waveforms with their sizes\n" +
			"  flow      readings of a simulated farm to committed risks, store included; the carried state that this writes\n" +
			"  store     keeping what such a flow caused; feature rows by the clock, in PostgreSQL too with --postgres\n" +
			"  gateway   the role while its cluster is away for ten minutes of 200 turbines, and afterwards\n" +
			"  models    an LSTM alone, through the scorer, and under the load of 2000 assets with 200 swaps\n" +
			"  scale     cost of a sample with 10, 200 and 2000 assets, and what these keep in memory\n" +
			"  physics   reduced-order models of 200 turbines in time; a step of each law\n" +
			"  pipeline  200 turbines of three axes at 25.6 kHz: waveforms to risks beside features alone, overload, state;\n" +
			"            in PostgreSQL too with --postgres\n" +
			"  kafka     the same turbines by way of a broker, which --kafka names: a backlog\n" +
			"  queries   a value and a month of one feature among --rows rows; in PostgreSQL too with --postgres\n",
		Example: "  telltale bench\n  telltale bench features flow --json",
		Args: func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				if !slices.Contains(names, a) {
					return fmt.Errorf("%w: no stage %q: %s", errUsage, a, strings.Join(names, ", "))
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			b.out, b.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return b.all(cmd.Context(), args)
		},
	}
	f := c.Flags()
	f.BoolVar(&b.asJSON, "json", false, "one JSON object a line")
	f.IntVar(&b.runs, "runs", 5, "runs of each case, 1 to 100")
	f.StringVar(&b.postgres, "postgres", "", "address of a PostgreSQL database in which schemas may be made and dropped")
	f.StringVar(&b.kafka, "kafka", "", "host:port of a Kafka broker on which topics may be made and removed")
	f.IntVar(&b.rows, "rows", 2_000_000, "rows of the history that is asked for values")
	f.StringVar(&b.onnx, "onnxruntime", "", "path of the ONNX Runtime library")
	return c
}

// all runs the stages that were asked for.
func (b *benchmark) all(ctx context.Context, only []string) error {
	if b.runs < 1 || b.runs > 100 {
		return fmt.Errorf("%w: --runs %d: 1 to 100", errUsage, b.runs)
	}
	dir, err := os.MkdirTemp("", "telltale-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system clears what is left there
	b.dir = dir
	if !b.asJSON {
		b.table = tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(b.table, "stage\tcase\tmedian\tleast\tgreatest\t runs\t unit\t")
	}
	for _, s := range benchStages() {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		if err := s.run(b, ctx); err != nil {
			return fmt.Errorf("bench %s: %w", s.name, err)
		}
	}
	if b.table != nil {
		return b.table.Flush()
	}
	return nil
}

// rate reports the work that one CPU second does: work returns how much it did,
// and is repeated until it took benchLeast, so that the clock's grain is small.
func (b *benchmark) rate(ctx context.Context, stage, name, unit string, work func() (float64, error)) error {
	return b.report(ctx, measured{Stage: stage, Case: name, Unit: unit + "/cpu-s", Better: "higher"}, b.runs, func() (float64, error) {
		var done, took float64
		for began := cpuSeconds(); took < benchLeast; took = cpuSeconds() - began {
			n, err := work()
			if err != nil {
				return 0, err
			}
			done += n
		}
		return done / took, nil
	})
}

// benchLeast is how many CPU seconds a run of a rate takes at least.
const benchLeast = 0.25

// report takes the median of n values.
func (b *benchmark) report(ctx context.Context, m measured, n int, value func() (float64, error)) error {
	var got []float64
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := value()
		if err != nil {
			return fmt.Errorf("%s: %w", m.Case, err)
		}
		got = append(got, v)
	}
	slices.Sort(got)
	m.N, m.Min, m.Max, m.Value = n, got[0], got[n-1], (got[(n-1)/2]+got[n/2])/2
	if b.asJSON {
		return json.NewEncoder(b.out).Encode(m)
	}
	_, err := fmt.Fprintf(b.table, "%s\t%s\t%s\t%s\t%s\t%d\t %s\t\n", m.Stage, m.Case, digits(m.Value), digits(m.Min), digits(m.Max), m.N, m.Unit)
	return err
}

// cpuSeconds is what this process has used, user and system, over all threads.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	of := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return of(u.Utime) + of(u.Stime)
}
