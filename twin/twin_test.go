package twin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
	"github.com/telltale-iot/telltale/twin"
)

// deriver is what the flow asks of a twin.
type deriver interface {
	Step(s features.Snapshot) []asset.Assessment
	Save() map[string][]byte
	Load(parts map[string][]byte) error
}

var _ deriver = (*twin.Twin)(nil)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func plate() asset.Nameplate {
	return asset.Nameplate{ID: "t1", Kind: "wind-turbine", Components: []asset.Component{{Name: "main-bearing"}, {Name: "gearbox"}}}
}

func laws() []twin.Placed {
	return []twin.Placed{
		{Law: physics.NewBearingLife(physics.BearingOptions{CN: 50e3, PitchMM: 60, TempKey: "temp/value"}), Component: "main-bearing"},
		{Law: physics.NewGrowth(physics.GrowthOptions{Keys: []string{"a/rms", "b/rms"}, AgeFactor: 1, MemoryH: 5}), Component: "main-bearing"},
		{Law: physics.NewGrowth(physics.GrowthOptions{Keys: []string{"b/rms"}}), Component: "main-bearing"},
		{Law: physics.NewThermal(physics.ThermalOptions{TempKey: "temp", PowerKey: "power", AmbientKey: "ambient"}), Component: "gearbox"},
		{Law: physics.NewCrack(physics.CrackOptions{StressMPa: 60, CyclesPerRev: 1}), Component: "gearbox"},
	}
}

// history is a seeded run of an asset whose vibration grows.
func history(seed uint64, n int) []features.Snapshot {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]features.Snapshot, n)
	at, level := start, 1.0
	for i := range out {
		at = at.Add(time.Duration(600+r.IntN(3)*60) * time.Second)
		if i > n/2 {
			level *= 1.01
		}
		s := features.Snapshot{Asset: "t1", Time: at, SpeedRpm: asset.Number(900 + 100*r.Float64()), LoadN: 9000, Learning: i < n/4}
		power := 1000 + 500*math.Sin(float64(i)/20)
		if i%2 == 0 {
			s.Vectors = append(s.Vectors, features.Vector{
				Fields: []features.Field{{Channel: "temp", Name: "value", Unit: "°C"}, {Channel: "power", Name: "value", Unit: "kW"}, {Channel: "ambient", Name: "value", Unit: "°C"}},
				Values: []float64{30 + power/100 + r.NormFloat64(), power, 10}, Quality: 100,
			})
		}
		if i%3 == 0 {
			b := level * math.Exp(0.1*r.NormFloat64())
			if r.IntN(10) == 0 {
				b = math.NaN()
			}
			s.Vectors = append(s.Vectors, features.Vector{
				Channel: "a", Fields: []features.Field{{Channel: "a", Name: "rms", Unit: "m/s²"}, {Channel: "b", Name: "rms", Unit: "m/s²"}}, Values: []float64{level, b}, Quality: 100,
			})
		}
		if i%97 == 96 {
			s.Events = []asset.Event{{Component: "gearbox", Kind: "part-replaced"}}
		}
		out[i] = s
	}
	return out
}

// store keeps carried parts as the flow's keeper does.
type store map[string][]byte

