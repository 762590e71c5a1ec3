package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// errGates ends a command with 1 when a candidate must not go on.
var errGates = errors.New("not every gate is passed")

// modelReplay scores labelled episodes with two versions.
type modelReplay struct {
	*modelShelf
	against, episodes, library string
	opt                        models.ReplayOptions
}

func (m *modelShelf) replay() *cobra.Command {
	r := modelReplay{modelShelf: m}
	cmd := &cobra.Command{
		Use: "replay VERSION --against VERSION --episodes DIR", Short: "Hold a version against another on labelled episodes",
		Long: "Scores the labelled features in DIR (as export-training writes them) with both versions and compares which faults\n" +
			"each detects, how long before the end, and how often it cries on healthy machines. Ends with 1 unless it is shown\n" +
			"that VERSION is not worse: fewer than 5 episodes show nothing. The result carries the SHA-256 of the folder.",
		Example: "  telltale model replay drivetrain-lstm:2 --against drivetrain-lstm --episodes episodes", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.episodes == "" || r.against == "" {
				return fmt.Errorf("%w: want --against VERSION and --episodes DIR", errUsage)
			}
			result, err := r.run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := r.show(cmd.OutOrStdout(), result); err != nil {
				return err
			}
			return passed(result.Gates)
		},
	}
	cmd.Flags().StringVar(&r.against, "against", "", "the version to hold it against (required)")
	r.flags(cmd)
	return cmd
}

func (r *modelReplay) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.episodes, "episodes", "", "folder of labelled features")
	f.StringVar(&r.library, "onnxruntime", "", "path of the ONNX Runtime library")
	f.IntVar(&r.opt.M, "alarm-m", 4, "abnormal scores that make an alarm, of the last --alarm-n")
	f.IntVar(&r.opt.N, "alarm-n", 6, "scores that are looked at")
	f.Float64Var(&r.opt.Detection, "margin-detection", 0.05, "share of the episodes that may be lost")
	f.Float64Var(&r.opt.Lead, "margin-lead", 0.1, "share of the lead that may be lost")
}

// passed is an error unless every gate is passed.
func passed(gates []models.Gate) error {
	if models.Passed(gates) {
		return nil
	}
	n := 0
	for _, g := range gates {
		if g.Verdict == models.GatePass {
			n++
		}
	}
	return fmt.Errorf("%w: %d of %d", errGates, n, len(gates))
}

func (r *modelReplay) run(ctx context.Context, ref string) (models.Replay, error) {
	if r.opt.M < 1 || r.opt.N < r.opt.M {
		return models.Replay{}, fmt.Errorf("%w: alarm of %d in %d scores: want 1 ≤ --alarm-m ≤ --alarm-n", errUsage, r.opt.M, r.opt.N)
	}
	sides, err := r.open(ctx, ref)
	if err != nil {
		return models.Replay{}, err
	}
	defer sides.close() //nolint:errcheck // they were only asked
	digest, err := folderDigest(r.episodes)
	if err != nil {
		return models.Replay{}, err
	}
	assets, err := readLabelled(r.episodes, sides.old.Contract, sides.candidate.Contract)
	if err != nil {
		return models.Replay{}, err
	}
	var before, after []asset.Score
	var episodes []models.Episode
	for _, id := range sortedKeys(assets) {
		scores, err := sides.score(ctx, assets[id])
		if err != nil {
			return models.Replay{}, err
		}
		before, after = append(before, scores[0]...), append(after, scores[1]...)
		episodes = append(episodes, assets[id].episodes(sides.old.Contract.Component)...)
	}
	byTime := func(a, b asset.Score) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Asset, b.Asset)) }
	slices.SortStableFunc(before, byTime)
	slices.SortStableFunc(after, byTime)
	result := models.CompareReplay(episodes, before, after, r.opt)
	result.Digest = digest
	result.Old.Model, result.Old.Digest = sides.refs[0], sides.old.Contract.Digest
	result.New.Model, result.New.Digest = sides.refs[1], sides.candidate.Contract.Digest
	return result, nil
}

// replaySides are the two versions, open.
type replaySides struct {
	old, candidate models.Model
	refs           [2]string
}

func (r *modelReplay) open(ctx context.Context, ref string) (*replaySides, error) {
	repo := r.modelShelf.open()
	s := &replaySides{}
	for i, to := range []*models.Model{&s.old, &s.candidate} {
		v, file, err := repo.Get(ctx, []string{r.against, ref}[i])
		if err == nil && v.Kind != "model" {
			err = fmt.Errorf("%s is a parameter set: only models score", v.Ref())
		}
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		runner, err := onnx.OpenBytes(file, onnx.Options{Library: r.library, Prover: prover(r.library)})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", v.Ref(), err), s.close())
		}
		to.Contract, to.Runner, s.refs[i] = runner.Contract(), runner, v.Ref()
	}
	a, b := s.old.Contract, s.candidate.Contract
	if a.Class != b.Class || a.Component != b.Component || a.Digest == b.Digest {
		err := fmt.Errorf("%s serves %s/%s, %s serves %s/%s: want two files for the same", s.refs[0], a.Class, a.Component, s.refs[1], b.Class, b.Component)
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *replaySides) close() error {
	var errs []error
	for _, m := range []models.Model{s.old, s.candidate} {
		if m.Runner != nil {
			errs = append(errs, m.Runner.Close())
		}
	}
	return errors.Join(errs...)
}

