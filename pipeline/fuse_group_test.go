package pipeline

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func grouped(a asset.Assessment, g asset.Group) asset.Assessment {
	a.Group = g
	return a
}

func heard(opt FusionOptions, all ...asset.Assessment) asset.Risk {
	f := &fusion{opt: opt.withDefaults()}
	for _, a := range all {
		f.hear(a)
	}
	return f.verdict("t", "bearing", epoch)
}

func TestGroupsOfAViewAddUpAndAreCapped(t *testing.T) {
	shake := grouped(said(asset.Ruled, "level", epoch, 1e-3), asset.GroupVibration)
	heat := grouped(said(asset.Ruled, "heat", epoch, 1e-3), asset.GroupThermal)
	all := grouped(said(asset.Ruled, "multivariate", epoch, 1e-3), asset.GroupMixed)
	one := math.Log(0.5) - 0.5*math.Log(1e-3)
	wide := FusionOptions{CapRule: 10}
	for name, tc := range map[string]struct {
		opt  FusionOptions
		said []asset.Assessment
		want float64
	}{
		"one":                            {wide, []asset.Assessment{shake}, one},
		"two groups":                     {wide, []asset.Assessment{shake, heat}, 2 * one},
		"two groups, capped":             {FusionOptions{}, []asset.Assessment{shake, heat}, 2.5},
		"half a weight":                  {FusionOptions{CapRule: 10, Weights: map[asset.Group]float64{asset.GroupThermal: 0.5}}, []asset.Assessment{shake, heat}, 1.5 * one},
		"what reads both adds nothing":   {wide, []asset.Assessment{shake, heat, all}, 2 * one},
		"silence of another group":       {wide, []asset.Assessment{shake, grouped(said(asset.Ruled, "heat", epoch, 1), asset.GroupThermal)}, one},
		"nobody argues for":              {wide, []asset.Assessment{grouped(said(asset.Ruled, "heat", epoch, 1), asset.GroupThermal)}, math.Log(0.5)},
		"used life adds nothing":         {wide, []asset.Assessment{shake, grouped(said(asset.Ruled, "life", epoch, 0.1), asset.GroupUsage)}, one},
		"used life alone":                {wide, []asset.Assessment{grouped(said(asset.Ruled, "life", epoch, 1e-3), asset.GroupUsage)}, one},
		"mixed stands alone, and louder": {wide, []asset.Assessment{shake, grouped(said(asset.Ruled, "multivariate", epoch, 1e-6), asset.GroupMixed)}, math.Log(0.5) - 0.5*math.Log(1e-6)},
	} {
		t.Run(name, func(t *testing.T) {
			r := heard(tc.opt, tc.said...)
			if math.Abs(float64(r.LLR.Rule)-tc.want) > 1e-12 {
				t.Errorf("log likelihood ratio = %v, want %v", r.LLR.Rule, tc.want)
			}
			var moved, shares float64
			for _, s := range r.Sources {
				moved, shares = moved+float64(s.Weight), shares+float64(s.Share)
			}
			if math.Abs(moved-tc.want) > 1e-12 || math.Abs(shares-1) > 1e-12 || len(r.Sources) != len(tc.said) {
				t.Errorf("%d sources moved the odds by %v, shares sum to %v: %+v", len(r.Sources), moved, shares, r.Sources)
			}
		})
	}
}

func TestASourceBelongsToTheGroupOfItsSignals(t *testing.T) {
	s := newSignalGroups(asset.Nameplate{
		Channels: []asset.Channel{{Name: "de", Kind: "acceleration"}, {Name: "ae", Kind: "acoustic-emission"}, {Name: "i1", Kind: "current"}},
		Metrics:  []asset.Metric{{Name: "oil_temperature", Unit: "degC"}, {Name: "debris", Unit: "1"}, {Name: "power", Unit: "kW"}},
	}, map[string]asset.Group{"debris": asset.GroupOil, "bearing-life": asset.GroupUsage})
	of := func(source string, names ...string) asset.Group {
		a := asset.Assessment{Source: source}
		for _, n := range names {
			a.Evidence = append(a.Evidence, asset.Evidence{Name: n})
		}
		return s.group(&a)
	}
	for _, tc := range []struct {
		got, want asset.Group
	}{
		{of("level", "de/rms"), asset.GroupVibration},
		{of("hits", "ae/hit_rate"), asset.GroupAcoustic},
		{of("msa", "i1/broken_bar"), asset.GroupElectrical},
		{of("heat", "oil_temperature/residual_z", "residual"), asset.GroupThermal},
		{of("count", "debris/value"), asset.GroupOil},
		{of("all", "de/rms", "oil_temperature/value"), asset.GroupMixed},
		{of("bearing-life/1", "life-used"), asset.GroupUsage},
		{of("power", "power/value"), asset.GroupProcess},
		{of("nothing"), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("group %q, want %q", tc.got, tc.want)
		}
	}
}

func scored(source string, score, limit float64) asset.Assessment {
	a := said(asset.Derived, source, epoch, math.NaN())
	a.Score, a.Limit = asset.Number(score), asset.Number(limit)
	return a
}

