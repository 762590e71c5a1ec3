package models

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// Why a learned view has Trust 0.
const (
	reasonMissing asset.Reason = "input-missing" // more than Options.MaxMissing, or a feature never seen
	reasonShape   asset.Reason = "input-shape"   // it does not hold what it says
	reasonFailed  asset.Reason = "model-failed"
	reasonOutput  asset.Reason = "model-output" // NaN, infinite, or of a wrong length
	reasonWarmUp  asset.Reason = "warming-up"   // a stateful model after a reset
)

// Key says what a model serves. An empty component serves every component of
// the class, an empty class every class that has no model of its own.
type Key struct {
	Class     string
	Component string
}

// Options of a scorer.
type Options struct {
	PartsOf    func(asset.ID) (class string, components []string) // of an asset; default: no class, no component
	HorizonH   func(class string) float64                         // of the probability of failure; default 48 for all
	MaxMissing float64                                            // share of a window that may be filled; default 0.1, negative for none
	Report     func(ref string, err error)                        // told when a model fails or answers with no number; may be nil
	Took       func(ref string, rows int, t time.Duration)        // told of each run of a version; may be nil
}

// Scorer is the learned view: it lends the line-up of each sequence's class and
// component for one batch, runs every version that is to score it, and turns their
// raw answers into assessments. It is safe for concurrent use.
type Scorer struct {
	live map[Key]*Live
	opt  Options
}

// NewScorer scores with the given line-ups, which stay the caller's to set and close.
func NewScorer(live map[Key]*Live, opt Options) *Scorer {
	if opt.PartsOf == nil {
		opt.PartsOf = func(asset.ID) (string, []string) { return "", nil }
	}
	if opt.HorizonH == nil {
		opt.HorizonH = func(string) float64 { return 48 }
	}
	if opt.MaxMissing == 0 {
		opt.MaxMissing = 0.1
	}
	return &Scorer{live: live, opt: opt}
}

// find is the line-up for a component: its own, its class's, or any class's.
func (s *Scorer) find(class, component string) *Live {
	for _, k := range [...]Key{{class, component}, {class, ""}, {"", component}} {
		if l := s.live[k]; l != nil {
			return l
		}
	}
	return nil
}

// Reads are the sequences that the versions in use want of an asset, each once, and
// the edition of the line-ups that say so; no list when the caller knows it already.
func (s *Scorer) Reads(id asset.ID, known uint64) ([]features.Reads, uint64) {
	edition := uint64(1)
	for _, l := range s.live {
		if l != nil {
			edition += l.edition.Load()
		}
	}
	if edition == known {
		return nil, edition
	}
	var out []features.Reads
	class, components := s.opt.PartsOf(id)
	for _, component := range components {
		l := s.find(class, component)
		if l == nil {
			continue
		}
		n := l.acquire()
		if n == nil {
			continue
		}
		for _, e := range n.scoring(id) {
			in := e.Contract.Reads(component)
			if !slices.ContainsFunc(out, func(o features.Reads) bool { return o.Key() == in.Key() }) {
				out = append(out, in)
			}
		}
		n.release() //nolint:errcheck,gosec // a model that cannot be closed is gone all the same
	}
	return out, edition
}

// use is one version at work on a part of a batch.
type use struct {
	*loaded
	ref    string
	class  string
	scores []job
	waited *time.Duration // by the whole call for other callers
}

// reading is a component that a model reads.
type reading struct {
	*loaded
	component string
}

// job is one sequence for one version.
type job struct {
	row    int // in the batch
	stage  Stage
	serves bool
	held   asset.Reason // nobody is to hear it
	in     prepared
}

// Score answers with one Answer for each sequence, in order. A model that fails
// costs its own sequences their trust; only a cancelled context is an error.
func (s *Scorer) Score(ctx context.Context, batch []features.Sequence) ([]features.Answer, error) {
	out := make([]features.Answer, len(batch))
	uses, release := s.plan(batch)
	defer release()
	var waited time.Duration
	for _, u := range uses {
		u.waited = &waited
		err := s.score(ctx, u, batch, out)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("score: %w", ctx.Err())
		}
		if err != nil && s.opt.Report != nil {
			s.opt.Report(u.ref, err)
		}
	}
	return out, nil
}

// plan lends the line-ups of a batch, one for each class and component from its
// beginning to its end, and lists what each version has to score.
func (s *Scorer) plan(batch []features.Sequence) (uses []*use, release func()) {
	lent := map[*Live]*lineup{}
	keys := map[reading]string{}
	of := map[*loaded]*use{}
	for i := range batch {
		q := &batch[i]
		class, _ := s.opt.PartsOf(q.Asset)
		l := s.find(class, q.Component)
		if l == nil {
			continue
		}
		n, ok := lent[l]
		if !ok {
			n = l.acquire()
			lent[l] = n
		}
		if n == nil {
			continue
		}
		var held asset.Reason
		if why := l.held.Load(); why != nil {
			held = (*why)[q.Asset]
		}
		serves := n.serving(q.Asset)
		for _, e := range n.scoring(q.Asset) {
			k := reading{e.loaded, q.Component}
			if keys[k] == "" {
				keys[k] = e.Contract.Reads(q.Component).Key()
			}
			if keys[k] != q.Reads {
				continue
			}
			u := of[e.loaded]
			if u == nil {
				u = &use{loaded: e.loaded, ref: e.Ref(), class: class}
				of[e.loaded] = u
				uses = append(uses, u)
			}
			u.scores = append(u.scores, job{row: i, stage: e.Stage, serves: e == serves, held: held})
		}
	}
	return uses, func() {
		for _, n := range lent {
			if n != nil {
				n.release() //nolint:errcheck,gosec // a model that cannot be closed is gone all the same
			}
		}
	}
}

