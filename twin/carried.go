package twin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/physics"
)

// Names of the carried parts besides "law/<component>/<law>".
const (
	partLife = "life"
	partAt   = "at"
)

// saved marks what changed since the last Save.
type saved struct {
	life, at bool
	gone     []string // parts of laws that are no longer here
}

// Save returns the parts that changed since the last Save; an empty one is to be
// deleted. Values, verdicts and rings are rebuilt from the flow and not carried.
func (t *Twin) Save() map[string][]byte {
	parts := map[string][]byte{}
	if t.saved.life {
		parts[partLife] = encode(t.career)
	}
	if t.saved.at {
		parts[partAt] = encode(t.at)
	}
	for i := range t.laws {
		l := &t.laws[i]
		if !l.dirty {
			continue
		}
		l.dirty = false
		if parts[l.part] = []byte{}; l.state.Law != "" {
			parts[l.part] = encode(l.state)
		}
	}
	for _, name := range t.saved.gone {
		parts[name] = []byte{}
	}
	t.saved = saved{}
	if len(parts) == 0 {
		return nil
	}
	return parts
}

// encode panics on what cannot be JSON: the twin lets no such number in.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("twin: state is not JSON: " + err.Error())
	}
	return b
}

// Load puts the twin where all the parts of earlier Saves say. It changes
// nothing when it returns an error.
func (t *Twin) Load(parts map[string][]byte) error {
	life, at := career{State: Provisioning}, reached{}
	states := make([]physics.State, len(t.laws))
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		b := parts[name]
		if len(b) == 0 {
			continue
		}
		var into any
		switch i := slices.IndexFunc(t.laws, func(l placed) bool { return l.part == name }); {
		case i >= 0:
			into = &states[i]
		case name == partLife:
			into = &life
		case name == partAt:
			into = &at
		case strings.HasPrefix(name, "law/"):
			gone = append(gone, name)
			continue
		default:
			return fmt.Errorf("twin of %s: unknown carried part %q", t.plate.ID, name)
		}
		if err := json.Unmarshal(b, into); err != nil {
			return fmt.Errorf("twin of %s: carried part %q: %w", t.plate.ID, name, err)
		}
	}
	t.career, t.at, t.saved = life, at, saved{gone: gone}
	for i := range t.laws {
		l := &t.laws[i]
		l.state, l.spoke, l.dirty = states[i], false, false
	}
	return nil
}

// View returns a copy of the twin for readers.
func (t *Twin) View() View {
	v := View{
		Asset: t.plate.ID, Kind: t.plate.Kind, Group: t.plate.Group, Criticality: t.plate.Criticality,
		State: t.career.State, Version: t.at.Version, Time: t.at.Time, Learning: t.learning,
		SpeedRpm: t.speedRpm, LoadN: t.loadN, History: append([]Entry{}, t.career.History...),
		Values: make([]Latest, 0, len(t.slots)),
	}
	for i := range t.slots {
		v.Values = append(v.Values, t.slots[i].latest)
	}
	slices.SortFunc(v.Values, func(a, b Latest) int { return strings.Compare(a.Key, b.Key) })
	v.Components = t.parts()
	return v
}

// parts lists the nameplate's components, then what else laws or verdicts named.
func (t *Twin) parts() []Part {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, c := range t.plate.Components {
		add(c.Name)
	}
	for _, l := range t.laws {
		add(l.Component)
	}
	for _, name := range slices.Sorted(maps.Keys(t.verdicts)) {
		add(name)
	}
	out := make([]Part, 0, len(names))
	for _, name := range names {
		p := Part{Component: name, Risk: t.verdicts[name], Laws: []LawState{}}
		for i := range t.laws {
			if t.laws[i].Component == name {
				p.Laws = append(p.Laws, t.laws[i].view())
			}
		}
		out = append(out, p)
	}
	return out
}

// view is the law's last word; a verdict once made is never changed, so readers
// may share it.
func (p *placed) view() LawState {
	a := p.last
	out := LawState{Law: p.source, Reason: physics.ReasonMissing, Evidence: []asset.Evidence{}, Quantities: []physics.Quantity{}}
	if p.spoke {
		out = LawState{
			Law: p.source, Time: a.Time.UTC(), Score: a.Score, Limit: a.Limit, FailP: a.FailP, Abnormal: a.Abnormal,
			Trust: a.Trust, Reason: a.Reason, RUL: a.RUL, Quantities: []physics.Quantity{}, Evidence: append([]asset.Evidence{}, a.Evidence...),
		}
	} else {
		out.Score, out.Limit, out.FailP, out.RUL = asset.Missing(), asset.Missing(), asset.Missing(), asset.NoRUL()
	}
	if d, ok := p.Law.(Describer); ok && p.state.Law != "" {
		out.Quantities = d.Quantities(p.state)
	}
	return out
}
