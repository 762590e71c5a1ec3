package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/ingest/spool"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/workorders"
)

func runCommand() *cobra.Command {
	var path, name string
	c := &cobra.Command{
		Use: "run -c FILE", Short: "The service: readings in, work orders out, the page beside",
		Long: "Runs the flow on an MQTT broker's messages, forwards work orders to the ERP and serves API and page.\n" +
			"SIGTERM drains, commits and exits 0. SIGHUP reads the file again; a bad file leaves the old one in force.\n\n" +
			"  --role all      everything in one process\n" +
			"  --role gateway  carries the readings of the sources to a cluster, by way of a spool on disk\n" +
			"  --role process  the flow alone, on partitions of a Kafka topic that it shares with others of its role\n" +
			"  --role serve    API, page and orders alone, beside processes on the same store",
		Example: "  telltale run -c deploy/examples/telltale.yaml\n  telltale run -c deploy/examples/gateway.yaml --role gateway",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return fmt.Errorf("%w: -c is missing: name the configuration file", errUsage)
			}
			r, err := roleNamed(name)
			if err != nil {
				return err
			}
			return serveConfig(cmd.Context(), r, path, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&name, "role", defaultRole, "what this process does")
	c.Flags().StringVarP(&path, "config", "c", "", "configuration file (required)")
	return c
}

func checkCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "check -c FILE", Short: "Validate a configuration: every error at once, with its line",
		Example: "  telltale check -c deploy/examples/telltale.yaml",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return fmt.Errorf("%w: -c is missing: name the configuration file", errUsage)
			}
			w, _, err := wireConfig(path)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: good: %d asset(s)\n", path, len(w.ids))
			return err
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration file (required)")
	return c
}

// wireConfig reads a file and builds every line of it once.
func wireConfig(path string) (*works, *config, error) {
	conf, err := readConfig(path)
	if err != nil {
		return nil, nil, err
	}
	classes, err := class.Shipped()
	if err != nil {
		return nil, nil, err
	}
	if err := conf.addClasses(classes); err != nil {
		return nil, nil, err
	}
	w := newWorks(classes, conf.Assets)
	if conf.Base != "" {
		if w.baselines, err = readBaselines(conf.Base); err != nil {
			return nil, nil, err
		}
	}
	return w, conf, w.check()
}

// errReload ends a round of the service so that the next one works by the new file.
var errReload = errors.New("configuration changed")

// serveConfig serves by a file until ctx ends, again after each good reload.
func serveConfig(ctx context.Context, r role, path string, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		w, conf, err := r.wire(path)
		if err != nil {
			return err
		}
		round, stop := context.WithCancelCause(ctx)
		go reload(round, r, path, hup, stop, log)
		err = r.round(round, w, conf, log, stdout)
		stop(nil)
		if !errors.Is(context.Cause(round), errReload) {
			return err
		}
		log.Info("configuration read again", "file", path)
	}
}

// reload waits for SIGHUP or a change of the file; a file that does not hold is
// reported and changes nothing.
func reload(ctx context.Context, r role, path string, hup <-chan os.Signal, stop context.CancelCauseFunc, log *slog.Logger) {
	age := func() time.Time {
		if info, err := os.Stat(path); err == nil {
			return info.ModTime()
		}
		return time.Time{}
	}
	seen := age()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-tick.C:
			if now := age(); now.IsZero() || now.Equal(seen) {
				continue
			}
		}
		seen = age()
		if _, _, err := r.wire(path); err != nil {
			log.Error("configuration refused, the old one stays in force", "error", oneLine(err))
			continue
		}
		stop(errReload)
		return
	}
}

// openServiceOf makes the service of a configuration: its models, its store. close ends
// them.
func openServiceOf(ctx context.Context, w *works, conf *config, shards int, log *slog.Logger) (_ *service, end func(), err error) {
	if err := spool.MakeFolder(conf.Data); err != nil {
		return nil, nil, err
	}
	conf.Models.Repository = cmp.Or(conf.Models.Repository, filepath.Join(conf.Data, "models"))
	repo, err := openRepository(ctx, conf.Models, log)
	if err != nil {
		return nil, nil, err
	}
	if w.learned, err = useLearned(ctx, repo, w.plates, w.classes); err != nil {
		return nil, nil, err
	}
	use, err := w.useModels(ctx, inUse{repo: repo, library: conf.Models.ONNXRuntime, stages: inService, shards: shards, log: log})
	if err != nil {
		return nil, nil, err
	}
	db, err := openStore(ctx, conf, shards, w.order, log)
	if err != nil {
		use.Close()
		return nil, nil, err
	}
	s := newService(w, db, log)
	s.batch = pipeline.Batch{Eager: true}
	s.shards = shards
	s.retention = cmp.Or(conf.Store.Retention, defaultRetention)
	s.pollModels = conf.Models.poll()
	s.status = api.Status{Version: version, Notes: w.shortcomings()}
	if s.evidence, err = openEvidence(ctx, conf, s.metric, log); err != nil {
		db.Close() //nolint:errcheck,gosec // nothing was committed
		use.Close()
		return nil, nil, err
	}
	return s, func() {
		s.evidence.Close()
		db.Close() //nolint:errcheck,gosec // everything committed is on disk already
		use.Close()
	}, nil
}

// serveOnce is one round of the service.
func serveOnce(ctx context.Context, w *works, conf *config, log *slog.Logger, stdout io.Writer) error {
	s, end, err := openServiceOf(ctx, w, conf, cmp.Or(conf.Shards, defaultShards), log)
	if err != nil {
		return err
	}
	defer end()
	shards, next, through, err := s.claim(ctx)
	if err != nil {
		return err
	}
	if s.intake, err = openIntake(ctx, conf, next, through, true, log); err != nil {
		return err
	}
	defer s.intake.Close()
	return s.present(ctx, conf, stdout, func(ctx context.Context) error { return s.flow(ctx, s.intake, shards) })
}

// present serves API, page and orders beside what feed does.
func (s *service) present(ctx context.Context, conf *config, stdout io.Writer, feed func(context.Context) error) error {
	erp, name, err := newERP(conf.ERP)
	if err != nil {
		return err
	}
	if s.token, err = secret(conf.API.TokenFile); err != nil {
		return fmt.Errorf("api.token_file: %w", err)
	}
	opt := workorders.Options{HoldUnknown: conf.ERP.HoldUnknown, Log: s.log}
	return s.serve(ctx, cmp.Or(conf.Listen, "127.0.0.1:8080"), feed, erp, name, opt, func(url string) {
		fmt.Fprintf(stdout, "telltale: listening on %s, %d asset(s), ERP: %s\n", url, len(s.w.ids), cmp.Or(name, "none"))
	})
}

// shortcomings say what a reader of the page has to know.
func (w *works) shortcomings() []string {
	if !w.use.any() {
		return []string{"No learned view: no model is in use. Physics and rules judge alone."}
	}
	return nil
}
