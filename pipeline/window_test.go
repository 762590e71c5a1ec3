package pipeline

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// signal is the sample that a sensor without holes gives at index i.
func signal(i int) float32 { return float32(int16((uint32(i)*2654435761)>>16)) / 8 }

// blockOf is the samples [i, i+n) of the signal, stamped at the seconds given.
func blockOf(i, n int, rate, at float64, counts bool) *asset.Waveform {
	w := &asset.Waveform{Channel: "x", Start: epoch.Add(time.Duration(math.Round(at * 1e9))), RateHz: rate, Quality: 80}
	for k := range n {
		if counts {
			w.Counts, w.Scale = append(w.Counts, int16(signal(i+k)*8)), 0.125
		} else {
			w.Samples = append(w.Samples, signal(i+k))
		}
	}
	return w
}

// cutAll pushes blocks through a cutter; windows are copied.
func cutAll(c *cutter, blocks ...*asset.Waveform) (windows []asset.Window, lost cuts) {
	for i, w := range blocks {
		c.compact()
		got, l := c.push(w, int64(i))
		lost.Abandoned, lost.Filled, lost.Repeated = lost.Abandoned+l.Abandoned, lost.Filled+l.Filled, lost.Repeated+l.Repeated
		for _, v := range got {
			v.Samples, v.Counts = slices.Clone(v.Samples), slices.Clone(v.Counts)
			windows = append(windows, v)
		}
	}
	return windows, lost
}

// valueAt is sample i of a window in the channel's unit.
func valueAt(w asset.Window, i int) float32 {
	if w.Counts != nil {
		return float32(float64(w.Counts[i]) * w.Scale)
	}
	return w.Samples[i]
}

func newCutter(seconds float64) *cutter {
	return &cutter{opt: WindowOptions{Seconds: seconds}.withDefaults(), channel: asset.Channel{Name: "x"}}
}

// A hole of one or two samples is filled on a line, wherever it lies in a window; a
// larger one ends the record.
func TestASmallHoleIsFilledOnALine(t *testing.T) {
	for _, counts := range []bool{false, true} {
		for _, size := range []int{30, 100} { // with 100, the hole lies at a window's border
			for hole := 1; hole <= 4; hole++ {
				var blocks []*asset.Waveform
				at := 0
				for k := range 9 {
					if k == 5 {
						at += hole
					}
					blocks = append(blocks, blockOf(at, size, 100, float64(at)/100, counts))
					at += size
				}
				windows, lost := cutAll(newCutter(1), blocks...)
				if hole > 2 {
					if lost != (cuts{Abandoned: 5 * size % 100}) {
						t.Errorf("hole of %d in blocks of %d: %+v", hole, size, lost)
					}
					continue
				}
				if lost.Filled != hole || lost.Abandoned != 0 || lost.Repeated != 0 {
					t.Fatalf("hole of %d in blocks of %d: %+v", hole, size, lost)
				}
				seen := 0
				for k, w := range windows {
					if want := epoch.Add(time.Duration(k) * time.Second); !w.Start.Equal(want) {
						t.Errorf("window %d starts %s, want %s", k, w.Start, want)
					}
					here := 0
					for i := range w.Len() {
						n := 100*k + i
						want, off := signal(n), 1e-6
						if n >= 5*size && n < 5*size+hole {
							here++
							u := float64(n-5*size+1) / float64(hole+1)
							want = float32((1-u)*float64(signal(5*size-1)) + u*float64(signal(5*size+hole)))
							if counts {
								off = 0.0625 // half a count
							}
						}
						if math.Abs(float64(valueAt(w, i)-want)) > off {
							t.Fatalf("sample %d is %g, want %g", n, valueAt(w, i), want)
						}
					}
					if want := 80 * (1 - float64(here)/100); math.Abs(w.Quality-want) > 1e-9 {
						t.Errorf("window %d with %d filled: quality %g, want %g", k, here, w.Quality, want)
					}
					seen += here
				}
				if seen != hole {
					t.Errorf("%d of %d filled samples are in windows", seen, hole)
				}
			}
		}
	}
}

