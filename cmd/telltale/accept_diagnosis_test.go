//go:build accept

package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

// diagnosisClasses are the machines that are simulated, and the share of records
// for which the right name has to come out, or none where there is nothing to name.
var diagnosisClasses = []struct {
	name  string
	least float64
	draw  func(g drawer, s *specimen, i int)
}{
	{"healthy-bearing", 0.95, func(g drawer, s *specimen, _ int) { g.rig(s, "bearing-rig", "generic") }},
	{"healthy-gearbox", 0.95, func(g drawer, s *specimen, i int) {
		if i%3 == 0 {
			g.planetary(s)
			return
		}
		g.gearbox(s, "generic", "wind-turbine")
		s.part = pick(g, "gearbox", "fast-bearing")
	}},
	{"healthy-variable", 0.95, func(g drawer, s *specimen, i int) { g.varying(s, i%2 == 0, asset.Healthy, i%4 < 2) }},
	{"inner-race", 0.97, func(g drawer, s *specimen, _ int) { g.bearingAnywhere(s, asset.InnerRace) }},
	{"outer-race", 0.97, func(g drawer, s *specimen, _ int) { g.bearingAnywhere(s, asset.OuterRace) }},
	{"rolling-element", 0.95, func(g drawer, s *specimen, _ int) { g.bearingAnywhere(s, asset.RollingElement) }},
	{"cage", 0.95, func(g drawer, s *specimen, _ int) { g.bearingAnywhere(s, asset.Cage) }},
	{"no-geometry", 0.95, func(g drawer, s *specimen, i int) {
		mode := []asset.Mode{asset.InnerRace, asset.OuterRace, asset.RollingElement, asset.Cage}[i/4%4]
		g.bearingFault(s, mode, *g.rig(s, "bearing-rig", "generic"), 1)
		s.mode, s.plate.Components[0].Bearing = asset.Healthy, nil
	}},
	{"gear-tooth", 0.95, func(g drawer, s *specimen, _ int) { g.toothOf(s, g.gearbox(s, "generic", "generic", "wind-turbine")) }},
	{"planetary", 0.95, func(g drawer, s *specimen, i int) { g.planetaryFault(s, i/4) }},
	{"variable-tacho", 0.95, func(g drawer, s *specimen, i int) { g.varying(s, true, varyingModes[i/4%4], false) }},
	{"variable-telemetry", 0.95, func(g drawer, s *specimen, i int) { g.varying(s, false, varyingModes[i/4%4], false) }},
}

var varyingModes = []asset.Mode{asset.InnerRace, asset.OuterRace, asset.RollingElement, asset.GearTooth}

// varying is a machine whose speed moves within the record and is told by a
// tacho or by telemetry.
func (g drawer) varying(s *specimen, tacho bool, mode asset.Mode, geared bool) {
	kinds := []string{"generic", "bearing-rig"}
	if !tacho {
		kinds[1] = "wind-turbine"
	}
	switch {
	case mode == asset.GearTooth:
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "bearing-rig" })
		g.toothOf(s, g.gearbox(s, kinds...))
	case geared:
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "bearing-rig" })
		g.gearbox(s, kinds...)
	default:
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "wind-turbine" })
		if b := g.rig(s, kinds...); mode != asset.Healthy {
			g.bearingFault(s, mode, *b, 1)
		}
	}
	g.swinging(s)
	if tacho {
		g.pulses(s)
	} else {
		g.readings(s, g.in(0.1, 0.5))
	}
}

// diagnosisSNRs are taken in turn.
var diagnosisSNRs = []float64{-10, -5, 0, 5}

// specimenOf draws record i of a class; the others do not change it.
func specimenOf(class int, seed uint64, i int) *specimen {
	c := diagnosisClasses[class]
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", c.name, i)
	s := &specimen{class: c.name, snrDB: math.NaN(), seed: [2]uint64{seed, h.Sum64()}}
	s.plate = asset.Nameplate{ID: asset.ID(fmt.Sprintf("%s-%03d", c.name, i)), Learning: &asset.Learning{}}
	g := drawer{rand.New(rand.NewPCG(s.seed[0], s.seed[1]))}
	g.record(s)
	c.draw(g, s, i)
	if s.hits.order > 0 {
		s.snrDB = diagnosisSNRs[i%len(diagnosisSNRs)]
	}
	if s.metric == "" && s.tacho == nil {
		if s.plate.Kind == "wind-turbine" || s.plate.Kind == "generic" && g.chance(0.3) {
			g.readings(s, 0)
		} else {
			s.plate.SpeedRpm = math.Round(600*s.run.hz*pick(g, 1, g.in(0.998, 1.002))) / 10
		}
	}
	s.plate.Channels = append(s.plate.Channels, asset.Channel{Name: "vib", Kind: "acceleration", Unit: pick(g, "m/s²", "g"), RateHz: s.rateHz, Component: s.part})
	s.note = fmt.Sprintf("%s %.1f rpm ±%.1f%% %.0f Hz %.1f s; %.3f blows/s at %.0f Hz ζ=%.3f; %s", s.plate.Kind, 60*s.run.hz, 50*math.Abs(s.run.swing), s.rateHz, s.spanS(), s.hits.order*s.run.hz, s.hits.hz, s.hits.zeta, s.note)
	return s
}

