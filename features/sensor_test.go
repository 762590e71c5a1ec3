package features

import (
	"strings"
	"testing"
)

func TestARepairedSensorHasNotLeapt(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(600)), newRig(12)
	for i := range 900 {
		s := r.next(func(row int, x *reading) {
			if row >= 620 && row < 700 {
				x.temperature += 0.2 * float64(row-620)
			}
		})
		if a, ok := of(m.Observe(s), "sensor"); ok && a.Abnormal && i >= 700 {
			t.Fatalf("row %d, repaired at 700: %v", i, a.Evidence)
		}
	}
}

func TestAMachineAtRestHasNoStuckSensor(t *testing.T) {
	for name, tc := range map[string]struct {
		f     tracked
		v     float64
		stuck bool
	}{
		"stands":              {tracked{Field: Field{Unit: "rpm"}, base: FieldBaseline{N: 600, Min: 0, Max: 12, MaxRun: 2}}, 0, false},
		"turns":               {tracked{Field: Field{Unit: "rpm"}, base: FieldBaseline{N: 600, Min: 0, Max: 12, MaxRun: 2}}, 7, true},
		"has never stood":     {tracked{Field: Field{Unit: "rpm"}, base: FieldBaseline{N: 600, Min: 6, Max: 12, MaxRun: 2}}, 0, true},
		"zero of temperature": {tracked{Field: Field{Unit: "°C"}, base: FieldBaseline{N: 600, Min: -9, Max: 30, MaxRun: 2}}, 0, true},
	} {
		var d sensor
		r, why := run{last: 99}, ""
		for i := range 50 {
			why = d.check(&r, &tc.f, tc.v, int64(i))
		}
		if got := strings.Contains(why, "never repeated"); got != tc.stuck {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func TestSwappedCablesAreNoMachines(t *testing.T) {
	names := []string{"rms", "band_rms_10_100", "band_rms_100_1000"}
	loud, quiet := []float64{3.6, 0.6, 2.4}, []float64{1.2, 0.5, 0.4}
	show := func(a, b []float64, gain float64) *instant {
		in := &instant{}
		for k, n := range names {
			for i, c := range []string{"a", "b"} {
				past, now := [][]float64{loud, quiet}[i][k], [][]float64{a, b}[i][k]*gain
				in.fields = append(in.fields, tracked{Field: Field{c, n, "m/s²"}, wave: true, base: learnField(tracked{Field: Field{c, n, "m/s²"}, wave: true}, []float64{past, past, past, past, past, past, past, past * 1.001}, make([][]float64, 8))})
				in.raw = append(in.raw, now)
			}
		}
		return in
	}
	for name, tc := range map[string]struct {
		in   *instant
		want bool
	}{
		"as ever":     {show(loud, quiet, 1), false},
		"swapped":     {show(quiet, loud, 1.05), true},
		"both louder": {show(loud, quiet, 3), false},
		"one dead":    {show(quiet, quiet, 1), false},
	} {
		if got := crossed(tc.in, &tc.in.fields[0]) != ""; got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
