package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/pipeline"
)

// learning is one run of "telltale learn".
type learning struct {
	dir, repo, config  string
	leaveOut, json     bool
	from, to           string
	works              *works
	historians         map[asset.ID]*historian
	labels             []dataset.Label
	progress           *progress
	pushed             []learnedSet
	quiet              bool
	regressions        map[string]*fleetFit // by law; while a class is learned
	datasetDescription string
	shelf              modelsConfig // how the repository is reached
	source             *dataset.Set
	span               dataset.ReplayOptions
}

// learnedSet is a line of what the command prints.
type learnedSet struct {
	Version string   `json:"version"`
	Digest  string   `json:"digest"`
	Class   string   `json:"class"`
	Without asset.ID `json:"without,omitempty"`
	Lives   int      `json:"lives"`          // that ended in a failure, of the law with the most
	Limits  int      `json:"limits"`         // features
	Told    string   `json:"told,omitempty"` // which knowledge of lives and cracks the laws are told
	Note    string   `json:"note,omitempty"` // what could not be learned, and why

	Calibration string `json:"calibration"` // of the fused risk: expert is by hand
}

func learnCommand() *cobra.Command {
	var l learning
	c := &cobra.Command{
		Use: "learn DIR --repo R", Short: "Learn from labelled history what earlier lives looked like",
		Long: "Sends a dataset folder through the flow, reads its labels, and stores one parameter set for each class in the\n" +
			"repository: the level at which parts failed, the paths that led there, how long they lived, how measured cracks\n" +
			"grew, and what healthy machines reach. backtest and run use it when they are given the same repository. With --leave-one-out there is\n" +
			"a further set for each labelled asset that knows nothing of it, and backtest judges that asset by it.",
		Example: "  telltale learn data/femto --repo data/models --leave-one-out\n  telltale backtest data/femto --repo data/models --out out/femto",
		Args:    exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.dir = args[0]
			return l.run(cmd)
		},
	}
	f := c.Flags()
	f.StringVar(&l.repo, "repo", "", "repository to store the sets in (required)")
	f.BoolVar(&l.leaveOut, "leave-one-out", false, "also a set without each labelled asset, for judging it fairly")
	f.StringVarP(&l.config, "config", "c", "", "configuration file: its classes are used")
	f.StringVar(&l.from, "from", "", "first event time, RFC 3339")
	f.StringVar(&l.to, "to", "", "last event time, RFC 3339")
	f.BoolVar(&l.json, "json", false, "print JSON")
	f.BoolVarP(&l.quiet, "quiet", "q", false, "no progress")
	return c
}

func (l *learning) run(cmd *cobra.Command) error {
	if l.repo == "" {
		return fmt.Errorf("%w: --repo is missing: name the repository to store the sets in", errUsage)
	}
	span, err := (&backtest{from: l.from, to: l.to}).span()
	if err != nil {
		return err
	}
	set, err := dataset.Open(l.dir)
	if err != nil {
		return err
	}
	l.source, l.span = set, span
	if l.labels, err = dataset.Labels(l.dir); err != nil {
		return err
	}
	if len(l.labels) == 0 {
		return fmt.Errorf("%s has no labels.csv with a line in it: nothing is known of what became of its machines", l.dir)
	}
	l.datasetDescription = cmp.Or(set.Name, l.dir)
	if l.works, err = l.classes(set); err != nil {
		return err
	}
	if err := l.works.check(); err != nil {
		return err
	}
	l.progress = newProgress(cmd.ErrOrStderr(), l.quiet)
	if err := l.flow(cmd.Context(), set, span); err != nil {
		return err
	}
	if err := cmd.Context().Err(); err != nil {
		return fmt.Errorf("stopped, nothing was stored: %w", err)
	}
	if err := l.learn(cmd.Context()); err != nil {
		return err
	}
	return l.print(cmd)
}

func (l *learning) classes(set *dataset.Set) (*works, error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, err
	}
	if l.config != "" {
		conf, err := readPartConfig(l.config)
		if err != nil {
			return nil, err
		}
		if err := conf.addClasses(classes); err != nil {
			return nil, err
		}
		l.shelf = conf.Models
	}
	return newWorks(classes, set.Assets), nil
}

// flow sends the folder through the stages up to where the twins would be: a
// historian stands in for each.
func (l *learning) flow(ctx context.Context, set *dataset.Set, span dataset.ReplayOptions) error {
	l.historians = map[asset.ID]*historian{}
	for _, id := range l.works.ids {
		plate := l.works.plates[id]
		r, err := newHistorian(l.works.classes.Of(plate.Kind), plate, l.labels)
		if err != nil {
			return err
		}
		l.historians[id] = r
	}
	span.Refuse = l.progress.refused
	replay, err := set.Replay(span)
	if err != nil {
		return err
	}
	defer replay.Close()
	var shards []*pipeline.Shard
	for i := range int32(backtestShards) {
		lines := l.works.plant()
		s, err := pipeline.NewShard(i, 0, 0, func(id asset.ID) (*pipeline.Line, bool) {
			line, ok := lines(id)
			if ok {
				line.Twin = l.historians[id]
			}
			return line, ok
		}, nil, nil)
		if err != nil {
			return err
		}
		shards = append(shards, s)
	}
	f := pipeline.Flow{Source: replay, Keeper: forgetful{}, Shards: shards, Batch: pipeline.Batch{Span: 24 * time.Hour}, Kept: l.progress.kept}
	err = f.Run(ctx)
	l.progress.done()
	return err
}

