// Package twin keeps what is true of one asset now: where it stands in its life,
// the states of the physical laws that age it, its latest values and the recent
// past of each metric, and publishes copies of that for readers.
package twin

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
)

// Placed is a law and the component that it speaks for.
type Placed struct {
	Law       physics.Law
	Component string
}

// Describer is a law that can name its state for people.
type Describer interface {
	Quantities(s physics.State) []physics.Quantity
}

// Twin is one asset's twin. The shard that owns the asset owns it; readers get
// copies from View.
type Twin struct {
	Capacity int // of the rings made from now on; 0: DefaultCapacity, negative: no rings

	plate    asset.Nameplate
	laws     []placed
	career   career
	at       reached
	learning bool
	speedRpm asset.Number
	loadN    asset.Number
	slots    []slot
	index    map[features.Field]int
	verdicts map[string]*Verdict
	saved    saved
	refused  int64
}

// placed is a law at work. Laws of one component and name get a number.
type placed struct {
	Placed
	source string
	part   string // name of its carried part
	state  physics.State
	last   asset.Assessment
	spoke  bool
	dirty  bool
}

// reached is how far the twin has come.
type reached struct {
	Version int64     `json:"version"`
	Time    time.Time `json:"time"`
}

// slot holds the newest value of one feature or metric.
type slot struct {
	latest Latest
	ring   *Ring // nil for what is no metric
}

// New returns the twin of an asset that has not sent anything yet.
func New(plate asset.Nameplate, laws []Placed) *Twin {
	t := &Twin{
		plate: plate, career: career{State: Provisioning}, index: map[features.Field]int{},
		verdicts: map[string]*Verdict{}, speedRpm: asset.Missing(), loadN: asset.Missing(),
	}
	count := map[string]int{}
	for _, p := range laws {
		source := p.Law.Name()
		count[p.Component+"/"+source]++
		if n := count[p.Component+"/"+source]; n > 1 {
			source = fmt.Sprintf("%s #%d", source, n)
		}
		t.laws = append(t.laws, placed{Placed: p, source: source, part: "law/" + p.Component + "/" + source})
	}
	return t
}

// Step takes what is known of an instant, moves every law there and returns
// what they say. Laws that the instant does not concern stay silent. A retired
// asset's telemetry is refused and counted, and so is a time outside 1678–2262.
func (t *Twin) Step(s features.Snapshot) []asset.Assessment {
	if t.career.State == Retired || !representable(s.Time) {
		t.refused++
		return nil
	}
	t.at.Version++
	if s.Time.After(t.at.Time) {
		t.at.Time = s.Time.UTC()
	}
	t.saved.at = true
	t.learning, t.speedRpm, t.loadN = s.Learning, s.SpeedRpm, s.LoadN
	if t.career.State == Provisioning && !s.Learning {
		t.commission(s.Time)
	}
	t.remember(&s)
	t.renew(s.Events)
	var said []asset.Assessment
	believed := s.Believed()
	for i := range t.laws {
		at := believed
		at.Learning = s.Learning || slices.Contains(s.Renewed, t.laws[i].Component)
		if a, ok := t.laws[i].step(at); ok {
			said = append(said, a)
		}
	}
	return said
}

// representable says that nanoseconds since 1970 fit an int64.
func representable(at time.Time) bool { return at.Year() > 1677 && at.Year() < 2262 }

func (t *Twin) commission(at time.Time) {
	if err := t.career.move(Entry{Time: at, To: Active, Reason: "commissioned", Actor: "flow"}); err == nil {
		t.saved.life = true
	}
}

// renew forgets the wear of what was replaced; an event without a component
// means all of the asset.
func (t *Twin) renew(events []asset.Event) {
	for _, e := range events {
		if e.Kind != "part-replaced" {
			continue
		}
		for i := range t.laws {
			if l := &t.laws[i]; e.Component == "" || e.Component == l.Component {
				l.state, l.spoke, l.dirty = physics.State{}, false, true
			}
		}
	}
}

