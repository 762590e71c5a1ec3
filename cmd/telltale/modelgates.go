package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
	"github.com/telltale-iot/telltale/store"
)

// modelGates holds a candidate against the version in production.
type modelGates struct {
	modelReplay
	data  string
	since time.Duration
	opt   models.GateOptions
}

func (m *modelShelf) gates() *cobra.Command {
	g := modelGates{modelReplay: modelReplay{modelShelf: m}}
	cmd := &cobra.Command{
		Use: "gates VERSION", Short: "Say whether a version in shadow or canary may go on",
		Long: "Compares what VERSION and the version in production answered to the same sequences, as the service kept it in\n" +
			"--data, measures the time of an answer here, and replays --episodes. A gate that cannot tell yet does not pass.\n" +
			"Ends with 1 unless every gate is passed.",
		Example: "  telltale model gates drivetrain-lstm:2 --data data --episodes episodes", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := g.report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := g.print(cmd.OutOrStdout(), report); err != nil {
				return err
			}
			if err := g.remember(cmd.Context(), report); err != nil {
				return err
			}
			return passed(report.Gates)
		},
	}
	g.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&g.data, "data", "data", servicePlace)
	f.StringVar(&g.against, "against", "", "the version to hold it against; default the one in production")
	f.DurationVar(&g.since, "since", 28*24*time.Hour, "how far to look back from the newest score")
	f.Float64Var(&g.opt.Days, "days", 14, "days of event time on which both have to have scored")
	f.Float64Var(&g.opt.Rate, "rate", 0.2, "by how much the alarm rate may differ")
	f.DurationVar(&g.opt.P99, "p99", 50*time.Millisecond, "that 99 % of the answers may take")
	return cmd
}

func (g *modelGates) report(ctx context.Context, ref string) (models.GateReport, error) {
	repo := g.modelShelf.open()
	candidate, file, err := repo.Get(ctx, ref)
	if err != nil {
		return models.GateReport{}, err
	}
	if g.against == "" {
		g.against = candidate.Name
	}
	old, _, err := repo.Get(ctx, g.against)
	if err != nil {
		return models.GateReport{}, err
	}
	if old.Digest == candidate.Digest {
		return models.GateReport{}, fmt.Errorf("%s is in production itself: name another version, or hold it --against one", candidate.Ref())
	}
	var t models.Trial
	if t.Old, t.New, err = g.scores(ctx, old.Digest, candidate.Digest); err != nil {
		return models.GateReport{}, err
	}
	if t.P99, err = answerTime(ctx, file, g.library); err != nil && !errors.Is(err, models.ErrNoRuntime) {
		return models.GateReport{}, fmt.Errorf("%s: %w", candidate.Ref(), err)
	}
	if g.episodes != "" {
		replay, err := g.run(ctx, ref)
		if err != nil {
			return models.GateReport{}, err
		}
		t.Replay = &replay
	}
	report := models.Judge(t, g.opt)
	report.Old, report.New = old.Ref(), candidate.Ref()
	return report, nil
}

// remember notes with the version what the gates said: a promotion asks for it.
func (g *modelGates) remember(ctx context.Context, r models.GateReport) error {
	repo := g.modelShelf.open()
	old, _, err := repo.Show(ctx, r.Old)
	if err != nil {
		return err
	}
	text := passedAgainst(old.Digest) + " on scores to " + r.To.UTC().Format(time.RFC3339)
	for _, gate := range r.Gates {
		if gate.Verdict != models.GatePass {
			text = fmt.Sprintf("not passed against %s: %s %s", old.Ref(), gate.Name, gate.Verdict)
			break
		}
	}
	_, err = repo.Annotate(ctx, r.New, gatesNote, text, g.by)
	return err
}

// scores reads what the service kept of both versions.
func (g *modelGates) scores(ctx context.Context, old, candidate string) (before, after []asset.Score, err error) {
	db, err := openService(ctx, g.data)
	if err != nil {
		return nil, nil, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	newest, err := db.NewestScore(ctx, candidate)
	if err != nil || newest.IsZero() {
		return nil, nil, err
	}
	err = db.EachScore(ctx, store.ScoreFilter{Digests: []string{old, candidate}, From: newest.Add(-g.since), To: newest}, func(s asset.Score) error {
		if s.Digest == old {
			before = append(before, s)
		} else {
			after = append(after, s)
		}
		return nil
	})
	return before, after, err
}

// timedAnswers is enough for the 99th percentile.
const timedAnswers = 1000

// answerTime measures the 99th percentile of an answer to one sequence, here.
func answerTime(ctx context.Context, file []byte, library string) (time.Duration, error) {
	runner, err := onnx.OpenBytes(file, onnx.Options{Library: library, Prover: prover(library)})
	if err != nil {
		return 0, err
	}
	defer runner.Close() //nolint:errcheck // it was only asked
	var values []float32
	c := runner.Contract()
	for i := range c.Window { // the self-test may be of another length
		for _, v := range c.SelfTest.Input[i%len(c.SelfTest.Input)] {
			values = append(values, float32(v))
		}
	}
	took := make([]time.Duration, timedAnswers)
	for i := range took {
		began := time.Now()
		if _, err := runner.Run(ctx, []models.Row{{Values: values}}); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[timedAnswers*99/100], nil
}

func (g *modelGates) print(to io.Writer, r models.GateReport) error {
	if g.json {
		return printJSON(to, r)
	}
	fmt.Fprintf(to, "%s beside %s, %s to %s, rank correlation of the scores %s\n\n", r.New, r.Old, clock(r.From), clock(r.To), figure(r.Rank))
	return showGates(to, r.Gates)
}
