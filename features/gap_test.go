package features

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var recordStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// packets cuts samples 0, 1, 2, … of a clock that takes 1+ppm/1e6 nominal periods
// for each into blocks of n.
func packets(total, n int, rate, ppm float64) []Block[float32] {
	var b []Block[float32]
	for at := 0; at < total; at += n {
		s := make([]float32, min(n, total-at))
		for i := range s {
			s[i] = float32(at + i)
		}
		b = append(b, Block[float32]{recordStart.Add(time.Duration(float64(at) / rate * (1 + ppm/1e6) * 1e9)), uint64(at / n), s})
	}
	return b
}

// without drops samples [from, to) of block k.
func without(b []Block[float32], k, from, to int, rate float64) []Block[float32] {
	out := append([]Block[float32]{}, b[:k]...)
	x := b[k]
	if from > 0 {
		out = append(out, Block[float32]{x.Start, x.Seq, x.Samples[:from]})
	}
	if to < len(x.Samples) {
		out = append(out, Block[float32]{x.Start.Add(time.Duration(float64(to) / rate * 1e9)), x.Seq, x.Samples[to:]})
	}
	return append(out, b[k+1:]...)
}

func TestJoin(t *testing.T) {
	const rate = 1000.0
	whole := packets(10000, 100, rate, 0)
	again := append(append([]Block[float32]{}, whole...), whole[3], whole[40])
	swapped := append([]Block[float32]{}, whole...)
	swapped[5], swapped[9] = swapped[9], swapped[5]
	back := append([]Block[float32]{}, whole...)
	for i := 90; i < 100; i++ {
		back[i].Start = back[i].Start.Add(-5*time.Second - 50*time.Millisecond)
	}
	late := append([]Block[float32]{}, whole[:50]...)
	late = append(late, Block[float32]{whole[49].Start.Add(40 * time.Millisecond), 49, whole[49].Samples[40:]})
	late = append(late, whole[50:]...)
	for name, tc := range map[string]struct {
		b                  []Block[float32]
		opt                JoinOptions
		spectral, temporal asset.Reason
		n, lost, filled    int
		holes, twice, late int
	}{
		"whole":              {b: whole, n: 10000},
		"two samples":        {b: without(whole, 30, 50, 52, rate), n: 10000, lost: 2, filled: 2, holes: 1},
		"at a block's end":   {b: without(whole, 30, 99, 100, rate), n: 10000, lost: 1, filled: 1, holes: 1},
		"at a block's start": {b: without(whole, 30, 0, 2, rate), n: 10000, lost: 2, filled: 2, holes: 1},
		"three samples":      {b: without(whole, 10, 50, 53, rate), spectral: ReasonGap, n: 10000 - 1053, lost: 3, holes: 1},
		"in the middle":      {b: without(whole, 50, 0, 3, rate), spectral: ReasonGap, temporal: ReasonGap, lost: 3, holes: 1},
		"first block":        {b: whole[1:], n: 9900},
		"first block, known": {b: whole[1:], opt: JoinOptions{From: recordStart}, spectral: ReasonGap, n: 9900, lost: 100},
		"last block, known":  {b: whole[:99], opt: JoinOptions{To: recordStart.Add(10 * time.Second)}, spectral: ReasonGap, n: 9900, lost: 100},
		"bounds met exactly": {b: whole, opt: JoinOptions{From: recordStart, To: recordStart.Add(10 * time.Second)}, n: 10000},
		"twice":              {b: again, n: 10000, twice: 2, late: 2},
		"swapped":            {b: swapped, n: 10000, late: 4},
		"part of one again":  {b: late, n: 10000, twice: 1},
		"clock went back":    {b: back, spectral: ReasonGap, temporal: ReasonGap, late: 10, lost: 0},
		"no fill":            {b: without(whole, 1, 50, 51, rate), opt: JoinOptions{MaxFill: -1}, spectral: ReasonGap, n: 10000 - 151, lost: 1, holes: 1},
	} {
		j := Join(tc.b, rate, tc.opt)
		if j.Spectral != tc.spectral || j.Temporal != tc.temporal || len(j.Samples) != tc.n || j.Lost != float64(tc.lost) ||
			len(j.Filled) != tc.filled || j.Holes != tc.holes || j.Duplicates != tc.twice || j.OutOfOrder != tc.late {
			j.Samples = j.Samples[:min(3, len(j.Samples))]
			t.Errorf("%s: %d samples, %+v", name, len(Join(tc.b, rate, tc.opt).Samples), j)
			continue
		}
		for i := 1; i < len(j.Samples); i++ { // the ramp goes on, filled or not
			if j.Samples[i] != j.Samples[i-1]+1 {
				t.Errorf("%s: sample %d is %g after %g", name, i, j.Samples[i], j.Samples[i-1])
				break
			}
		}
		if name == "clock went back" && j.Overlaps == 0 {
			t.Error("a clock that went back is no overlap")
		}
	}
}

