package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// carriedLine is the part of a line that is written with each change.
type carriedLine struct {
	Clock   time.Time         `json:"clock"`
	Done    []string          `json:"done,omitempty"`
	Newest  time.Time         `json:"newest"`
	Speed   asset.Number      `json:"speed"`
	Speeds  []asset.SpeedAt   `json:"speeds,omitempty"`
	Load    asset.Number      `json:"load"`
	Spectra time.Time         `json:"spectra"`
	Judged  bool              `json:"judged"`
	Open    map[string]open   `json:"open,omitempty"`
	Pending []int64           `json:"pending,omitempty"` // positions of readings whose instant is not complete
	Brings  []brought         `json:"brings,omitempty"`  // what each of them brings
	Fusions []carriedFusion   `json:"fusions"`
	Alarms  []*alarm          `json:"alarms"`
	Models  map[string]string `json:"models,omitempty"` // by component: the version that spoke last
}

type carriedFusion struct {
	Opinions []asset.Assessment     `json:"opinions"`
	Modes    map[asset.Mode]float64 `json:"modes,omitempty"`
	Mode     asset.Mode             `json:"mode"`
	Seen     onset                  `json:"seen"`
}

// brought names a reading by what it brings, for a source that counts anew after a restart.
type brought struct {
	Time    int64    `json:"t"` // Unix ns
	Signals []string `json:"s"`
}

func broughtBy(r asset.Reading) brought {
	if r.Wave != nil || len(r.Points) > 0 || len(r.Features) > 0 {
		r.Event = nil // a checker may have added it
	}
	return brought{r.Time.UnixNano(), signals(Arrival{Reading: r})}
}

// by reports whether r brings it, beside what a checker refuses.
func (b brought) by(r asset.Reading) bool {
	return b.Time == r.Time.UnixNano() && len(b.Signals) > 0 && !slices.ContainsFunc(b.Signals, func(s string) bool { return !slices.Contains(signals(Arrival{Reading: r}), s) })
}

// of is r without the waves, features and points that were refused the first time.
func (b brought) of(r asset.Reading) asset.Reading {
	if len(b.Signals) == 0 {
		return r // carried by a version that did not name them
	}
	if r.Wave != nil && !slices.Contains(b.Signals, r.Wave.Channel) {
		r.Wave = nil
	}
	r.Features = slices.DeleteFunc(slices.Clone(r.Features), func(f asset.Features) bool { return !slices.Contains(b.Signals, computed(f)) })
	r.Points = slices.DeleteFunc(slices.Clone(r.Points), func(p asset.Point) bool { return !slices.Contains(b.Signals, p.Metric) })
	return r
}

// save adds the parts that changed to the effects.
func (l *line) save(to map[StateKey][]byte) error {
	c := carriedLine{Clock: l.order.Clock, Done: l.order.Done, Newest: l.order.newest, Speed: l.speed, Speeds: l.speeds, Load: l.loadN, Spectra: l.spectra, Judged: l.commissioned, Open: map[string]open{}, Alarms: l.alarms, Models: l.answered}
	for _, from := range l.awaited() {
		c.Pending, c.Brings = append(c.Pending, from), append(c.Brings, l.waiting[from])
	}
	for _, a := range l.order.pending {
		c.Pending, c.Brings = append(c.Pending, a.From), append(c.Brings, broughtBy(a.Reading))
	}
	for name, cut := range l.cutters {
		if o, ok := cut.save(); ok {
			c.Open[name] = o
		}
	}
	for _, f := range l.fusions {
		cf := carriedFusion{Modes: f.modes, Mode: f.mode, Seen: f.seen}
		for _, o := range f.opinions {
			cf.Opinions = append(cf.Opinions, o.Assessment)
		}
		c.Fusions = append(c.Fusions, cf)
	}
	parts := map[string][]byte{}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("asset %s: carried state: %w", l.Plate.ID, err)
	}
	parts["line"] = body
	if l.settled {
		parts["checker"] = l.Checker.Save()
	}
	for _, q := range l.rows {
		if parts[q.part()], err = q.save(); err != nil {
			return fmt.Errorf("asset %s: carried rows: %w", l.Plate.ID, err)
		}
	}
	for part := range l.saved {
		if strings.HasPrefix(part, "rows/") && parts[part] == nil {
			parts[part] = []byte{} // of a model that is gone
		}
	}
	for part, body := range parts {
		if !bytes.Equal(l.saved[part], body) {
			l.saved[part] = body
			to[StateKey{l.Plate.ID, part}] = body
		}
	}
	for room, c := range l.carried() {
		for part, body := range c.Save() {
			to[StateKey{l.Plate.ID, room + "/" + part}] = body
		}
	}
	return nil
}

