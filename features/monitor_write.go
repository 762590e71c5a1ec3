package features

import (
	"cmp"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// write appends z and residuals to the vectors.
func (m *Monitor) write(s *Snapshot) {
	if m.baseline == nil {
		m.writeMeasures(s)
		return
	}
	for i := range s.Vectors {
		v := &s.Vectors[i]
		if v.Fields, v.Values = slices.Clip(v.Fields), slices.Clip(v.Values); v.Channel == "" {
			m.give(v, m.measures)
		}
		for _, f := range slices.Clip(v.Fields) {
			at := m.index[Field{Channel: f.Channel, Name: f.Name}]
			if m.fields[at].base.N == 0 {
				continue
			}
			v.add(Field{Channel: f.Channel, Name: f.Name + "_z", Unit: "1"}, m.in.z[at], cmp.Or(m.in.why[at], m.fields[at].base.why(m.in.op), "undefined"))
		}
		if v.Channel == "" {
			m.give(v, m.models())
		}
	}
}

// writeMeasures appends what needs no past.
func (m *Monitor) writeMeasures(s *Snapshot) {
	for i := range s.Vectors {
		if v := &s.Vectors[i]; v.Channel == "" && len(m.measures) > 0 {
			v.Fields, v.Values = slices.Clip(v.Fields), slices.Clip(v.Values)
			m.give(v, m.measures)
		}
	}
}

// give appends the derivers' fields.
func (m *Monitor) give(v *Vector, all []deriver) {
	for _, d := range all {
		for _, at := range d.gives() {
			v.add(m.fields[at].Field, m.in.now[at], cmp.Or(m.in.why[at], "absent"))
		}
	}
}

// add appends a derived field.
func (v *Vector) add(f Field, value float64, why asset.Reason) {
	v.Fields = append(v.Fields, f)
	v.Values = append(v.Values, value)
	if math.IsNaN(value) && v.Reasons == nil {
		v.Reasons = make([]asset.Reason, len(v.Fields)-1)
	}
	if v.Reasons != nil {
		if !math.IsNaN(value) {
			why = ""
		}
		v.Reasons = append(slices.Clip(v.Reasons), why)
	}
}