// step moves one law on. A law whose state is no longer finite starts afresh.
func (p *placed) step(s features.Snapshot) (asset.Assessment, bool) {
	next, a := p.Law.Step(p.state, s)
	a.Component, a.Source, a.View = p.Component, p.source, asset.Derived
	if !next.Finite() {
		next = physics.State{}
		a = asset.Assessment{
			Component: p.Component, View: asset.Derived, Source: p.source, Time: s.Time,
			Score: asset.Missing(), Limit: asset.Missing(), P: asset.Missing(), FailP: asset.Missing(),
			RUL: asset.NoRUL(), Reason: physics.ReasonDiverged,
		}
	}
	p.dirty = p.dirty || next.Law != p.state.Law || !next.At.Equal(p.state.At) || !slices.Equal(next.X, p.state.X)
	p.state = next
	if a.Reason == physics.ReasonIdle || a.Reason == physics.ReasonOrder {
		return a, false // the last word stands
	}
	if math.IsNaN(a.Trust) || a.Trust < 0 {
		a.Trust = 0
	}
	p.last, p.spoke = a, true
	p.last.Evidence = slices.Clone(a.Evidence) // the caller owns its own
	return a, true
}

// remember notes the values of the instant.
func (t *Twin) remember(s *features.Snapshot) {
	for i := range s.Vectors {
		v := &s.Vectors[i]
		for j, f := range v.Fields {
			k, ok := t.index[f]
			if !ok {
				k = len(t.slots)
				t.index[f] = k
				t.slots = append(t.slots, slot{latest: Latest{Key: f.Key(), Unit: f.Unit}})
				if v.Channel == "" && f.Name == "value" && t.Capacity >= 0 {
					t.slots[k].ring = NewRing(t.Capacity)
				}
			}
			t.slots[k].put(v, j, s.Time)
		}
	}
}

func (l *slot) put(v *features.Vector, j int, at time.Time) {
	x := v.Values[j]
	if l.ring != nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
		l.ring.Add(Sample{at, x})
	}
	if at.Before(l.latest.Time) {
		return
	}
	l.latest.Value, l.latest.Time, l.latest.Reason = asset.Number(x), at.UTC(), ""
	if v.Reasons != nil {
		l.latest.Reason = v.Reasons[j]
	}
}

// Judge notes the fused verdict on a component.
func (t *Twin) Judge(r asset.Risk) {
	t.at.Version++
	t.saved.at = true
	v := &Verdict{
		Time: r.Time.UTC(), Risk: r.Risk, HorizonH: r.HorizonH, Anomaly: r.Anomaly, MLScore: r.MLScore, MLP: r.MLP,
		PhysicsScore: r.PhysicsScore, RuleScore: r.RuleScore, RUL: r.RUL, Mode: r.Mode, Evidence: append([]asset.Evidence{}, r.Evidence...),
	}
	for m, w := range r.Modes {
		if v.Modes == nil {
			v.Modes = map[asset.Mode]float64{}
		}
		v.Modes[m] = w
	}
	t.verdicts[r.Component] = v
}

// Move makes a step in the asset's life. What is not allowed is ErrTransition
// and changes nothing.
func (t *Twin) Move(to Life, at time.Time, reason, actor string) error {
	if !representable(at) {
		return fmt.Errorf("asset %s: %w at %v", t.plate.ID, ErrTransition, at)
	}
	if err := t.career.move(Entry{Time: at, To: to, Reason: reason, Actor: actor}); err != nil {
		return fmt.Errorf("asset %s: %w", t.plate.ID, err)
	}
	t.at.Version++
	t.saved.life, t.saved.at = true, true
	return nil
}

// Accepts is nil, or ErrRetired for an asset that takes no telemetry any more.
func (t *Twin) Accepts() error {
	if t.career.State == Retired {
		return fmt.Errorf("asset %s: %w", t.plate.ID, ErrRetired)
	}
	return nil
}

// Refused is how many instants Step did not take.
func (t *Twin) Refused() int64 { return t.refused }

// State is where the asset stands in its life.
func (t *Twin) State() Life { return t.career.State }

// Version rises with everything that the twin takes in.
func (t *Twin) Version() int64 { return t.at.Version }

// Ring is the recent past of a metric ("name" or "name/value"); nil when there is none.
func (t *Twin) Ring(metric string) *Ring {
	key := strings.TrimSuffix(metric, "/value") + "/value"
	for i := range t.slots {
		if t.slots[i].latest.Key == key {
			return t.slots[i].ring
		}
	}
	return nil
}
