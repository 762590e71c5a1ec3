package features

import (
	"math"
	"testing"
)

func TestCurrentGroupOfAKnownMachine(t *testing.T) {
	plate := groupPlate()
	for name, tc := range map[string]struct {
		hz, rpm, slip, lower, upper float64
		opt                         CurrentOptions
	}{
		"motor":            {50, 1470, 0.02, 38, 46, CurrentOptions{}},
		"generator":        {49.93, 60 * 49.93 / 2 * 1.015, -0.015, 52, 49, CurrentOptions{}},
		"sixty":            {60.02, 60 * 60.02 / 3 * 0.97, 0.03, 44, 60, CurrentOptions{PolePairs: 3}},
		"from a converter": {31, 60 * 31.0 * 0.975, 0.025, 41, 43, CurrentOptions{LineHz: 31.2}},
	} {
		t.Run(name, func(t *testing.T) {
			x := current[float32](20000, 1000, tc.hz, math.Abs(tc.slip), tc.lower, tc.upper, 100)
			for i := range x { // two harmonics: 3 %, 4 %
				p := 2 * math.Pi * tc.hz * float64(i) / 1000
				x[i] += float32(3*math.Cos(5*p) + 4*math.Cos(7*p+1))
			}
			v := extracted(t, NewExtractor(ExtractorOptions{Current: tc.opt}, plate, nil), groupWindow(plate, "i", 0, x, tc.rpm))
			wantNear(t, v, "line_hz", tc.hz, 1e-5)
			wantNear(t, v, "line_rms", 100/math.Sqrt2, 3e-3)
			wantNear(t, v, "thd", 0.05, 0.02)
			wantNear(t, v, "slip", tc.slip, 2e-3)
			wantNear(t, v, "broken_bar", -min(tc.lower, tc.upper), 3e-3)
		})
	}
}

func TestCurrentGroupWhenItCannot(t *testing.T) {
	plate := groupPlate()
	x := current[float32](20000, 1000, 50, 0.02, 38, 46, 100)
	get := func(x []float32, rpm float64, opt CurrentOptions) Vector {
		return extracted(t, NewExtractor(ExtractorOptions{Current: opt}, plate, nil), groupWindow(plate, "i", 0, x, rpm))
	}
	wantMissing(t, get(x, math.NaN(), CurrentOptions{}), ReasonNoSpeed, "slip", "broken_bar")
	wantMissing(t, get(x, 0, CurrentOptions{}), ReasonStandstill, "slip", "broken_bar")
	wantMissing(t, get(x, 1200, CurrentOptions{}), ReasonRange, "slip", "broken_bar")
	wantMissing(t, get(x, 1500, CurrentOptions{}), ReasonShort, "broken_bar") // no slip: the line covers them
	short := get(x[:1000], 1470, CurrentOptions{})
	wantMissing(t, short, ReasonShort, "broken_bar")
	wantNear(t, short, "line_hz", 50, 1e-3)
	wantMissing(t, get(x[:100], 1470, CurrentOptions{}), ReasonShort, "line_hz", "line_rms", "thd", "slip", "broken_bar")
	wantMissing(t, get(x, 1470, CurrentOptions{LineHz: 600}), ReasonAlias, "line_hz", "broken_bar")
	wantMissing(t, get(tones(20000, 1000, 1, 1), 1470, CurrentOptions{}), ReasonFlat, "line_hz", "broken_bar")
}
