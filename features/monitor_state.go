package features

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// stateVersion opens the running state.
const stateVersion = 2

// Parts of the carried state.
const (
	partState    = "state"
	partFields   = "fields"
	partBaseline = "baseline"
)

// Save returns the parts that changed since the last Save; an empty one means
// that the part is gone.
func (m *Monitor) Save() map[string][]byte {
	parts := map[string][]byte{}
	if m.dirty.state {
		var c codec
		m.walk(&c)
		parts[partState] = c.buf
	}
	if m.dirty.fields {
		parts[partFields] = m.fieldList()
	}
	if m.dirty.baseline {
		parts[partBaseline] = m.encoded
	}
	m.diary.save(parts)
	m.dirty.state, m.dirty.fields, m.dirty.baseline = false, false, false
	return parts
}

// savedField is a field as the carried state names it.
type savedField struct {
	Channel string `json:"c"`
	Name    string `json:"n"`
	Unit    string `json:"u"`
	Wave    bool   `json:"w,omitempty"`
}

func (m *Monitor) fieldList() []byte {
	var list []savedField
	for _, f := range m.fields {
		if !f.derived {
			list = append(list, savedField{f.Channel, f.Name, f.Unit, f.wave})
		}
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil
	}
	return body
}

// Load puts a new monitor of the same options where another one was when it
// saved these parts. Running state of other options is dropped; the baseline
// stays.
func (m *Monitor) Load(parts map[string][]byte) error {
	wrap := func(part string, err error) error {
		return fmt.Errorf("asset %s: part %s: %w", m.plate.ID, part, err)
	}
	if body := parts[partBaseline]; len(body) > 0 {
		b, err := decodeBaseline(body, m.plate.Kind)
		if err != nil {
			return wrap(partBaseline, err)
		}
		m.encoded, m.span.over = slices.Clone(body), true
		m.adopt(b)
	}
	if body := parts[partFields]; len(body) > 0 {
		var list []savedField
		if err := json.Unmarshal(body, &list); err != nil {
			return wrap(partFields, err)
		}
		for _, f := range list {
			m.register(Field{Channel: f.Channel, Name: f.Name, Unit: f.Unit}, tracked{wave: f.Wave})
		}
	}
	if err := m.diary.load(parts); err != nil {
		return fmt.Errorf("asset %s: %w", m.plate.ID, err)
	}
	if body := parts[partState]; len(body) > 0 {
		c := codec{buf: body, reading: true}
		if m.walk(&c); c.err != nil {
			return wrap(partState, c.err)
		}
		m.span.over = m.span.over || m.baseline != nil
	}
	m.dirty.state, m.dirty.fields, m.dirty.baseline = false, false, false
	return nil
}

// shape names what the running state is made of.
func (m *Monitor) shape() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v;", m.opt.Operating)
	if m.opt.Regimes.Adapt {
		b.WriteString("adapt;")
	}
	for _, d := range m.measures {
		switch d := d.(type) {
		case *temperature:
			fmt.Fprintf(&b, "temperature %s;", d.opt.Metric)
		case *phases:
			fmt.Fprintf(&b, "phases %v;", d.metrics)
		}
	}
	for _, n := range m.normals {
		fmt.Fprintf(&b, "%s %v %v;", n.opt.Target, n.opt.Inputs, n.opt.LagsH)
	}
	for _, d := range m.detectors {
		o := d.shared().opt
		fmt.Fprintf(&b, "%s %s %s %v %g;", o.Type, o.Name, o.Component, o.Fields, o.Drift)
		switch o.Type {
		case "sensor":
			b.WriteString("rest;")
		case "ewma", "cusum", "page-hinkley", "bocpd", "spot":
			fmt.Fprintf(&b, "%s %d;", o.Side, o.Recent)
		}
		if o.PeriodH > 0 {
			fmt.Fprintf(&b, "%g;", o.PeriodH)
		}
	}
	return b.String()
}

// walk visits everything that changes from one snapshot to the next.
func (m *Monitor) walk(c *codec) {
	version := stateVersion
	c.int(&version)
	if version != stateVersion {
		c.err = errCodec
		return
	}
	c.i64(&m.span.firstNs)
	c.i64(&m.span.lastNs)
	c.int(&m.span.rows)
	c.bool(&m.span.started)
	c.bool(&m.span.over)
	m.renewal.walk(c)
	c.int(&m.diary.stride)
	c.int(&m.diary.skip)
	shape := m.shape()
	c.str(&shape)
	if shape != m.shape() {
		return
	}
	m.op.walk(c)
	for _, d := range m.measures {
		d.walk(c)
	}
	m.walkAgeing(c)
	for _, n := range m.normals {
		n.walk(c)
	}
	for _, d := range m.detectors {
		d.walk(c)
	}
}
