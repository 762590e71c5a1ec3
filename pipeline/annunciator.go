package pipeline

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// ListOptions rule one operator's alarm list (ANSI/ISA-18.2, EEMUA 191). Zero means
// the default.
type ListOptions struct {
	FloodOn      int     // more alerts than this within SpanMin begin a flood; default 10
	FloodOff     int     // fewer than this end it; default 5
	SpanMin      float64 // default 10
	FloodShows   int     // gravest severities that a flood still shows; default 1
	CommonAssets int     // assets with the same alert within CommonMin that have one cause; default 3
	CommonMin    float64 // default 5
	Chatter      int     // openings within a minute at which an alert chatters; default 3
	StaleH       float64 // an alert open longer than this is stale; default 24
}

func (o ListOptions) withDefaults() ListOptions {
	o.FloodOn, o.FloodOff = cmp.Or(o.FloodOn, 10), cmp.Or(o.FloodOff, 5)
	o.SpanMin, o.CommonMin = cmp.Or(o.SpanMin, 10), cmp.Or(o.CommonMin, 5)
	o.FloodShows, o.CommonAssets = cmp.Or(o.FloodShows, 1), cmp.Or(o.CommonAssets, 3)
	o.Chatter, o.StaleH = cmp.Or(o.Chatter, 3), cmp.Or(o.StaleH, 24)
	return o
}

// Why an alert is on the list and not shown by itself.
const (
	SuppressedCommon  asset.Reason = "common-cause" // its group's first-out stands for it
	SuppressedFollows asset.Reason = "first-out"    // another component of the asset was first
	SuppressedFlood   asset.Reason = "flood"        // milder than a flood shows
	SuppressedChatter asset.Reason = "chattering"
	SuppressedShelved asset.Reason = "shelved"
	SuppressedService asset.Reason = "maintenance" // the asset is out of service
	SuppressedSilent  asset.Reason = "comms-loss"  // what it says is not what it is
)

// Annunciator decides what one operator is shown: a view over all assets, and so no
// part of a shard. It is fed with alerts in the order of event time, and takes its
// clock from them: the same alerts give the same list. Not safe for concurrent use.
type Annunciator struct {
	opt      ListOptions
	now      time.Time
	listed   map[string]*listed // by alert
	order    []*listed          // as opened
	recent   []time.Time        // of the alerts that count towards a flood
	causes   map[string][]*listed
	shelves  map[place]time.Time
	states   map[asset.ID]asset.Reason
	openings map[place][]time.Time
	flood    *Flood
	floods   []Flood
}

type place struct {
	asset     asset.ID
	component string
}

// listed is one alert on the list.
type listed struct {
	alert  asset.Alert // as it was opened
	closed bool
	notice Notice
}

// Notice says how an alert stands on the list.
type Notice struct {
	Alert      string
	Group      string       // alerts of one cause share it; empty: stands alone
	First      string       // the group's first-out
	Suppressed asset.Reason // empty: shown
}

// Flood is a span in which more alerts came than an operator can take in.
type Flood struct {
	From time.Time  `json:"from"`
	To   *time.Time `json:"to"`   // nil: it goes on
	Peak int        `json:"peak"` // alerts within the span
}

// NewAnnunciator begins with an empty list.
func NewAnnunciator(o ListOptions) *Annunciator {
	return &Annunciator{
		opt: o.withDefaults(), listed: map[string]*listed{}, causes: map[string][]*listed{}, shelves: map[place]time.Time{},
		states: map[asset.ID]asset.Reason{}, openings: map[place][]time.Time{},
	}
}

// Hear takes an alert as it stands after a change and returns the notices that are new
// or have changed, the alert's own among them.
func (l *Annunciator) Hear(a asset.Alert) []Notice {
	changed := l.advance(a.Changed)
	if e := l.listed[a.ID]; e != nil {
		e.closed = a.Cleared != nil
		return changed
	}
	e := &listed{alert: a, closed: a.Cleared != nil, notice: Notice{Alert: a.ID}}
	l.listed[a.ID] = e
	l.order = append(l.order, e)
	at := place{a.Asset, a.Component}
	l.openings[at] = append(within(l.openings[at], a.Opened, time.Minute), a.Opened)
	e.notice.Suppressed = l.muted(a, at)
	if e.notice.Suppressed == "" {
		changed = append(changed, l.group(e)...)
	}
	if e.notice.Suppressed == "" {
		l.arrive(e)
	}
	return append(changed, e.notice)
}

