package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// What a row can be.
const (
	labelHealthy     = "healthy"
	labelFault       = "fault"
	labelMaintenance = "maintenance"
	labelUnknown     = "unknown"
)

// What engineers say of an alert; another word makes its rows unknown.
const (
	verdictConfirmed  = "confirmed"
	verdictFalseAlarm = "false-alarm"
)

// saying is what was known of a machine at an instant.
type saying struct {
	label, verdict string
	mode           asset.Mode
	known          time.Time // zero for unknown
}

// past is what labels, alerts, verdicts and the log of maintenance say, as it was
// known until an instant.
type past struct {
	component string
	until     time.Time // zero: everything is known
	around    time.Duration
	labels    map[asset.ID][]dataset.Label
	alerts    map[asset.ID][]asset.Alert
	verdicts  map[string]dataset.Verdict
	stops     map[asset.ID][]time.Time // failures and maintenance: what is near is not healthy
}

// later reports whether t lies beyond what is known.
func (p *past) later(t time.Time) bool { return !p.until.IsZero() && t.After(p.until) }

func readPast(ctx context.Context, db store.Store, component, labels, verdicts string, until time.Time, around time.Duration) (past, error) {
	p := past{
		component: component, until: until, around: around, labels: map[asset.ID][]dataset.Label{}, alerts: map[asset.ID][]asset.Alert{},
		verdicts: map[string]dataset.Verdict{}, stops: map[asset.ID][]time.Time{},
	}
	for flag, path := range map[string]string{"--labels": labels, "--verdicts": verdicts} {
		if _, err := os.Stat(path); path != "" && errors.Is(err, fs.ErrNotExist) {
			return p, fmt.Errorf("%w: %s %s: no such file", errUsage, flag, path)
		}
	}
	list, err := dataset.ReadLabels(labels)
	if err != nil {
		return p, err
	}
	for _, l := range list {
		p.labels[l.Asset] = append(p.labels[l.Asset], l)
	}
	if err := p.readVerdicts(verdicts); err != nil {
		return p, err
	}
	return p, p.readStore(ctx, db)
}

// readVerdicts keeps the newest verdict on each alert that was known.
func (p *past) readVerdicts(path string) error {
	list, err := dataset.ReadVerdicts(path)
	for _, v := range list {
		if have, ok := p.verdicts[v.Alert]; !p.later(v.At) && (!ok || have.At.Before(v.At)) {
			p.verdicts[v.Alert] = v
		}
	}
	return err
}

func (p *past) readStore(ctx context.Context, db store.Store) error {
	alerts, err := db.Alerts(ctx, store.AlertFilter{})
	if err != nil {
		return err
	}
	stored := map[string]bool{}
	for _, a := range alerts {
		stored[a.ID] = true
		if !p.later(a.Opened) {
			p.alerts[a.Asset] = append(p.alerts[a.Asset], a)
		}
	}
	for _, id := range sortedKeys(p.verdicts) {
		if !stored[id] {
			return fmt.Errorf("verdict on alert %q: the store has no such alert", id)
		}
	}
	events, err := db.TwinEvents(ctx, "", 0)
	if err != nil {
		return err
	}
	for _, e := range events {
		if (e.Kind == "maintenance" || e.Kind == "part-replaced") && !p.later(e.Time) {
			p.stops[e.Asset] = append(p.stops[e.Asset], e.Time)
		}
	}
	return nil
}

// at says what a row of the instant is: what a label says comes first, then an
// alert with its verdict, then what is near; a row is healthy when nothing spoke
// against it until the margin around it was over. A label "healthy" overrules an
// alert on which nobody gave a verdict.
func (p *past) at(id asset.ID, t time.Time) saying {
	alarm, alarmed := p.alarm(id, t)
	s, labelled := p.labelled(id, t)
	sound, declared := p.sound(id, t)
	switch {
	case labelled:
		s.verdict = alarm.verdict
		return s
	case alarmed && alarm.label != labelHealthy && (alarm.verdict != "" || !declared):
		return alarm
	case p.near(id, t):
		return saying{label: labelUnknown, verdict: alarm.verdict}
	case alarmed && alarm.verdict != "":
		return alarm
	case declared:
		return sound
	}
	if known := t.Add(p.around); !p.later(known) {
		return saying{label: labelHealthy, known: known}
	}
	return saying{label: labelUnknown}
}

