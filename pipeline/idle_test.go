package pipeline

import (
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func TestASilentAssetsLastInstantFillsItsWindow(t *testing.T) {
	d := newDisk()
	block := func(k int) asset.Reading {
		start := epoch.Add(time.Duration(k) * 500 * time.Millisecond)
		return asset.Reading{Asset: "a0", Time: start.Add(490 * time.Millisecond), Wave: &asset.Waveform{Channel: "x", Start: start, RateHz: 100, Quality: 100, Samples: make([]float32, 50)}}
	}
	later := func(after time.Duration) asset.Reading {
		return asset.Reading{Asset: "a1", Time: epoch.Add(after), Points: []asset.Point{{Metric: "temperature", Value: 1, Quality: 100}}}
	}
	var h []Arrival
	for i, r := range []asset.Reading{block(0), block(1), later(idleTimeout + time.Minute)} {
		h = append(h, Arrival{Reading: r, From: int64(i), Next: int64(i + 1)})
	}
	play(t, d, WindowOptions{Seconds: 1, Lateness: 0.1}, h, 10, -1)
	if d.counts["samples-abandoned"] != 0 || d.counts["vectors"] != 2 {
		t.Errorf("counts %v; want the window that the flushed instant fills, and no sample given up", d.counts)
	}
}
