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
	Unread  time.Time         `json:"unread,omitzero"`   // of the oldest sample in them
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

// save adds the parts that changed to the effects.
func (l *line) save(to map[StateKey][]byte) error {
	c := carriedLine{Clock: l.order.Clock, Done: l.order.Done, Newest: l.order.newest, Speed: l.speed, Speeds: l.speeds, Load: l.loadN, Spectra: l.spectra, Judged: l.commissioned, Open: map[string]open{}, Alarms: l.alarms, Models: l.answered}
	for _, a := range l.order.pending {
		c.Pending = append(c.Pending, a.From)
		if t := oldest(a.Reading); c.Unread.IsZero() || t.Before(c.Unread) {
			c.Unread = t
		}
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
	l.waiting, l.unread = map[int64]bool{}, c.Unread
	for _, from := range c.Pending {
		l.waiting[from] = true
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

// settle ends the rebuilding at the first new reading: the checker goes on from
// what it remembered. A source that cannot go back delivers again what was not
// acknowledged, as new: then the checker forgets what had not been used.
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
	if len(l.order.pending) < len(l.waiting) {
		to := l.order.Clock.Add(1)
		if !l.unread.IsZero() && l.unread.Before(to) {
			to = l.unread
		}
		l.Checker.Rewind(to)
		l.order.newest = l.order.Clock // those that come again move it as they did before
	}
	return nil
}

// oldest is the time of the oldest sample in a reading.
func oldest(r asset.Reading) time.Time {
	if r.Wave != nil && r.Wave.Start.Before(r.Time) {
		return r.Wave.Start
	}
	return r.Time
}

// awaits reports whether a reading holds samples that an open window still waits for.
func (l *line) awaits(a Arrival) bool {
	w := a.Reading.Wave
	if w == nil || l.cutters[w.Channel] == nil {
		return false
	}
	return l.cutters[w.Channel].awaits(w, a.From, false) >= 0
}

// rebuild takes in a reading from before the restart: it was waiting for the rest
// of its instant, or part of it lies in an open window, or it is done with.
func (l *line) rebuild(a Arrival, again bool) {
	w := a.Reading.Wave
	if again && l.waiting[a.From] {
		l.order.pending = slices.Insert(l.order.pending, l.order.place(a.Reading.Time), a)
		return
	}
	if w == nil {
		return
	}
	c := l.cutters[w.Channel]
	if i := c.awaits(w, a.From, again); i >= 0 {
		c.rebuild(w, a.From, i)
	}
}
