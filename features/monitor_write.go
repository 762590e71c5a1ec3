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
		return
	}
	for i := range s.Vectors {
		v := &s.Vectors[i]
		own := v.Fields
		v.Fields, v.Values = slices.Clip(v.Fields), slices.Clip(v.Values)
		for _, f := range own {
			at := m.index[Field{Channel: f.Channel, Name: f.Name}]
			if m.fields[at].base.N == 0 {
				continue
			}
			v.add(Field{Channel: f.Channel, Name: f.Name + "_z", Unit: "1"}, m.in.z[at], cmp.Or(m.in.why[at], "undefined"))
		}
		if v.Channel != "" {
			continue
		}
		for _, n := range m.normals {
			if n.learned == nil {
				continue
			}
			for _, at := range n.out {
				v.add(m.fields[at].Field, m.in.now[at], cmp.Or(m.in.why[at], "absent"))
			}
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