// load puts carried state back; the windows it says were open are rebuilt by
// the readings from the low-water position on.
func (l *line) load(parts map[string][]byte) error {
	var c carriedLine
	if body, ok := parts["line"]; ok {
		if err := json.Unmarshal(body, &c); err != nil {
			return fmt.Errorf("asset %s: carried state: %w", l.Plate.ID, err)
		}
		l.saved["line"] = body
		l.order.Clock, l.order.Done, l.order.newest = c.Clock, c.Done, c.Newest
		l.speeds = c.Speeds
		l.speed, l.loadN, l.spectra, l.commissioned = c.Speed, c.Load, c.Spectra, c.Judged
	}
	for name, o := range c.Open {
		if cut, ok := l.cutters[name]; ok {
			cut.load(o)
		}
	}
	l.saved["checker"] = parts["checker"]
	l.waiting = map[int64]brought{}
	for i, from := range c.Pending {
		l.waiting[from] = brought{}
		if len(c.Brings) == len(c.Pending) {
			l.waiting[from] = c.Brings[i]
		}
	}
	for i, f := range c.Fusions[:min(len(c.Fusions), len(l.fusions))] {
		l.fusions[i].modes, l.fusions[i].mode, l.fusions[i].seen = f.Modes, f.Mode, f.Seen
		for _, a := range f.Opinions {
			l.fusions[i].opinions = append(l.fusions[i].opinions, opinion{a})
		}
	}
	for i, a := range c.Alarms[:min(len(c.Alarms), len(l.alarms))] {
		a.opt = l.alarms[i].opt
		l.alarms[i] = a
	}
	maps.Copy(l.answered, c.Models)
	for part, body := range parts {
		if strings.HasPrefix(part, "rows/") {
			l.saved[part] = body
		}
	}
	for _, q := range l.rows {
		if body, ok := parts[q.part()]; ok {
			if err := q.load(body); err != nil {
				return fmt.Errorf("asset %s: carried rows: %w", l.Plate.ID, err)
			}
		}
	}
	if len(parts) == 0 {
		return nil // nothing was carried yet: the line is as it was made
	}
	for room, carried := range l.carried() {
		if err := carried.Load(under(parts, room+"/")); err != nil {
			return fmt.Errorf("asset %s: carried %s: %w", l.Plate.ID, room, err)
		}
	}
	return nil
}

// carried are the rooms that carry state of the asset.
func (l *line) carried() map[string]Carried {
	all := map[string]Carried{"monitor": l.Monitor, "twin": l.Twin}
	if c, ok := l.Extractor.(Carried); ok {
		all["features"] = c
	}
	return all
}

// under returns the parts below a prefix, without it.
func under(parts map[string][]byte, prefix string) map[string][]byte {
	out := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			out[rest] = parts[name]
		}
	}
	return out
}

// settle ends the rebuilding by position at the first new reading: the checker goes on
// from what it remembered.
func (s *Shard) settle(l *line) error {
	if l.settled {
		return nil
	}
	l.settled = true
	if body := l.saved["checker"]; len(body) > 0 {
		if err := l.Checker.Load(body); err != nil {
			return fmt.Errorf("asset %s: carried checker: %w", l.Plate.ID, err)
		}
	}
	return nil
}

// rebuild takes in a reading from before the restart: it was waiting for the rest
// of its instant, or part of it lies in an open window, or it is done with.
func (l *line) rebuild(a Arrival) {
	if _, ok := l.waiting[a.From]; ok {
		l.wait(a.From, a)
	} else if w := a.Reading.Wave; w != nil {
		if c := l.cutters[w.Channel]; c.awaits(a.From) >= 0 {
			c.rebuild(c.awaits(a.From), w, a.From)
		}
	}
}

// wait puts a reading back that waits for the rest of its instant; it was at from before.
func (l *line) wait(from int64, a Arrival) {
	a.Reading = l.waiting[from].of(a.Reading)
	delete(l.waiting, from)
	l.order.pending = slices.Insert(l.order.pending, l.order.place(a.Reading.Time), a)
}

// again takes in what a source that counts anew after a restart delivers once more and
// that was not done with: as rebuild does, known by what it brings. False for any other
// reading.
func (l *line) again(a Arrival) (bool, error) {
	for _, from := range l.awaited() {
		b := l.waiting[from]
		if !b.by(a.Reading) {
			continue
		}
		r, err := l.recheck(a.Reading)
		if err != nil {
			return false, err
		}
		if b.by(r) { // else it is a damaged copy
			a.Reading = r
			l.wait(from, a)
			return true, nil
		}
	}
	w := a.Reading.Wave
	if w == nil || l.cutters[w.Channel] == nil {
		return false, nil
	}
	c := l.cutters[w.Channel]
	place := c.awaitsAt(w.Start)
	if place < 0 {
		return false, nil
	}
	r, err := l.recheck(a.Reading)
	if err == nil && r.Wave != nil {
		c.rebuild(place, r.Wave, a.From)
	}
	return r.Wave != nil, err
}

// awaited are the positions of readings that did not come again yet.
func (l *line) awaited() []int64 {
	if len(l.waiting) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(l.waiting))
}

// recheck checks a reading that the checker has seen as it was checked the first time.
func (l *line) recheck(r asset.Reading) (asset.Reading, error) {
	memory := l.Checker.Save()
	since := r.Time
	if r.Wave != nil && r.Wave.Start.Before(since) {
		since = r.Wave.Start
	}
	l.Checker.Rewind(since)
	r, _ = l.Checker.Check(r)
	if len(memory) > 0 {
		if err := l.Checker.Load(memory); err != nil {
			return r, fmt.Errorf("asset %s: checker: %w", l.Plate.ID, err)
		}
	}
	return r, nil
}

// forget gives up readings that waited for their instant and did not come again before a
// later one was closed. It returns how many.
func (l *line) forget() (lost int64) {
	for from, b := range l.waiting {
		if b.Time <= l.order.Clock.UnixNano() {
			delete(l.waiting, from)
			lost++
		}
	}
	return lost
}
