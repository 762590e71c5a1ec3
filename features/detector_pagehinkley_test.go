package features

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestReferencePageHinkley(t *testing.T) {
	type in struct {
		X         []float64
		Delta     float64 `json:"ph_delta"`
		Threshold float64 `json:"ph_threshold"`
		Min       int     `json:"ph_min_instances"`
	}
	type out struct {
		Alarm *int `json:"page_hinkley_first_alarm"`
	}
	first := func(x []float64, o PageHinkleyOptions) int {
		var p PageHinkley
		for i, v := range x {
			var alarm bool
			if p, alarm = p.Step(v, o); alarm {
				return i
			}
		}
		return -1
	}
	r := readSignalReference[in, out](t, "sequential_detectors")
	for _, c := range r.Cases {
		want := -1
		if c.Outputs.Alarm != nil {
			want = *c.Outputs.Alarm
		}
		o := PageHinkleyOptions{Delta: c.Inputs.Delta, Threshold: c.Inputs.Threshold, Min: c.Inputs.Min}
		if got := first(c.Inputs.X, o); got != want {
			t.Errorf("%s: first alarm at %d, want %d", c.ID, got, want)
		}
		if got := first(single(c.Inputs.X), o); got != want {
			t.Errorf("%s: first alarm from float32 at %d, want %d", c.ID, got, want)
		}
	}
}

func TestPageHinkley(t *testing.T) {
	// On a constant the statistic stays 0; a step of 1 after n zeros adds
	// 1 − k/(n+k) − δ at its k-th value.
	o := PageHinkleyOptions{Delta: 0.1, Threshold: 1e9}
	var p PageHinkley
	want := 0.0
	for i := range 140 {
		x := 0.0
		if i >= 100 {
			x = 1
			k := float64(i - 99)
			want += 1 - k/(100+k) - 0.1
		}
		if p, _ = p.Step(x, o); math.Abs(p.Statistic()-want) > 1e-9 {
			t.Fatalf("statistic %g after %d values, want %g", p.Statistic(), i+1, want)
		}
	}
	same := p
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if p, _ = p.Step(x, o); p != same {
			t.Errorf("%g changed the state to %+v", x, p)
		}
	}
	// It alarms only from the least number of values on, and then begins anew.
	p, alarm := PageHinkley{}, false
	for i := range 30 {
		if alarm {
			t.Fatalf("alarm after %d values", i)
		}
		p, alarm = p.Step(float64(100*i), PageHinkleyOptions{})
	}
	if !alarm {
		t.Error("no alarm on a ramp at the 30th value")
	}
	if p, alarm = p.Step(3, PageHinkleyOptions{}); alarm || p.N != 1 || p.Mean != 3 {
		t.Errorf("after an alarm %+v %v, want a fresh start", p, alarm)
	}
}

func FuzzPageHinkley(f *testing.F) {
	f.Add(1e308, -1e308, 0.1, uint64(1))
	f.Add(5e-324, 0.0, -1.0, uint64(2))
	f.Fuzz(func(t *testing.T, a, b, delta float64, seed uint64) {
		if !finite(delta) || math.Abs(delta) > 1e100 {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		var p PageHinkley
		for range 100 {
			p, _ = p.Step([...]float64{a, b, 1}[rng.IntN(3)], PageHinkleyOptions{Delta: delta})
			if !finite(p.Mean, p.Sum, p.Lowest) || p.Statistic() < 0 {
				t.Fatalf("%+v", p)
			}
		}
	})
}