// What came before is dropped, be it two samples, half a block or all of one; samples
// that only claim the time of others are kept.
func TestRepeatedSamplesAreDropped(t *testing.T) {
	for _, counts := range []bool{false, true} {
		for _, over := range []int{1, 2, 17, 40} {
			var blocks []*asset.Waveform
			at := 0
			for k := range 8 {
				if k == 4 {
					at -= over
				}
				blocks = append(blocks, blockOf(at, 40, 100, float64(at)/100, counts))
				at += 40
			}
			windows, lost := cutAll(newCutter(1), blocks...)
			if lost.Repeated != over || lost.Abandoned != 0 || lost.Filled != 0 || len(windows) != (320-over)/100 {
				t.Fatalf("%d repeated: %+v, %d windows", over, lost, len(windows))
			}
			for k, w := range windows {
				for i := range w.Len() {
					if valueAt(w, i) != signal(100*k+i) {
						t.Fatalf("%d repeated: sample %d is not the signal's", over, 100*k+i)
					}
				}
				if w.Quality != 80 || !w.Start.Equal(epoch.Add(time.Duration(k)*time.Second)) {
					t.Errorf("%d repeated: window %d of quality %g starts %s", over, k, w.Quality, w.Start)
				}
			}
		}
	}
	early := []*asset.Waveform{blockOf(0, 40, 100, 0, false), blockOf(40, 40, 100, 0.39, false), blockOf(80, 40, 100, 0.79, false)}
	windows, lost := cutAll(newCutter(1), early...)
	if len(windows) != 1 || lost != (cuts{}) || windows[0].Samples[99] != signal(99) {
		t.Errorf("a stamp that is a sample early: %d windows, %+v", len(windows), lost)
	}
}

// A clock that steps back, other than to repeat what came, begins a record.
func TestAClockThatStepsBackStartsAfresh(t *testing.T) {
	blocks := []*asset.Waveform{blockOf(0, 40, 100, 10, false), blockOf(40, 40, 100, 10.4, false)}
	for k := range 3 {
		blocks = append(blocks, blockOf(80+40*k, 40, 100, 5+0.4*float64(k), false))
	}
	windows, lost := cutAll(newCutter(1), blocks...)
	if len(windows) != 1 || lost != (cuts{Abandoned: 80}) || !windows[0].Start.Equal(epoch.Add(5*time.Second)) || windows[0].Samples[0] != signal(80) {
		t.Errorf("%d windows, %+v", len(windows), lost)
	}
}

// A clock that is off makes no holes: it costs at most what came before the second
// block, is told from 100 ppm on, and windows follow the stamps.
func TestADriftingClockMakesNoHoles(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	for _, size := range []int{256, 1024, 25600} {
		for _, jitterUs := range []float64{0, 5} {
			for _, ppm := range []float64{0, 50, -50, 95, 200, -200, 900, 2000, -2000} {
				const rate, blocks = 25600.0, 240
				c := newCutter(2)
				c.opt.Seconds = float64(size) * 4 / rate
				var windows []asset.Window
				var lost cuts
				newest := 0 // block when the last window was cut
				for k := range blocks {
					at := float64(k*size) / rate * (1 + ppm*1e-6)
					at += jitterUs * 1e-6 * math.Sin(float64(k*k))
					got, l := cutAll(c, blockOf(k*size, size, rate, at, false))
					lost.Abandoned, lost.Filled, lost.Repeated = lost.Abandoned+l.Abandoned, lost.Filled+l.Filled, lost.Repeated+l.Repeated
					windows = append(windows, got...)
					if len(got) > 0 {
						newest = k
					}
				}
				if lost.Abandoned > 3*size || lost.Filled > 2*oddSmall || lost.Repeated > 0 {
					t.Errorf("%g ppm, jitter %g µs, blocks of %d: %+v", ppm, jitterUs, size, lost)
				}
				last := windows[len(windows)-1]
				// The newest sample lies where its block's stamp says, to a sample and a half.
				// What was filled before the clock was known makes a window end earlier in it.
				due := epoch.Add(time.Duration(float64(newest*size)/rate*(1+ppm*1e-6)*1e9) + time.Duration(float64(size-1-lost.Filled)/rate*1e9))
				if d := math.Abs(last.End.Sub(due).Seconds()) * rate; d > 1.5+jitterUs*1e-6*rate {
					t.Errorf("%g ppm, blocks of %d: the last window ends %g samples off", ppm, size, d)
				}
				want := ppm
				if math.Abs(ppm) < 100 {
					want = 0
				}
				if math.Abs(last.ClockPPM-want) > 3+0.01*math.Abs(want) {
					t.Errorf("%g ppm, jitter %g µs, blocks of %d: told as %g", ppm, jitterUs, size, last.ClockPPM)
				}
			}
		}
	}
}

