package features

import "testing"

// TestAWiderLimitSaysThatHealthyMachinesWander: the probability follows the limit that a
// class allows, and whatever may count against the machine is told.
func TestAWiderLimitSaysThatHealthyMachinesWander(t *testing.T) {
	opt := rigOptions()
	opt.Detectors = []DetectorOptions{{Type: "residual"}, {Type: "residual", Name: "wide", Limit: 9}}
	m, r := mustMonitor(t, opt, rigPlate(600)), newRig(2)
	for range 900 {
		m.Observe(r.next(nil))
	}
	for i := range 200 {
		said := m.Observe(r.next(func(_ int, x *reading) { x.temperature += 1.5 }))
		usual, ok := of(said, "residual")
		wide, both := of(said, "wide")
		if !ok || !both || i < 150 {
			continue
		}
		if !(usual.P < 1e-3) || wide.P < 5*usual.P {
			t.Fatalf("probability %v, and with thrice the limit %v", usual.P, wide.P)
		}
		if wide.P < 0.1 && len(wide.Evidence) == 0 {
			t.Fatalf("a probability of %v without evidence", wide.P)
		}
	}
}
