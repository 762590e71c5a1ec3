package simulate

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// plant is what one turbine carries from instant to instant.
type plant struct {
	warmth  warmth
	held    []float64 // last true values, for sensors that get stuck
	holding []bool
}

// newPlant starts a turbine's temperatures a day before the run, so that they
// have settled when it begins.
func (f *Farm) newPlant(turbine int) plant {
	_, air := f.weather.at(turbine, f.opt.Start.Add(-airSharesTherm))
	p := plant{held: make([]float64, len(allMetrics)), holding: make([]bool, len(allMetrics))}
	p.warmth = warmth{nacelle: air, front: masses{air, air}, rear: masses{air, air}, gearbox: masses{air, air}, generator: masses{air, air}}
	steps := int64(airSharesTherm / f.opt.TelemetryEvery)
	for i := -steps; i < 0; i++ {
		t := f.opt.Start.Add(time.Duration(i) * f.opt.TelemetryEvery)
		o, w := f.operation(turbine, t), f.wearOf(turbine, t)
		p.warmth = f.builds[turbine].warm(p.warmth, o, w, f.opt.TelemetryEvery.Seconds())
	}
	return p
}

// operation is how a turbine ran over the interval that ends at t. It needs
// nothing that came before.
func (f *Farm) operation(turbine int, t time.Time) operating {
	wind, air := f.weather.at(turbine, t)
	for _, x := range f.faults[turbine] {
		if x.stops(t) {
			return operating{windMS: wind, airC: air}
		}
	}
	rnd := newStream(f.tab, f.opt.Seed, turbine, "gusts", t.UnixNano())
	o := operate(&rnd, wind, air, min(turbSpanMax, int(f.opt.TelemetryEvery.Seconds())))
	for _, x := range f.faults[turbine] {
		if x.Mode == asset.Icing {
			o.powerW *= 1 - icingLoss*x.effect(t)
		}
		if x.Mode == asset.Wear && x.Component == "gearbox" {
			o.powerW *= 1 - gearWearPower*x.effect(t)
		}
	}
	return o
}

// telemetry is the reading of a turbine at an instant. have is false when no
// sensor delivered.
func (f *Farm) telemetry(turbine int, t time.Time) (r asset.Reading, have bool) {
	p := &f.turbine[turbine]
	o, w := f.operation(turbine, t), f.wearOf(turbine, t)
	p.warmth = f.builds[turbine].warm(p.warmth, o, w, f.opt.TelemetryEvery.Seconds())
	rnd := newStream(f.tab, f.opt.Seed, turbine, "telemetry", t.UnixNano())
	honest := measure(&rnd, o, p.warmth)
	values := honest[:]
	if f.opt.Extended {
		values = append(values, f.bladeFrequencies(turbine, o, w, t)...)
	}
	f.rewire(turbine, values, t)
	points := make([]asset.Point, 0, len(values))
	for i, v := range values {
		m := &allMetrics[i]
		v, quality, sent := f.sense(turbine, i, v, t)
		if sent {
			points = append(points, asset.Point{Metric: m.name, Value: v, Unit: m.unit, Quality: quality})
		}
	}
	return asset.Reading{Asset: assetID(turbine), Time: t, Points: points}, len(points) > 0
}

// measure is what honest instruments show, in the order of metrics: noise, and
// the resolution of a controller (0.01 m/s, 0.01 rpm, 1 kW, 0.1 °C).
func measure(rnd *stream, o operating, w warmth) [10]float64 {
	v := [10]float64{
		max(0, o.windMS+instrumentMS*rnd.normal()),
		o.rpm,
		o.powerW/1e3 + instrumentKW*rnd.normal(),
		o.airC, w.nacelle, w.front.t1, w.rear.t1, w.gearbox.t2, w.gearbox.t1, w.generator.t1,
	}
	if o.rpm > 0 {
		v[1] += instrumentN * rnd.normal()
	}
	for i := range v {
		perUnit := 100.0
		switch {
		case i == 2:
			perUnit = 1
		case i > 2:
			v[i] += instrumentC * rnd.normal()
			perUnit = 10
		}
		v[i] = math.Round(v[i]*perUnit) / perUnit
	}
	return v
}

// sense passes a true value of metric i through its sensor.
func (f *Farm) sense(turbine, i int, v float64, t time.Time) (value, quality float64, sent bool) {
	p, m := &f.turbine[turbine], &allMetrics[i]
	quality, sent = 100, true
	stuck := false
	for _, x := range f.faults[turbine] {
		if x.Mode != asset.SensorFault || x.Signal != m.name || x.Severity(t) == 0 {
			continue
		}
		rnd := newStream(f.tab, f.opt.Seed, turbine, m.name+"/"+string(x.Sensor), t.UnixNano())
		switch x.Sensor {
		case Stuck:
			stuck = true
		case Drift:
			v += driftPerDay * m.scale * t.Sub(x.Onset).Hours() / 24 / 6
		case Bias:
			v += biasScale * m.scale
		case Spikes:
			if rnd.uniform() < spikeShare {
				v += spikeScale * m.scale
			}
		case Dropout:
			if rnd.uniform() < dropoutShare {
				v, quality = underrange(m.unit), 40
			}
		case Gap:
			sent = false
		}
	}
	if !stuck || !p.holding[i] {
		p.held[i], p.holding[i] = v, true
	}
	if stuck {
		v = p.held[i]
	}
	return v, quality, sent
}

// underrange is what a current loop without current reads.
func underrange(unit string) float64 {
	if unit == "°C" {
		return underrangeC
	}
	return 0
}
