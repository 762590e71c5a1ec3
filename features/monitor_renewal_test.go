package features

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// overhauled is a machine whose bearing is replaced after row 300 by one that runs
// three times as loud, and whose gearbox fails soon after.
type overhauled struct {
	t       *testing.T
	m       *Monitor
	rng     *rand.Rand
	event   asset.Event
	renewed []int // rows at which the bearing was learned again
}

func newOverhauled(t *testing.T, kind string) *overhauled {
	t.Helper()
	return &overhauled{t: t, m: overhauledMonitor(t), rng: rand.New(rand.NewPCG(3, 3)), event: asset.Event{Component: "bearing", Kind: kind}}
}

func overhauledMonitor(t *testing.T) *Monitor {
	t.Helper()
	return mustMonitor(t, MonitorOptions{Detectors: []DetectorOptions{{Type: "level", Fields: []string{"*/rms"}}}}, asset.Nameplate{
		ID: "rig-2", Kind: "rig", Learning: &asset.Learning{Rows: 100},
		Components: []asset.Component{{Name: "bearing"}, {Name: "gearbox"}},
		Channels:   []asset.Channel{{Name: "vib", Kind: "acceleration", Unit: "g", RateHz: 1000, Component: "bearing"}, {Name: "gear", Kind: "acceleration", Unit: "g", RateHz: 1000, Component: "gearbox"}},
	})
}

// step observes one row and gives what is said of each component.
func (o *overhauled) step(row int) map[string]asset.Assessment {
	bearing, gear := math.Exp(0.1*o.rng.NormFloat64()), math.Exp(0.1*o.rng.NormFloat64())
	s := &Snapshot{Asset: "rig-2", Time: monitorStart.Add(time.Duration(row) * time.Minute)}
	if row > 300 {
		bearing *= 3
	}
	if row > 350 {
		gear *= 10
	}
	if row > 500 {
		bearing *= 5
	}
	if row == 301 {
		s.Events = []asset.Event{o.event}
	}
	for name, v := range map[string]float64{"gear": gear, "vib": bearing} {
		s.Vectors = append(s.Vectors, Vector{Channel: name, Quality: 100, WindowS: 1, Fields: []Field{{name, "rms", "m/s²"}}, Values: []float64{v}})
	}
	slices.SortFunc(s.Vectors, func(a, b Vector) int { return strings.Compare(a.Channel, b.Channel) })
	said := map[string]asset.Assessment{}
	for _, a := range o.m.Observe(s) {
		said[a.Component] = a
	}
	if slices.Contains(s.Renewed, "bearing") {
		o.renewed = append(o.renewed, row)
	}
	if slices.Contains(s.Renewed, "gearbox") {
		o.t.Errorf("row %d: the gearbox was not touched and is learned again", row)
	}
	return said
}

func TestAReplacedPartIsLearnedAgain(t *testing.T) {
	for _, kind := range []string{"part-replaced", "maintenance", "inspection"} {
		t.Run(kind, func(t *testing.T) {
			o := newOverhauled(t, kind)
			counts := map[string]int{}
			for row := range 600 {
				said := o.step(row)
				switch b, g := said["bearing"], said["gearbox"]; {
				case row > 301 && row <= 400:
					counts["muted"] += btoi(b.Reason == "learning")
					counts["gear"] += btoi(row > 360 && g.Abnormal)
				case row > 410 && row <= 500:
					counts["loud"] += btoi(b.Abnormal)
				case row > 510:
					counts["worn"] += btoi(b.Abnormal)
					counts["gear"] += btoi(g.Abnormal)
				}
			}
			want := map[string]int{"muted": 99, "gear": 129, "loud": 0, "worn": 89}
			if kind == "inspection" { // nothing was changed: louder is worse
				want["muted"], want["loud"] = 0, 90
			}
			for what, n := range want {
				if counts[what] != n {
					t.Errorf("%s: %d rows, want %d", what, counts[what], n)
				}
			}
			if kind != "inspection" && (len(o.renewed) != 100 || o.renewed[0] != 301) {
				t.Errorf("learned again at %d rows from %v on, want 100 from 301 on", len(o.renewed), o.renewed[:min(1, len(o.renewed))])
			}
		})
	}
}

// The gearbox's baseline is what it was; the bearing's is new, under a new name.
func TestARenewalKeepsWhatWasNotTouched(t *testing.T) {
	o := newOverhauled(t, "part-replaced")
	var before Baseline
	for row := range 600 {
		o.step(row)
		if row == 300 {
			before = *o.m.baseline
		}
	}
	after := o.m.baseline
	if after.ID == before.ID {
		t.Error("the baseline has its old name")
	}
	if a, b := after.field("gear", "rms"), before.field("gear", "rms"); a.Center != b.Center || a.Scale != b.Scale {
		t.Errorf("gearbox %+v, was %+v", a, b)
	}
	if a, b := after.field("vib", "rms"), before.field("vib", "rms"); math.Abs(a.Center-b.Center-math.Log(3)) > 0.05 {
		t.Errorf("the bearing's centre moved by %.3f, want log 3", a.Center-b.Center)
	}
}

func TestARenewalSurvivesARestart(t *testing.T) {
	run := func(cuts ...int) string {
		o, store := newOverhauled(t, "part-replaced"), map[string][]byte{}
		var out strings.Builder
		for row := range 600 {
			said := o.step(row)
			for _, c := range []string{"bearing", "gearbox"} {
				a := said[c]
				fmt.Fprintf(&out, "%d %s %x %x %v %s\n", row, c, float64(a.Score), float64(a.P), a.Abnormal, a.Reason)
			}
			if !slices.Contains(cuts, row) {
				continue
			}
			for part, body := range o.m.Save() {
				store[part] = bytes.Clone(body)
			}
			o.m = overhauledMonitor(t)
			if err := o.m.Load(store); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	if run(50, 301, 330, 399, 400, 401, 450) != run() {
		t.Error("restarts within the renewal change what is said")
	}
}