// muted is why an alert is not shown whatever else there is.
func (l *Annunciator) muted(a asset.Alert, at place) asset.Reason {
	switch until, shelved := l.shelves[at]; {
	case l.states[a.Asset] != "":
		return l.states[a.Asset]
	case shelved && a.Opened.Before(until):
		return SuppressedShelved
	case len(l.openings[at]) >= l.opt.Chatter:
		return SuppressedChatter
	}
	return ""
}

// cause is what alerts of several assets have in common when they have one cause: the
// signal that the heaviest evidence names, or else the component.
func cause(a asset.Alert) string {
	what := a.Component
	if len(a.Evidence) > 0 {
		if signal, _, ok := strings.Cut(a.Evidence[0].Name, "/"); ok && signal != "" {
			what = signal
		}
	}
	if a.Mode == asset.SensorFault {
		return "sensor/" + what
	}
	return "machine/" + what
}

// group puts an alert to those of the same cause, and else to the first-out of its asset.
func (l *Annunciator) group(e *listed) (changed []Notice) {
	key, span := cause(e.alert), minutes(l.opt.CommonMin)
	old := l.causes[key]
	near := slices.DeleteFunc(slices.Clone(old), func(o *listed) bool { return e.alert.Opened.Sub(o.alert.Opened) > span })
	near = append(near, e)
	l.causes[key] = near
	assets := map[asset.ID]bool{}
	for _, o := range near {
		assets[o.alert.Asset] = true
	}
	if len(assets) >= l.opt.CommonAssets || isCommon(near[0].notice.Group) {
		return l.common(key, near, e)
	}
	for _, o := range slices.Backward(l.order[:len(l.order)-1]) {
		if e.alert.Opened.Sub(o.alert.Opened) > minutes(l.opt.SpanMin) {
			break
		}
		if o.alert.Asset == e.alert.Asset && !o.closed && o.notice.Suppressed == "" {
			if o.notice.Group == "" {
				o.notice.Group = "first-out/" + string(o.alert.Asset) + "/" + stamp(o.alert.Opened)
				o.notice.First = o.alert.ID
				changed = append(changed, o.notice)
			}
			e.notice.Group, e.notice.First = o.notice.Group, o.notice.First
			if _, severity := o.alert.Current(); e.alert.Severity >= severity {
				e.notice.Suppressed = SuppressedFollows // a graver one is shown all the same
			}
			return changed
		}
	}
	return nil
}

// common makes one group of the alerts of one cause: the first-out stands for all.
func (l *Annunciator) common(key string, near []*listed, e *listed) (changed []Notice) {
	group, first := near[0].notice.Group, near[0].notice.First
	if !isCommon(group) {
		group, first = "common/"+key+"/"+stamp(near[0].alert.Opened), near[0].alert.ID
	}
	for _, o := range near {
		before := o.notice
		o.notice.Group, o.notice.First = group, first
		if o.alert.ID != first && o.notice.Suppressed == "" {
			o.notice.Suppressed = SuppressedCommon
		}
		if o != e && o.notice != before {
			changed = append(changed, o.notice)
		}
	}
	return changed
}

func isCommon(group string) bool { return strings.HasPrefix(group, "common/") }

// arrive counts an alert towards a flood and holds back what a flood does not show.
func (l *Annunciator) arrive(e *listed) {
	l.recent = append(l.recent, e.alert.Opened)
	n := len(l.recent)
	if l.flood == nil && n > l.opt.FloodOn {
		l.flood = &Flood{From: e.alert.Opened}
	}
	if l.flood != nil {
		l.flood.Peak = max(l.flood.Peak, n)
		if e.alert.Severity > l.opt.FloodShows {
			e.notice.Suppressed = SuppressedFlood
		}
	}
}

