package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// instant is what arrived of one asset at one time.
type instant struct {
	line     *line
	arrivals []Arrival
	last     bool // of an asset that fell silent: what it half filled is given up after it
}

// arrange checks a reading and puts it in order; it returns the instants that
// are complete now. What was read before the restart only rebuilds open windows.
func (s *Shard) arrange(a Arrival) ([]instant, error) {
	id := a.Reading.Asset
	l, err := s.line(id, a.From)
	if err != nil {
		return nil, err
	}
	if l == nil {
		if a.From >= s.begun {
			s.fx.Counts["refused/unknown-asset"]++
		}
		return nil, nil
	}
	if a.From < s.begun {
		a.Reading, _ = l.Checker.Check(a.Reading)
		l.rebuild(a)
		l.oldest, l.open = l.low()
		return nil, nil
	}
	l.moved = true
	if err := s.settle(l); err != nil {
		return nil, err
	}
	if known, err := l.again(a); known || err != nil {
		return nil, err
	}
	r, refused := l.Checker.Check(a.Reading)
	a.Reading = r
	s.tally(a, refused)
	if r.Blank() {
		return nil, nil
	}
	if a.Reading.Time.After(s.clock) {
		s.clock = a.Reading.Time
	}
	groups, fate := l.order.add(a)
	if fate != accepted {
		s.fx.Counts[string(fate)]++
		return nil, nil
	}
	if len(groups) > 0 {
		s.fx.Counts["readings-abandoned"] += l.forget()
	}
	out := make([]instant, len(groups))
	for i, g := range groups {
		out[i] = instant{line: l, arrivals: g}
	}
	return append(out, s.idle(l)...), nil
}

// line returns the asset's line, made and loaded at its first reading, which is at from;
// nil when nobody declared the asset.
func (s *Shard) line(id asset.ID, from int64) (*line, error) {
	if l, ok := s.lines[id]; ok {
		return l, nil
	}
	made, declared := s.plant(id)
	if !declared {
		return nil, nil
	}
	l := newLine(made)
	l.first = from
	l.follow(s.scorer)
	if s.recall != nil {
		parts, err := s.recall(id)
		if err != nil {
			return nil, err
		}
		if err := l.load(parts); err != nil {
			return nil, err
		}
	}
	l.oldest, l.open = l.low()
	s.lines[id] = l
	return l, nil
}

// tally counts what came in and what was refused, by reason.
func (s *Shard) tally(a Arrival, refused []*asset.Invalid) {
	s.fx.Counts["readings"]++
	if w := a.Reading.Wave; w != nil {
		s.fx.Counts["samples"] += int64(w.Len())
	}
	s.fx.Counts["points"] += int64(len(a.Reading.Points))
	for _, inv := range refused {
		s.fx.Counts["refused/"+string(inv.Reason)]++
	}
}

// idle closes the instants of assets that fell silent while the rest went on, so
// that they pin neither a verdict nor the low-water position.
func (s *Shard) idle(but *line) []instant {
	if s.clock.Sub(s.swept) < idleTimeout {
		return nil
	}
	s.swept = s.clock
	var out []instant
	for _, l := range s.sorted() {
		if l == but || len(l.order.pending)+len(l.waiting) == 0 && !l.halfFilled() || s.clock.Sub(l.order.newest) < idleTimeout {
			continue
		}
		l.moved = true
		groups := l.order.flush()
		for i, g := range groups {
			out = append(out, instant{l, g, i == len(groups)-1})
		}
		if len(groups) == 0 {
			s.giveUp(l)
		}
	}
	return out
}

// giveUp ends the records of an asset and what it still waits for; both are counted.
func (s *Shard) giveUp(l *line) {
	s.fx.Counts["readings-abandoned"] += int64(len(l.waiting))
	clear(l.waiting)
	for _, c := range l.cutters {
		s.fx.Counts["samples-abandoned"] += int64(c.pending())
		s.fx.Counts["blocks-abandoned"] += int64(c.abandon())
		c.reset()
	}
}

// observe cuts the instant's windows, extracts their features and lets the
// monitor judge them: one moment for each time at which a window ended.
func (s *Shard) observe(in instant) []*moment {
	l := in.line
	at := in.arrivals[0].Reading.Time
	var windows []asset.Window
	var points []asset.Point
	var events []asset.Event
	for _, c := range l.cutters {
		c.compact()
	}
	for _, a := range in.arrivals {
		if a.Reading.Wave != nil {
			got, lost := l.cutter(a.Reading.Wave.Channel).push(a.Reading.Wave, a.From)
			s.lose(lost)
			windows = append(windows, got...)
		}
		for i := range a.Reading.Features {
			windows = append(windows, l.given(&a.Reading.Features[i]))
		}
		points = append(points, a.Reading.Points...)
		if e := a.Reading.Event; e != nil {
			events = append(events, *e)
			s.fx.Events = append(s.fx.Events, TwinEvent{Asset: l.Plate.ID, Time: at, Kind: e.Kind, Payload: fmt.Sprintf("%s %s %s", e.Component, e.Code, e.Text)})
		}
	}
	l.operate(at, points)
	if len(points) > 0 {
		windows = append(windows, asset.Window{Start: at, End: at, Points: points, Quality: worst(points)})
	}
	return s.moments(l, at, windows, events)
}

