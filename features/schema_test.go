package features

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// placeholders are what the parts of a row's name stand for.
var placeholders = map[string]string{
	"<lo>": `[0-9.]+`, "<hi>": `[0-9.]+`, "<h>": `[0-9.]+`, "<k>": `[1-3]`, "<family>": `(bpfo|bpfi|bsf|ftf)`,
	"<_wheel>": `(_[a-z].*)?`, "<_part>": `(_[a-z].*)?`, "<feature>": `(.+)`,
}

type schemaMatcher struct {
	row  Row
	name *regexp.Regexp
}

func schemaMatchers(t *testing.T) []schemaMatcher {
	t.Helper()
	var out []schemaMatcher
	seen := map[string]bool{}
	for _, r := range Schema() {
		if seen[r.Name] || r.Name == "" || r.Of == "" || r.Unit == "" || r.Meaning == "" || r.Minimum == "" || r.Source == "" {
			t.Errorf("row %+v is there twice or lacks something", r)
		}
		seen[r.Name] = true
		pattern := regexp.QuoteMeta(r.Name)
		for _, p := range regexp.MustCompile(`<[^>]+>`).FindAllString(r.Name, -1) {
			if placeholders[p] == "" {
				t.Fatalf("row %s: nobody knows what %s stands for", r.Name, p)
			}
			pattern = strings.ReplaceAll(pattern, regexp.QuoteMeta(p), placeholders[p])
		}
		out = append(out, schemaMatcher{r, regexp.MustCompile("^" + pattern + "$")})
	}
	return out
}

// rowsFor are the rows that a field's name matches.
func rowsFor(all []schemaMatcher, name string) []Row {
	var out []Row
	for _, m := range all {
		parts := m.name.FindStringSubmatch(name)
		switch {
		case parts == nil:
		case strings.Contains(m.row.Name, "<_") && strings.HasSuffix(name, "_z"): // that is a score
		case m.row.Name == "<feature>_z":
			of := rowsFor(all, parts[1])
			if len(of) == 1 && !strings.Contains(of[0].Of, "once learned") {
				out = append(out, m.row)
			}
		default:
			out = append(out, m.row)
		}
	}
	return out
}

// seenField is one field that the program gave.
type seenField struct {
	unit  string // as it gave it
	known bool   // it had a value at least once
}

// seenFields collects what appears, by plate and key.
type seenFields struct {
	t       *testing.T
	fields  map[string]map[string]*seenField
	plates  map[string]asset.Nameplate
	reasons map[asset.Reason]bool
}

func (s *seenFields) add(name string, plate asset.Nameplate, v Vector) {
	s.t.Helper()
	if s.fields[name] == nil {
		s.fields[name], s.plates[name] = map[string]*seenField{}, plate
	}
	if len(v.Fields) != len(v.Values) || v.Reasons != nil && len(v.Reasons) != len(v.Fields) {
		s.t.Fatalf("%s: %d fields, %d values, %d reasons", name, len(v.Fields), len(v.Values), len(v.Reasons))
	}
	for i, f := range v.Fields {
		why := asset.Reason("")
		if v.Reasons != nil {
			why = v.Reasons[i]
		}
		if x := v.Values[i]; math.IsInf(x, 0) || math.IsNaN(x) != (why != "") {
			s.t.Errorf("%s: %s = %g, reason %q", name, f.Key(), x, why)
		}
		if why != "" {
			s.reasons[why] = true
		}
		at := s.fields[name][f.Key()]
		if at == nil {
			at = &seenField{unit: f.Unit}
			s.fields[name][f.Key()] = at
		}
		if f.Unit != at.unit {
			s.t.Errorf("%s: %s is in %q, then in %q", name, f.Key(), at.unit, f.Unit)
		}
		at.known = at.known || why == ""
	}
}

// watch runs the windows of each instant through an extractor and a monitor.
func (s *seenFields) watch(name string, plate asset.Nameplate, opt ExtractorOptions, mopt MonitorOptions, instants [][]asset.Window) {
	s.t.Helper()
	e, m := NewExtractor(opt, plate, nil), mustMonitor(s.t, mopt, plate)
	for _, windows := range instants {
		snap := &Snapshot{Asset: plate.ID}
		for _, w := range windows {
			v, _, err := e.Extract(w, true)
			if err != nil {
				s.t.Fatal(err)
			}
			snap.Time = w.Start
			snap.Vectors = append(snap.Vectors, v)
		}
		m.Observe(snap)
		for _, v := range snap.Vectors {
			s.add(name, plate, v)
		}
	}
}