// Holes of a clock that is off are found all the same.
func TestAHoleOfADriftingClockIsFilled(t *testing.T) {
	for _, ppm := range []float64{-2000, -200, 30, 200, 2000} {
		const rate, size = 25600.0, 2560
		c := newCutter(0.4)
		var blocks []*asset.Waveform
		at := 0
		for k := range 100 {
			if k == 50 || k == 80 {
				at += 1 + k/80
			}
			blocks = append(blocks, blockOf(at, size, rate, float64(at)/rate*(1+ppm*1e-6), false))
			at += size
		}
		before, lost := cutAll(c, blocks[:20]...)
		after, more := cutAll(c, blocks[20:]...)
		if more.Filled != 3 || more.Abandoned != 0 || more.Repeated != 0 {
			t.Errorf("%g ppm: %+v at first, then %+v", ppm, lost, more)
		}
		if len(before)+len(after) < 24 {
			t.Errorf("%g ppm: %d windows", ppm, len(before)+len(after))
		}
	}
}

// Stamps that are rounded to milliseconds are no better than that.
func TestRoundedStampsMakeNoHoles(t *testing.T) {
	for _, ppm := range []float64{0, 40, -40} {
		const rate, size = 25600.0, 6400
		c := newCutter(1)
		var lost cuts
		for k := range 400 {
			at := math.Round(float64(k*size)/rate*(1+ppm*1e-6)*1e3+0.3) / 1e3
			_, l := cutAll(c, blockOf(k*size, size, rate, at, false))
			lost.Abandoned, lost.Filled, lost.Repeated = lost.Abandoned+l.Abandoned, lost.Filled+l.Filled, lost.Repeated+l.Repeated
		}
		if lost != (cuts{}) || c.clock.ppm() != 0 {
			t.Errorf("%g ppm: %+v, told as %g", ppm, lost, c.clock.ppm())
		}
	}
}

// A restart behind any block changes nothing: not the windows, not what is carried;
// also where windows end with blocks and nothing is pending.
func TestACutterGoesOnAfterARestartBehindAnyBlock(t *testing.T) {
	for _, counts := range []bool{false, true} {
		for _, size := range []int{30, 100} {
			var blocks []*asset.Waveform
			at := 0
			for k := range 24 {
				switch k {
				case 5, 8, 16:
					at += 2
				case 9, 14:
					at--
				case 19:
					at += 7
				}
				blocks = append(blocks, blockOf(at, size, 100, float64(at)/100*1.003, counts))
				at += size
			}
			run := func(restart int) (out []asset.Window, carried []string) {
				c := newCutter(1)
				for k, w := range blocks {
					if k == restart {
						o := reopened(t, c)
						c = newCutter(1)
						c.load(o)
						for i := range k {
							if at := c.awaits(int64(i)); at >= 0 {
								c.rebuild(at, blocks[i], int64(i))
							}
						}
						if c.awaited != nil && len(c.awaited.Froms) > 0 {
							t.Fatalf("restart at %d: %v still awaited", k, c.awaited.Froms)
						}
						c.awaited = nil
					}
					c.compact()
					got, _ := c.push(w, int64(k))
					for _, v := range got {
						v.Samples, v.Counts = slices.Clone(v.Samples), slices.Clone(v.Counts)
						out = append(out, v)
					}
					body, err := json.Marshal(reopened(t, c))
					if err != nil {
						t.Fatal(err)
					}
					carried = append(carried, string(body))
				}
				return out, carried
			}
			windows, carried := run(-1)
			for restart := 1; restart < len(blocks); restart++ {
				again, states := run(restart)
				if !reflect.DeepEqual(windows, again) {
					t.Errorf("counts %v, blocks of %d, restart at %d: other windows", counts, size, restart)
				}
				if !slices.Equal(carried, states) {
					t.Errorf("counts %v, blocks of %d, restart at %d: other state", counts, size, restart)
				}
			}
		}
	}
}

// reopened is what a cutter carries, as it comes back from the store.
func reopened(t *testing.T, c *cutter) (o open) {
	t.Helper()
	was, _ := c.save()
	body, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatal(err)
	}
	return o
}
