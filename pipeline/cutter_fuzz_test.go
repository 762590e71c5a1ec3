package pipeline

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// FuzzCutter holds that no sample is lost sight of, that windows have the length asked
// for, and that what is carried can be written, whatever rates, stamps and samples come.
func FuzzCutter(f *testing.F) {
	f.Add(uint64(1), 100.0, 1.0, 40.0, uint8(20))
	f.Add(uint64(2), 25600.0, 0.5, -2000.0, uint8(60))
	f.Add(uint64(3), 1e-300, 1.0, 0.0, uint8(9))
	f.Add(uint64(4), 1e300, 1e-299, 1e9, uint8(9))
	f.Add(uint64(5), 0.5, 0.0, 1e5, uint8(30))
	f.Fuzz(func(t *testing.T, seed uint64, rate, seconds, ppm float64, n uint8) {
		if !(rate > 0) || math.IsInf(rate, 0) || !(seconds*rate < 1e6) {
			return // refused before, or no window ever
		}
		rng := rand.New(rand.NewPCG(seed, 4))
		c := newCutter(seconds)
		in, out, at, length := 0, 0, 0, c.opt.Seconds
		for k := range int(n) {
			size := 1 + rng.IntN(60)
			if rng.IntN(6) == 0 {
				at += rng.IntN(7) - 3
			}
			w := blockOf(max(at, 0), size, rate, 0, rng.IntN(40) == 0)
			stamp := float64(at) / rate * (1 + ppm*1e-6)
			w.Start = epoch.Add(time.Duration(max(-1e18, min(stamp*1e9, 1e18))))
			if rng.IntN(30) == 0 && w.Counts == nil {
				w.Samples[rng.IntN(size)] = float32(math.NaN())
			}
			w.First, w.Last = rng.IntN(50) == 0, rng.IntN(50) == 0
			c.compact()
			windows, lost := c.push(w, int64(k))
			in += size + lost.Filled - lost.Abandoned - lost.Repeated
			for _, v := range windows {
				out += v.Len()
				if want := int(math.Round(length * rate)); want > 0 && !w.Last && v.Len() != want || !(v.Quality >= 0 && v.Quality <= 80) || v.ClockPPM-v.ClockPPM != 0 {
					t.Fatalf("window of %d, quality %g, clock %g", v.Len(), v.Quality, v.ClockPPM)
				}
			}
			if in != out+c.pending() {
				t.Fatalf("block %d: %d samples, %d in windows, %d pending", k, in, out, c.pending())
			}
			held := 0
			for _, b := range c.froms {
				held += b.n
			}
			if held != c.pending() {
				t.Fatalf("block %d: readings hold %d of %d pending samples", k, held, c.pending())
			}
			o, _ := c.save()
			if _, err := json.Marshal(o); err != nil {
				t.Fatalf("block %d: %v", k, err)
			}
			at += size
		}
	})
}
