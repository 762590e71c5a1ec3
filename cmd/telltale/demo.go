package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/simulate"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sandbox"
)

// demo is a simulated wind farm with everything that a real one would need, in
// one process.
type demo struct {
	turbines int
	speed    float64
	seed     uint64
	listen   string
	data     string
	onnx     string
	lasts    time.Duration
}

// demoWaveEvery thins the waveforms: one record an hour instead of one in ten minutes.
const demoWaveEvery = time.Hour

func demoCommand() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use: "demo", Short: "A simulated wind farm, from the sensors to the work orders, in one process",
		Long: "Simulates turbines with growing faults at accelerated event time, sends their readings over an embedded MQTT\n" +
			"broker through the whole flow and into a sandbox ERP, and shows it on a page. Needs no server, no config, no\n" +
			"network. Started again on the same --data, it goes on where it stopped.",
		Example: "  telltale demo\n  telltale demo --turbines 30 --speed 1200 --listen 127.0.0.1:9000",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.IntVar(&d.turbines, "turbines", 12, "how many turbines")
	f.Float64Var(&d.speed, "speed", 3600, "event seconds for each second of the wall clock")
	f.Uint64Var(&d.seed, "seed", 1, "of the simulation")
	f.StringVar(&d.listen, "listen", "127.0.0.1:8080", "address of the page")
	f.StringVar(&d.data, "data", filepath.Join("data", "demo"), "folder that keeps everything")
	f.StringVar(&d.onnx, "onnxruntime", "", "path of the ONNX Runtime library")
	f.DurationVar(&d.lasts, "for", 0, "end by itself after this long; 0: never")
	return c
}

func (d *demo) run(ctx context.Context, stdout, stderr io.Writer) error {
	if d.turbines < 1 || d.turbines > 500 {
		return fmt.Errorf("%w: --turbines %d: 1 to 500", errUsage, d.turbines)
	}
	if d.speed <= 0 || d.speed > 1e5 {
		return fmt.Errorf("%w: --speed %g: above 0, at most 100000", errUsage, d.speed)
	}
	if d.lasts > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, d.lasts)
		defer stop()
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if err := os.MkdirAll(d.data, 0o755); err != nil { //nolint:gosec // a demo's data is no secret
		return err
	}
	farm, err := simulate.New(d.farm())
	if err != nil {
		return err
	}
	w, closeModels, err := d.works(ctx, farm, log)
	if err != nil {
		return err
	}
	defer closeModels()
	db, err := openFile(ctx, storePath(d.data), w.order)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // everything committed is on disk already
	if err := d.same(ctx, db); err != nil {
		return err
	}
	s := newService(w, db, log)
	s.pollModels = time.Second // an hour of the farm
	s.batch = pipeline.Batch{Eager: true, Span: time.Hour}
	s.status = api.Status{Speed: d.speed, Version: version, Notes: d.notes(w)}
	return d.play(ctx, stdout, s, farm)
}

func (d *demo) farm() simulate.Options {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return simulate.Options{Turbines: d.turbines, Seed: d.seed, Start: start, WaveEvery: demoWaveEvery, Faults: simulate.DemoScenario(d.turbines, d.seed, start)}
}

// works wires the shipped classes, baselines and model.
func (d *demo) works(ctx context.Context, farm *simulate.Farm, log *slog.Logger) (*works, func(), error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, nil, err
	}
	w := newWorks(classes, farm.Nameplates())
	if w.baselines, err = shippedBaselines(); err != nil {
		return nil, nil, err
	}
	repo, err := openRepository(ctx, modelsConfig{Repository: filepath.Join(d.data, "models")}, log)
	if err != nil {
		return nil, nil, err
	}
	if err := shipModels(ctx, repo, d.onnx); err != nil {
		log.Warn("no learned view", "error", err)
	}
	use, err := w.useModels(ctx, inUse{repo: repo, library: d.onnx, stages: inService, log: log})
	if err != nil {
		return nil, nil, err
	}
	if err := w.check(); err != nil {
		use.Close()
		return nil, nil, err
	}
	return w, use.Close, nil
}

// same refuses a data folder of a demo with other turbines.
func (d *demo) same(ctx context.Context, db store.Store) error {
	id := fmt.Sprintf("demo turbines=%d seed=%d simulator=%s", d.turbines, d.seed, simulate.Version)
	have, err := db.Meta(ctx, "run")
	switch {
	case err != nil:
		return err
	case have == "":
		return db.SetMeta(ctx, "run", id)
	case have != id:
		return fmt.Errorf("%s holds %q, this is %q: choose another --data, or remove it", d.data, have, id)
	}
	return nil
}

func (d *demo) notes(w *works) []string {
	return append([]string{
		fmt.Sprintf("Simulated wind farm, version %s of the simulator, seed %d: no real machine is watched.", simulate.Version, d.seed),
		"Commissioned from shipped baselines, learned on simulated healthy turbines.",
		"Waveforms are thinned to one record of one second every hour.",
	}, w.shortcomings()...)
}

// play runs the farm, the broker, the flow, the forwarder and the page until ctx ends.
func (d *demo) play(ctx context.Context, stdout io.Writer, s *service, farm *simulate.Farm) error {
	erp, err := sandbox.Open(filepath.Join(d.data, "sandbox-erp.jsonl"), sandbox.Options{})
	if err != nil {
		return err
	}
	defer erp.Close() //nolint:errcheck // every order is on disk already
	s.mounts = map[string]http.Handler{"/erp/": http.StripPrefix("/erp", erp)}
	broker, err := mqtt.NewBroker("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer broker.Close() //nolint:errcheck // nothing is kept in it
	shards, next, through, err := s.claim(ctx)
	if err != nil {
		return err
	}
	farm.SkipTo(through.Add(-time.Hour)) // what was under way is sent again; what is known already has no effect
	src, err := mqtt.Open(ctx, mqtt.Options{Config: mqtt.Config{URL: broker.URL(), ClientID: "telltale-demo"}, Base: next})
	if err != nil {
		return err
	}
	defer src.Close()
	if err := src.Connected(ctx); err != nil { // what is published before is nobody's
		return quiet(err)
	}
	addr := "http://" + d.listen
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return publish(ctx, farm, broker.URL(), d.speed) })
	g.Go(func() error {
		client := sandbox.NewClient(addr+"/erp", &http.Client{Timeout: 10 * time.Second})
		opt := workorders.Options{Poll: time.Second, HoldUnknown: 30 * time.Second, Log: s.log}
		return s.serve(ctx, d.listen, func(ctx context.Context) error { return s.flow(ctx, src, shards) }, client, "sandbox", opt, func(url string) {
			fmt.Fprintf(stdout, "telltale demo: listening on %s (page), %s/erp/ (sandbox ERP); event time runs %gx\n", url, url, d.speed)
		})
	})
	return quiet(g.Wait())
}
