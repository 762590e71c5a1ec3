package pipeline

import (
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// line is one asset's way through the flow, with everything it carries.
type line struct {
	*Line
	order        order
	cutters      map[string]*cutter
	speed        asset.Number
	speeds       []asset.SpeedAt // the newest readings of it, oldest first
	loadN        asset.Number
	fusions      []*fusion // one for each component, in the nameplate's order
	alarms       []*alarm
	edition      uint64 // of the models' line-up that rows follow
	rows         []*sequence
	answered     map[string]string // by component: the version that spoke last
	spectra      time.Time         // when spectra were last kept
	waiting      map[int64]brought // readings that were pending at the restart and did not come yet, by their position then
	first        int64             // position of the first reading since the restart
	settled      bool              // new readings have begun to come
	moved        bool              // since the last batch: its state is to be saved
	oldest       int64             // position that it still needs, as of when it last moved
	open         bool              // it needs one
	commissioned bool              // a first instant was judged
	saved        map[string][]byte // carried parts of the line itself, as last saved
}

func newLine(l *Line) *line {
	n := &line{Line: l, cutters: map[string]*cutter{}, saved: map[string][]byte{}, answered: map[string]string{}, speed: asset.Missing(), loadN: asset.Missing()}
	n.Window, n.Fusion, n.Alarm = l.Window.withDefaults(), l.Fusion.withDefaults(), l.Alarm.withDefaults()
	if l.Plate.SpeedRpm > 0 {
		n.speed = asset.Number(l.Plate.SpeedRpm)
	}
	if l.Plate.LoadN > 0 {
		n.loadN = asset.Number(l.Plate.LoadN)
	}
	n.order = order{lateness: time.Duration(n.Window.Lateness * 1e9), channels: len(l.Plate.Channels), metrics: len(l.Plate.Metrics)}
	for _, c := range l.Plate.Channels {
		opt := n.Window
		if s := opt.Longer[c.Name]; opt.Seconds > 0 && s > opt.Seconds {
			opt.Seconds = s
		}
		n.cutters[c.Name] = &cutter{opt: opt, channel: c}
	}
	known := newSignalGroups(l.Plate, n.Fusion.Groups)
	for range l.Plate.Components {
		n.fusions = append(n.fusions, &fusion{opt: n.Fusion, signals: known})
		n.alarms = append(n.alarms, &alarm{opt: n.Alarm})
	}
	return n
}

func (l *line) cutter(channel string) *cutter { return l.cutters[channel] }

// given is the window that features were computed of before they were sent.
func (l *line) given(f *asset.Features) asset.Window {
	c := l.cutters[f.Channel].channel
	w := asset.Window{Channel: c.Name, Component: c.Component, Kind: c.Kind, Start: f.Start, End: f.End, RateHz: f.RateHz, Quality: f.Quality, Given: f}
	if e := f.Evidence; e != nil {
		w.Unit, w.Samples, w.Counts, w.Scale = e.Unit, e.Samples, e.Counts, e.Scale
	}
	return w
}

func (l *line) halfFilled() bool {
	for _, c := range l.cutters {
		if c.pending() > 0 || c.awaited != nil {
			return true
		}
	}
	return false
}

// mostSpeeds bounds how many readings of the speed are kept for the windows to come.
const mostSpeeds = 256

// operate follows the operating point.
func (l *line) operate(at time.Time, points []asset.Point) {
	for _, p := range points {
		switch p.Metric {
		case "":
		case l.Window.Speed:
			l.speed = asset.Number(p.Value)
			if len(l.cutters) > 0 {
				l.turn(asset.SpeedAt{Time: at, Rpm: p.Value})
			}
		case l.Window.Load:
			l.loadN = asset.Number(p.Value)
		}
	}
}

// turn keeps a reading of the speed and drops those that no window to come needs:
// all that are older than two windows but the newest of them.
func (l *line) turn(s asset.SpeedAt) {
	longest := max(l.Window.Seconds, 1)
	for _, s := range l.Window.Longer {
		longest = max(longest, s)
	}
	keep := time.Duration(2 * longest * 1e9)
	old := 0
	for old+1 < len(l.speeds) && s.Time.Sub(l.speeds[old+1].Time) > keep {
		old++
	}
	old = max(old, len(l.speeds)+1-mostSpeeds)
	l.speeds = append(slices.Delete(l.speeds, 0, old), s)
}

// follow makes the rows what the models in use want to read. Those that any of them
// reads still go on; a version that reads others begins with none.
func (l *line) follow(scorer Scorer) {
	if scorer == nil {
		return
	}
	want, edition := scorer.Reads(l.Plate.ID, l.edition)
	if edition == l.edition {
		return
	}
	l.edition = edition
	old := map[string]*sequence{}
	for _, q := range l.rows {
		old[q.key] = q
	}
	l.rows = l.rows[:0:0]
	for _, in := range want {
		q := old[in.Key()]
		if q == nil {
			q = newSequence(in)
		}
		l.rows = append(l.rows, q)
	}
}

// sequences adds the snapshot to the rows of each model and returns those that
// are due for a score.
func (l *line) sequences(s *features.Snapshot) []features.Sequence {
	var out []features.Sequence
	for _, q := range l.rows {
		due := q.add(s)
		if !s.Learning {
			out = append(out, due...)
		} else if len(due) > 0 {
			q.fresh = q.in.Carries // it did not read these
		}
	}
	return out
}

// fuse gives a risk for each component that somebody spoke about at this moment.
func (l *line) fuse(m *moment) []asset.Risk {
	var out []asset.Risk
	for i, c := range l.Plate.Components {
		heard := false
		for _, a := range m.said {
			if a.Component == c.Name {
				heard = true
				l.fusions[i].hear(a)
			}
		}
		if !heard {
			continue
		}
		r := l.fusions[i].verdict(l.Plate.ID, c.Name, m.snapshot.Time)
		renewed := slices.Contains(m.snapshot.Renewed, c.Name)
		if m.snapshot.Learning || renewed {
			r.Risk, r.Anomaly = asset.Missing(), false
			l.fusions[i].seen = onset{}
		}
		if renewed {
			l.alarms[i].Marks = nil // of the old part: its alert may clear while the new one is learned
		}
		out = append(out, r)
	}
	return out
}

func (l *line) alarm(r asset.Risk) (asset.Alert, bool) {
	for i, c := range l.Plate.Components {
		if c.Name == r.Component {
			return l.alarms[i].hear(r)
		}
	}
	return asset.Alert{}, false
}

// spectraDue is true once an hour, and once a minute while an alert is open or
// building up.
func (l *line) spectraDue(now time.Time) bool {
	since := now.Sub(l.spectra)
	return since >= time.Hour || since >= time.Minute && slices.ContainsFunc(l.alarms, func(a *alarm) bool { return count(a.Marks) > 0 })
}

// low is the oldest position that a pending reading or an open window still needs.
func (l *line) low() (int64, bool) {
	low, found := int64(0), false
	see := func(p int64) {
		if !found || p < low {
			low, found = p, true
		}
	}
	for _, a := range l.order.pending {
		see(a.From)
	}
	for _, c := range l.cutters {
		for _, b := range c.froms {
			see(b.from)
		}
		if c.awaited != nil {
			for _, from := range c.awaited.Froms {
				see(max(from, l.first)) // of a source that counts anew they will come after it
			}
		}
	}
	return low, found
}
