package simulate

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// wave is the block of the current slot. sound false leaves the synthesis out;
// a block that is asked for later makes up for it.
func (f *Farm) wave(start time.Time, n int, sound bool) (r asset.Reading, have bool) {
	turbine, channel := f.slot/fastVoices, f.slot%fastVoices
	v := &voices[channel]
	r = asset.Reading{Asset: assetID(turbine), Time: f.blockEnd(start, n)}
	if f.sensorFault(turbine, v.name, Gap, start) != nil {
		return r, false
	}
	if !sound {
		return r, true
	}
	samples := make([]float32, n)
	begin := f.opt.Start.Add(time.Duration(f.record) * f.opt.WaveEvery)
	s := f.synths[f.slot]
	if s == nil {
		s = f.newSynth(turbine, f.wired(turbine, channel, begin), begin)
		f.synths[f.slot] = s
	}
	for s.blocks < f.block { // passed over without a sound
		s.fill(make([]float32, f.blockSamples()))
	}
	s.fill(samples)
	f.distort(turbine, v.name, f.opt.RateHz, start, samples)
	r.Wave = &asset.Waveform{
		Channel: v.name, Start: start, RateHz: f.opt.RateHz, Unit: accelerationUnit, Samples: samples,
		Quality: 100, First: f.block == 0, Last: f.block == f.blocks-1,
	}
	return r, true
}

// sensorFault is the fault of that kind that a signal has at t, or nil.
func (f *Farm) sensorFault(turbine int, signal string, kind Sensor, t time.Time) *Fault {
	for i := range f.faults[turbine] {
		x := &f.faults[turbine][i]
		if x.Mode == asset.SensorFault && x.Signal == signal && x.Sensor == kind && x.Severity(t) > 0 {
			return x
		}
	}
	return nil
}

// distort passes a block through the accelerometer's faults.
func (f *Farm) distort(turbine int, channel string, rateHz float64, start time.Time, x []float32) {
	gain, offset := 1.0, 0.0
	if f.sensorFault(turbine, channel, Dropout, start) != nil {
		gain = waveDropShare
	}
	if d := f.sensorFault(turbine, channel, Drift, start); d != nil {
		gain *= math.Exp(-waveDriftDay * start.Sub(d.Onset).Hours() / 24)
	}
	if f.sensorFault(turbine, channel, Bias, start) != nil {
		offset = waveBiasMS2
	}
	if s := f.sensorFault(turbine, channel, Stuck, start); s != nil {
		rnd := newStream(f.tab, f.opt.Seed, turbine, channel+"/stuck", s.Onset.UnixNano())
		gain, offset = 0, rnd.normal()
	}
	if gain != 1 || offset != 0 {
		for i, v := range x {
			x[i] = float32(gain*float64(v) + offset)
		}
	}
	if f.sensorFault(turbine, channel, Spikes, start) != nil {
		rnd := newStream(f.tab, f.opt.Seed, turbine, channel+"/spikes", start.UnixNano())
		for range max(1, int(waveSpikeHz*float64(len(x))/rateHz)) {
			i := int(rnd.uniform() * float64(len(x)))
			x[i] += float32(math.Copysign(waveSpikeMS2, rnd.normal()))
		}
	}
}
