package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/pipeline"
)

// park is assets of three vibration channels in one shard, whose raw windows of a
// second fill and empty.
type park struct {
	shard  *pipeline.Shard
	ids    []asset.ID
	counts [][]int16 // a second of a channel, by turns
	at     time.Time
	offset int64
}

// parkChannels of each asset.
const parkChannels = 3

// parkPlates declares them, each with one bearing that its channels look at.
func parkPlates(assets int) []asset.Nameplate {
	plates := make([]asset.Nameplate, assets)
	for i := range plates {
		p := asset.Nameplate{
			ID: asset.ID(fmt.Sprintf("a%04d", i)), Kind: "bearing-rig", SpeedRpm: 1800,
			Components: []asset.Component{{Name: "bearing", Type: "rolling-bearing", Bearing: &asset.Bearing{RollingElements: 13, ElementDiameterMM: 3.5, PitchDiameterMM: 25.6}}},
		}
		for c := range parkChannels {
			p.Channels = append(p.Channels, asset.Channel{Name: parkChannel(c), Kind: "acceleration", Unit: "m/s²", RateHz: benchRate, Component: "bearing"})
		}
		plates[i] = p
	}
	return plates
}

func parkChannel(c int) string { return "ch" + strconv.Itoa(c) }

func newPark(assets int) (*park, error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, err
	}
	f := &park{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	plates := parkPlates(assets)
	for _, p := range plates {
		f.ids = append(f.ids, p.ID)
	}
	for i := range uint32(8) {
		f.counts = append(f.counts, benchCounts(benchRate, i))
	}
	f.shard, err = pipeline.NewShard(0, 1, 0, newWorks(classes, plates).plant(), nil, nil)
	return f, err
}

// push sends every channel the samples from … to of a second; whole seconds are then
// windows. It returns how many samples that were.
func (f *park) push(ctx context.Context, from, to int) (int, error) {
	n := 0
	for i, id := range f.ids {
		batch := make([]pipeline.Arrival, 0, parkChannels)
		for c := range parkChannels {
			w := &asset.Waveform{
				Channel: parkChannel(c), Start: f.at.Add(time.Duration(from) * time.Second / benchRate), RateHz: benchRate, Unit: "m/s²",
				Counts: f.counts[(i+c)%len(f.counts)][from:to], Scale: 1e-3, Quality: 100, First: from == 0,
			}
			f.offset++
			r := asset.Reading{Asset: id, Time: f.at.Add(time.Duration(to-1) * time.Second / benchRate), Wave: w}
			batch = append(batch, pipeline.Arrival{Reading: r, From: f.offset - 1, Next: f.offset})
			n += to - from
		}
		if _, err := f.shard.Step(ctx, batch); err != nil {
			return n, err
		}
	}
	if to == benchRate {
		f.at = f.at.Add(time.Second)
	}
	return n, nil
}

// parks measures what a sample costs with few and with many assets, and what these
// keep in memory while their raw windows are nearly full.
func (b *benchmark) parks(ctx context.Context) error {
	for _, assets := range []int{10, 200, 2000} {
		f, err := newPark(assets)
		if err != nil {
			return err
		}
		if _, err := f.push(ctx, 0, benchRate); err != nil { // lines, plans, buffers
			return err
		}
		const almost = benchRate - 1
		if _, err := f.push(ctx, 0, almost); err != nil {
			return err
		}
		if assets == 2000 {
			m := measured{Stage: "scale", Case: "resident assets=2000 channels=3", Unit: "MiB", Better: "lower"}
			if err := b.report(ctx, m, 1, func() (float64, error) { return resident(), nil }); err != nil {
				return err
			}
		}
		if _, err := f.push(ctx, almost, benchRate); err != nil {
			return err
		}
		rounds := max(1, 600/assets)
		m := measured{Stage: "scale", Case: fmt.Sprintf("features assets=%d", assets), Unit: "cpu-ns/sample", Better: "lower"}
		err = b.report(ctx, m, min(b.runs, 3), func() (float64, error) {
			began, n := cpuSeconds(), 0
			for range rounds {
				k, err := f.push(ctx, 0, benchRate)
				if err != nil {
					return 0, err
				}
				n += k
			}
			return 1e9 * (cpuSeconds() - began) / float64(n), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resident is this process's memory in MiB, after what is not used any more was
// given back.
func resident() float64 {
	runtime.GC()
	debug.FreeOSMemory()
	body, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.Sys-m.HeapReleased) / (1 << 20)
	}
	fields := strings.Fields(string(body))
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return 0
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
