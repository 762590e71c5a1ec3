package models

import (
	"maps"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// prepared is a sequence as one version's graph reads it.
type prepared struct {
	values []float32 // steps × columns
	state  []float32 // of a stateful model; nil: zeros
	rows   int       // that it has read since it was reset
	target []float32 // of a forecaster: the row that came true, NaN where nothing did
	last   []float32 // the newest row without holes
}

// prepare fills holes by the last value, within MaxMissing; a gap at the beginning
// takes what the model last read, or the first value. The caller's values are not
// touched.
func (s *Scorer) prepare(q *features.Sequence, c Contract) (prepared, asset.Reason) {
	width := len(c.Features)
	p := prepared{values: q.Values}
	if cut := len(q.Values) - width; c.Output == OutputForecast && cut > 0 { // the last row is what the forecast is held against
		p.values, p.target = q.Values[:cut], q.Values[cut:]
		if !slices.ContainsFunc(p.target, func(v float32) bool { return !notFinite(v) }) {
			return p, reasonMissing
		}
	}
	if q.Memory != nil && c.State != nil {
		p.recall(q, c)
	}
	if len(p.values) != c.Window*width {
		return p, reasonShape
	}
	holes := 0
	for _, v := range p.values {
		if notFinite(v) {
			holes++
		}
	}
	if float64(holes) > s.opt.MaxMissing*float64(len(p.values)) {
		return p, reasonMissing
	}
	var there []bool
	if c.Mask {
		there = make([]bool, len(p.values))
		for i, v := range p.values {
			there[i] = !notFinite(v)
		}
	}
	if holes > 0 {
		var ok bool
		if p.values, ok = filled(p.values, width, p.last); !ok {
			return p, reasonMissing
		}
	}
	p.last = p.values[len(p.values)-width:]
	if c.Mask {
		p.values = masked(p.values, there, width)
	}
	return p, ""
}

// filled is a copy without holes; false when a column has no value at all.
func filled(values []float32, width int, before []float32) ([]float32, bool) {
	v := slices.Clone(values)
	for j := range width {
		first := j
		for first < len(v) && notFinite(v[first]) {
			first += width
		}
		var held float32
		switch {
		case j < len(before):
			held = before[j]
		case first < len(v):
			held = v[first]
		default:
			return nil, false
		}
		for i := j; i < len(v); i += width {
			if notFinite(v[i]) {
				v[i] = held
			}
			held = v[i]
		}
	}
	return v, true
}

// masked puts a second half of columns beside the values: 1 where one was there.
func masked(values []float32, there []bool, width int) []float32 {
	out := make([]float32, 0, 2*len(values))
	for at := 0; at < len(values); at += width {
		out = append(out, values[at:at+width]...)
		for _, was := range there[at : at+width] {
			if was {
				out = append(out, 1)
			} else {
				out = append(out, 0)
			}
		}
	}
	return out
}

// missed is by how much a forecast was wrong, in units of the feature's scale; 0
// where nothing came to hold it against.
func (p *prepared) missed(y []float32, scale []float64) []float32 {
	out := make([]float32, len(y))
	for j, v := range y {
		if notFinite(p.target[j]) {
			continue
		}
		out[j] = p.target[j] - v
		if j < len(scale) && scale[j] > 0 {
			out[j] = float32(float64(out[j]) / scale[j])
		}
	}
	return out
}

// recall looks up what the version remembers of the asset. It starts from nothing
// after a gap of three periods, where the regime changed and the model says so, and
// where it never read this asset; then it may go on from what another version knows.
func (p *prepared) recall(q *features.Sequence, c Contract) {
	if q.Fresh {
		return
	}
	r, ok := q.Memory.States[c.Digest]
	if ok = ok && c.follows(q, r); !ok && c.State.OnSwap == StateKeep {
		for _, digest := range slices.Sorted(maps.Keys(q.Memory.States)) {
			if o := q.Memory.States[digest]; c.follows(q, o) && c.State.holds(o.Values) && (!ok || o.At.After(r.At)) {
				r, ok = o, true
			}
		}
	}
	if ok && (!c.State.Regime || r.Regime == q.Regime) {
		p.state, p.last, p.rows = r.Values, r.Last, r.Rows
	}
}

// holds says whether values are as many as the graph's state has.
func (s *State) holds(values []float32) bool {
	size := 0
	for _, d := range s.Dims {
		size += d[0] * d[1]
	}
	return len(s.Dims) == 0 || len(values) == size
}

// follows is true when the sequence's first row comes within three periods of what
// was remembered.
func (c *Contract) follows(q *features.Sequence, r features.Recurrent) bool {
	return q.Time.Sub(r.At).Seconds() <= (float64(c.Window)+2.5)*c.PeriodS
}

// remember keeps what a stateful model wants to know next time, and drops what other
// versions can no longer go on from. It returns false within the model's warm-up.
func (c *Contract) remember(q *features.Sequence, in prepared, state []float32) (warm bool) {
	m := q.Memory
	if m == nil || c.State == nil {
		return true
	}
	if m.States == nil {
		m.States = map[string]features.Recurrent{}
	}
	maps.DeleteFunc(m.States, func(_ string, r features.Recurrent) bool { return !c.follows(q, r) })
	m.States[c.Digest] = features.Recurrent{
		At: q.Time, Rows: in.rows + c.Window, Values: slices.Clone(state), Last: slices.Clone(in.last), Regime: q.Regime,
	}
	return in.rows >= c.State.WarmUp
}
