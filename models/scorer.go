package models

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// Why a learned view has Trust 0.
const (
	reasonMissing asset.Reason = "input-missing" // more than Options.MaxMissing, or a feature never seen
	reasonNone    asset.Reason = "no-model"
	reasonShape   asset.Reason = "input-shape" // cut for another model
	reasonFailed  asset.Reason = "model-failed"
	reasonOutput  asset.Reason = "model-output" // NaN, infinite, or of a wrong length
)

// Key says what a model serves. An empty component serves every component of
// the class, an empty class every class that has no model of its own.
type Key struct {
	Class     string
	Component string
}

// Options of a scorer.
type Options struct {
	ClassOf    func(asset.ID) string      // default: every asset has the empty class
	HorizonH   func(class string) float64 // of the probability of failure; default 48 for all
	MaxMissing float64                    // share of a window that may be filled; default 0.1, negative for none
	Report     func(Key, error)           // told when a model fails or answers with no number; may be nil
}

// Scorer is the learned view: it lends the model of each sequence's class and
// component for one batch and turns its raw answers into assessments. It is safe
// for concurrent use.
type Scorer struct {
	live map[Key]*Live
	opt  Options
}

// NewScorer scores with the given models, which stay the caller's to swap and close.
func NewScorer(live map[Key]*Live, opt Options) *Scorer {
	if opt.ClassOf == nil {
		opt.ClassOf = func(asset.ID) string { return "" }
	}
	if opt.HorizonH == nil {
		opt.HorizonH = func(string) float64 { return 48 }
	}
	if opt.MaxMissing == 0 {
		opt.MaxMissing = 0.1
	}
	return &Scorer{live: live, opt: opt}
}

// find is the model for a component: its own, its class's, or any class's.
func (s *Scorer) find(class, component string) (Key, *Live) {
	for _, k := range [...]Key{{class, component}, {class, ""}, {"", component}} {
		if l := s.live[k]; l != nil {
			return k, l
		}
	}
	return Key{}, nil
}

// group is the part of a batch that one model answers.
type group struct {
	key  Key
	live *Live
	rows []int // in the batch
}

// Score answers with one assessment for each sequence, in order. A model that
// fails costs its own sequences their trust; only a cancelled context is an error.
func (s *Scorer) Score(ctx context.Context, batch []features.Sequence) ([]asset.Assessment, error) {
	out := make([]asset.Assessment, len(batch))
	var groups []group
	index := map[Key]int{}
	for i := range batch {
		out[i] = blank(&batch[i])
		key, live := s.find(s.opt.ClassOf(batch[i].Asset), batch[i].Component)
		if live == nil {
			out[i].Reason = reasonNone
			continue
		}
		at, ok := index[key]
		if !ok {
			at = len(groups)
			index[key] = at
			groups = append(groups, group{key: key, live: live})
		}
		groups[at].rows = append(groups[at].rows, i)
	}
	for _, g := range groups {
		err := s.score(ctx, g, batch, out)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("score: %w", ctx.Err())
		}
		if err != nil && s.opt.Report != nil {
			s.opt.Report(g.key, err)
		}
	}
	return out, nil
}

// score runs one group on one model from beginning to end.
func (s *Scorer) score(ctx context.Context, g group, batch []features.Sequence, out []asset.Assessment) error {
	m := g.live.acquire()
	if m == nil {
		for _, i := range g.rows {
			out[i].Reason = reasonNone
		}
		return nil
	}
	defer m.release() //nolint:errcheck // a model that cannot be closed is gone all the same
	ready := make([]features.Sequence, 0, len(g.rows))
	rows := make([]int, 0, len(g.rows))
	for _, i := range g.rows {
		out[i].Source, out[i].Digest = m.Contract.Name, m.Contract.Digest
		q, reason := s.fill(batch[i], m.Contract)
		if reason != "" {
			out[i].Reason = reason
			continue
		}
		ready, rows = append(ready, q), append(rows, i)
	}
	if len(ready) == 0 {
		return nil
	}
	in := make([]Row, len(ready))
	for k := range ready {
		in[k].Values = ready[k].Values
	}
	answers, err := m.Runner.Run(ctx, in)
	if err == nil && len(answers) != len(ready) {
		err = fmt.Errorf("%s: %d answers to %d sequences", m.Contract.Name, len(answers), len(ready))
	}
	if err != nil {
		for _, i := range rows {
			out[i].Reason = reasonFailed
		}
		return err
	}
	for k, i := range rows {
		if judgeErr := s.judge(&out[i], ready[k], answers[k].Values, m.Contract, g.key); judgeErr != nil {
			out[i].Reason = reasonOutput
			err = errors.Join(err, judgeErr)
		}
	}
	return err
}

// blank is an assessment that says nothing yet.
func blank(q *features.Sequence) asset.Assessment {
	none := asset.Missing()
	return asset.Assessment{
		Component: q.Component, View: asset.Learned, Time: q.Time,
		Score: none, Limit: none, P: none, FailP: none, RUL: asset.NoRUL(),
	}
}

// fill holds the last value where one is missing, within MaxMissing; a gap at
// the beginning takes the first value. The caller's values are not touched.
func (s *Scorer) fill(q features.Sequence, c Contract) (features.Sequence, asset.Reason) {
	if q.Steps != c.Window || q.Width != len(c.Features) || len(q.Values) != q.Steps*q.Width {
		return q, reasonShape
	}
	missing := 0
	for _, v := range q.Values {
		if notFinite(v) {
			missing++
		}
	}
	if missing == 0 {
		return q, ""
	}
	if float64(missing) > s.opt.MaxMissing*float64(len(q.Values)) {
		return q, reasonMissing
	}
	v := append([]float32(nil), q.Values...)
	for j := range q.Width {
		first := j
		for first < len(v) && notFinite(v[first]) {
			first += q.Width
		}
		if first >= len(v) {
			return q, reasonMissing
		}
		held := v[first]
		for i := j; i < len(v); i += q.Width {
			if notFinite(v[i]) {
				v[i] = held
			}
			held = v[i]
		}
	}
	q.Values = v
	return q, ""
}

// notFinite holds for NaN and both infinities: their difference from themselves is NaN.
func notFinite(v float32) bool { return v-v != 0 }

// judge turns a model's answer into an assessment.
func (s *Scorer) judge(a *asset.Assessment, q features.Sequence, y []float32, c Contract, k Key) error {
	if slices.ContainsFunc(y, notFinite) {
		return fmt.Errorf("%s: asset %s at %s: the answer is not a number", c.Name, q.Asset, q.Time.UTC().Format(time.RFC3339))
	}
	if c.Output == OutputRUL {
		if len(y) != 1 && len(y) != 3 {
			return fmt.Errorf("%s: %d values where 1 or 3 are wanted", c.Name, len(y))
		}
		judgeRUL(a, y, c, s.opt.HorizonH(k.Class))
	} else {
		if len(y) == 0 || len(y)%len(c.Features) != 0 {
			return fmt.Errorf("%s: %d values where rows of %d are wanted", c.Name, len(y), len(c.Features))
		}
		judgeError(a, q, y, c)
	}
	a.Trust = 1
	return nil
}
