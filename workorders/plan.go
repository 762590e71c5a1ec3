package workorders

import (
	"crypto/sha1" //nolint:gosec // UUIDv5 is defined by it
	"fmt"
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Policy says what an alert asks for. Its zero is the documented default.
type Policy struct {
	Mildest   int           // severity of the mildest alert that gets an order; default 4: every alert gets one
	Confirmed bool          // an alert milder than severity 2 has to be confirmed as well: its signs may pass
	Lead      time.Duration // parts, crew and weather: work has to end this long before the early end of life; default 24 h
	Soonest   time.Duration // no order asks for less time than this; default 24 h
	FailP     float64       // probability of failure that makes priority 1 and 2; default 0.3
	LateP     float64       // the same for priority 3; default 0.2
	AlertURL  string        // address of an alert's page without its ID; empty leaves the link out
	Costs     Costs         // of work on the component; its zero leaves the time of the work to the remaining life alone
	Access    Access        // when people can work; used with Costs
}

func (p Policy) withDefaults() Policy {
	if p.Mildest <= 0 {
		p.Mildest = 4
	}
	if p.Lead <= 0 {
		p.Lead = 24 * time.Hour
	}
	if p.Soonest <= 0 {
		p.Soonest = 24 * time.Hour
	}
	if p.FailP <= 0 {
		p.FailP = 0.3
	}
	if p.LateP <= 0 {
		p.LateP = 0.2
	}
	return p
}

// spans is how long an order of priority 1–4 may take.
var spans = [4]time.Duration{48 * time.Hour, 14 * 24 * time.Hour, 90 * 24 * time.Hour, 180 * 24 * time.Hour}

// state is an alert as it stood at one moment of its life.
type state struct {
	at       time.Time
	mode     asset.Mode
	severity int
	risk     asset.Number
	rul      asset.RUL
}

// Plan returns the order that an alert asks for; false when it asks for none.
// It speaks for the first moment of the episode that is grave enough, whatever
// came later: the same episode gives the same order.
func Plan(a asset.Alert, plate asset.Nameplate, policy Policy) (Order, bool) {
	policy = policy.withDefaults()
	s := state{a.Opened, a.Mode, a.Severity, a.Risk, a.RUL}
	lasts := !policy.Confirmed
	for i := 0; s.severity > policy.Mildest || s.severity > 2 && !lasts; i++ {
		if i == len(a.Changes) {
			return Order{}, false
		}
		c := a.Changes[i]
		if c.What != "cleared" {
			s = state{c.Time, c.Mode, c.Severity, c.Risk, c.RUL}
			lasts = lasts || c.What == asset.Confirmed
		}
	}
	priority := policy.priority(s, a.HorizonH, plate)
	key := KeyOf(a.ID)
	o := Order{
		ID: uuid5(key), Alert: a.ID, Asset: a.Asset, Component: a.Component, Mode: s.mode, Priority: priority,
		Title: title(a, s), RequiredEnd: policy.requiredEnd(s, priority), Key: key, Status: Open, Created: s.at, Evidence: a.Evidence,
		Activity: Repair,
	}
	if unnamed(s.mode) {
		o.Activity = Inspection
	}
	var why []string
	if policy.Costs.declared() && s.mode != asset.SensorFault {
		why = policy.choose(&o, decide(s, a.HorizonH, spans[priority-1], policy.Lead, policy.Costs, policy.Access))
	}
	o.Text = policy.text(a, s, plate, o, why)
	return o, true
}

// unnamed says that nobody can know yet what to repair.
func unnamed(m asset.Mode) bool {
	return m == asset.Healthy || m == asset.Unknown || m == asset.SensorFault
}

// choose sets what the order asks for, and when, by the costs, and says why. Whatever
// they say, somebody looks within the span of priority 1.
func (p Policy) choose(o *Order, d decision) []string {
	late := o.Priority == 1 && d.best >= 0 && d.slots[d.best].end.Sub(o.Created) > spans[0]
	switch {
	case d.looksFirst() || late || unnamed(o.Mode) && d.best >= 0:
		o.Activity, o.Window = Inspection, &d.visit
	case d.best < 0:
		length := p.Access.withDefaults(p.Lead).Length
		o.Activity = Inspection
		if o.RequiredEnd.After(d.until) {
			o.RequiredEnd = d.until
		}
		o.Window = &Window{Start: later(o.Created, o.RequiredEnd.Add(-length)), End: o.RequiredEnd, ExpectedKEUR: d.cost, FailP: d.life.real * d.nothing}
	default:
		w := d.window(d.best)
		o.Activity, o.Window = Repair, &w
	}
	o.RequiredEnd = o.Window.End
	return d.reasons(*o)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// priority is the most urgent of what the severity says and what the probability
// of failure says: 1 when it reaches FailP within 48 h, 2 within 14 d, 3 when it
// reaches LateP within 90 d, else 4. Work that cannot be done before the early
// end of life is one step more urgent, and so is a plant's most critical asset;
// the least critical is one step less, but for priority 1.
func (p Policy) priority(s state, horizonH float64, plate asset.Nameplate) int {
	priority := 4
	switch {
	case failsWithin(48, s, horizonH) >= p.FailP:
		priority = 1
	case failsWithin(14*24, s, horizonH) >= p.FailP:
		priority = 2
	case failsWithin(90*24, s, horizonH) >= p.LateP:
		priority = 3
	}
	if s.severity >= 1 {
		priority = min(priority, s.severity)
	}
	if s.mode == asset.SensorFault {
		return max(priority, 3) // the machine is not known to be ill
	}
	if s.rul.P10.Known() && float64(s.rul.P10) < p.Lead.Hours() {
		priority--
	}
	switch {
	case plate.Criticality >= 5:
		priority--
	case plate.Criticality == 1 && priority > 1:
		priority++
	}
	return min(max(priority, 1), 4)
}

// failsWithin is the probability of failure within h hours: from the remaining life,
// were the fault real, or from the risk over its horizon at a constant hazard,
// 1 − (1 − risk)^(h/horizon), whichever is greater.
func failsWithin(h float64, s state, horizonH float64) float64 {
	var p float64
	if risk := float64(s.risk); s.risk.Known() && horizonH > 0 && !math.IsInf(horizonH, 0) {
		if p = min(max(risk, 0), 1); h < horizonH {
			p = 1 - math.Pow(1-p, h/horizonH)
		}
	}
	if s.rul.Soon.Known() && h >= asset.SoonH {
		p = max(p, min(float64(s.rul.Soon), 1))
	}
	if life := newLife(s.rul, asset.Missing(), horizonH); life.last().p > 0 {
		p = max(p, life.given(h))
	}
	return p
}

// requiredEnd is the early end of life less the lead, within what the priority
// allows.
func (p Policy) requiredEnd(s state, priority int) time.Time {
	span := spans[priority-1]
	if s.rul.P10.Known() {
		if h := max(float64(s.rul.P10), 0); h < span.Hours()+p.Lead.Hours() { // else beyond the span, and perhaps beyond a Duration
			span = min(span, time.Duration(h*float64(time.Hour))-p.Lead)
		}
	}
	return s.at.Add(max(span, min(p.Soonest, spans[priority-1]))).Truncate(time.Minute)
}

// space is the namespace of order IDs: the UUIDv5 of "telltale order" under the nil UUID.
var space = hash5([16]byte{}, "telltale order")

func hash5(namespace [16]byte, name string) (id [16]byte) {
	sum := sha1.Sum(append(namespace[:], name...)) //nolint:gosec // not for secrecy
	copy(id[:], sum[:16])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// uuid5 is the UUIDv5 (RFC 9562, 5.5) of a key.
func uuid5(key string) string {
	id := hash5(space, key)
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