// write puts the record into a dataset folder.
func (s *specimen) write(t *testing.T, dir string, w *dataset.Writer, start time.Time) {
	t.Helper()
	fault, rest, _ := s.sound()
	rng := rand.New(rand.NewPCG(s.seed[0], s.seed[1]+2))
	var rows []soundRow
	for _, c := range s.plate.Channels {
		var x []float64
		if c.Kind == "tacho" {
			x = s.tacho.wave(s, rng)
		} else {
			x = rest
			for i := range x {
				x[i] += fault[i]
			}
			if c.Unit == "g" {
				for i := range x {
					x[i] /= 9.80665
				}
			}
		}
		if s.counts {
			top := 0.0
			for _, v := range x {
				top = max(top, math.Abs(v))
			}
			r := dataset.Record{Asset: s.plate.ID, Channel: c.Name, Start: start, RateHz: c.RateHz, Unit: c.Unit, Quality: 100, Scale: top / 30000, Counts: make([]int32, len(x))}
			for i, v := range x {
				r.Counts[i] = int32(math.Round(v / r.Scale))
			}
			if err := w.Wave(r); err != nil {
				t.Fatal(err)
			}
			continue
		}
		r := soundRow{Time: start.UnixMicro(), Asset: string(s.plate.ID), Channel: c.Name, RateHz: c.RateHz, Unit: c.Unit, Quality: 100, Samples: make([]float32, len(x))}
		for i, v := range x {
			r.Samples[i] = float32(v)
		}
		rows = append(rows, r)
	}
	if rows != nil {
		writeRows(t, filepath.Join(dir, "waveforms", string(s.plate.ID)+".parquet"), rows)
	}
	if s.metric == "" {
		return
	}
	for at := -1.0; at < s.spanS()+1; at += s.everyS {
		rpm := 60 * s.run.hzAt(min(max(at, 0), s.spanS())) * (1 + 0.0003*rng.NormFloat64())
		if err := w.Points(s.plate.ID, start.Add(time.Duration(at*1e9)).Truncate(time.Millisecond), []asset.Point{{Metric: s.metric, Value: rpm, Unit: "rpm", Quality: 100}}); err != nil {
			t.Fatal(err)
		}
		if s.everyS == 0 {
			break
		}
	}
}

// verdict is what the program said of a record.
type verdict struct {
	*specimen
	got        asset.Mode
	risk, rule float64
}

func (v verdict) right() bool {
	return v.got == v.mode || v.mode == asset.Healthy && v.got == asset.Unknown
}

// verdicts reads the last rows of risks.parquet. Where nothing may be named, the
// name of any component counts.
func verdicts(t *testing.T, out string, all []*specimen) []verdict {
	t.Helper()
	type row struct {
		Time      int64    `parquet:"time,timestamp(microsecond)"`
		Asset     string   `parquet:"asset"`
		Component string   `parquet:"component"`
		Risk      *float64 `parquet:"risk,optional"`
		Rule      *float64 `parquet:"rule_score,optional"`
		Mode      string   `parquet:"mode"`
	}
	rows, err := parquet.ReadFile[row](filepath.Join(out, "risks.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	last := map[[2]string]row{}
	for _, r := range rows {
		if have, ok := last[[2]string{r.Asset, r.Component}]; !ok || r.Time >= have.Time {
			last[[2]string{r.Asset, r.Component}] = r
		}
	}
	orNaN := func(p *float64) float64 {
		if p == nil {
			return math.NaN()
		}
		return *p
	}
	var said []verdict
	for _, s := range all {
		r := last[[2]string{string(s.plate.ID), s.part}]
		v := verdict{s, asset.Mode(r.Mode), orNaN(r.Risk), orNaN(r.Rule)}
		if s.mode == asset.Healthy {
			for _, c := range s.plate.Components {
				if m := asset.Mode(last[[2]string{string(s.plate.ID), c.Name}].Mode); v.right() && m != asset.Healthy {
					v.got = m
				}
			}
		}
		said = append(said, v)
	}
	return said
}

// numbered is a number of the environment.
func numbered(t *testing.T, name string, otherwise int) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(otherwise)))
	if err != nil || n < 0 {
		t.Fatalf("%s: want a number", name)
	}
	return n
}

