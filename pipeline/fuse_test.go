package pipeline

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// TestReferenceFusion holds the arithmetic that verdict calls against an
// independent calculation.
func TestReferenceFusion(t *testing.T) {
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "reference")
	}
	body, err := os.ReadFile(filepath.Join(dir, "fusion.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Cases []fusionCase
	}
	if err := json.Unmarshal(body, &ref); err != nil {
		t.Fatal(err)
	}
	if len(ref.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range ref.Cases {
		t.Run(c.ID, func(t *testing.T) { c.hold(t) })
	}
}

// fusionCase is one case of fusion.json.
type fusionCase struct {
	ID     string
	Inputs struct {
		Prior   float64
		LogLR   []float64 `json:"log_lr"`
		Caps    []float64
		NoisyOr []float64 `json:"noisy_or_p"`
		Leak    float64
		DS1     struct{ F, H, U float64 }
		DS2     struct{ F, H, U float64 }
		Hyst    struct {
			On, Off float64
			Risk    []float64
		} `json:"hysteresis"`
		Decay struct {
			LogLR    float64 `json:"log_lr"`
			HalfLife float64 `json:"half_life_h"`
			Age      float64 `json:"age_h"`
		}
	}
	Outputs struct {
		Posterior float64
		Capped    []float64
		NoisyOr   float64 `json:"noisy_or"`
		DS        struct{ F, H, U, K float64 }
		States    []int   `json:"hysteresis_state"`
		Decayed   float64 `json:"decayed_log_lr"`
		Mean      float64 `json:"logit_avg_prob"`
	}
}

func (c *fusionCase) hold(t *testing.T) {
	t.Helper()
	near := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-9*math.Max(1, math.Abs(want))) {
			t.Errorf("%s = %v, want %v", what, got, want)
		}
	}
	in, out := &c.Inputs, &c.Outputs
	var lrs []float64
	for i, l := range in.LogLR {
		lrs = append(lrs, capped(l, in.Caps[i]))
		near("capped", lrs[i], out.Capped[i])
	}
	near("posterior", posterior(in.Prior, lrs), out.Posterior)
	near("aged", aged(in.Decay.LogLR, in.Decay.Age, in.Decay.HalfLife), out.Decayed)
	near("noisy-OR", noisyOr(in.Leak, in.NoisyOr), out.NoisyOr)
	near("log pool", logPool(in.NoisyOr, []float64{1, 1, 1}[:len(in.NoisyOr)]), out.Mean)
	m, k := dempster(masses{in.DS1.F, in.DS1.H, in.DS1.U}, masses{in.DS2.F, in.DS2.H, in.DS2.U})
	near("fault", m.fault, out.DS.F)
	near("healthy", m.healthy, out.DS.H)
	near("open", m.open, out.DS.U)
	near("conflict", k, out.DS.K)
	on := false
	for i, risk := range in.Hyst.Risk {
		if on = latched(on, risk, in.Hyst.On, in.Hyst.Off); on != (out.States[i] == 1) {
			t.Errorf("hysteresis at %d (risk %v) = %v, want %d", i, risk, on, out.States[i])
		}
	}
}

func said(view asset.View, source string, at time.Time, p float64) asset.Assessment {
	return asset.Assessment{
		Component: "bearing", View: view, Source: source, Time: at, Score: 1, Limit: asset.Missing(), P: asset.Number(p),
		FailP: asset.Missing(), Trust: 1, RUL: asset.NoRUL(),
	}
}

func TestSourcesOfOneViewDoNotAddUp(t *testing.T) {
	one := &fusion{opt: FusionOptions{}.withDefaults()}
	one.hear(said(asset.Ruled, "a", epoch, 1e-3))
	two := &fusion{opt: FusionOptions{}.withDefaults()}
	two.hear(said(asset.Ruled, "a", epoch, 1e-3))
	two.hear(said(asset.Ruled, "b", epoch, 1e-3))
	x, y := one.verdict("t", "bearing", epoch).Risk, two.verdict("t", "bearing", epoch).Risk
	if x != y {
		t.Errorf("risk with two correlated rules = %v, with one %v", y, x)
	}
	two.hear(said(asset.Derived, "law", epoch, 1e-3))
	if z := two.verdict("t", "bearing", epoch).Risk; z <= y {
		t.Errorf("a second view did not raise the risk: %v after %v", z, y)
	}
}

func TestAnOpinionAgesAndIsDropped(t *testing.T) {
	f := &fusion{opt: FusionOptions{HalfLifeH: 1}.withDefaults()}
	f.hear(said(asset.Ruled, "a", epoch, 1e-6))
	fresh := f.verdict("t", "bearing", epoch).Risk
	if old := f.verdict("t", "bearing", epoch.Add(2*time.Hour)).Risk; old >= fresh {
		t.Errorf("risk after two half lives = %v, fresh %v", old, fresh)
	}
	if gone := f.verdict("t", "bearing", epoch.Add(5*time.Hour)).Risk; gone.Known() {
		t.Errorf("risk from a stale opinion = %v, want missing", gone)
	}
}

func TestASensorFaultIsNotAMachineFault(t *testing.T) {
	f := &fusion{opt: FusionOptions{}.withDefaults()}
	a := said(asset.Ruled, "sensor", epoch, 1e-9)
	a.Abnormal, a.Modes = true, map[asset.Mode]float64{asset.SensorFault: 1}
	f.hear(a)
	r := f.verdict("t", "bearing", epoch)
	if r.Risk.Known() || r.Anomaly || r.Mode != asset.SensorFault {
		t.Errorf("risk %v, anomaly %v, mode %q; want missing, false, sensor", r.Risk, r.Anomaly, r.Mode)
	}
}

func TestAnAlertOpensOnceIsRefinedAndClears(t *testing.T) {
	a := &alarm{opt: AlarmOptions{}.withDefaults()}
	at := epoch
	risk := func(p float64, m asset.Mode) (asset.Alert, bool) {
		at = at.Add(10 * time.Minute)
		return a.hear(asset.Risk{Time: at, Asset: "t", Component: "bearing", Risk: asset.Number(p), Mode: m, RUL: asset.NoRUL()})
	}
	var opened []asset.Alert
	for range 8 {
		if alert, changed := risk(0.4, asset.Wear); changed {
			opened = append(opened, alert)
		}
	}
	if len(opened) != 1 || opened[0].Severity != 3 || opened[0].Mode != asset.Wear {
		t.Fatalf("opened %+v, want one alert of severity 3 and mode wear", opened)
	}
	refined, changed := risk(0.4, asset.OuterRace)
	if !changed || refined.ID != opened[0].ID || refined.Mode != asset.Wear || refined.Changes[0].Mode != asset.OuterRace {
		t.Errorf("refined = %+v, want the same alert with a change to outer-race", refined)
	}
	if once, changed := risk(0.95, asset.OuterRace); changed {
		t.Errorf("one evaluation raised the severity: %+v", once)
	}
	if _, changed := risk(0.4, asset.OuterRace); changed {
		t.Error("the severity rose though the risk fell again")
	}
	risk(0.95, asset.OuterRace)
	if worse, changed := risk(0.7, asset.OuterRace); !changed || worse.Changes[1].Severity != 2 {
		t.Errorf("worse = %+v, want a change to severity 2, what both evaluations were at least", worse)
	}
	cleared := false
	for range 30 {
		if alert, changed := risk(0.01, asset.OuterRace); changed {
			if cleared || alert.Cleared == nil {
				t.Fatalf("unexpected change %+v", alert)
			}
			cleared = true
		}
	}
	if !cleared {
		t.Error("the alert did not clear after its dwell below the limit")
	}
}