// TestSchemaHoldsEveryField runs every kind of channel, part and metric past a
// commissioning span: each field has one row, each row a field with a value.
func TestSchemaHoldsEveryField(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	s := &seenFields{t, map[string]map[string]*seenField{}, map[string]asset.Nameplate{}, map[asset.Reason]bool{}}
	const learn, all = 10, 12
	span := &asset.Learning{Rows: learn}

	rig := testPlate()
	rig.Learning, rig.Metrics = span, nil
	rig.Channels = append(rig.Channels, asset.Channel{Name: "v", Kind: "velocity", Unit: "m/s", RateHz: testRate, Component: "bearing"}, asset.Channel{Name: "p", Kind: "tacho", Unit: "V", RateHz: testRate, Component: "bearing"})
	var instants [][]asset.Window
	for k := range all {
		a := testWindow(strikes(12800, testRate, 90, 4300, 4, uint64(k)), 1500)
		a.Start = groupStart.Add(time.Duration(k) * time.Hour)
		v, p := a, a
		v.Channel, v.Kind, v.Unit = "v", "velocity", "m/s"
		p.Channel, p.Kind, p.Unit, p.Samples = "p", "tacho", "V", pulseTrain(12800, testRate, 25)
		instants = append(instants, []asset.Window{p, a, v})
	}
	s.watch("bearing rig", rig, ExtractorOptions{}, MonitorOptions{}, instants)

	several := groupPlate()
	several.Kinematics.Shafts = append(several.Kinematics.Shafts, asset.Shaft{Name: "lss", Ratio: 0.5})
	several.Kinematics.Gears = append(several.Kinematics.Gears, asset.Gear{Shaft: "lss", Teeth: 42}, asset.Gear{Shaft: "hss", Teeth: 13})
	several.Kinematics.Planetary = []asset.Planetary{{Ring: 96, Sun: 21, Planet: 37, Planets: 3}}
	epicyclic := groupPlate()
	epicyclic.Kinematics = &asset.Kinematics{Planetary: []asset.Planetary{{Ring: 96, Sun: 21, Planet: 37, Planets: 3}}}
	for name, plate := range map[string]asset.Nameplate{"gearbox": groupPlate(), "several wheels": several, "planetary": epicyclic} {
		plate.Learning = span
		instants = nil
		for k := range all {
			instants = append(instants, []asset.Window{groupWindow(plate, "gear", float64(k)*600, meshing(51200, 25600, 25, 21, 0, uint64(k)), 1500)})
		}
		s.watch(name, plate, ExtractorOptions{}, MonitorOptions{}, instants)
	}

	plant := groupPlate()
	plant.Learning = span
	instants = nil
	for k := range all {
		at := 120 * float64(k)
		instants = append(instants, []asset.Window{
			groupWindow(plant, "ae", at, bursts(50000, uint64(k), 4000), math.NaN()),
			groupWindow(plant, "ae-uv", at, bursts(5000, uint64(k), 900+k), math.NaN()),
			groupWindow(plant, "ae-g", at, bursts(5000, uint64(k), 900+k), math.NaN()),
			groupWindow(plant, "i", at, current[float32](20000, 1000, 50, 0.02, 38, 46, 100), 1470),
			groupWindow(plant, "strain", at, swings(k), 12),
			groupWindow(plant, "tower", at, oscillator(3072, 25.6, 0.32, 0.02, uint64(k)), 12),
		})
	}
	s.watch("turbine", plant, behind40(), MonitorOptions{}, instants)

	plate := plantPlate(1200)
	m, r, e := mustMonitor(t, plantOptions(), plate), newPlant(6), NewExtractor(ExtractorOptions{}, plate, nil)
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range 1260 {
		given := r.next(nil)
		w := asset.Window{Asset: plate.ID, Start: given.Time, Quality: 100}
		for j, f := range given.Vectors[1].Fields {
			if i < 1200 || rng.IntN(20) > 0 {
				w.Points = append(w.Points, asset.Point{Metric: f.Channel, Value: given.Vectors[1].Values[j], Unit: f.Unit, Quality: 100})
			}
		}
		given.Vectors[1], _, _ = e.Extract(w, false)
		m.Observe(given)
		for _, v := range given.Vectors {
			s.add("telemetry", plate, v)
		}
	}
	s.check()
}

// pulseTrain is a tacho's voltage, one pulse a turn.
func pulseTrain(n int, rate, hz float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		if math.Mod(hz*float64(i)/rate+0.3, 1) < 0.1 {
			x[i] = 5
		}
	}
	return x
}

// check holds what appeared to the rows.
func (s *seenFields) check() {
	s.t.Helper()
	all, hit := schemaMatchers(s.t), map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		plate := s.plates[name]
		for _, key := range slices.Sorted(maps.Keys(s.fields[name])) {
			f := s.fields[name][key]
			channel, field, _ := strings.Cut(key, "/")
			rows := rowsFor(all, field)
			if len(rows) != 1 {
				s.t.Errorf("%s: %s matches %d rows: %v", name, key, len(rows), rows)
				continue
			}
			hit[rows[0].Name] = hit[rows[0].Name] || f.known
			want := rows[0].Unit
			switch want {
			case "channel":
				want = canonicalOf(plate, channel, false)
			case "metric":
				want = canonicalOf(plate, channel, true)
			}
			if f.unit != want {
				s.t.Errorf("%s: %s is in %q, its row says %q", name, key, f.unit, want)
			}
		}
	}
	for _, m := range all {
		if !hit[m.row.Name] {
			s.t.Errorf("row %s: no field of it had a value", m.row.Name)
		}
	}
	for why := range s.reasons {
		if !documented(why) {
			s.t.Errorf("reason %q is not on the page", why)
		}
	}
}

func documented(why asset.Reason) bool {
	return slices.ContainsFunc(reasonRows(), func(r reasonRow) bool { return r.Reason == why })
}

// canonicalOf is the unit of a channel or metric.
func canonicalOf(plate asset.Nameplate, name string, metric bool) string {
	for _, c := range plate.Channels {
		if _, unit, ok := asset.Convert(0, c.Unit); ok && !metric && c.Name == name {
			return unit
		}
	}
	for _, c := range plate.Metrics {
		if _, unit, ok := asset.Convert(0, c.Unit); ok && metric && c.Name == name {
			return unit
		}
	}
	return fmt.Sprintf("(%s is not declared)", name)
}

// swings is a structure in the wind, and at last one that rings out.
func swings(k int) []float32 {
	if k == 11 {
		return ringDown(15360, 25.6, 0.71, 0.01, 0.01)
	}
	return oscillator(15360, 25.6, 0.71, 0.04, uint64(k))
}
