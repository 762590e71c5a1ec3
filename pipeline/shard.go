package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// Shard follows every asset that hashes to it. One goroutine steps it.
type Shard struct {
	id      int32
	epoch   int64
	plant   Plant
	scorer  Scorer // nil: no learned view
	lines   map[asset.ID]*line
	inOrder []*line // the same by ID; made anew when there are more
	recall  Recall
	begun   int64     // position to go on from after the last batch
	clock   time.Time // latest event time of the shard
	swept   time.Time // when idle assets were last looked for
	fx      Effects
}

// Recall loads the carried state of an asset; the asset "" stands for the shard.
type Recall func(id asset.ID) (map[string][]byte, error)

// NewShard makes a shard that goes on from next: readings before it only rebuild
// windows that were open.
func NewShard(id int32, epoch, next int64, plant Plant, scorer Scorer, recall Recall) (*Shard, error) {
	s := &Shard{id: id, epoch: epoch, plant: plant, scorer: scorer, recall: recall, begun: next, lines: map[asset.ID]*line{}}
	if recall == nil {
		return s, nil
	}
	parts, err := recall("")
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", id, err)
	}
	if body := parts[s.part()]; len(body) > 0 {
		var c [2]time.Time
		if err := json.Unmarshal(body, &c); err != nil {
			return nil, fmt.Errorf("shard %d: carried state: %w", id, err)
		}
		s.clock, s.swept = c[0], c[1]
	}
	return s, nil
}

// part names the shard's own carried state: its clock, and when it last swept.
func (s *Shard) part() string { return "shard/" + strconv.Itoa(int(s.id)) }

// moment is one asset's instant on its way through the stages.
type moment struct {
	line     *line
	wanted   bool // its spectra are to be kept
	snapshot features.Snapshot
	said     []asset.Assessment
}

// Step is the whole flow: it takes a micro-batch in and returns everything that
// the batch caused. An error means that the shard cannot go on.
func (s *Shard) Step(ctx context.Context, batch []Arrival) (Effects, error) {
	s.begin(batch)
	var moments []*moment
	for _, a := range batch {
		instants, err := s.arrange(a) // validate, order, join
		if err != nil {
			return Effects{}, err
		}
		for _, in := range instants {
			moments = append(moments, s.observe(in)...) // cut, extract, detect
			if in.last {
				s.giveUp(in.line)
			}
		}
	}
	return s.conclude(ctx, moments)
}

// Finish is the last step of a bounded source: instants that were waiting for a
// later reading are complete now. Half-filled windows stay unborn.
func (s *Shard) Finish(ctx context.Context, next int64) (Effects, error) {
	s.begin(nil)
	s.fx.Next = next
	var moments []*moment
	for _, l := range s.sorted() {
		l.moved = true
		for _, in := range l.order.flush() {
			moments = append(moments, s.observe(instant{line: l, arrivals: in})...)
		}
	}
	return s.conclude(ctx, moments)
}

// conclude takes the batch's moments through the views, the fusion and the alarm.
func (s *Shard) conclude(ctx context.Context, moments []*moment) (Effects, error) {
	s.learned(ctx, moments)
	for _, m := range moments {
		m.said = append(m.said, m.line.Twin.Step(m.snapshot)...)
		for _, risk := range m.line.fuse(m) {
			s.fx.Risks = append(s.fx.Risks, risk)
			m.line.Twin.Judge(risk)
			if alert, changed := m.line.alarm(risk); changed {
				s.fx.Alerts = append(s.fx.Alerts, alert)
				s.note(alert)
			}
		}
		s.fx.Frames = append(s.fx.Frames, m.frame())
	}
	s.views(moments)
	return s.end()
}

// note writes the last step of an alert into its asset's history.
func (s *Shard) note(a asset.Alert) {
	mode, severity := a.Current()
	e := TwinEvent{Asset: a.Asset, Time: a.Changed, Kind: "alert-opened", Payload: fmt.Sprintf("%s: %s, severity %d", a.Component, mode, severity)}
	switch {
	case a.Cleared != nil:
		e.Kind = "alert-cleared"
	case len(a.Changes) > 0:
		e.Kind = "alert-changed"
	}
	s.fx.Events = append(s.fx.Events, e)
}