// advance moves the clock, which never goes back, and ends what has run out.
func (l *Annunciator) advance(to time.Time) (changed []Notice) {
	if to.Before(l.now) {
		return nil
	}
	l.now = to
	for at, until := range l.shelves {
		if !to.Before(until) {
			delete(l.shelves, at)
			changed = append(changed, l.show(SuppressedShelved, func(e *listed) bool { return e.at() == at })...)
		}
	}
	span := minutes(l.opt.SpanMin)
	if l.flood != nil {
		// It ended when the alerts that were left became too few.
		if n := len(l.recent); n >= l.opt.FloodOff {
			if end := l.recent[n-l.opt.FloodOff].Add(span); !end.After(to) {
				changed = append(changed, l.ebb(end)...)
			}
		}
	}
	l.recent = within(l.recent, to, span)
	slices.SortFunc(changed, func(a, b Notice) int { return cmp.Compare(a.Alert, b.Alert) })
	return changed
}

// ebb ends the flood; what it held back and still stands is shown.
func (l *Annunciator) ebb(at time.Time) []Notice {
	l.flood.To = &at
	l.floods, l.flood = append(l.floods, *l.flood), nil
	return l.show(SuppressedFlood, func(*listed) bool { return true })
}

// show takes back a reason from the open alerts that it held.
func (l *Annunciator) show(why asset.Reason, which func(*listed) bool) (changed []Notice) {
	for _, e := range l.order {
		if e.notice.Suppressed == why && !e.closed && which(e) {
			e.notice.Suppressed = ""
			changed = append(changed, e.notice)
		}
	}
	return changed
}

func (e *listed) at() place { return place{e.alert.Asset, e.alert.Component} }

// Shelve takes a component's alerts off the list until then; alerts that are open at
// the end come back.
func (l *Annunciator) Shelve(at time.Time, id asset.ID, component string, until time.Time) []Notice {
	changed := l.advance(at)
	p := place{id, component}
	l.shelves[p] = until
	for _, e := range l.order {
		if e.at() == p && !e.closed && e.notice.Suppressed == "" {
			e.notice.Suppressed = SuppressedShelved
			changed = append(changed, e.notice)
		}
	}
	return changed
}

// State says that an asset is out of service (SuppressedService) or not heard of
// (SuppressedSilent) from then on; empty: it runs. While it lasts its alerts are
// suppressed by design.
func (l *Annunciator) State(at time.Time, id asset.ID, why asset.Reason) []Notice {
	changed := l.advance(at)
	before := l.states[id]
	if l.states[id] = why; why == "" {
		delete(l.states, id)
	}
	if before != "" && why != before {
		changed = append(changed, l.show(before, func(e *listed) bool { return e.alert.Asset == id })...)
	}
	return changed
}

// Notice is how an alert stands.
func (l *Annunciator) Notice(alert string) (Notice, bool) {
	e, ok := l.listed[alert]
	if !ok {
		return Notice{}, false
	}
	return e.notice, true
}

// Forget drops alerts that were opened before t and are closed, for a list without end.
func (l *Annunciator) Forget(t time.Time) {
	gone := func(e *listed) bool { return e.closed && e.alert.Opened.Before(t) }
	for id, e := range l.listed {
		if gone(e) {
			delete(l.listed, id)
		}
	}
	l.order = slices.DeleteFunc(l.order, gone)
	for key, near := range l.causes {
		if l.causes[key] = slices.DeleteFunc(near, gone); len(l.causes[key]) == 0 {
			delete(l.causes, key)
		}
	}
}

// within keeps the times less than a span before to; they come in order.
func within(times []time.Time, to time.Time, span time.Duration) []time.Time {
	old := 0
	for old < len(times) && to.Sub(times[old]) >= span {
		old++
	}
	return slices.Delete(times, 0, old)
}

func minutes(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }

func stamp(t time.Time) string { return t.UTC().Format("20060102T150405Z") }
