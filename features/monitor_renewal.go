package features

import (
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// renewal is a span like the one of commissioning, after maintenance: what was
// learned of the old part says nothing of the new one. The other components are
// judged on.
type renewal struct {
	components []string // sorted; none: no renewal
	span       spanState
}

// renewing are the kinds of event after which a component is learned again.
var renewing = []string{"maintenance", "part-replaced"}

// renew begins a span for the components of the events; an event without one means
// all of the asset. An asset that declares no span keeps its baseline, and what
// happens within the commissioning span belongs to it.
func (m *Monitor) renew(events []asset.Event) {
	for _, e := range events {
		if !slices.Contains(renewing, e.Kind) || !m.span.over || m.baseline == nil || !m.learns() {
			continue
		}
		r := renewal{components: m.renewal.components}
		for _, d := range m.detectors {
			if c := d.shared().component; (e.Component == "" || e.Component == c) && !slices.Contains(r.components, c) {
				r.components = append(r.components, c)
			}
		}
		if len(r.components) == 0 {
			continue
		}
		slices.Sort(r.components)
		m.renewal = r
		m.diary = diary{kept: m.diary.kept}
	}
}

// relearn takes the snapshot into the span, or ends it.
func (m *Monitor) relearn(s *Snapshot) {
	if len(m.renewal.components) == 0 {
		return
	}
	if m.inSpan(&m.renewal.span, s) {
		s.Renewed = slices.Clone(m.renewal.components)
		m.note(s)
		return
	}
	m.refreeze()
	m.read(s)
}

// opinion is what a detector says, which learns again where its component is new.
func (m *Monitor) opinion(d detector, in *instant) (asset.Assessment, bool) {
	c := d.shared()
	if c.opt.Type == "sensor" || !slices.Contains(m.renewal.components, c.component) {
		return d.judge(in)
	}
	if !c.present(in) {
		return asset.Assessment{}, false
	}
	return c.mute(in, "learning"), true
}

// refreeze learns from the span and puts what concerns the renewed components in the
// place of what was known of them.
func (m *Monitor) refreeze() {
	changed := m.renewal.components
	m.renewal = renewal{}
	fresh, err := NewMonitor(m.asked, m.plate)
	if err != nil { // the same options made this monitor
		return
	}
	for _, f := range m.fields {
		fresh.register(f.Field, tracked{wave: f.wave, derived: f.derived, component: f.component})
	}
	fresh.diary.rows = m.diary.rows
	b := m.merged(fresh.learn(), changed)
	body, err := b.encode()
	if err == nil {
		b, err = decodeBaseline(body, m.plate.Kind)
	}
	if err != nil {
		return
	}
	m.encoded, m.dirty.baseline = body, true
	m.adopt(b)
	m.warmUp()
}

// merged is the old baseline with the new one's fields, models and detectors of the
// components in it.
func (m *Monitor) merged(fresh *Baseline, components []string) *Baseline {
	channels, fields := map[string]bool{}, map[Field]bool{}
	for _, d := range m.detectors {
		if c := d.shared(); slices.Contains(components, c.component) {
			for _, i := range c.idx {
				channels[m.fields[i].Channel] = true
			}
		}
	}
	for _, f := range m.fields {
		own := f.wave && slices.Contains(components, f.component) || !f.wave && channels[f.Channel]
		fields[Field{Channel: f.Channel, Name: f.Name}] = own
	}
	b := *m.baseline
	b.Rows, b.To = fresh.Rows, fresh.To
	b.Fields = exchanged(b.Fields, fresh.Fields, func(f FieldBaseline) bool { return fields[Field{Channel: f.Channel, Name: f.Name}] })
	b.Normal = exchanged(b.Normal, fresh.Normal, func(l Learned) bool { return channels[l.Name] })
	b.Detectors = exchanged(b.Detectors, fresh.Detectors, func(l Learned) bool { return slices.Contains(components, l.Component) })
	if b.To.IsZero() {
		b.To = time.Unix(0, m.in.ns).UTC()
	}
	return &b
}

// exchanged is old without what is renewed, and that of fresh.
func exchanged[T any](old, fresh []T, renewed func(T) bool) []T {
	var out []T
	for _, x := range old {
		if !renewed(x) {
			out = append(out, x)
		}
	}
	for _, x := range fresh {
		if renewed(x) {
			out = append(out, x)
		}
	}
	return out
}

func (r *renewal) walk(c *codec) {
	n := c.length(len(r.components), 8)
	if c.reading {
		r.components = make([]string, n)
	}
	for i := range r.components {
		c.str(&r.components[i])
	}
	c.i64(&r.span.firstNs)
	c.i64(&r.span.lastNs)
	c.int(&r.span.rows)
	c.bool(&r.span.started)
}
