package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/simulate"
)

// simulation writes a simulated farm to a folder, or lets it be read over a protocol.
type simulation struct {
	out, live          string
	turbines           int
	seed               uint64
	start, name        string
	lasts, waveEvery   time.Duration
	waveSeconds, speed float64
	healthy            bool
	learning           time.Duration
	force              bool
	profile            string
	every              time.Duration
	config             string
	serve, public      bool
}

func simulateCommand() *cobra.Command {
	var s simulation
	c := &cobra.Command{
		Use: "simulate --out DIR", Short: "Write a simulated wind farm with its truth as a dataset folder",
		Long: "Simulates wind, turbines, bearing and gear vibration, temperatures, sensor faults and growing machine faults\n" +
			"(simulator version " + simulate.Version + ") and writes them with labels.csv. The same options give the same bytes.\n" +
			"With --live the turbines can be read over a protocol instead, and --config writes the configuration that does.\n" +
			"Over OPC UA, Modbus and Sparkplug readings are stamped by the wall clock; what they show runs at --speed.",
		Example: "  telltale simulate --out farm --turbines 20 --for 720h --learning 240h\n" +
			"  telltale simulate --live mqtt://127.0.0.1:1883 --serve --config try.yaml     # a broker with a farm behind it\n" +
			"  telltale simulate --live opc.tcp://127.0.0.1:4840 --config try.yaml          # the same as an OPC UA server\n" +
			"  telltale simulate --live modbus://127.0.0.1:5020 --config try.yaml           # and as a Modbus server\n" +
			"  telltale run -c try.yaml                                                     # reads it",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.useProfile(cmd.Flags().Changed); err != nil {
				return err
			}
			if s.live != "" {
				return s.runLive(cmd.Context(), cmd.Flags().Changed, cmd.OutOrStdout())
			}
			return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&s.out, "out", "", "folder to write to; must not hold a dataset")
	f.StringVar(&s.live, "live", "", "be read over a protocol instead of writing: mqtt://, sparkplug://, opc.tcp:// or modbus:// with HOST:PORT, kafka:// with HOST:PORT/TOPIC")
	f.StringVar(&s.config, "config", "", "with --live: write the configuration by which telltale run reads the farm")
	f.BoolVar(&s.serve, "serve", false, "with --live mqtt:// or sparkplug://: start the broker too, on an address of this machine alone")
	f.BoolVar(&s.public, "public", false, "with --live: a server, which asks for no password, may be reached from other machines")
	f.IntVar(&s.turbines, "turbines", 12, "how many turbines")
	f.Uint64Var(&s.seed, "seed", 1, "of every random number")
	f.StringVar(&s.start, "start", "2026-01-01T00:00:00Z", "first event time, RFC 3339")
	f.DurationVar(&s.lasts, "for", 30*24*time.Hour, "length in event time")
	f.DurationVar(&s.waveEvery, "wave-every", 6*time.Hour, "from one vibration record of a channel to the next; negative: none")
	f.Float64Var(&s.waveSeconds, "wave-seconds", 1, "length of a vibration record")
	f.BoolVar(&s.healthy, "healthy", false, "no faults at all")
	f.DurationVar(&s.learning, "learning", 0, "commissioning span written to dataset.yaml")
	f.StringVar(&s.name, "name", "simulated-farm", "name of the dataset")
	f.DurationVar(&s.every, "telemetry-every", 10*time.Minute, "from one telemetry reading to the next, at least 10s; default with what the wall clock stamps 1m")
	f.Float64Var(&s.speed, "speed", 60, "with --live: event seconds for each second of the wall clock")
	f.StringVar(&s.profile, "profile", "", "year: extended turbines over a year, with faults that grow by several laws; empty: as the other flags say")
	f.BoolVar(&s.force, "force", false, "write into a folder that holds a dataset")
	return c
}

const profileYear = "year"

// yearLearning is the commissioning span of the profile year.
const yearLearning = 60 * 24 * time.Hour

// useProfile sets what the profile says and no flag did.
func (s *simulation) useProfile(changed func(string) bool) error {
	switch s.profile {
	case "":
		return nil
	case profileYear:
	default:
		return fmt.Errorf("%w: --profile %q: want year, or nothing", errUsage, s.profile)
	}
	if !changed("for") {
		s.lasts = 365 * 24 * time.Hour
	}
	if !changed("learning") {
		s.learning = yearLearning
	}
	return nil
}

// dayOne is how long ago the first event of a farm was that is sent with its own times: long
// enough to run ahead of the clock, and recent enough to be believed.
const dayOne = 300 * 24 * time.Hour

// runLive lets the farm be read over a protocol.
func (s *simulation) runLive(ctx context.Context, changed func(string) bool, stdout io.Writer) error {
	if s.out != "" {
		return fmt.Errorf("%w: give either --out DIR or --live URL", errUsage)
	}
	o, at, err := feedAt(s.live)
	if err != nil {
		return err
	}
	if o.wallClock && !changed("telemetry-every") {
		s.every = time.Minute
	}
	if !o.wallClock && !changed("start") {
		s.start = time.Now().UTC().Add(-dayOne).Truncate(time.Hour).Format(time.RFC3339)
	}
	l := live{at: at, turbines: s.turbines, speed: s.speed, every: s.every, serve: s.serve, public: s.public, config: s.config, force: s.force}
	if err := l.validate(o); err != nil {
		return err
	}
	if l.farm, err = s.farm(); err != nil {
		return err
	}
	l.plates = l.farm.Nameplates()
	return l.run(ctx, o, stdout)
}