// forgetful keeps nothing: what is learned is taken by the historians on the way.
type forgetful struct{}

// Keep drops the effects.
func (forgetful) Keep(context.Context, pipeline.Effects) error { return nil }

// learn makes the sets of every class and stores them.
func (l *learning) learn(ctx context.Context) error {
	kinds := map[string][]*historian{}
	for _, id := range slices.Sorted(slices.Values(l.works.ids)) {
		r := l.historians[id]
		kinds[r.class.Kind] = append(kinds[r.class.Kind], r)
	}
	l.shelf.Repository = l.repo
	repo, err := openRepository(ctx, l.shelf, slog.Default())
	if err != nil {
		return err
	}
	by := models.By{Who: doer(), Reason: "learned from " + l.datasetDescription}
	for _, kind := range sortedKeys(kinds) {
		fleet := kinds[kind]
		l.regressions = l.fit(fleet)
		calibration, err := l.calibrate(ctx, kind, fleet)
		if err != nil {
			return err
		}
		without := []asset.ID{""}
		for _, r := range fleet {
			if l.leaveOut && len(r.labels) > 0 {
				without = append(without, r.plate.ID)
			}
		}
		for _, id := range without {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("stopped: %d set(s) were stored: %w", len(l.pushed), err)
			}
			p := l.set(kind, fleet, id)
			p.Calibration = calibration(id)
			body, err := json.Marshal(p)
			if err != nil {
				return fmt.Errorf("parameters of %s: %w", kind, err)
			}
			v, err := repo.PushParams(ctx, paramsName, kind, id, body, by)
			if err != nil {
				return err
			}
			l.pushed = append(l.pushed, learnedSet{v.Ref(), v.Digest, kind, id, p.lives(), len(p.Limits), p.told(), lacking(fleet, id), p.Calibration.Method})
		}
	}
	return nil
}

// set is what the fleet teaches when one asset of it is not listened to.
func (l *learning) set(kind string, fleet []*historian, without asset.ID) parameterSet {
	p := parameterSet{
		Class: kind, Without: without, Dataset: l.datasetDescription, Assets: []asset.ID{},
		Growth: map[string]growthLearn{}, Limits: map[string]limitLearn{}, Regressions: map[string]regressionLearn{},
	}
	var rest []*historian
	for _, r := range fleet {
		if r.plate.ID != without && len(r.labels) > 0 {
			rest = append(rest, r)
			p.Assets = append(p.Assets, r.plate.ID)
		}
	}
	lives := map[string][]growthLife{}
	for _, r := range rest {
		for _, g := range r.growths {
			lives[g.law] = append(lives[g.law], growthLife{r, g})
		}
	}
	for _, law := range sortedKeys(lives) {
		if g := learnGrowth(lives[law]); g.Lives > 0 {
			p.Growth[law] = g
		}
	}
	for _, law := range sortedKeys(l.regressions) {
		if fit, ok := l.regressions[law].without(without); ok {
			p.Regressions[law] = fit
		}
	}
	p.Cracks = learnCracks(rest)
	for key, s := range healthySketches(rest) {
		p.Limits[key] = s.limit()
	}
	return p
}

// told names the knowledge that the growth and crack laws are told.
func (p parameterSet) told() string {
	var out []string
	for _, law := range sortedKeys(p.Growth) {
		if t := p.Growth[law].Told; t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	for _, law := range sortedKeys(p.Cracks) {
		out = append(out, fmt.Sprintf("%d cracks", p.Cracks[law].Cracks))
	}
	return strings.Join(out, "; ")
}

// lacking says what a fleet has too few failures for; empty when it has enough, or
// no law that learns of them.
func lacking(fleet []*historian, without asset.ID) string {
	places, failed := 0, 0
	for _, r := range fleet {
		if r.plate.ID == without {
			continue
		}
		for _, g := range r.growths {
			places++
			if _, ok := r.failure(g.component); ok {
				failed++
			}
		}
	}
	switch {
	case places == 0 || failed > fewestPaths:
		return ""
	case failed == 0:
		return fmt.Sprintf("no failure is labelled among %d life(s): no level, life or path was learned", places)
	}
	return fmt.Sprintf("%d failure(s) among %d life(s), and %d are wanted to compare lives: only the level at failure was learned", failed, places, fewestPaths+1)
}

func (p parameterSet) lives() int {
	n := 0
	for _, g := range p.Growth {
		n = max(n, g.Lives)
	}
	for _, r := range p.Regressions {
		n = max(n, r.Lives)
	}
	return n
}

func (l *learning) print(cmd *cobra.Command) error {
	if l.json {
		return printJSON(cmd.OutOrStdout(), l.pushed)
	}
	var rows [][]string
	for _, s := range l.pushed {
		rows = append(rows, []string{s.Version, s.Class, string(s.Without), fmt.Sprint(s.Lives), s.Told, fmt.Sprint(s.Limits), s.Calibration, s.Digest[:min(12, len(s.Digest))]})
	}
	if err := table(cmd.OutOrStdout(), []string{"VERSION", "CLASS", "WITHOUT", "FAILED LIVES", "TOLD", "LIMITS", "CALIBRATION", "DIGEST"}, rows); err != nil {
		return err
	}
	for _, s := range l.pushed {
		if s.Note != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", s.Version, s.Note)
		}
	}
	return nil
}
