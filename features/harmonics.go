package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// shaftHarmonicsKept are the multiples of the shaft that are features.
const shaftHarmonicsKept = 3

// harmonics puts the RMS of the shaft's harmonics: of the lines in Hz at a steady
// speed, of the orders when it varies.
func harmonics[T dsp.Float](d *draft, p power[T], t turning, in *input) {
	nyquist := p.StepHz * float64(p.N) / 2
	if t.Why == "" && t.Varies {
		rms, why := orderHarmonics(in, t)
		for _, v := range rms {
			d.put(v, why)
		}
		return
	}
	for k := 1; k <= shaftHarmonicsKept; k++ {
		f := float64(k) * t.Hz
		switch {
		case t.Why != "":
			d.put(nan, t.Why)
		case f > nyquist:
			d.put(nan, ReasonAlias)
		case t.Hz < 3*p.StepHz: // ±2 bins would reach the neighbour
			d.put(nan, ReasonShort)
		default:
			d.put(p.harmonicRMS(f, 2, 0.01), ReasonUndefined)
		}
	}
}

// orderHarmonics are the RMS of orders 1, 2 and 3 of the component's shaft over the
// window's angle, ±2 bins each.
func orderHarmonics(in *input, t turning) (rms [shaftHarmonicsKept]float64, why asset.Reason) {
	for k := range rms {
		rms[k] = nan
	}
	turns := Turns{Revs: make([]float64, len(t.Turns.Revs)), Times: t.Turns.Times}
	for i, v := range t.Turns.Revs {
		turns.Revs[i] = v * t.Ratio
	}
	o, why := TrackOrders(in.x, in.rateHz, turns, OrderOptions{MaxOrder: shaftHarmonicsKept + 1})
	if why != "" {
		return rms, why
	}
	amplitude, step, why := OrderSpectrum(nil, o.Samples, o.PerRev)
	if why != "" {
		return rms, why
	}
	for k := range rms {
		at, sum := int(math.Round(float64(k+1)/step)), 0.0
		for i := max(1, at-2); i <= min(at+2, len(amplitude)-1); i++ {
			sum += amplitude[i] * amplitude[i]
		}
		rms[k] = math.Sqrt(sum / hann.enbw() / 2) // peak amplitudes of a Hann spectrum
	}
	return rms, ReasonUndefined
}