// TestAcceptDiagnosis sends simulated machines with known faults through the
// program and holds what it calls them against the truth.
// TELLTALE_DIAGNOSIS_SEED and TELLTALE_DIAGNOSIS_RECORDS (of a class) draw others;
// TELLTALE_DIAGNOSIS_KEEP names a folder that keeps data, results and a table of
// all records.
func TestAcceptDiagnosis(t *testing.T) {
	seed, records := numbered(t, "TELLTALE_DIAGNOSIS_SEED", 1), numbered(t, "TELLTALE_DIAGNOSIS_RECORDS", 40)
	keep := os.Getenv("TELLTALE_DIAGNOSIS_KEEP")
	said := make([][]verdict, len(diagnosisClasses))
	t.Cleanup(func() {
		t.Log("right of all, by SNR in dB, and the wrong names\n" + diagnosisTable(said))
		if keep != "" {
			writeVerdicts(t, filepath.Join(keep, "diagnosis.tsv"), slices.Concat(said...))
		}
	})
	for class, c := range diagnosisClasses {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if keep != "" {
				root = filepath.Join(keep, c.name)
				if err := os.RemoveAll(root); err != nil {
					t.Fatal(err)
				}
			}
			var all []*specimen
			set := dataset.Set{Name: c.name, Title: "Simulated machines: " + c.name}
			for i := range records {
				all = append(all, specimenOf(class, uint64(seed), i))
				set.Assets = append(set.Assets, all[i].plate)
			}
			dir, out := filepath.Join(root, "data"), filepath.Join(root, "out")
			w, err := dataset.NewWriter(dir, set)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range all {
				s.write(t, dir, w, dayStart.Add(time.Duration(i)*time.Minute))
			}
			if err := w.Close(nil, "Simulated by the acceptance tests.\n"); err != nil {
				t.Fatal(err)
			}
			if e := telltale(t, "backtest", dir, "--out", out, "--quiet"); e.code != 0 {
				t.Fatalf("backtest: exit %d: %s", e.code, e.stderr)
			}
			r := readSummary(t, out).Refused
			if delete(r, "samples-abandoned"); len(r) > 0 { // no whole window of them was left
				t.Errorf("refused: %v", r)
			}
			said[class] = verdicts(t, out, all)
			right := 0
			for _, v := range said[class] {
				if v.right() {
					right++
				}
			}
			if float64(right) < c.least*float64(records) {
				t.Errorf("%d of %d right, want %.0f %%", right, records, 100*c.least)
			}
		})
	}
}

func diagnosisTable(said [][]verdict) string {
	var text strings.Builder
	for _, class := range said {
		if len(class) == 0 {
			continue
		}
		right, of, wrong := map[float64]int{}, map[float64]int{}, map[asset.Mode]int{}
		total := 0
		for _, v := range class {
			at := v.snrDB
			if math.IsNaN(at) {
				at = math.Inf(1)
			}
			of[at]++
			if v.right() {
				right[at]++
				total++
			} else {
				wrong[cmp.Or(v.got, "nothing")]++
			}
		}
		fmt.Fprintf(&text, "%-19s %3d/%d ", class[0].class, total, len(class))
		for _, at := range slices.Sorted(maps.Keys(of)) {
			if math.IsInf(at, 1) {
				fmt.Fprintf(&text, "   no fault %d/%d", right[at], of[at])
			} else {
				fmt.Fprintf(&text, "  %+.0f: %d/%d", at, right[at], of[at])
			}
		}
		for _, m := range slices.Sorted(maps.Keys(wrong)) {
			fmt.Fprintf(&text, "  %s×%d", m, wrong[m])
		}
		text.WriteByte('\n')
	}
	return text.String()
}

func writeVerdicts(t *testing.T, path string, said []verdict) {
	t.Helper()
	text := "asset\tclass\tsnr\texpected\tgot\trule_score\trisk\tnote\n"
	for _, v := range said {
		text += fmt.Sprintf("%s\t%s\t%g\t%s\t%s\t%.3f\t%.4f\t%s\n", v.plate.ID, v.class, v.snrDB, v.mode, v.got, v.rule, v.risk, v.note)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