func (s store) keep(parts map[string][]byte) {
	for name, b := range parts {
		if len(b) == 0 {
			delete(s, name)
		} else {
			s[name] = b
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReloadAtAnyCutGivesTheSameBytes(t *testing.T) {
	for seed := range uint64(3) {
		run, cuts := history(seed, 250), rand.New(rand.NewPCG(seed, 2))
		whole, cut := twin.New(plate(), laws()), twin.New(plate(), laws())
		kept, resumed := store{}, store{}
		for i, s := range run {
			want, got := fmt.Sprintf("%+v", whole.Step(s)), fmt.Sprintf("%+v", cut.Step(s))
			if want != got {
				t.Fatalf("seed %d, step %d:\n got %s\nwant %s", seed, i, got, want)
			}
			kept.keep(whole.Save())
			resumed.keep(cut.Save())
			if cuts.IntN(20) == 0 {
				cut = twin.New(plate(), laws())
				if err := cut.Load(resumed); err != nil {
					t.Fatal(err)
				}
				if again := cut.Save(); again != nil {
					t.Fatalf("seed %d, step %d: a fresh load has changed parts %v", seed, i, again)
				}
			}
		}
		if !maps.EqualFunc(kept, resumed, func(a, b []byte) bool { return string(a) == string(b) }) {
			t.Errorf("seed %d: carried parts differ", seed)
		}
	}
}

func TestSaveReturnsOnlyWhatChanged(t *testing.T) {
	tw := twin.New(plate(), laws())
	tw.Step(history(1, 1)[0])
	if tw.Save() == nil {
		t.Error("the first step left nothing to save")
	}
	if parts := tw.Save(); parts != nil {
		t.Errorf("an unchanged twin saved %v", parts)
	}
	if err := tw.Load(map[string][]byte{"law/gone/growth/1": []byte(`{"law":"growth/1"}`)}); err != nil {
		t.Fatal(err)
	}
	if b, ok := tw.Save()["law/gone/growth/1"]; !ok || len(b) != 0 {
		t.Error("the part of a law that is gone was not deleted")
	}
	for name, b := range map[string]string{"life": "{", "at": `{"version":"x"}`, "law/gearbox/crack/2": "[]", "other": "{}"} {
		if err := tw.Load(map[string][]byte{name: []byte(b)}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Load(%s: %s) = %v, want an error that names the part", name, b, err)
		}
	}
}

// broken is a law whose state diverges on its second step.
type broken struct{}

func (broken) Name() string { return "broken/1" }

func (broken) Step(s physics.State, in features.Snapshot) (physics.State, asset.Assessment) {
	x := 1.0
	if len(s.X) > 0 {
		x = math.Inf(1)
	}
	return physics.State{Law: "broken/1", At: in.Time, X: []float64{x}}, asset.Assessment{Trust: 1, Score: asset.Number(x)}
}

func TestADivergedLawStartsAfresh(t *testing.T) {
	tw := twin.New(plate(), []twin.Placed{{Law: broken{}, Component: "gearbox"}})
	for i := range 4 {
		a := tw.Step(features.Snapshot{Time: start.Add(time.Duration(i) * time.Hour)})[0]
		if bad := i%2 == 1; bad != (a.Reason == physics.ReasonDiverged) || bad != (a.Trust == 0) {
			t.Errorf("step %d: trust %v, reason %q", i, a.Trust, a.Reason)
		}
		text(t, tw.View())
		tw.Save()
	}
}

func TestReferenceTwinSync(t *testing.T) {
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = "../testdata/reference"
	}
	b, err := os.ReadFile(filepath.Join(dir, "twin_sync.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Cases []struct {
			Inputs struct {
				States []twin.Life `json:"states"`
			} `json:"inputs"`
			Outputs struct {
				Allowed map[twin.Life][]twin.Life `json:"allowed"`
				N       int                       `json:"n_allowed"`
			} `json:"outputs"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	for _, c := range ref.Cases {
		legal := 0
		for _, from := range c.Inputs.States {
			for _, to := range c.Inputs.States {
				want := false
				for _, l := range c.Outputs.Allowed[from] {
					want = want || l == to
				}
				if want {
					legal++
				}
				checkPair(t, from, to, want)
			}
		}
		if legal != c.Outputs.N {
			t.Errorf("%d legal pairs, want %d", legal, c.Outputs.N)
		}
	}
}

// checkPair brings a twin to one state and tries the other.
func checkPair(t *testing.T, from, to twin.Life, want bool) {
	t.Helper()
	way := map[twin.Life][]twin.Life{
		twin.Active: {twin.Active}, twin.Maintenance: {twin.Active, twin.Maintenance},
		twin.Retired: {twin.Active, twin.Retired}, twin.Faulted: {twin.Faulted},
	}
	tw := twin.New(plate(), nil)
	for _, l := range way[from] {
		if err := tw.Move(l, start, "way there", "test"); err != nil {
			t.Fatal(err)
		}
	}
	before, version := text(t, tw.View()), tw.Version()
	err := tw.Move(to, start.Add(time.Hour), "try", "test")
	if want != from.May(to) || want != (err == nil) {
		t.Errorf("%s to %s: %v, want allowed %v", from, to, err, want)
	}
	if err != nil {
		if !errors.Is(err, twin.ErrTransition) || text(t, tw.View()) != before {
			t.Errorf("%s to %s: %v changed the twin", from, to, err)
		}
		return
	}
	h := tw.View().History
	last := h[len(h)-1]
	if last != (twin.Entry{Time: start.Add(time.Hour), From: from, To: to, Reason: "try", Actor: "test"}) || tw.Version() <= version {
		t.Errorf("%s to %s left %+v", from, to, last)
	}
}

func TestARetiredTwinRefusesTelemetry(t *testing.T) {
	tw := twin.New(plate(), laws())
	run := history(1, 20)
	for _, s := range run[:10] {
		tw.Step(s)
	}
	for _, l := range []twin.Life{twin.Maintenance, twin.Retired} {
		if err := tw.Move(l, start, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	before := tw.View()
	if said := tw.Step(run[10]); said != nil || tw.Refused() != 1 || !errors.Is(tw.Accepts(), twin.ErrRetired) {
		t.Errorf("a retired twin said %v", said)
	}
	if !reflect.DeepEqual(text(t, before), text(t, tw.View())) {
		t.Error("telemetry changed a retired twin")
	}
}

func TestAnInstantOfThePastChangesNoLaw(t *testing.T) {
	tw := twin.New(plate(), laws())
	run := history(1, 60)
	for _, s := range run {
		tw.Step(s)
	}
	tw.Save()
	if said := tw.Step(run[30]); said != nil {
		t.Errorf("the laws said %v", said)
	}
	for name := range tw.Save() {
		if strings.HasPrefix(name, "law/") {
			t.Errorf("%s changed", name)
		}
	}
}

func TestViewIsACopyAndNamesTheState(t *testing.T) {
	tw := twin.New(plate(), laws())
	for _, s := range history(3, 300) {
		tw.Step(s)
		tw.Judge(asset.Risk{Time: s.Time, Component: "gearbox", Risk: 0.1, Modes: map[asset.Mode]float64{asset.Wear: 1}})
	}
	v := tw.View()
	b := text(t, v)
	for _, want := range []string{`"life used"`, `"crack length"`, `"growth/1 #2"`, `"state":"active"`, `"risk":0.1`, `"key":"temp/value"`} {
		if !strings.Contains(b, want) {
			t.Errorf("the view lacks %s", want)
		}
	}
	for _, s := range history(4, 300) {
		s.Time = s.Time.Add(1000 * time.Hour)
		tw.Step(s)
		tw.Judge(asset.Risk{Time: s.Time, Component: "gearbox", Risk: 0.9})
	}
	if text(t, v) != b {
		t.Error("a view changed after it was taken")
	}
	if r := tw.Ring("temp"); r == nil || r.Len() != 300 {
		t.Error("the ring of temp does not hold the 300 samples")
	}
}

func Example() {
	tw := twin.New(asset.Nameplate{ID: "pump-7"}, []twin.Placed{
		{Law: physics.NewBearingLife(physics.BearingOptions{CN: 14000, PitchMM: 39, Nu: 30}), Component: "bearing"},
	})
	for h := range 3 {
		tw.Step(features.Snapshot{Time: start.Add(time.Duration(h) * time.Hour), SpeedRpm: 1500, LoadN: 2000})
	}
	v := tw.View()
	for _, q := range v.Components[0].Laws[0].Quantities[:2] {
		fmt.Printf("%s %.3g %s\n", q.Name, float64(q.Value), q.Unit)
	}
	fmt.Println(v.State, v.Version)
	// Output:
	// life used 0.000369 1
	// hours counted 2 h
	// active 3
}
