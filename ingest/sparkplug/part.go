package sparkplug

import (
	"errors"
	"fmt"
	"time"
)

// part is an edge node itself or one of its devices: what its birth defined.
type part struct {
	source  string // in gaps and events
	born    bool
	trusted bool // nothing was lost since: aliases mean what the birth said
	known   map[string]*definition
	alias   map[uint64]*definition // nil for one that the birth gave to two metrics
	bound   []*bound
}

// definition is a metric as its birth has it.
type definition struct {
	name   string
	kind   kind
	unit   string
	lastMS int64 // timestamp of the newest value that was passed on
}

var (
	errUnborn   = errors.New("data of a device whose birth was not heard")
	errDoubt    = errors.New("after a loss nobody knows what an alias means until the next birth")
	errNameless = errors.New("a metric with neither a name nor an alias")
)

// birth replaces what was known and passes on the values that come with it.
func (p *part) birth(r record, out *output, s *NodeStatus) {
	before := p.known
	p.known, p.alias = make(map[string]*definition, r.metrics), map[uint64]*definition{}
	p.born, p.trusted = true, true
	r.each(func(m *metric) {
		if !m.named {
			s.Undefined++
			return
		}
		d := p.known[string(m.name)]
		if d == nil {
			d = &definition{name: string(m.name), kind: m.kind, unit: string(m.unit)}
			if old := before[d.name]; old != nil {
				d.lastMS = old.lastMS
			}
			p.known[d.name] = d
		}
		if !m.aliased {
			return
		}
		if other, twice := p.alias[m.alias]; twice && other != d {
			d = nil
		}
		p.alias[m.alias] = d
	})
	r.each(func(m *metric) {
		if d := p.known[string(m.name)]; m.named && r.stampOf(m) != d.lastMS { // else it was passed on before
			p.take(d, m, r, s)
		}
	})
	for _, b := range p.bound {
		b.reborn(r.stamp(), p.source, out)
	}
}

// data passes on what came. The error says of what the birth is missing.
func (p *part) data(r record, out *output, s *NodeStatus) (missing error) {
	if !p.born {
		s.Undefined++
		return errUnborn
	}
	r.each(func(m *metric) {
		if d := p.find(m); d != nil {
			p.take(d, m, r, s)
			return
		}
		s.Undefined++
		if missing == nil {
			missing = p.why(m)
		}
	})
	for _, b := range p.bound {
		b.flush(p.source, out)
	}
	return missing
}

// find is the definition of a metric in a data message; nil where nobody knows what it is.
func (p *part) find(m *metric) *definition {
	switch {
	case !m.named && m.aliased && p.trusted:
		return p.alias[m.alias]
	case !m.named:
		return nil
	}
	d := p.known[string(m.name)]
	if d == nil && m.kind != unknown { // not as it should be, and clear all the same
		return &definition{name: string(m.name), kind: m.kind, unit: string(m.unit)}
	}
	return d
}

// why says what find lacked.
func (p *part) why(m *metric) error {
	switch {
	case m.named:
		return fmt.Errorf("metric %q is in no birth", m.name)
	case !m.aliased:
		return errNameless
	case !p.trusted:
		return errDoubt
	}
	return fmt.Errorf("alias %d stands for no metric", m.alias)
}

// stampOf is a metric's timestamp, else its message's, in ms since 1970.
func (r record) stampOf(m *metric) int64 {
	if m.stampMS >= 0 {
		return m.stampMS
	}
	return r.stamp().UnixMilli()
}

// take hands a value to the bindings.
func (p *part) take(d *definition, m *metric, r record, s *NodeStatus) {
	k := m.kind
	if k == unknown {
		k = d.kind
	}
	quality, current := qualityOf(m.quality)
	switch {
	case m.null:
		return
	case !current:
		s.Stale++
		return
	}
	v := value{metric: m, definition: d, kind: k, stampMS: r.stampOf(m), quality: quality, among: r.metrics}
	for _, b := range p.bound {
		if !b.take(v) {
			s.Unread++
		}
	}
	d.lastMS = v.stampMS
}

// qualityOf is 0–100. A value that is bad or stale is none: current is false. Codes that
// the specification does not have are those of OPC, whose two upper bits are good, 01
// uncertain, or bad.
func qualityOf(code int64) (quality float64, current bool) {
	switch {
	case code == good || code > bad && code < 256 && code&0xC0 == 0xC0:
		return 100, true
	case code > bad && code < 256 && code&0xC0 == 0x40:
		return 50, true
	}
	return 0, false
}

// miss notes for the assets that something of between two instants is missing.
func (p *part) miss(since, until time.Time, why error) {
	for _, b := range p.bound {
		b.miss(since, until, why)
	}
}

// wait is what the birth of its node, or a lost connection, does to a part: until it is
// born again it says nothing.
func (p *part) wait() { p.born, p.trusted, p.alias = false, false, nil }

// die ends what the birth began.
func (p *part) die(at, since time.Time, why error, out *output) {
	p.miss(since, since, why)
	p.wait()
	for _, b := range p.bound {
		b.tell(Offline, at, p.source+": "+why.Error(), out)
	}
}

// tell says how the assets stand now.
func (p *part) tell(s State, at time.Time, text string, out *output) {
	for _, b := range p.bound {
		b.tell(s, at, p.source+" "+text, out)
	}
}

// tellUnborn says of a device that its node was born and it was not.
func (p *part) tellUnborn(now time.Time, out *output) {
	if p.born {
		return
	}
	for _, b := range p.bound {
		if b.told == Online {
			b.miss(now.UTC(), now.UTC(), errors.New("the device was not born with its edge node"))
			b.tell(Offline, now.UTC(), p.source+" was not born with its edge node", out)
		}
	}
}
