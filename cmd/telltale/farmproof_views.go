package main

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
)

// viewDay is one day of a turbine's unit as it looked to everybody; only days that truth
// calls failing or healthy are kept.
type viewDay struct {
	Unit    string           `json:"unit"`
	Failing bool             `json:"failing,omitempty"`
	Risk    [heardAs]float64 `json:"risk"` // the day's mean; of a unit's components the largest
}

// Who is heard: the fused verdict, each view alone in the order of viewNames, all but one
// in the same order.
const (
	heardAlone   = 1
	heardWithout = 4
	heardAs      = 7
)

// viewDays takes the mean risk of each component's days. A view that says nothing leaves
// the prior: everybody is judged on the same days.
type viewDays struct {
	w    *works
	opt  map[asset.ID]pipeline.FusionOptions
	days map[part]map[int64]*daySum // by day since 1970
}

// daySum adds up a day's risks.
type daySum struct {
	n    float64
	risk [heardAs]float64
}

func newViewDays(w *works) *viewDays {
	return &viewDays{w: w, opt: map[asset.ID]pipeline.FusionOptions{}, days: map[part]map[int64]*daySum{}}
}

const day = 24 * time.Hour

func (d *viewDays) hear(r asset.Risk) {
	if !r.Risk.Known() {
		return // it is learning still
	}
	opt, ok := d.opt[r.Asset]
	if !ok {
		plate := d.w.plates[r.Asset]
		opt = d.w.fusion(d.w.classes.Of(plate.Kind), plate)
		d.opt[r.Asset] = opt
	}
	at, on := part{r.Asset, r.Component}, r.Time.Unix()/int64(day.Seconds())
	if d.days[at] == nil {
		d.days[at] = map[int64]*daySum{}
	}
	s := d.days[at][on]
	if s == nil {
		s = &daySum{}
		d.days[at][on] = s
	}
	said, all := r.LLR.Views(), asset.Number(0)
	for i, l := range said {
		if !l.Known() {
			said[i] = 0
		}
		all += said[i]
	}
	s.n++
	s.risk[0] += float64(r.Risk)
	for i, l := range said {
		s.risk[heardAlone+i] += float64(opt.Posterior(l))
		s.risk[heardWithout+i] += float64(opt.Posterior(all - l))
	}
}

// of are a turbine's days: failing ones of the unit with the fault, from the day on which
// it can be seen; healthy ones while no fault of machine or sensor is near.
func (d *viewDays) of(t proofTurbine) []viewDay {
	type unitDay struct {
		unit string
		on   int64
	}
	found := map[unitDay]viewDay{}
	for at, days := range d.days {
		if at.asset != t.Asset {
			continue
		}
		for on, s := range days {
			failing, counts := t.truthOn(unitOf(at.component), time.Unix(on*int64(day.Seconds()), 0))
			if !counts {
				continue
			}
			v, ok := found[unitDay{unitOf(at.component), on}]
			v.Unit, v.Failing = unitOf(at.component), failing
			for i, sum := range s.risk {
				if p := math.Round(sum/s.n*1e6) / 1e6; !ok || p > v.Risk[i] {
					v.Risk[i] = p
				}
			}
			found[unitDay{unitOf(at.component), on}] = v
		}
	}
	keys := slices.SortedFunc(maps.Keys(found), func(a, b unitDay) int {
		return cmp.Or(cmp.Compare(a.unit, b.unit), cmp.Compare(a.on, b.on))
	})
	out := make([]viewDay, 0, len(keys))
	for _, k := range keys {
		out = append(out, found[k])
	}
	return out
}

// truthOn is what became of a unit on a day; counts is false where nobody can say.
func (t proofTurbine) truthOn(unit string, from time.Time) (failing, counts bool) {
	to, f := from.Add(day), t.Fault
	switch {
	case from.Before(t.Begin):
		return false, false
	case f != nil && unit == unitOf(f.Component) && !from.Before(f.Detectable) && !to.After(f.Failure):
		return true, true
	}
	return false, !f.active(from) && !f.active(to) && !t.Sensor.active(from) && !t.Sensor.active(to)
}

