package physics

import (
	"errors"
	"math"
	"testing"
)

// TestTurbineSettles holds a run from rest to the motion that repeats itself, which the law
// structure solves for, and the shaft to its torque.
func TestTurbineSettles(t *testing.T) {
	turbine, err := NewTurbine(0)
	if err != nil {
		t.Fatal(err)
	}
	var x []float64
	var loads TurbineLoads
	for range 20 {
		if x, loads, err = turbine.Turn(x, 11, 12, 4500, 60); err != nil {
			t.Fatal(err)
		}
	}
	now := operating{wind: 11, omega: 12 * math.Pi / 30, thrustN: loads.ThrustN, torque: 4.5e6 / electrical / (12 * math.Pi / 30)}
	for p, got := range []Spread{loads.Flap, loads.Edge} {
		var want Spread
		for n, v := range turbine.blade.strainOf(p, now, nil) {
			want.add(v, n)
		}
		for i, pair := range [][2]float64{{got.Min, want.Min}, {got.Mean, want.Mean}, {got.Max, want.Max}} {
			if math.Abs(pair[0]-pair[1]) > 0.02*math.Max(math.Abs(want.Max), math.Abs(want.Min)) {
				t.Errorf("plane %d, %d: %g, want %g", p, i, pair[0], pair[1])
			}
		}
	}
	if math.Abs(loads.TorqueNm.Mean/now.torque-1) > 0.01 || loads.TorqueNm.Max-loads.TorqueNm.Min > 0.02*now.torque {
		t.Errorf("torque %+v, want %g", loads.TorqueNm, now.torque)
	}
	names, hz := turbine.Modes()
	if len(names) != 12 || len(hz) != 12 || math.Abs(hz[0]-0.7287) > 1e-3 || math.Abs(hz[6]-0.33618) > 1e-3 {
		t.Errorf("%v %v", names, hz)
	}
	again, _, _ := turbine.Turn(append([]float64(nil), x...), 11, 12, 4500, 60)
	if other, _, _ := turbine.Turn(append([]float64(nil), x...), 11, 12, 4500, 60); other[5] != again[5] {
		t.Error("the same run twice differs")
	}
}

func TestTurbineScales(t *testing.T) {
	half, err := NewTurbine(63)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := NewTurbine(126)
	if err != nil {
		t.Fatal(err)
	}
	names, hz := half.Modes()
	_, full := whole.Modes()
	for i := range hz {
		if math.Abs(hz[i]/full[i]-2) > 1e-4 {
			t.Errorf("%s: %g Hz at half the size of %g Hz", names[i], hz[i], full[i])
		}
	}
	for _, bad := range [][4]float64{{-1, 12, 1, 1}, {10, 0, 1, 1}, {10, 12, 1, 0}, {10, 12, math.NaN(), 1}} {
		if _, _, err := half.Turn(nil, bad[0], bad[1], bad[2], bad[3]); !errors.Is(err, ErrBeam) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