// lose counts the samples that are not as they came.
func (s *Shard) lose(c cuts) {
	s.fx.Counts["samples-abandoned"] += int64(c.Abandoned)
	s.fx.Counts["blocks-abandoned"] += int64(c.Unread)
	if c.Filled > 0 {
		s.fx.Counts["samples-filled"] += int64(c.Filled)
	}
	if c.Repeated > 0 {
		s.fx.Counts["samples-repeated"] += int64(c.Repeated)
	}
}

// moments groups windows by the time they ended at.
func (s *Shard) moments(l *line, at time.Time, windows []asset.Window, events []asset.Event) []*moment {
	for i := range windows {
		windows[i].End = snap(windows[i].End, at)
	}
	slices.SortStableFunc(windows, func(a, b asset.Window) int {
		return cmp.Or(a.End.Compare(b.End), cmp.Compare(rank(a), rank(b)))
	})
	var out []*moment
	if len(windows) == 0 && len(events) > 0 { // what happened between two windows is heard too
		m := &moment{line: l, snapshot: features.Snapshot{Asset: l.Plate.ID, Time: at, SpeedRpm: l.speed, LoadN: l.loadN, Events: events}}
		m.said = l.Monitor.Observe(&m.snapshot)
		out = append(out, m)
	}
	for i := 0; i < len(windows); {
		m := &moment{line: l, wanted: l.spectraDue(windows[i].End), snapshot: features.Snapshot{Asset: l.Plate.ID, Time: windows[i].End, SpeedRpm: l.speed, LoadN: l.loadN, Events: events}}
		for ; i < len(windows) && windows[i].End.Equal(m.snapshot.Time); i++ {
			s.extract(m, windows[i])
		}
		events = nil
		if len(m.snapshot.Spectra) > 0 {
			l.spectra = m.snapshot.Time
		}
		m.said = l.Monitor.Observe(&m.snapshot)
		if !m.snapshot.Learning && !l.commissioned {
			l.commissioned = true
			s.fx.Events = append(s.fx.Events, TwinEvent{Asset: l.Plate.ID, Time: m.snapshot.Time, Kind: "commissioned", Payload: "judged from here on"})
		}
		s.count(m)
		out = append(out, m)
	}
	return out
}

// rank puts the windows of tacho channels first: the others read their angle.
func rank(w asset.Window) int {
	if w.Kind == "tacho" {
		return 0
	}
	return 1
}

// snap makes a window that ends within two milliseconds before the instant end
// there, and all others end on a microsecond.
func snap(end, at time.Time) time.Time {
	if d := at.Sub(end); d < 2*time.Millisecond && d > -2*time.Millisecond {
		return at
	}
	return end.Truncate(time.Microsecond)
}

// extract adds a window's features to the moment; a window that gives none is counted.
func (s *Shard) extract(m *moment, w asset.Window) {
	l := m.line
	w.Asset, w.SpeedRpm, w.Speeds, w.LoadN = l.Plate.ID, l.speed, l.speeds, l.loadN
	if len(l.speeds) == 0 {
		w.SpeedRpm = asset.Missing() // what the nameplate says was not measured
	}
	if features.OffClock(w.ClockPPM) {
		s.fx.Counts["clock-drift"]++
	}
	v, spectra, err := l.Extractor.Extract(w, m.wanted || w.Given != nil)
	if err != nil {
		s.fx.Counts["window-failed"]++
		return
	}
	m.snapshot.Vectors = append(m.snapshot.Vectors, v)
	m.snapshot.Spectra = append(m.snapshot.Spectra, spectra...)
}

func (s *Shard) count(m *moment) {
	s.fx.Counts["instants"]++
	if m.snapshot.Learning {
		s.fx.Counts["learning-instants"]++
	}
	for _, v := range m.snapshot.Vectors {
		s.fx.Counts["vectors"]++
		for _, why := range v.Reasons {
			if why != "" {
				s.fx.Counts["missing/"+string(why)]++
			}
		}
	}
}

func worst(points []asset.Point) float64 {
	q := 100.0
	for _, p := range points {
		q = min(q, p.Quality)
	}
	return q
}