// borrowed is a runner that its line-up does not close.
type borrowed struct{ models.Runner }

func (borrowed) Close() error { return nil }

// inPlace is a version in production that no repository put there.
func inPlace(ref string, c models.Contract) models.Placement {
	name, version, _ := strings.Cut(ref, ":")
	return models.Placement{Class: c.Class, Staged: models.Staged{
		Name: name, Version: version, Kind: models.KindModel, Digest: c.Digest, Place: models.Place{Stage: models.Production},
	}}
}

// scoredAtOnce bounds the sequences that are in memory.
const scoredAtOnce = 256

// score asks both versions about one asset, each on the sequences that it reads.
func (s *replaySides) score(ctx context.Context, l *labelledAsset) (out [2][]asset.Score, err error) {
	for i, m := range []models.Model{s.old, s.candidate} {
		live := models.NewLive()
		at := []models.Placement{inPlace(s.refs[i], m.Contract)}
		err := live.Set(at, func(models.Placement) (models.Model, error) {
			return models.Model{Contract: m.Contract, Runner: borrowed{m.Runner}}, nil
		})
		if err != nil {
			return out, err
		}
		component := m.Contract.Component
		scorer := models.NewScorer(map[models.Key]*models.Live{{Class: m.Contract.Class, Component: component}: live}, models.Options{
			PartsOf: func(asset.ID) (string, []string) { return m.Contract.Class, []string{component} },
		})
		for part := range slices.Chunk(l.cut(m.Contract.Reads(component)), scoredAtOnce) {
			answers, err := scorer.Score(ctx, part)
			if err != nil {
				return out, err
			}
			for _, a := range answers {
				out[i] = append(out[i], a.Scores...)
			}
		}
		if err := live.Close(); err != nil {
			return out, err
		}
	}
	return out, nil
}

// folderDigest is the SHA-256 over the names and contents of a folder's files, in
// order of name: episodes that are frozen keep it.
func folderDigest(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // read only
		one := sha256.New()
		if _, err := io.Copy(one, f); err != nil {
			return err
		}
		fmt.Fprintf(sum, "%x  %s\n", one.Sum(nil), filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("episodes: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (r *modelReplay) show(to io.Writer, result models.Replay) error {
	if r.json {
		return printJSON(to, result)
	}
	hours := func(d models.Detection) string {
		if !d.Detected {
			return "not detected"
		}
		return fmt.Sprintf("%.1f h", d.LeadH)
	}
	var rows [][]string
	for _, e := range result.Episodes {
		rows = append(rows, []string{string(e.Asset), string(e.Mode), clock(e.From), clock(e.To), hours(e.Old), hours(e.New)})
	}
	fmt.Fprintf(to, "episodes %.12s, alarm at %s abnormal scores\n\n", result.Digest, result.Rule)
	if err := table(to, []string{"ASSET", "MODE", "FROM", "TO", result.Old.Model, result.New.Model}, rows); err != nil {
		return err
	}
	rows = nil
	for _, s := range []models.ReplaySide{result.Old, result.New} {
		rows = append(rows, []string{
			s.Model, strconv.Itoa(s.Scores), fmt.Sprintf("%d of %d", s.Detected, len(result.Episodes)), figure(s.LeadH), strconv.Itoa(s.Alarms), figure(s.Rate),
		})
	}
	fmt.Fprintln(to)
	if err := table(to, []string{"VERSION", "SCORES", "DETECTED", "MEDIAN LEAD h", "ALARMS ON HEALTHY", "A MONTH"}, rows); err != nil {
		return err
	}
	fmt.Fprintln(to)
	return showGates(to, result.Gates)
}

// figure is a number as a table shows it; empty when it is missing.
func figure(n asset.Number) string {
	if !n.Known() {
		return ""
	}
	return strconv.FormatFloat(float64(n), 'g', 3, 64)
}

func showGates(to io.Writer, gates []models.Gate) error {
	rows := make([][]string, 0, len(gates))
	for _, g := range gates {
		rows = append(rows, []string{g.Name, string(g.Verdict), figure(g.Value), figure(g.Limit), g.Text})
	}
	return table(to, []string{"GATE", "VERDICT", "VALUE", "LIMIT", "WHY"}, rows)
}