// sound says whether a label calls the machine healthy at t.
func (p *past) sound(id asset.ID, t time.Time) (saying, bool) {
	for _, l := range p.labels[id] {
		mine := p.component == "" || l.Component == "" || l.Component == p.component
		if l.Kind == labelHealthy && mine && !l.End.IsZero() && within(t, l.Start, l.End) && !p.later(l.End) {
			return saying{label: labelHealthy, known: l.End}, true
		}
	}
	return saying{}, false
}

// within reports whether t lies between the two; zero is no bound.
func within(t, from, to time.Time) bool {
	return !t.Before(from) && (to.IsZero() || !t.After(to))
}

// labelled says what labels of faults, failures and maintenance that cover t tell.
func (p *past) labelled(id asset.ID, t time.Time) (s saying, ok bool) {
	for _, l := range p.labels[id] {
		from := l.Start
		if l.Kind == "failure" && from.IsZero() {
			from = l.End // an instant
		}
		if l.Kind == labelHealthy || !within(t, from, l.End) {
			continue
		}
		mine := p.component == "" || l.Component == "" || l.Component == p.component
		switch {
		case p.later(l.End), !p.until.IsZero() && l.End.IsZero():
			return saying{label: labelUnknown}, true // under way: nobody had said it yet
		case l.Kind == labelMaintenance:
			s, ok = saying{label: labelMaintenance, known: l.End}, true
		case !mine:
			if !ok {
				s, ok = saying{label: labelUnknown}, true
			}
		default:
			return saying{label: labelFault, mode: l.Mode, known: l.End}, true
		}
	}
	return s, ok
}

// alarm says what the alerts that stood at t tell, the worst first.
func (p *past) alarm(id asset.ID, t time.Time) (s saying, ok bool) {
	for _, a := range p.alerts[id] {
		if t.Before(a.Opened) || a.Cleared != nil && !p.later(*a.Cleared) && t.After(*a.Cleared) {
			continue
		}
		v, judged := p.verdicts[a.ID]
		mine := p.component == "" || a.Component == "" || a.Component == p.component
		now := saying{label: labelUnknown, verdict: v.Verdict}
		switch {
		case judged && v.Verdict == verdictConfirmed && mine:
			mode, _ := p.current(a)
			if v.Mode != "" {
				mode = v.Mode
			}
			return saying{label: labelFault, verdict: v.Verdict, mode: mode, known: v.At}, true
		case judged && v.Verdict == verdictFalseAlarm:
			now.label, now.known = labelHealthy, v.At
		}
		if !ok || now.label == labelUnknown {
			s, ok = now, true
		}
	}
	return s, ok
}

// current is the mode of an alert as it stood at the end of what is known.
func (p *past) current(a asset.Alert) (asset.Mode, int) {
	for len(a.Changes) > 0 && p.later(a.Changes[len(a.Changes)-1].Time) {
		a.Changes = a.Changes[:len(a.Changes)-1]
	}
	return a.Current()
}

// near reports whether a failure or maintenance lies close to t.
func (p *past) near(id asset.ID, t time.Time) bool {
	touches := func(from, to time.Time) bool { return within(t, from.Add(-p.around), to.Add(p.around)) }
	for _, at := range p.stops[id] {
		if touches(at, at) {
			return true
		}
	}
	for _, l := range p.labels[id] {
		if (l.Kind != "failure" && l.Kind != labelMaintenance) || l.End.IsZero() || p.later(l.End) {
			continue
		}
		from := l.Start
		if from.IsZero() {
			from = l.End
		}
		if touches(from, l.End) {
			return true
		}
	}
	return false
}

// operatingPoint holds the metrics of the regime between the instants that bring them.
type operatingPoint struct {
	value [3]float64
	at    [3]time.Time
}

// operatingHold is how long an operating point is taken as unchanged, as in the flow.
const operatingHold = 30 * time.Minute

// regime is the bin of a frame; empty where the class has none or the point is not known.
func (o *operatingPoint) regime(opt features.RegimesOptions, f pipeline.Frame) string {
	names := [...]string{opt.Speed, opt.Power, opt.Wind}
	if names == [3]string{} {
		return ""
	}
	p := [3]float64{math.NaN(), math.NaN(), math.NaN()}
	for i, name := range names {
		for _, v := range f.Vectors {
			for k, field := range v.Fields {
				if name != "" && field.Channel == name && field.Name == "value" && !math.IsNaN(v.Values[k]) {
					o.value[i], o.at[i] = v.Values[k], f.Time
				}
			}
		}
		if !o.at[i].IsZero() && f.Time.Sub(o.at[i]) <= operatingHold {
			p[i] = o.value[i]
		}
	}
	return opt.Name(features.RegimePoint{RPM: p[0], PowerKW: p[1], WindMS: p[2]})
}