func (s *simulation) run(ctx context.Context, stdout, stderr io.Writer) error {
	if s.out == "" {
		return fmt.Errorf("%w: give either --out DIR or --live URL, such as opc.tcp://127.0.0.1:4840", errUsage)
	}
	farm, err := s.farm()
	if err != nil {
		return err
	}
	return s.write(ctx, farm, stdout, stderr)
}

func (s *simulation) farm() (*simulate.Farm, error) {
	start, err := time.Parse(time.RFC3339, s.start)
	if err != nil {
		return nil, fmt.Errorf("%w: --start %q: want RFC 3339, such as 2026-01-01T00:00:00Z", errUsage, s.start)
	}
	opt := simulate.Options{
		Turbines: s.turbines, Seed: s.seed, Start: start, Duration: s.lasts, WaveEvery: s.waveEvery, WaveSeconds: s.waveSeconds,
		Healthy: s.healthy, Learning: asset.Learning{DurationS: s.learning.Seconds()}, TelemetryEvery: s.every,
	}
	if s.profile == profileYear {
		opt.Extended = true
		if opt.Faults = simulate.YearScenario(opt); s.healthy {
			opt.Faults = nil
		}
	}
	return simulate.New(opt)
}

// write stores the farm as a dataset folder.
func (s *simulation) write(ctx context.Context, farm *simulate.Farm, stdout, stderr io.Writer) error {
	if _, err := os.Stat(s.out + "/dataset.yaml"); err == nil && !s.force {
		return fmt.Errorf("%s holds a dataset: use --force to overwrite it, or another --out", s.out)
	}
	out, err := dataset.NewWriter(s.out, dataset.Set{
		Name: s.name, Title: "Simulated wind farm", Assets: farm.Nameplates(),
		Note: fmt.Sprintf("simulator version %s, seed %d, %d turbines; nothing here was measured", simulate.Version, s.seed, s.turbines),
	})
	if err != nil {
		return err
	}
	defer out.Discard()
	said, readings := time.Now(), 0
	rec := recorder{out: out, records: map[string]*dataset.Record{}}
	for {
		r, ok := farm.Next()
		if !ok {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := rec.add(r); err != nil {
			return err
		}
		if readings++; time.Since(said) > linesEvery {
			said = time.Now()
			fmt.Fprintf(stderr, "event time %s, %d readings\n", r.Time.Format(time.DateTime), readings)
		}
	}
	if err := out.Close(labels(farm.Labels()), farmReadme(s)); err != nil {
		return err
	}
	if err := writeLines(s.out+"/truth.ndjson", truths(farm.Labels())); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %d turbines, %d readings, %d labels\n", s.out, s.turbines, readings, len(farm.Labels()))
	return err
}

// countScale is the resolution of the recorder's converter in the channel's unit.
const countScale = 5e-4

// recorder puts the blocks of a record together again.
type recorder struct {
	out     *dataset.Writer
	records map[string]*dataset.Record
}

func (c *recorder) add(r asset.Reading) error {
	if len(r.Points) > 0 {
		if err := c.out.Points(r.Asset, r.Time, r.Points); err != nil {
			return err
		}
	}
	if r.Event != nil {
		if err := c.out.Event(r.Asset, r.Time, *r.Event); err != nil {
			return err
		}
	}
	w := r.Wave
	if w == nil {
		return nil
	}
	key := string(r.Asset) + "/" + w.Channel
	if w.First || c.records[key] == nil {
		c.records[key] = &dataset.Record{Asset: r.Asset, Channel: w.Channel, Start: w.Start, RateHz: w.RateHz, Unit: w.Unit, Quality: w.Quality, Scale: countScale}
	}
	rec := c.records[key]
	for _, x := range w.Samples {
		rec.Counts = append(rec.Counts, int32(math.Round(float64(x)/countScale)))
	}
	if !w.Last {
		return nil
	}
	delete(c.records, key)
	return c.out.Wave(*rec)
}

func labels(from []simulate.Label) []dataset.Label {
	out := make([]dataset.Label, len(from))
	for i, l := range from {
		out[i] = dataset.Label{Asset: l.Asset, Component: l.Component, Mode: l.Mode, Kind: l.Kind, Start: l.Start, End: l.End}
	}
	return out
}

func farmReadme(s *simulation) string {
	return fmt.Sprintf("# %s\n\nSimulated by telltale simulate, version %s of the simulator: %d turbines, seed %d, from %s for %s.\nNothing here was measured. Free to use (CC0).\n",
		s.name, simulate.Version, s.turbines, s.seed, s.start, s.lasts)
}

// truthLine is a line of truth.ndjson: what labels.csv has no column for.
type truthLine struct {
	Asset       asset.ID   `json:"asset"`
	Component   string     `json:"component"`
	Mode        asset.Mode `json:"mode"`
	Kind        string     `json:"kind"`
	TOnset      time.Time  `json:"t_onset"`
	TDetectable time.Time  `json:"t_detectable"`
	TFailure    time.Time  `json:"t_failure,omitzero"`
}

func truths(from []simulate.Label) []truthLine {
	var out []truthLine
	for _, l := range from {
		if l.Kind == "failure" || l.Kind == "fault" {
			out = append(out, truthLine{l.Asset, l.Component, l.Mode, l.Kind, l.Onset, l.Detectable, l.Failure})
		}
	}
	return out
}
