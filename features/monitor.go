package features

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// Monitor judges the features of one asset against its own past, one snapshot at
// a time in event time. It is owned by one goroutine. What it carries from one
// snapshot to the next goes through Save and Load without losing a bit.
type Monitor struct {
	opt       MonitorOptions
	asked     MonitorOptions // as they came, without a baseline
	plate     asset.Nameplate
	baseline  *Baseline
	fields    []tracked
	index     map[Field]int // by channel and name; Unit empty
	normals   []*normal
	power     *production // nil: none
	measures  []deriver
	detectors []detector // sensors first
	in        *instant
	op        operating
	ageing    ageing
	span      spanState
	diary     diary
	renewal   renewal
	dirty     struct{ state, fields, baseline bool }
	encoded   []byte // the frozen baseline
}

// spanState says how far the commissioning span has come.
type spanState struct {
	firstNs int64 // of the first reading
	lastNs  int64 // of the newest telemetry instant that was counted
	rows    int   // distinct instants of telemetry
	started bool
	over    bool
}

// Least qualities of a vector for a verdict and for a baseline.
const (
	judgeQuality = 50
	learnQuality = 80
)

// NewMonitor makes a monitor for one asset. An error names the option that it
// cannot meet, or says why the baseline does not fit.
func NewMonitor(opt MonitorOptions, plate asset.Nameplate) (*Monitor, error) {
	m := &Monitor{plate: plate, index: map[Field]int{}, in: &instant{}}
	m.asked, m.opt.Baseline = opt, opt.Baseline
	m.asked.Baseline = nil
	if err := m.resolve(opt); err != nil {
		return nil, fmt.Errorf("asset %s: %w", plate.ID, err)
	}
	m.build()
	for _, n := range m.normals {
		for k, f := range n.derived() {
			if f.Unit == "" {
				f.Unit = m.unitOf(f.Channel)
			}
			n.out[k] = m.register(f, tracked{derived: true, component: firstComponent(&plate)})
		}
	}
	if p := m.power; p != nil {
		for k, f := range p.fields() {
			p.out[k] = m.register(f, tracked{derived: true, component: firstComponent(&plate)})
		}
	}
	if err := m.makeMeasures(opt); err != nil {
		return nil, fmt.Errorf("asset %s: %w", plate.ID, err)
	}
	if m.span.over = !m.learns(); len(opt.Baseline) > 0 {
		b, err := decodeBaseline(opt.Baseline, plate.Kind)
		if err != nil {
			return nil, fmt.Errorf("asset %s: %w", plate.ID, err)
		}
		m.encoded, m.dirty.baseline, m.span.over = opt.Baseline, true, true
		m.adopt(b)
	}
	m.dirty.fields = false
	return m, nil
}

// build makes fresh models and detectors, sensors first, and gives them what was
// learned and the fields seen so far.
func (m *Monitor) build() {
	outs := make([][3]int, len(m.opt.Normal))
	for i, n := range m.normals {
		outs[i] = n.out
	}
	m.normals, m.detectors = nil, nil
	for i, o := range m.opt.Normal {
		n := &normal{opt: o, target: -1, inputs: make([]int, len(o.Inputs)), out: outs[i]}
		for k := range n.inputs {
			n.inputs[k] = -1
		}
		if m.baseline != nil {
			n.learned = learnedBy(m.baseline.Normal, o.Target, "")
			if n.learned != nil && !n.fits() {
				n.learned = nil
			}
		}
		m.normals = append(m.normals, n)
	}
	m.buildPower()
	ordered := slices.Clone(m.opt.Detectors)
	slices.SortStableFunc(ordered, func(a, b DetectorOptions) int {
		return cmp.Compare(btoi(b.Type == "sensor"), btoi(a.Type == "sensor"))
	})
	for _, o := range ordered {
		for _, component := range o.components(&m.plate) {
			m.detectors = append(m.detectors, m.detector(o, component))
		}
	}
	for i := range m.fields {
		m.offer(i)
	}
}

// detector makes one for a component, with what it learned.
func (m *Monitor) detector(o DetectorOptions, component string) detector {
	c := common{opt: o, component: component}
	if m.baseline != nil {
		c.digest = m.baseline.ID
		c.learned = learnedBy(m.baseline.Detectors, o.Name, component)
	}
	if o.Type == "zone" {
		return newZone(c, &m.plate, m.opt.Zones)
	}
	return newDetector(c)
}

// buildPower makes the power curve afresh, with what was learned.
func (m *Monitor) buildPower() {
	if m.opt.PowerCurve.Power == "" {
		return
	}
	var out [2]int
	if m.power != nil {
		out = m.power.out
	}
	if m.power = newProduction(m.opt.PowerCurve, out); m.baseline != nil {
		m.power.curve = m.baseline.PowerCurve
	}
}