func TestAScoreArguesAsTheNormalTailBeyondIt(t *testing.T) {
	for _, tc := range []struct{ score, want float64 }{
		{0, math.Log(0.5)},
		{-4, math.Log(0.5)},
		{2, -0.5*math.Log(2*0.15865525393145707) - math.Log(2)},   // one standard deviation
		{6, -0.5*math.Log(2*0.0013498980316300933) - math.Log(2)}, // three: the limit
		{60, 4}, // the cap
	} {
		r := heard(FusionOptions{}, scored("law", tc.score, 6))
		if math.Abs(float64(r.LLR.Physics)-tc.want) > 1e-12 {
			t.Errorf("score %g of 6 says %v, want %g", tc.score, r.LLR.Physics, tc.want)
		}
	}
}

func TestAYoungAgeDoesNotHideACondition(t *testing.T) {
	young := grouped(scored("life", 0.1, 1), asset.GroupUsage)
	young.Trust = 0.2
	quiet := grouped(scored("heat", 0.2, 1), asset.GroupThermal)
	want := heard(FusionOptions{}, quiet).LLR.Physics
	if got := heard(FusionOptions{}, young, quiet).LLR.Physics; got != want {
		t.Errorf("a quiet law says %v beside a young age, want %v as alone", got, want)
	}
	if got := heard(FusionOptions{}, young).LLR.Physics; !(got < 0) {
		t.Errorf("a young age alone says %v, want less than 0", got)
	}
}

func TestTwoViewsThatAgreeMakeAnAnomaly(t *testing.T) {
	law := scored("law", 0.95, 1) // short of its limit
	rule := said(asset.Ruled, "level", epoch, 0.005)
	if r := heard(FusionOptions{}, law, rule); !r.Anomaly {
		t.Errorf("two views that argue for a failure at risk %v are no anomaly", r.Risk)
	}
	if r := heard(FusionOptions{Prior: 0.2}, rule); r.Anomaly {
		t.Errorf("one view short of its limit is an anomaly at risk %v", r.Risk)
	}
	calm := scored("law", 0, 1)
	if r := heard(FusionOptions{Prior: 0.5}, calm, rule); r.Anomaly {
		t.Errorf("a view that disagrees makes an anomaly at risk %v", r.Risk)
	}
}

func TestOilAgesSlowerThanVibration(t *testing.T) {
	age := func(g asset.Group, after time.Duration) asset.Risk {
		f := &fusion{opt: FusionOptions{CapRule: 10}.withDefaults()}
		f.hear(grouped(said(asset.Ruled, "a", epoch, 1e-4), g))
		return f.verdict("t", "bearing", epoch.Add(after))
	}
	full := float64(age(asset.GroupOil, 0).LLR.Rule)
	if got := float64(age(asset.GroupOil, 7*24*time.Hour).LLR.Rule); math.Abs(got-full/2) > 1e-12 {
		t.Errorf("oil after a week = %v, want half of %v", got, full)
	}
	if got := float64(age(asset.GroupVibration, 24*time.Hour).LLR.Rule); math.Abs(got-full/2) > 1e-12 {
		t.Errorf("vibration after a day = %v, want half of %v", got, full)
	}
	if r := age(asset.GroupVibration, 5*24*time.Hour); r.Risk.Known() || r.Sources[0].Reason != "stale" {
		t.Errorf("vibration after five days: risk %v, sources %+v; want none, stale", r.Risk, r.Sources)
	}
}

func TestIndependentModesAreJoinedByNoisyOr(t *testing.T) {
	named := func(source string, p float64, m asset.Mode) asset.Assessment {
		a := said(asset.Ruled, source, epoch, p)
		a.Modes = map[asset.Mode]float64{m: 1}
		return a
	}
	opt := FusionOptions{Modes: true, Prior: 0.1}
	if r := heard(opt, named("a", 0.25, asset.Wear), named("b", 0.25, asset.Overheating)); math.Abs(float64(r.Risk)-0.1) > 1e-12 {
		t.Errorf("risk = %v where nobody says anything, want the prior 0.1", r.Risk)
	}
	wear := float64(heard(opt, named("a", 1e-3, asset.Wear)).Risk)
	both := float64(heard(opt, named("a", 1e-3, asset.Wear), named("b", 1e-3, asset.Overheating)).Risk)
	same := float64(heard(opt, named("a", 1e-3, asset.Wear), named("b", 1e-3, asset.Wear)).Risk)
	if same != wear || both <= wear {
		t.Errorf("risk of one mode %v, twice the same %v, of two %v", wear, same, both)
	}
}

func TestCurveIsLinearBetweenKnots(t *testing.T) {
	c := Curve{X: []float64{-1, 1, 1, 3}, Y: []float64{-2, 0, 1, 2}}
	for x, want := range map[float64]float64{-9: -2, -1: -2, 0: -1, 2: 1.5, 9: 2} {
		if got := c.At(x); math.Abs(got-want) > 1e-12 {
			t.Errorf("at %v: %v, want %v", x, got, want)
		}
	}
	if got := (Curve{}).At(1.25); got != 1.25 {
		t.Errorf("no curve: %v, want 1.25", got)
	}
}
