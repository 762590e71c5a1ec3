package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
	"github.com/telltale-iot/telltale/features"
)

// benchRate is the sample rate of every waveform that is measured with.
const benchRate = 25600

// benchWindows are cycled through, so that no window is found in the cache as it
// was left. features/bench/README.md gives the formula of their counts.
const benchWindows = 64

func benchCounts(n int, number uint32) []int16 {
	s := 12345 + number*7919
	next := func() uint32 {
		s = s*1664525 + 1013904223
		return s
	}
	shaft, gear, strike := next(), next(), next()
	every, ring := phaseStep(168340), phaseStep(5200000)
	out := make([]int16, n)
	for i := range out {
		v := int32(100 - 382)
		for range 3 {
			v += int32(next() >> 24)
		}
		v += benchWave(shaft)>>4 + benchWave(2*shaft)>>5 + benchWave(3*shaft)>>6 + benchWave(gear)>>5
		if since := strike / every; since < 64 {
			v += benchWave(since*ring) * int32(8+number%8) >> (5 + since/8)
		}
		out[i] = int16(v)
		shaft, gear, strike = shaft+phaseStep(30000), gear+phaseStep(1234500), strike+every
	}
	return out
}

func phaseStep(millihertz uint64) uint32 {
	return uint32(millihertz << 32 / (1000 * benchRate))
}

// benchWave is a sine made of parabolas, ±8192, of a phase that 2³² turns once.
func benchWave(phase uint32) int32 {
	t := int32(int16(phase >> 16))
	return t * (32768 - max(t, -t)) >> 15
}

// features measures one window after the other on one goroutine, as a shard does:
// with the envelope of one given band, and as classes do that give none.
func (b *benchmark) features(ctx context.Context) error {
	plate := asset.Nameplate{ID: "bench", Components: []asset.Component{{Name: "bearing", Bearing: &asset.Bearing{
		RollingElements: 13, ElementDiameterMM: 3.5, PitchDiameterMM: 25.6,
	}}}}
	fixed := features.ExtractorOptions{Envelope: features.Band{Lo: 2000, Hi: 10000}}
	for _, c := range []struct {
		name string
		opt  features.ExtractorOptions
		size int
	}{
		{"full", fixed, 4096},
		{"merged", features.ExtractorOptions{}, 4096},
		{"merged", features.ExtractorOptions{}, benchRate},
		{"full", fixed, 262144},
		{"full", fixed, 307200},
	} {
		e := features.NewExtractor(c.opt, plate, nil)
		windows := make([]asset.Window, benchWindows)
		for i := range windows {
			windows[i] = asset.Window{
				Asset: plate.ID, Channel: "a", Component: "bearing", Kind: "acceleration", RateHz: benchRate, Unit: "m/s²",
				Counts: benchCounts(c.size, uint32(i)), Scale: 1e-3, SpeedRpm: 1800, LoadN: asset.Missing(), Quality: 100,
			}
		}
		err := b.rate(ctx, "features", fmt.Sprintf("%s/%d", c.name, c.size), "samples", func() (float64, error) {
			for i := range windows {
				if _, _, err := e.Extract(windows[i], false); err != nil {
					return 0, err
				}
			}
			return float64(len(windows) * c.size), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fft measures the real transform alone.
func (b *benchmark) fft(ctx context.Context) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // noise to compute with
	for _, n := range []int{1024, 2048, 4096, 8192, 16384, 25600, 262144, 307200} {
		plan := dsp.NewReal[float32](n)
		x, re, im := make([]float32, n), make([]float32, n/2+1), make([]float32, n/2+1)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		calls := 1<<22/n + 1
		err := b.rate(ctx, "fft", fmt.Sprintf("real/%d", n), "samples", func() (float64, error) {
			for range calls {
				plan.Transform(re, im, x)
			}
			return float64(calls * n), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
