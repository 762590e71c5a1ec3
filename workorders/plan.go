package workorders

import (
	"crypto/sha1" //nolint:gosec // UUIDv5 is defined by it
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// Policy says what an alert asks for. Its zero is the documented default.
type Policy struct {
	Mildest  int           // severity of the mildest alert that gets an order; default 4: every alert gets one
	Lead     time.Duration // parts, crew and weather: work has to end this long before the early end of life; default 24 h
	Soonest  time.Duration // no order asks for less time than this; default 24 h
	FailP    float64       // probability of failure that makes priority 1 and 2; default 0.3
	LateP    float64       // the same for priority 3; default 0.2
	AlertURL string        // address of an alert's page without its ID; empty leaves the link out
	Costs    Costs         // of work on the alert's component; without them no window is chosen
	Site     Site
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
	for i := 0; s.severity > policy.Mildest; i++ {
		if i == len(a.Changes) {
			return Order{}, false
		}
		c := a.Changes[i]
		if c.What != "cleared" {
			s = state{c.Time, c.Mode, c.Severity, c.Risk, c.RUL}
		}
	}
	priority := policy.priority(s, a.HorizonH, plate)
	key := KeyOf(a.ID)
	o := Order{
		ID: uuid5(key), Alert: a.ID, Asset: a.Asset, Component: a.Component, Mode: s.mode, Priority: priority,
		Title: title(a, s), RequiredEnd: policy.requiredEnd(s, priority), Key: key, Status: Open, Created: s.at, Evidence: a.Evidence,
	}
	o.Text = policy.text(a, s, plate, o, policy.schedule(a, s, &o))
	return o, true
}

// schedule sets activity and window by what costs least before the end that the
// priority asks for, and returns the reasons. A sensor fault is always looked at first.
func (p Policy) schedule(a asset.Alert, s state, o *Order) []string {
	o.Activity = Repair
	if s.mode == asset.SensorFault {
		o.Activity = Inspection
		return nil
	}
	if !(p.Costs.Failure > 0) || !(p.Costs.Planned > 0) {
		return nil
	}
	ill := 1.0
	if s.risk.Known() {
		ill = float64(s.risk)
	}
	horizonH := max(a.HorizonH, 24)
	if math.IsInf(horizonH, 0) || math.IsNaN(horizonH) {
		horizonH = 90 * 24
	}
	fail := func(h float64) float64 { return failsWithin(h, s, a.HorizonH) }
	if s.rul.P50.Known() { // else the risk alone says when
		fail = func(h float64) float64 { return ill * lifeEnds(h, s.rul) }
	}
	d := choose(p.Costs, p.Site, fail, ill, horizonH, o.RequiredEnd.Sub(s.at).Hours())
	best := d.options[d.best]
	if d.inspect || best.nothing {
		o.Activity = Inspection
	}
	at := best.at
	if d.inspect || best.nothing { // a look needs no parts
		at = min(max(p.Costs.CrewH, 24), best.at)
	}
	start := s.at.Add(hoursLong(at)).Truncate(time.Minute)
	o.Window = &Window{Start: start, End: start.Add(hoursLong(p.Costs.WorkH + visitH)), ExpectedKEUR: math.Round(10*best.expected) / 10}
	o.RequiredEnd = o.Window.End
	return d.lines(p.Costs, s.at)
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

// failsWithin is the probability of failure within h hours: from the quantiles
// of the remaining life, linear between them, or from the risk over its horizon
// at a constant hazard, 1 − (1 − risk)^(h/horizon), whichever is greater.
func failsWithin(h float64, s state, horizonH float64) float64 {
	var p float64
	if risk := float64(s.risk); s.risk.Known() && horizonH > 0 && !math.IsInf(horizonH, 0) {
		if p = min(max(risk, 0), 1); h < horizonH {
			p = 1 - math.Pow(1-p, h/horizonH)
		}
	}
	t0, p0 := 0.0, 0.0
	for _, q := range []struct {
		t asset.Number
		p float64
	}{{s.rul.P10, 0.1}, {s.rul.P50, 0.5}, {s.rul.P90, 0.9}} {
		t := float64(q.t)
		if !q.t.Known() || t < t0 {
			continue
		}
		if h < t {
			return max(p, p0+(q.p-p0)*(h-t0)/(t-t0))
		}
		t0, p0 = t, q.p
	}
	return max(p, p0)
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

// titleLength is what an ERP's short text holds.
const titleLength = 40

func title(a asset.Alert, s state) string {
	part := words(a.Component)
	name := strings.TrimSpace(strings.TrimSuffix(part, " bearing") + " " + modeName(s.mode))
	if !strings.HasPrefix(modeName(s.mode), "bearing") {
		name = strings.TrimSpace(part + " " + modeName(s.mode))
	}
	var rest string
	switch {
	case s.rul.P50.Known():
		rest = ", RUL " + span(float64(s.rul.P50))
	case s.rul.P10.Known():
		rest = ", RUL " + span(float64(s.rul.P10))
	case s.risk.Known():
		rest = ", risk " + percent(s.risk)
	}
	if name = capital(name); utf8.RuneCountInString(name+rest) <= titleLength {
		return name + rest
	}
	return Cut(name, titleLength)
}

// Cut shortens s to at most n runes, the last of which is then an ellipsis.
func Cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return strings.TrimRightFunc(string(runes[:max(n-1, 0)]), unicode.IsSpace) + "…"
}

func (p Policy) text(a asset.Alert, s state, plate asset.Nameplate, o Order, why []string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s expected on %s of asset %s.", capital(modeName(s.mode)), words(a.Component), a.Asset)
	if s.risk.Known() && a.HorizonH > 0 {
		line("Probability of failure: %s within %s.", percent(s.risk), span(a.HorizonH))
	}
	if life := lifeText(s.rul); life != "" {
		line("Remaining life: %s.", life)
	}
	line("Finish by %s.", o.RequiredEnd.UTC().Format("2006-01-02 15:04 UTC"))
	if s.rul.P10.Known() && float64(s.rul.P10) < p.Lead.Hours() && s.mode != asset.SensorFault {
		line("The early end of life lies within the lead time of %s: reduce load or stop until the work is done.", span(p.Lead.Hours()))
	}
	for _, w := range why {
		line("%s", w)
	}
	if len(a.Evidence) > 0 {
		line("Evidence:")
		for _, e := range a.Evidence {
			line("- %s", evidenceLine(e))
		}
	}
	line("To check:")
	for _, step := range advice(s.mode) {
		line("- %s", step)
	}
	if plate.Criticality > 0 {
		line("Criticality of the asset: %d of 5.", plate.Criticality)
	}
	if p.AlertURL != "" {
		line("Details: %s%s", p.AlertURL, a.ID)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func lifeText(r asset.RUL) string {
	var parts []string
	if r.P50.Known() {
		parts = append(parts, "about "+span(float64(r.P50)))
	}
	if r.P10.Known() {
		parts = append(parts, "90 % sure to exceed "+span(float64(r.P10)))
	}
	if r.P90.Known() {
		parts = append(parts, "10 % chance to exceed "+span(float64(r.P90)))
	}
	return strings.Join(parts, ", ")
}

func evidenceLine(e asset.Evidence) string {
	line := strings.TrimSpace(e.Source + " " + e.Name)
	if e.Value.Known() && !math.IsInf(float64(e.Value), 0) {
		line += " = " + strconv.FormatFloat(float64(e.Value), 'g', 4, 64)
	}
	if e.Limit.Known() && !math.IsInf(float64(e.Limit), 0) {
		line += " (limit " + strconv.FormatFloat(float64(e.Limit), 'g', 4, 64) + ")"
	}
	if e.Text != "" {
		line += ": " + e.Text
	}
	return line
}

func percent(n asset.Number) string {
	return strconv.FormatFloat(100*min(max(float64(n), 0), 1), 'f', 0, 64) + " %"
}

// span writes hours as a person says them.
func span(h float64) string {
	switch {
	case h < 48:
		return strconv.FormatFloat(max(h, 0), 'f', 0, 64) + " h"
	case h > 3*365*24:
		return "over 3 years"
	}
	return strconv.FormatFloat(h/24, 'f', 0, 64) + " d"
}

// words turns an identifier into words.
func words(id string) string {
	return strings.Join(strings.FieldsFunc(id, func(r rune) bool { return r == '_' || r == '-' || unicode.IsSpace(r) }), " ")
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
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