// score runs one version on its sequences: all at once, or where the model carries
// something from one to the next, the first of each asset, then the second.
func (s *Scorer) score(ctx context.Context, u *use, batch []features.Sequence, out []features.Answer) error {
	var bad error
	for jobs := u.scores; len(jobs) > 0; {
		var now, later []job
		seen := map[*features.Memory]bool{}
		for _, j := range jobs {
			if m := batch[j.row].Memory; m != nil && u.Contract.State != nil {
				if seen[m] {
					later = append(later, j)
					continue
				}
				seen[m] = true
			}
			now = append(now, j)
		}
		bad = errors.Join(bad, s.wave(ctx, u, now, batch, out))
		jobs = later
	}
	return bad
}

// wave is one run: sequences that do not depend on each other.
func (s *Scorer) wave(ctx context.Context, u *use, jobs []job, batch []features.Sequence, out []features.Answer) error {
	rows := make([]Row, 0, len(jobs))
	ready := make([]job, 0, len(jobs))
	for _, j := range jobs {
		in, why := s.prepare(&batch[j.row], u.Contract)
		if why != "" {
			s.answer(u, j, &batch[j.row], blank(&batch[j.row], u, why), out)
			continue
		}
		j.in = in
		ready, rows = append(ready, j), append(rows, Row{Values: in.values, State: in.state})
	}
	if len(rows) == 0 {
		return nil
	}
	began := time.Now()
	results, err := u.gather.Run(ctx, rows, u.waited)
	if s.opt.Took != nil {
		s.opt.Took(u.ref, len(rows), time.Since(began))
	}
	if err != nil {
		for _, j := range ready {
			s.answer(u, j, &batch[j.row], blank(&batch[j.row], u, reasonFailed), out)
		}
		return fmt.Errorf("%s: %w", u.ref, err)
	}
	for k, j := range ready {
		q := &batch[j.row]
		a := blank(q, u, "")
		if judgeErr := s.judge(&a, q, j.in, results[k].Values, u); judgeErr != nil {
			a = blank(q, u, reasonOutput)
			err = errors.Join(err, judgeErr)
		} else if !u.Contract.remember(q, j.in, results[k].State) {
			a = blank(q, u, reasonWarmUp)
		}
		s.answer(u, j, q, a, out)
	}
	return err
}

// answer notes what a version said, and lets it be heard where it serves the asset.
func (s *Scorer) answer(u *use, j job, q *features.Sequence, a asset.Assessment, out []features.Answer) {
	o := &out[j.row]
	inputs := ""
	if len(o.Scores) > 0 {
		inputs = o.Scores[0].Inputs
	} else {
		inputs = fingerprint(q.Values)
	}
	o.Scores = append(o.Scores, asset.Score{
		Time: q.Time, Asset: q.Asset, Component: q.Component, Model: u.ref, Digest: u.Contract.Digest, Inputs: inputs,
		Stage: string(j.stage), Serves: j.serves, Regime: q.Regime, Score: a.Score, P: a.P, Abnormal: a.Abnormal, Reason: a.Reason,
	})
	if !j.serves {
		return
	}
	if j.held != "" {
		a = blank(q, u, j.held)
	}
	o.Assessment = a
}

// blank is an assessment that says nothing yet, and why where there is a reason.
func blank(q *features.Sequence, u *use, why asset.Reason) asset.Assessment {
	none := asset.Missing()
	return asset.Assessment{
		Component: q.Component, View: asset.Learned, Source: u.Contract.Name, Time: q.Time, Digest: u.Contract.Digest,
		Score: none, Limit: none, P: none, FailP: none, RUL: asset.NoRUL(), Reason: why,
	}
}

// fingerprint tells apart what versions read: FNV-1a over the values' bits, word by
// word, since a cryptographic digest would cost as much as half the scorer.
func fingerprint(values []float32) string {
	h := uint64(14695981039346656037)
	for _, v := range values {
		h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
	}
	return fmt.Sprintf("%016x", h)
}

// notFinite holds for NaN and both infinities: their difference from themselves is NaN.
func notFinite(v float32) bool { return v-v != 0 }

// judge turns a model's answer into an assessment.
func (s *Scorer) judge(a *asset.Assessment, q *features.Sequence, in prepared, y []float32, u *use) error {
	c := &u.Contract
	if slices.ContainsFunc(y, notFinite) {
		return fmt.Errorf("%s: asset %s at %s: the answer is not a number", u.ref, q.Asset, q.Time.UTC().Format(time.RFC3339))
	}
	wrong := func(want string) error { return fmt.Errorf("%s: %d values where %s are wanted", u.ref, len(y), want) }
	width := len(c.Features)
	switch c.Output {
	case OutputRUL:
		if len(y) != 1 && len(y) != 3 {
			return wrong("1 or 3")
		}
		judgeRUL(a, y, u, s.opt.HorizonH(u.class))
	case OutputModes:
		if len(y) != len(c.Modes) {
			return wrong(fmt.Sprint(len(c.Modes)))
		}
		judgeModes(a, y, u)
	case OutputForecast:
		if len(y) != width {
			return wrong(fmt.Sprint(width))
		}
		judgeError(a, q, in.missed(y, c.Scale), u)
	default:
		if len(y) == 0 || len(y)%width != 0 {
			return wrong(fmt.Sprintf("rows of %d", width))
		}
		judgeError(a, q, y, u)
	}
	if score := float64(a.Score); math.IsNaN(score) || math.IsInf(score, 0) {
		return fmt.Errorf("%s: asset %s at %s: the score is not a number", u.ref, q.Asset, q.Time.UTC().Format(time.RFC3339))
	}
	a.Trust = 1
	return nil
}
