package ingest

import (
	"fmt"
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// A hit is one detected signal of acoustic emission on a channel (ASTM E1316): from the
// first crossing of the threshold to the last. Its amplitude is the greatest voltage in
// dB over 1 µV at the sensor; the rise time is from the first crossing to that peak; its
// counts are the crossings; its energy is in the unit of the instrument.
//
// The hits of one message and channel become points at the time of the newest:
//
//	CHANNEL.hits               1   how many
//	CHANNEL.hit_amplitude_max  dB  the greatest amplitude
//	CHANNEL.hit_duration_mean  s
//	CHANNEL.hit_rise_mean      s
//	CHANNEL.hit_counts         1   of all together
//	CHANNEL.hit_energy         1   of all together
//
// A point that no hit says anything for is left out.
type hit struct {
	channel                                         string
	time                                            time.Time
	amplitudeDB, durationUs, riseUs, counts, energy float64 // NaN: not said
}

// noHit says nothing yet.
func noHit() hit {
	nan := math.NaN()
	return hit{amplitudeDB: nan, durationUs: nan, riseUs: nan, counts: nan, energy: nan}
}

// hits adds up the hits of a message by channel, in the order in which they came first.
type hits struct {
	channels []channelHits
}

// MaxHitChannels is how many channels the hits of one message may be of.
const MaxHitChannels = 64

type channelHits struct {
	channel                        string
	newest                         time.Time
	n                              int
	amplitudeMax                   float64 // NaN: no hit says it; so the sums
	duration, rise, counts, energy sum
}

// sum is of the hits that say something.
type sum struct {
	total float64
	n     int
}

func (s *sum) add(v float64) {
	if !math.IsNaN(v) {
		s.total += v
		s.n++
	}
}

// add takes a hit, or says what is wrong with it.
func (h *hits) add(x hit) error {
	if x.time.IsZero() {
		return fmt.Errorf("a hit without a time")
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"duration_us", x.durationUs}, {"rise_us", x.riseUs}, {"counts", x.counts}, {"energy", x.energy}} {
		if f.value < 0 {
			return fmt.Errorf("%s of a hit is %g, want at least 0", f.name, f.value)
		}
	}
	c, err := h.of(x.channel)
	if err != nil {
		return err
	}
	if c.n++; x.time.After(c.newest) {
		c.newest = x.time
	}
	if !math.IsNaN(x.amplitudeDB) && !(x.amplitudeDB <= c.amplitudeMax) {
		c.amplitudeMax = x.amplitudeDB
	}
	c.duration.add(x.durationUs)
	c.rise.add(x.riseUs)
	c.counts.add(x.counts)
	c.energy.add(x.energy)
	return nil
}

func (h *hits) of(channel string) (*channelHits, error) {
	for i := range h.channels {
		if h.channels[i].channel == channel {
			return &h.channels[i], nil
		}
	}
	if len(h.channels) == MaxHitChannels {
		return nil, &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("hits of more than %d channels in a message", MaxHitChannels)}
	}
	h.channels = append(h.channels, channelHits{channel: channel, amplitudeMax: math.NaN()})
	return &h.channels[len(h.channels)-1], nil
}

// points are what the hits come to.
func (c *channelHits) points() []asset.Point {
	out := make([]asset.Point, 0, 6)
	put := func(name string, value float64, unit string) {
		out = append(out, asset.Point{Metric: c.channel + "." + name, Value: value, Unit: unit, Quality: 100})
	}
	put("hits", float64(c.n), "1")
	if !math.IsNaN(c.amplitudeMax) {
		put("hit_amplitude_max", c.amplitudeMax, "dB")
	}
	if c.duration.n > 0 {
		put("hit_duration_mean", c.duration.total/float64(c.duration.n)*1e-6, "s")
	}
	if c.rise.n > 0 {
		put("hit_rise_mean", c.rise.total/float64(c.rise.n)*1e-6, "s")
	}
	if c.counts.n > 0 {
		put("hit_counts", c.counts.total, "1")
	}
	if c.energy.n > 0 {
		put("hit_energy", c.energy.total, "1")
	}
	return out
}