// viewGroups are the faults by which views have a source that reads what they change in
// the simulated turbine: only the blade's structure reads its frequencies, only rules read
// gear lines and levels; the law of growth reads the lines of rolling bearings beside them;
// everybody reads heat.
var viewGroups = []struct {
	name  string
	modes []asset.Mode // none: every one
	seen  []string     // by these views
}{
	{"all faults", nil, viewNames[1:]},
	{"physics alone can see", []asset.Mode{asset.Crack}, viewNames[2:3]},
	{"rules alone can see", []asset.Mode{asset.GearTooth, asset.Imbalance, asset.Misalignment}, viewNames[3:]},
	{"bearing defects", []asset.Mode{asset.InnerRace, asset.OuterRace, asset.RollingElement}, viewNames[2:]},
	{"faults that heat", []asset.Mode{asset.Overheating, asset.Lubrication, asset.Electrical, asset.Wear}, viewNames[1:]},
}

// viewFigures tell how well each view alone, their fusion, and the fusion without one of
// them rank failing days of a unit above healthy ones.
func viewFigures(turbines []proofTurbine) []proofFigure {
	var out []proofFigure
	for _, g := range viewGroups {
		rocs, failing, days := heardRocs(turbines, g.modes)
		figure := func(name string, r roc) proofFigure {
			low, high := r.interval()
			return proofFigure{Name: g.name + ": " + name, K: failing, N: float64(days), X: asset.Number(r.area), Lo: low, Hi: high}
		}
		best := heardAlone
		for k, name := range viewNames {
			f := figure("AUC "+name, rocs[k])
			f.Lo, f.Hi = max(f.Lo, 0), min(f.Hi, 1) // NaN stays NaN
			out = append(out, f)
			if k > 0 && rocs[k].area > rocs[best].area {
				best = k
			}
		}
		gain := figure("fused less "+viewNames[best]+", the best view", rocs[0].less(rocs[best]))
		gain.Goal, gain.OK = "≥ 0", gain.X >= 0
		out = append(out, gain)
		for _, name := range g.seen {
			without := heardWithout - heardAlone + slices.Index(viewNames[:], name)
			cost := figure("silencing "+name+" costs", rocs[0].less(rocs[without]))
			cost.Goal, cost.OK = "low > 0", cost.Lo > 0
			out = append(out, cost)
		}
	}
	return out
}

// heardRocs are the areas under the ROC curve of everybody heard, over failing days of
// the modes and all healthy ones. A day counts by the share of healthy days of its unit
// that were below it: how many sources say that all is well differs between units, and
// tells nothing of a fault.
func heardRocs(turbines []proofTurbine, modes []asset.Mode) (rocs [heardAs]roc, failing, days int) {
	healthy := map[string]*[heardAs][]float64{}
	for _, t := range turbines {
		for _, d := range t.Days {
			of := healthy[d.Unit]
			if of == nil {
				of = &[heardAs][]float64{}
				healthy[d.Unit] = of
			}
			for k, p := range d.Risk {
				if !d.Failing {
					of[k] = append(of[k], p)
				}
			}
		}
	}
	for _, of := range healthy {
		for k := range of {
			slices.Sort(of[k])
		}
	}
	var truth []bool
	var turbine []int
	var scores [heardAs][]float64
	for i, t := range turbines {
		for _, d := range t.Days {
			if d.Failing && modes != nil && !slices.Contains(modes, t.Fault.Mode) {
				continue
			}
			if d.Failing {
				failing++
			}
			truth, turbine = append(truth, d.Failing), append(turbine, i)
			for k, p := range d.Risk {
				scores[k] = append(scores[k], below(healthy[d.Unit][k], p))
			}
		}
	}
	for k := range rocs {
		rocs[k] = newRoc(truth, turbine, scores[k])
	}
	return rocs, failing, len(truth)
}

// below is the share of sorted values under v, those equal to it by half; NaN of none.
func below(sorted []float64, v float64) float64 {
	from, _ := slices.BinarySearch(sorted, v)
	to, _ := slices.BinarySearch(sorted, math.Nextafter(v, math.Inf(1)))
	return float64(from+to) / 2 / float64(len(sorted))
}