func TestJoinOfManySmallHoles(t *testing.T) {
	b := packets(10000, 100, 1000, 0)
	for k := range 20 { // one sample lost from every second block of the first 40: 0.2 %
		b = without(b, 3*k, 50, 51, 1000)
	}
	j := Join(b, 1000, JoinOptions{})
	if j.Lost != 20 || j.Spectral != ReasonGap || j.Temporal != ReasonGap {
		t.Errorf("%g lost, %q, %q; want 20 and a gap", j.Lost, j.Spectral, j.Temporal)
	}
}

func TestJoinMeasuresHolesByTheSourcesClock(t *testing.T) {
	for _, ppm := range []float64{0, 90, 150, -900, 1500} {
		j := Join(packets(200000, 2560, 25600, ppm), 25600, JoinOptions{})
		if j.Lost != 0 || j.Spectral != "" || len(j.Samples) != 200000 {
			t.Errorf("%g ppm: %g lost, %q", ppm, j.Lost, j.Spectral)
		}
		within(t, "ppm", j.Clock.PPM, asset.Number(ppm), 0.01, 0)
		if j.Clock.Drifts != (math.Abs(ppm) > 100) || (j.Clock.Reason == ReasonClock) != (math.Abs(ppm) > 1000) {
			t.Errorf("%g ppm: %+v", ppm, j.Clock)
		}
	}
	lossy := without(packets(200000, 2560, 25600, 150), 40, 0, 2560, 25600)
	j := Join(lossy, 25600, JoinOptions{})
	if j.Lost != 2560 || j.Holes != 1 {
		t.Errorf("a lost block under drift: %g samples in %d holes", j.Lost, j.Holes)
	}
	within(t, "ppm with a hole", j.Clock.PPM, 150, 0.5, 0)
}

func TestJoinWithCoarseStamps(t *testing.T) {
	b := packets(100000, 1000, 25600, 0)
	for i := range b {
		b[i].Start = b[i].Start.Truncate(time.Millisecond)
	}
	if j := Join(b, 25600, JoinOptions{StampS: 0.001}); j.Lost != 0 || j.Spectral != "" || j.Clock.Drifts {
		t.Errorf("%g lost, %q, %+v", j.Lost, j.Spectral, j.Clock)
	}
}

func TestJoinRefuses(t *testing.T) {
	one := []Block[float64]{{recordStart, 0, []float64{1}}}
	for name, tc := range map[string]struct {
		b    []Block[float64]
		rate float64
		want asset.Reason
	}{
		"nothing": {nil, 1, ReasonEmpty}, "hollow": {[]Block[float64]{{}}, 1, ReasonEmpty},
		"no rate": {one, 0, ReasonRate}, "NaN rate": {one, math.NaN(), ReasonRate},
	} {
		if j := Join(tc.b, tc.rate, JoinOptions{}); j.Temporal != tc.want || j.Spectral != tc.want {
			t.Errorf("%s: %q, want %q", name, j.Temporal, tc.want)
		}
	}
	if j := Join(one, 1, JoinOptions{}); len(j.Samples) != 1 || j.Temporal != "" || j.Clock.Reason != ReasonShort {
		t.Errorf("one sample: %+v", j)
	}
	leap := packets(2000, 100, 100, 0) // a second that comes twice
	for i := 10; i < 20; i++ {
		leap[i].Start = leap[i].Start.Add(-time.Second)
	}
	if j := Join(leap, 100, JoinOptions{}); j.Overlaps == 0 || j.Spectral != ReasonGap {
		t.Errorf("a second that comes twice: %+v", j.Overlaps)
	}
}

func FuzzJoin(f *testing.F) {
	f.Add([]byte{10, 0, 10, 0, 12, 1, 9, 1, 10}, 100.0, 0.0)
	f.Add([]byte{200, 10, 250, 0, 0, 0}, 1e9, 1e-3)
	f.Fuzz(func(t *testing.T, b []byte, rate, stamp float64) {
		var blocks []Block[float64]
		at := recordStart
		for i, v := range b {
			at = at.Add(time.Duration(int8(v)) * 10 * time.Millisecond)
			x := make([]float64, 1+int(v)%7)
			for k := range x {
				x[k] = float64(i%3) * 8e307
			}
			blocks = append(blocks, Block[float64]{at, uint64(v), x})
		}
		j := Join(blocks, rate, JoinOptions{StampS: stamp})
		mustBeFinite(t, "samples", j.Temporal, j.Samples...)
		mustBeFinite(t, "clock", j.Clock.Reason, j.Clock.PPM, j.Clock.StdErrPPM)
		if j.Temporal == "" && len(j.Samples) == 0 || j.Lost < 0 || math.IsNaN(j.Expected) {
			t.Fatalf("%+v", j)
		}
		var n, s []float64
		n, s = samplesOf(b), samplesOf(append(b, 1, 2, 3))
		c := FitClock(n, s, rate)
		mustBeFinite(t, "fit", c.Reason, c.PPM, c.StdErrPPM)
	})
}