// models are the derivers that learned from the span.
func (m *Monitor) models() []deriver {
	var out []deriver
	for _, n := range m.normals {
		out = append(out, n)
	}
	if m.power != nil {
		out = append(out, m.power)
	}
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// adopt freezes a baseline.
func (m *Monitor) adopt(b *Baseline) {
	m.baseline = b
	m.buildPower()
	for i := range m.fields {
		m.fields[i].base = m.baseOf(m.fields[i])
	}
	m.build()
}

// baseOf is a field's baseline; that of a residual holds its model's figures.
func (m *Monitor) baseOf(f tracked) FieldBaseline {
	if m.baseline == nil {
		return FieldBaseline{}
	}
	switch {
	case !f.derived:
		b := m.baseline.field(f.Channel, f.Name)
		if m.opt.Regimes.Adapt {
			b.Bins = b.Bins.clone()
		}
		return b
	case m.power != nil && strings.HasPrefix(f.Name, "power_"):
		return m.power.base(f.Field)
	}
	l := learnedBy(m.baseline.Normal, f.Channel, "")
	if l == nil {
		return FieldBaseline{}
	}
	b := FieldBaseline{Channel: f.Channel, Name: f.Name, Unit: m.unitOf(f.Channel), N: l.N, Scale: 1}
	switch f.Name {
	case "residual":
	case "residual_z":
		b.Scale = l.Scale
	default:
		b.Scale = l.SlowScale
	}
	return b
}

// unitOf is the canonical unit of a declared metric; empty when it is not known.
func (m *Monitor) unitOf(metric string) string {
	for _, t := range m.plate.Metrics {
		if t.Name == metric {
			if _, unit, ok := asset.Convert(0, t.Unit); ok {
				return unit
			}
		}
	}
	return ""
}

// register finds a field's place or gives it one.
func (m *Monitor) register(f Field, t tracked) int {
	key := Field{Channel: f.Channel, Name: f.Name}
	if i, ok := m.index[key]; ok {
		return i
	}
	t.Field = f
	if t.component == "" {
		t.component = m.componentOf(f.Channel, t.wave)
	}
	t.base = m.baseOf(t)
	i := len(m.fields)
	m.fields = append(m.fields, t)
	m.index[key] = i
	m.dirty.fields = true
	m.offer(i)
	return i
}

// componentOf is the component that a channel or metric speaks for.
func (m *Monitor) componentOf(channel string, wave bool) string {
	if wave {
		for _, c := range m.plate.Channels {
			if c.Name == channel && c.Component != "" {
				return c.Component
			}
		}
	}
	return firstComponent(&m.plate)
}

// offer shows a field to everyone. A detector that is told its component reads
// telemetry that speaks for another.
func (m *Monitor) offer(i int) {
	f := m.fields[i]
	if k := slices.Index(m.opt.Operating, f.Channel); k >= 0 && !f.wave && f.Name == "value" {
		m.op.idx[k] = i
	}
	for _, d := range m.measures {
		d.offer(i, f)
	}
	for _, d := range m.models() {
		d.offer(i, f)
	}
	for _, d := range m.detectors {
		g := f
		if o := d.shared().opt; o.Component != "" && !f.wave {
			g.component = o.Component
		}
		d.offer(i, g)
	}
}

// Observe adds to the snapshot's vectors what follows from the asset's past (z
// of every field with a baseline, residuals of modelled metrics), marks it when
// it lies in the commissioning span, and returns what the detectors say.
func (m *Monitor) Observe(s *Snapshot) []asset.Assessment {
	m.dirty.state = true
	m.read(s)
	m.renew(s.Events)
	if !m.span.over && m.inSpan(&m.span, s) {
		s.Learning = true
		if len(m.measures) > 0 {
			m.measure(m.in)
			m.writeMeasures(s)
		}
		m.note(s)
		return m.learning()
	}
	if !m.span.over {
		m.freeze()
		m.read(s)
	}
	m.relearn(s)
	out := m.judge(m.in)
	s.Faulty = m.in.faulty()
	m.write(s)
	m.age(m.in, out)
	return out
}

// read turns the snapshot into an instant.
func (m *Monitor) read(s *Snapshot) {
	for i := range s.Vectors {
		v := &s.Vectors[i]
		for _, f := range v.Fields {
			m.register(f, tracked{wave: v.Channel != ""})
		}
	}
	m.in.reset(s.Time.UnixNano(), m.fields)
	for i := range s.Vectors {
		v := &s.Vectors[i]
		for j, f := range v.Fields {
			at := m.index[Field{Channel: f.Channel, Name: f.Name}]
			switch {
			case v.Quality < judgeQuality:
				m.in.why[at] = "low-quality"
			case math.IsNaN(v.Values[j]) || math.IsInf(v.Values[j], 0):
				if v.Reasons != nil {
					m.in.why[at] = v.Reasons[j]
				}
			default:
				m.in.set(at, v.Values[j], "")
			}
		}
	}
	m.in.op = m.op.step(m.in)
	if m.opt.Regimes.on() {
		s.Regime = m.opt.Regimes.Name(pointOf(m.in.op))
	}
	m.in.score()
}

// judge lets the sensors, the models and the detectors speak in this order.
func (m *Monitor) judge(in *instant) []asset.Assessment {
	var out []asset.Assessment
	derived := false
	for _, d := range m.detectors {
		if d.shared().opt.Type != "sensor" && !derived {
			m.derive(in)
			derived = true
		}
		if a, ok := m.opinion(d, in); ok {
			out = append(out, a)
		}
	}
	if !derived {
		m.derive(in)
	}
	return out
}

func (m *Monitor) derive(in *instant) {
	m.measure(in)
	for _, n := range m.normals {
		n.derive(in)
	}
	if m.power != nil {
		m.power.derive(in)
	}
	for _, d := range m.detectors {
		if d, ok := d.(*sensor); ok {
			d.settle(in)
		}
	}
}

func (m *Monitor) measure(in *instant) {
	for _, d := range m.measures {
		d.derive(in)
	}
}

// Export is the frozen baseline as JSON, for MonitorOptions.Baseline; nil while
// there is none.
func (m *Monitor) Export() []byte {
	if m.baseline == nil {
		return nil
	}
	body, err := json.Marshal(m.baseline)
	if err != nil {
		return nil
	}
	return body
}
