package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
	"github.com/telltale-iot/telltale/pipeline"
)

// historian stands where an asset's twin would be and keeps what is learned from.
// The asset's shard owns it while the flow runs.
type historian struct {
	class       class.Class
	plate       asset.Nameplate
	labels      []dataset.Label // of this asset
	growths     []growthPlace
	regressions []regressionPlace
	cracks      []crackPlace
	fields      []features.Field // that the laws read
	slot        map[features.Field]int
	rows        []recordedRow
	healthy     map[features.Field]*sketch
	first       time.Time
}

var _ pipeline.Deriver = (*historian)(nil)

// recordedRow is one instant: the values are parallel to the historian's fields.
type recordedRow struct {
	time     time.Time
	learning bool
	replaced []string // components that were renewed
	speedRpm asset.Number
	values   []float64
}

// growthPlace is a growth law at its component.
type growthPlace struct {
	law, component string
	opt            physics.GrowthOptions
}

// regressionPlace is a regression law at its component.
type regressionPlace struct {
	law, component string
	opt            physics.RegressionOptions
}

func newHistorian(c class.Class, plate asset.Nameplate, labels []dataset.Label) (*historian, error) {
	r := &historian{class: c, plate: plate, slot: map[features.Field]int{}, healthy: map[features.Field]*sketch{}}
	for _, l := range labels {
		if l.Asset == plate.ID {
			r.labels = append(r.labels, l)
		}
	}
	for _, law := range c.Laws {
		for _, part := range law.For.Components(plate) {
			var err error
			switch law.Use {
			case "growth":
				err = r.addGrowth(law, part)
			case "regression":
				err = r.addRegression(law, part)
			case "crack":
				err = r.addCrack(law, part)
			}
			if err != nil {
				return nil, fmt.Errorf("class %s: law %s: %w", c.Kind, law.Name, err)
			}
		}
	}
	return r, nil
}

func (r *historian) addGrowth(law class.Law, part asset.Component) error {
	o, err := options[physics.GrowthOptions](law.Use, law.Options)
	if err != nil {
		return err
	}
	o.HorizonH = r.class.HorizonH
	if o.Keys = placed(o.Keys, r.plate, part); len(o.Keys) == 0 {
		return nil
	}
	r.watch(o.Keys)
	r.growths = append(r.growths, growthPlace{law.Name, part.Name, o})
	return nil
}

func (r *historian) addRegression(law class.Law, part asset.Component) error {
	o, err := options[physics.RegressionOptions](law.Use, law.Options)
	if err != nil {
		return err
	}
	if len(placed(o.Keys, r.plate, part)) != len(o.Keys) {
		return nil // a machine without all of the inputs teaches nothing
	}
	o.HorizonH = r.class.HorizonH
	r.watch(o.Keys)
	r.regressions = append(r.regressions, regressionPlace{law.Name, part.Name, o})
	return nil
}

func (r *historian) watch(keys []string) {
	for _, k := range keys {
		f := fieldOf(k)
		if _, ok := r.slot[f]; !ok {
			r.slot[f] = len(r.fields)
			r.fields = append(r.fields, f)
		}
	}
}

// Step notes the instant.
func (r *historian) Step(s features.Snapshot) []asset.Assessment {
	if r.first.IsZero() {
		r.first = s.Time
	}
	healthy := r.knownHealthy(s.Time)
	row := recordedRow{time: s.Time, learning: s.Learning, speedRpm: s.SpeedRpm}
	for _, e := range s.Events {
		if e.Kind == "part-replaced" {
			row.replaced = append(row.replaced, e.Component)
		}
	}
	for i := range s.Vectors {
		v := &s.Vectors[i]
		for j, f := range v.Fields {
			f.Unit = ""
			if at, ok := r.slot[f]; ok {
				if row.values == nil {
					row.values = slices.Repeat([]float64{math.NaN()}, len(r.fields))
				}
				row.values[at] = v.Values[j]
			}
			if healthy && v.Quality >= goodQuality {
				if r.healthy[f] == nil {
					r.healthy[f] = &sketch{}
				}
				r.healthy[f].add(v.Values[j])
			}
		}
	}
	if row.values != nil || row.replaced != nil {
		r.rows = append(r.rows, row)
	}
	return nil
}

// goodQuality is the least quality that anything is learned from.
const goodQuality = 80

// Judge has nothing to note: no verdict is learned from.
func (r *historian) Judge(asset.Risk) {}

// Save has nothing to carry.
func (r *historian) Save() map[string][]byte { return nil }

// Load has nothing to take.
func (r *historian) Load(map[string][]byte) error { return nil }

// aroundFault is how close to a known fault nothing counts as healthy.
const aroundFault = time.Hour

// knownHealthy says whether labels vouch for an instant: outside every fault of a
// machine with labels, and in the first half of a life that ended in a failure.
func (r *historian) knownHealthy(t time.Time) bool {
	for _, l := range r.labels {
		switch l.Kind {
		case "failure":
			if !l.End.IsZero() && t.Before(l.End) && t.Sub(r.first) > l.End.Sub(r.first)/2 {
				return false
			}
		case "fault", "maintenance":
			if !t.Before(l.Start.Add(-aroundFault)) && (l.End.IsZero() || !t.After(l.End.Add(aroundFault))) {
				return false
			}
		}
	}
	return len(r.labels) > 0
}

// failure is when the component's life ended; false when no label says so.
func (r *historian) failure(component string) (time.Time, bool) {
	for _, l := range r.labels {
		if l.Kind == "failure" && !l.End.IsZero() && (l.Component == component || l.Component == "") {
			return l.End, true
		}
	}
	return time.Time{}, false
}

// faulty says whether a fault of the component is known.
func (r *historian) faulty(component string) bool {
	return slices.ContainsFunc(r.labels, func(l dataset.Label) bool {
		return l.Kind == "fault" && (l.Component == component || l.Component == "")
	})
}

// snapshot makes an instant that a law can step on, of the keys alone.
func (r *historian) snapshot(row recordedRow) features.Snapshot {
	s := features.Snapshot{Asset: r.plate.ID, Time: row.time, Learning: row.learning, SpeedRpm: asset.Missing(), LoadN: asset.Missing()}
	if row.values != nil {
		s.Vectors = []features.Vector{{Fields: r.fields, Values: row.values, Quality: 100}}
	}
	return s
}
