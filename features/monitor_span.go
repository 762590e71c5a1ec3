package features

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// inSpan counts the snapshot and reports whether it lies in the commissioning
// span: the first so many distinct instants of telemetry (of anything, for an
// asset that declares no metrics), or the first so many seconds.
func (m *Monitor) inSpan(sp *spanState, s *Snapshot) bool {
	ns := s.Time.UnixNano()
	if !sp.started {
		sp.started, sp.firstNs, sp.lastNs = true, ns, math.MinInt64
	}
	l := m.plate.Learning
	if l.Rows > 0 && m.counts(s) && ns > sp.lastNs {
		sp.lastNs = ns
		sp.rows++
	}
	if l.Rows > 0 && sp.rows > l.Rows {
		return false
	}
	return !(l.DurationS > 0) || float64(ns-sp.firstNs) < l.DurationS*1e9
}

// counts reports whether the snapshot is an instant in the sense of the span.
func (m *Monitor) counts(s *Snapshot) bool {
	for i := range s.Vectors {
		if s.Vectors[i].Channel == "" || len(m.plate.Metrics) == 0 {
			return true
		}
	}
	return false
}

// note writes the instant into the diary.
func (m *Monitor) note(s *Snapshot) {
	r := row{ns: m.in.ns}
	for i := range s.Vectors {
		v := &s.Vectors[i]
		if v.Quality < learnQuality {
			continue
		}
		for _, f := range v.Fields {
			at := m.index[Field{Channel: f.Channel, Name: f.Name}]
			if !math.IsNaN(m.in.now[at]) {
				r.idx = append(r.idx, uint64(at))
				r.val = append(r.val, m.in.now[at])
			}
		}
	}
	if len(r.idx) > 0 {
		m.diary.add(r)
	}
}

// learning says of each detector that would speak that it does not yet.
func (m *Monitor) learning() []asset.Assessment {
	var out []asset.Assessment
	for _, d := range m.detectors {
		if d.shared().present(m.in) {
			out = append(out, d.shared().mute(m.in, "learning"))
		}
	}
	return out
}

// freeze ends the span: it learns the baseline and adopts it.
func (m *Monitor) freeze() {
	m.span.over = true
	b := m.learn()
	body, err := b.encode()
	if err == nil {
		b, err = decodeBaseline(body, m.plate.Kind)
	}
	if err != nil { // a span that yields no usable numbers teaches nothing
		b = &Baseline{Format: baselineFormat, Features: Version, Asset: m.plate.ID, Kind: m.plate.Kind}
		body, _ = b.encode()
	}
	m.encoded, m.dirty.baseline = body, true
	m.adopt(b)
	m.warmUp()
}

// warmUp runs the span through fresh detectors so that their running means are warm,
// and forgets the span.
func (m *Monitor) warmUp() {
	warm := replay{rows: m.diary.rows, fields: m.fields, op: m.op.fresh()}
	for in := range warm.raw() {
		m.judge(in)
	}
	for _, d := range m.detectors {
		d.shared().past = persistence{}
		switch o := d.(type) {
		case *onset:
			o.settle()
		case *residual:
			o.stands = false
		}
	}
	m.diary.rows, m.diary.clean = nil, 0
}

// learn computes the baseline from the diary.
func (m *Monitor) learn() *Baseline {
	b := &Baseline{Format: baselineFormat, Features: Version, Asset: m.plate.ID, Kind: m.plate.Kind, Rows: len(m.diary.rows)}
	rows := m.diary.rows
	if len(rows) > 0 {
		b.From, b.To = time.Unix(0, rows[0].ns).UTC(), time.Unix(0, rows[len(rows)-1].ns).UTC()
	}
	span := &replay{rows: rows, fields: m.fields, op: m.op.fresh()}
	columns := span.columns()
	var op [][]float64
	for in := range span.raw() {
		op = append(op, in.op)
	}
	for i := range m.fields {
		if m.fields[i].derived {
			continue
		}
		quadratic := op
		if m.opt.Regimes.on() {
			quadratic = nil
		}
		f := learnField(m.fields[i], columns[i], quadratic)
		if m.opt.Regimes.on() && f.N > 0 && m.fields[i].wave {
			f.Bins = m.opt.Regimes.learn(&f, repeatability(m.fields[i]), columns[i], op, rows)
		}
		m.fields[i].base = f
		if f.N > 0 {
			b.Fields = append(b.Fields, f)
		}
	}
	for _, n := range m.normals {
		if n.fit(span); n.learned != nil {
			b.Normal = append(b.Normal, *n.learned)
			span.normals = append(span.normals, n)
		}
	}
	if p := m.power; p != nil {
		p.fit(span)
		b.PowerCurve, span.power = p.curve, p
	}
	for _, d := range m.detectors {
		if l := d.learn(span); l != nil {
			b.Detectors = append(b.Detectors, *l)
		}
	}
	return b
}
