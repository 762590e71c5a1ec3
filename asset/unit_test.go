package asset_test

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// TestUnits holds the table to figures of NIST SP 811 (2008), appendix B.
func TestUnits(t *testing.T) {
	for _, tc := range []struct {
		value float64
		from  string
		want  float64
		to    string
	}{
		{212, "[degF]", 100, "°C"},
		{300, "K", 26.85, "°C"},
		{1, "[psi]", 0.06894757, "bar"},
		{1, "MPa", 10, "bar"},
		{1, "[in_i]/s", 25.4, "mm/s"},
		{1, "[mil_i]", 25.4, "µm"},
		{1, "rad/s", 9.549297, "rpm"},
		{1, "[g]", 9.80665, "m/s²"},
		{1, "km/h", 0.2777778, "m/s"},
		{6, "m3/h", 100, "L/min"},
		{1, "rad", 57.29578, "°"},
		{1, "kN.m", 1000, "N·m"},
		{1, "d", 24, "h"},
		{1, "[ppm]", 1e-6, "1"},
	} {
		got, unit, ok := asset.Convert(tc.value, tc.from)
		if !ok || unit != tc.to || math.Abs(got-tc.want) > 1e-6*math.Abs(tc.want) {
			t.Errorf("%g %s is %g %s (%v), want %g %s", tc.value, tc.from, got, unit, ok, tc.want, tc.to)
		}
	}
	if _, _, ok := asset.Convert(1, "furlong"); ok {
		t.Error("a furlong is in the table")
	}
}