// views copies the twins that moved, once each, as they stand after the batch.
func (s *Shard) views(moments []*moment) {
	seen := map[asset.ID]bool{}
	for _, m := range slices.Backward(moments) {
		if id := m.line.Plate.ID; m.line.View != nil && !seen[id] {
			seen[id] = true
			s.fx.Views = append(s.fx.Views, m.line.View())
		}
	}
}

func (s *Shard) begin(batch []Arrival) {
	s.fx = Effects{Shard: s.id, Epoch: s.epoch, Counts: map[string]int64{}, State: map[StateKey][]byte{}, Next: s.begun}
	if n := len(batch); n > 0 {
		s.fx.Next = batch[n-1].Next
	}
}

// learned asks the models about every sequence that the batch completed, at once.
// A failing model costs its view and nothing else. Which models are in use is asked
// once a batch, so that a swap never falls into one.
func (s *Shard) learned(ctx context.Context, moments []*moment) {
	var batch []features.Sequence
	var owner []*moment
	for _, m := range moments {
		m.line.follow(s.scorer)
	}
	for _, m := range moments {
		for _, q := range m.line.sequences(&m.snapshot) {
			batch, owner = append(batch, q), append(owner, m)
		}
	}
	if len(batch) == 0 || s.scorer == nil {
		return
	}
	said, err := s.scorer.Score(ctx, batch)
	if err != nil || len(said) != len(batch) {
		s.fx.Counts["model-failed"] += int64(len(batch))
		return
	}
	for i, a := range said {
		s.fx.Scores = append(s.fx.Scores, a.Scores...)
		if a.View == "" {
			continue // read beside production alone
		}
		owner[i].said = append(owner[i].said, a.Assessment)
		if a.Reason != "" {
			s.fx.Counts["unscored-"+string(a.Reason)]++
			continue
		}
		s.fx.Counts["scored"]++
		s.swapped(owner[i].line, a)
	}
}

// swapped writes into the asset's history that another version speaks from now on.
func (s *Shard) swapped(l *line, a features.Answer) {
	for _, score := range a.Scores {
		if !score.Serves {
			continue
		}
		before := l.answered[a.Component]
		l.answered[a.Component] = score.Model
		if before != "" && before != score.Model {
			s.fx.Events = append(s.fx.Events, TwinEvent{
				Asset: l.Plate.ID, Time: a.Time, Kind: "model-changed", Payload: fmt.Sprintf("%s: %s instead of %s", a.Component, score.Model, before),
			})
		}
	}
}

// end closes the batch: the state that changed, and how far back a restart has to read.
func (s *Shard) end() (Effects, error) {
	s.fx.Low = s.fx.Next
	for _, l := range s.sorted() {
		if l.moved {
			l.oldest, l.open = l.low()
		}
		if l.open {
			s.fx.Low = min(s.fx.Low, l.oldest)
		}
		if !l.moved {
			continue
		}
		l.moved = false
		if err := l.save(s.fx.State); err != nil {
			return Effects{}, err
		}
	}
	body, err := json.Marshal([2]time.Time{s.clock, s.swept})
	if err != nil {
		return Effects{}, fmt.Errorf("shard %d: carried state: %w", s.id, err)
	}
	s.fx.State[StateKey{Part: s.part()}] = body
	s.fx.Through = s.clock
	s.begun = s.fx.Next
	slices.SortStableFunc(s.fx.Alerts, func(a, b asset.Alert) int { return a.Changed.Compare(b.Changed) })
	return s.fx, nil
}

// sorted returns the lines in a fixed order; nobody may write to it.
func (s *Shard) sorted() []*line {
	if len(s.inOrder) == len(s.lines) {
		return s.inOrder
	}
	s.inOrder = slices.SortedFunc(maps.Values(s.lines), func(a, b *line) int { return cmp.Compare(a.Plate.ID, b.Plate.ID) })
	return s.inOrder
}

// frame is what the moment leaves behind.
func (m *moment) frame() Frame {
	return Frame{Asset: m.snapshot.Asset, Time: m.snapshot.Time, Vectors: m.snapshot.Vectors, Spectra: m.snapshot.Spectra}
}
