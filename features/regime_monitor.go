package features

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// RegimesOptions makes the baselines of waveform features follow bins of the
// operating point: by speed and power, or by wind. A field is then missing where its
// regime was not learned.
type RegimesOptions struct {
	Speed string // metric of the speed in rpm
	Power string // metric of the power in kW
	Wind  string // metric of the mean wind in m/s, where the ratings are not known
	// RatedRPM and RatedKW, both or none, size the bins of speed and power.
	RatedRPM float64
	RatedKW  float64
	// SpeedShare, PowerShare and WindMS are the widths of the bins; defaults 0.05, 0.1
	// and 2 (m/s). MinSamples on MinDays make one valid; defaults 30 and 3.
	SpeedShare float64
	PowerShare float64
	WindMS     float64
	MinSamples int
	MinDays    int
	// Adapt lets the bins follow slow ageing, by PerDay at most 1/90 of the way a day
	// and Drift, default 1, scales in all, from values of |z| < 2 while no detector has
	// called the asset abnormal for a day.
	Adapt  bool
	PerDay float64
	Drift  float64
}

func (o RegimesOptions) on() bool { return o != (RegimesOptions{}) }

// byPower reports whether the bins are of speed and power.
func (o RegimesOptions) byPower() bool { return o.RatedRPM > 0 && o.RatedKW > 0 }

// metrics are those of a RegimePoint, in its order.
func (o RegimesOptions) metrics() []string { return []string{o.Speed, o.Power, o.Wind} }

// resolve refuses what cannot be; the zero value for an asset without the metrics.
func (o RegimesOptions) resolve(m *Monitor) (RegimesOptions, error) {
	fail := func(why string) (RegimesOptions, error) {
		return o, fmt.Errorf("%w: regimes: %s", ErrOptions, why)
	}
	switch {
	case !o.on():
		return o, nil
	case o.byPower() && (o.Speed == "" || o.Power == ""):
		return fail("Speed and Power must be named with RatedRPM and RatedKW")
	case !o.byPower() && o.Wind == "":
		return fail("RatedRPM and RatedKW, or Wind, must be given")
	case min(o.SpeedShare, o.PowerShare, o.WindMS, o.PerDay, o.Drift) < 0 || min(o.MinSamples, o.MinDays) < 0:
		return fail("widths, counts and rates must not be negative")
	case o.byPower() && (m.lacks(o.Speed) || m.lacks(o.Power)), !o.byPower() && m.lacks(o.Wind):
		return RegimesOptions{}, nil
	}
	return o, nil
}

// pointOf reads the operating point's values; nil is nowhere.
func pointOf(op []float64) RegimePoint {
	if len(op) != 3 {
		return RegimePoint{math.NaN(), math.NaN(), math.NaN()}
	}
	return RegimePoint{RPM: op[0], PowerKW: op[1], WindMS: op[2]}
}

// bins are the sizes of the bins.
func (o RegimesOptions) bins() RegimeOptions {
	return RegimeOptions{RatedRPM: o.RatedRPM, RatedKW: o.RatedKW, SpeedShare: o.SpeedShare, PowerShare: o.PowerShare, WindMS: o.WindMS}
}

// Name is the regime of a point by the options' bins; empty where it is not known.
func (o RegimesOptions) Name(p RegimePoint) string {
	k, why := o.bins().Key(p)
	if why != "" {
		return ""
	}
	if !o.byPower() {
		return "w" + strconv.Itoa(k.Wind)
	}
	return k.String()
}

// learn makes the baseline of one field, whose logarithm is used where the field's is.
// It has no bins and no curve where there is too little to learn from. share is the
// least scale, as that of the field's own baseline.
func (o RegimesOptions) learn(f *FieldBaseline, share float64, x []float64, op [][]float64, rows []row) *RegimeBaseline {
	l := RegimeLearner{Options: o.bins()}
	l.Options.Log, l.Options.MinSamples, l.Options.MinDays = f.Log, o.MinSamples, o.MinDays
	for i, v := range x {
		if !math.IsNaN(v) {
			l.Learn(pointOf(op[i]), time.Unix(0, rows[i].ns).UTC(), v)
		}
	}
	l.Options.Range = math.Max(l.Hi-l.Lo, 100*share)
	b, why := l.Freeze()
	if why != "" {
		return &RegimeBaseline{Options: l.Options.resolve()}
	}
	return &b
}

// clone is a copy with bins of its own; nil of nil.
func (b *RegimeBaseline) clone() *RegimeBaseline {
	if b == nil {
		return nil
	}
	c := *b
	c.Bins = slices.Clone(b.Bins)
	return &c
}

// ageing says since when nothing was abnormal.
type ageing struct{ abnormalNs int64 }

// quietNs is how long no detector has called the asset abnormal before its baselines
// follow it again.
const quietNs = 24 * 3600 * int64(1e9)

// age moves the bins of the instant's fields where the options ask for it.
func (m *Monitor) age(in *instant, said []asset.Assessment) {
	o := m.opt.Regimes
	if !o.Adapt {
		return
	}
	if slices.ContainsFunc(said, func(a asset.Assessment) bool { return a.Abnormal }) {
		m.ageing.abnormalNs = in.ns
	}
	open := m.ageing.abnormalNs != 0 && in.ns-m.ageing.abnormalNs < quietNs
	for i := range m.fields {
		if b := m.fields[i].base.Bins; b != nil && !math.IsNaN(in.now[i]) {
			b.Adapt(pointOf(in.op), in.time, in.now[i], open, RegimeAgeing{PerDay: o.PerDay, Drift: o.Drift})
		}
	}
}

// walkAgeing visits how far each bin has moved.
func (m *Monitor) walkAgeing(c *codec) {
	if !m.opt.Regimes.Adapt {
		return
	}
	c.i64(&m.ageing.abnormalNs)
	for i := range m.fields {
		b := m.fields[i].base.Bins
		if b == nil {
			continue
		}
		if n := c.length(len(b.Bins), 24); n != len(b.Bins) {
			c.err, c.buf = errCodec, nil
			return
		}
		for k := range b.Bins {
			bin := &b.Bins[k]
			c.f64(&bin.Shift)
			c.time(&bin.Updated)
			if bound := math.Max(1, m.opt.Regimes.Drift) * bin.Scale; c.reading && !(math.Abs(bin.Shift) <= bound) {
				c.err = errCodec
			}
		}
	}
}
