package simulate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Options of a farm. Zero means the documented default.
type Options struct {
	Turbines       int            // default 12
	Seed           uint64         // of every random number; 0 is a seed like any other
	Start          time.Time      // of event time; default 2026-01-01T00:00:00Z
	Duration       time.Duration  // readings before Start+Duration; default no end
	TelemetryEvery time.Duration  // default 10 min, at least 10 s
	WaveEvery      time.Duration  // from record to record of a channel; default 10 min; negative: no waveforms
	WaveSeconds    float64        // length of a record; default 10 s, or 1 s when WaveEvery is 30 min or more
	RateHz         float64        // of the waveforms; default 25600, at least 16000
	Faults         []Fault        // default: DefaultScenario
	Healthy        bool           // no faults at all
	Learning       asset.Learning // commissioning span on the nameplates; default none
	Extended       bool           // also a slow channel on the main bearing and the blades' natural frequencies
}

func (o Options) withDefaults() Options {
	if o.Turbines == 0 {
		o.Turbines = 12
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	o.Start = o.Start.UTC()
	if o.TelemetryEvery == 0 {
		o.TelemetryEvery = 10 * time.Minute
	}
	if o.WaveEvery == 0 {
		o.WaveEvery = 10 * time.Minute
	}
	if o.WaveSeconds == 0 {
		o.WaveSeconds = 10
		if o.WaveEvery >= 30*time.Minute {
			o.WaveSeconds = 1
		}
	}
	if o.RateHz == 0 {
		o.RateHz = 25600
	}
	if o.Healthy {
		o.Faults = nil
	} else if o.Faults == nil {
		o.Faults = DefaultScenario(o)
	}
	return o
}

func (o Options) validate() error {
	var bad []error
	if o.Turbines < 1 {
		bad = append(bad, fmt.Errorf("turbines %d: want at least 1", o.Turbines))
	}
	if o.Duration < 0 {
		bad = append(bad, fmt.Errorf("duration %s: want 0 or more", o.Duration))
	}
	if o.TelemetryEvery < 10*time.Second {
		bad = append(bad, fmt.Errorf("telemetry every %s: want at least 10s", o.TelemetryEvery))
	}
	if o.RateHz < 16000 {
		bad = append(bad, fmt.Errorf("rate %g Hz: want at least 16000", o.RateHz))
	}
	if o.WaveEvery > 0 && (o.WaveSeconds < 0.1 || o.WaveSeconds > o.WaveEvery.Seconds() || o.Extended && o.WaveEvery.Seconds() < 2*slowRecordS) {
		bad = append(bad, fmt.Errorf("wave seconds %g: want 0.1 to the cadence of %s", o.WaveSeconds, o.WaveEvery))
	}
	for i, f := range o.Faults {
		if err := f.validate(o.Turbines, o.Extended); err != nil {
			bad = append(bad, fmt.Errorf("fault %d: %w", i, err))
		}
	}
	return errors.Join(bad...)
}

// Farm produces readings. One goroutine owns it.
type Farm struct {
	opt     Options
	tab     *tables
	weather *weather
	builds  []build
	faults  [][]Fault // of each turbine
	turbine []plant   // the state that telemetry carries from instant to instant
	events  []asset.Reading
	blocks  int // in a record

	instant int64    // the next telemetry instant
	due     int      // the next turbine at it
	record  int64    // the next (or current) record
	block   int      // its next block; behind the last one come the slow channels
	slot    int      // the next channel of the next turbine in it
	synths  []*synth // of the current record, by slot; nil when not begun
}

// New makes a farm that is about to deliver its first reading.
func New(opt Options) (*Farm, error) {
	opt = opt.withDefaults()
	if err := opt.validate(); err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	f := &Farm{opt: opt, tab: sharedTables(), faults: make([][]Fault, opt.Turbines)}
	f.weather = newWeather(f.tab, opt.Seed, opt.TelemetryEvery)
	for _, x := range opt.Faults {
		f.faults[x.Turbine] = append(f.faults[x.Turbine], x)
	}
	f.blocks = (f.recordSamples() + f.blockSamples() - 1) / f.blockSamples()
	f.synths = make([]*synth, opt.Turbines*fastVoices)
	for i := range opt.Turbines {
		f.builds = append(f.builds, newBuild(f.tab, opt.Seed, i))
		f.turbine = append(f.turbine, f.newPlant(i))
	}
	f.events = f.plannedEvents()
	return f, nil
}

func (f *Farm) recordSamples() int { return int(f.opt.WaveSeconds*f.opt.RateHz + 0.5) }
func (f *Farm) blockSamples() int  { return int(f.opt.RateHz) }

// over reports whether t lies at or behind the end of the run.
func (f *Farm) over(t time.Time) bool {
	return f.opt.Duration > 0 && !t.Before(f.opt.Start.Add(f.opt.Duration))
}

// Next is the next reading in the order of event time; at the same time events
// come first, then telemetry, then waveforms. ok is false at the end of the run. Samples
// belong to the caller.
func (f *Farm) Next() (r asset.Reading, ok bool) {
	for {
		r, have, more := f.advance(true)
		if have || !more {
			return r, have
		}
	}
}

// Skip passes over n readings without synthesising waveforms: the way to go on
// from a position. It returns how many there were.
func (f *Farm) Skip(n int64) (skipped int64) {
	for skipped < n {
		_, have, more := f.advance(false)
		if have {
			skipped++
		} else if !more {
			break
		}
	}
	return skipped
}

// advance moves by one place in the plan. have is false when a sensor fault
// left that place empty; more is false at the end.
func (f *Farm) advance(sound bool) (r asset.Reading, have, more bool) {
	telemetry := f.opt.Start.Add(time.Duration(f.instant) * f.opt.TelemetryEvery)
	start, n, wave := f.nextBlock()
	first := telemetry
	if wave && f.blockEnd(start, n).Before(telemetry) {
		first = f.blockEnd(start, n)
	}
	if len(f.events) > 0 && !f.events[0].Time.After(first) {
		r, f.events = f.events[0], f.events[1:]
		return r, true, true
	}
	if f.over(first) {
		return r, false, false
	}
	if first.Equal(telemetry) {
		r, have = f.telemetry(f.due, telemetry)
		if f.due++; f.due == f.opt.Turbines {
			f.due, f.instant = 0, f.instant+1
		}
		return r, have, true
	}
	if f.block == f.blocks {
		r, have = f.slowWave(start, n, sound)
	} else {
		r, have = f.wave(start, n, sound)
	}
	f.nextSlot()
	return r, have, true
}

// nextBlock is the start and length of the next block; ok is false without waveforms.
func (f *Farm) nextBlock() (start time.Time, n int, ok bool) {
	if f.opt.WaveEvery < 0 {
		return start, 0, false
	}
	if f.block == f.blocks {
		n := int(f.slowSeconds()*slowRateHz + 0.5)
		begin := f.opt.Start.Add(time.Duration(f.record) * f.opt.WaveEvery)
		return begin, n, true
	}
	from := f.block * f.blockSamples()
	begin := f.opt.Start.Add(time.Duration(f.record) * f.opt.WaveEvery)
	return begin.Add(samplesLong(from, f.opt.RateHz)), min(f.blockSamples(), f.recordSamples()-from), true
}

func (f *Farm) blockEnd(start time.Time, n int) time.Time {
	if f.block == f.blocks {
		return start.Add(samplesLong(n-1, slowRateHz))
	}
	return start.Add(samplesLong(n-1, f.opt.RateHz))
}

// slowSeconds is the length of a slow channel's record, which ends after the others.
func (f *Farm) slowSeconds() float64 { return max(slowRecordS, f.opt.WaveSeconds+0.01) }

func samplesLong(n int, rate float64) time.Duration {
	return time.Duration(float64(n) / rate * 1e9)
}

func (f *Farm) nextSlot() {
	f.slot++
	if f.block < f.blocks && f.slot < len(f.synths) || f.block == f.blocks && f.slot < f.opt.Turbines {
		return
	}
	f.slot = 0
	if f.block++; f.block < f.blocks || f.block == f.blocks && f.opt.Extended {
		return
	}
	f.block, f.record = 0, f.record+1
	clear(f.synths)
}

// plannedEvents are the trips and repairs of the run, in time order.
func (f *Farm) plannedEvents() []asset.Reading {
	var out []asset.Reading
	add := func(x Fault, t time.Time, kind, code, text string) {
		if !t.Before(f.opt.Start) && !f.over(t) {
			out = append(out, asset.Reading{Asset: assetID(x.Turbine), Time: t, Event: &asset.Event{Component: x.Component, Kind: kind, Code: code, Text: text}})
		}
	}
	for _, faults := range f.faults {
		for _, x := range faults {
			if x.Mode != asset.SensorFault {
				add(x, x.Failure, "status", "trip", x.Component+" failed, turbine stopped")
				add(x, x.repaired(), "part-replaced", "replaced", x.Component+" replaced, turbine back in service")
			}
		}
	}
	slices.SortStableFunc(out, func(a, b asset.Reading) int { return a.Time.Compare(b.Time) })
	return out
}
