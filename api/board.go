package api

import (
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/twin"
)

// Board shows the assets of a twin.Board. It is safe for concurrent use.
type Board struct {
	Plates []asset.Nameplate // of every asset, sorted by ID; not changed after
	Twins  *twin.Board
}

var _ Twins = Board{}

// Nameplates lists every asset.
func (b Board) Nameplates() []asset.Nameplate { return b.Plates }

// View translates the newest copy of a twin; false before its first reading.
func (b Board) View(id asset.ID) (View, bool) {
	t, ok := b.Twins.Get(id)
	if !ok || t.Time.IsZero() {
		return View{}, false
	}
	v := View{Time: t.Time, State: operation(t), Learning: t.Learning, SpeedRpm: t.SpeedRpm, LoadN: t.LoadN}
	for _, x := range t.Values {
		v.Features = append(v.Features, Quantity{Name: x.Key, Value: x.Value, Limit: asset.Missing(), Unit: x.Unit, Text: string(x.Reason), Time: x.Time.UTC()})
	}
	for _, part := range t.Components {
		for _, law := range part.Laws {
			v.Physics = append(v.Physics, quantities(part.Component, law)...)
		}
	}
	return v, true
}

// operation says in words how the asset stands: what its life cycle says when
// that is out of the ordinary, and otherwise whether it turns.
func operation(t twin.View) string {
	switch t.State {
	case twin.Maintenance:
		return "in maintenance"
	case twin.Retired:
		return "retired"
	case twin.Faulted:
		return "out of order"
	}
	if t.SpeedRpm.Known() && t.SpeedRpm < 1 {
		return "standing still"
	}
	return "running"
}

// quantities are what a law knows, after the score that it is judged by.
func quantities(component string, law twin.LawState) []Quantity {
	out := make([]Quantity, 0, len(law.Quantities)+1)
	if law.Score.Known() {
		q := Quantity{Component: component, Source: law.Law, Name: "score", Value: law.Score, Limit: law.Limit, Unit: "1", Time: law.Time.UTC()}
		for _, e := range law.Evidence {
			if e.Text != "" {
				q.Text = e.Text
				break
			}
		}
		out = append(out, q)
	}
	for _, x := range law.Quantities {
		out = append(out, Quantity{Component: component, Source: law.Law, Name: x.Name, Value: x.Value, Limit: asset.Missing(), Unit: x.Unit, Time: law.Time.UTC()})
	}
	return out
}
