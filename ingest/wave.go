package ingest

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// checkWave checks a block of samples and brings it to its canonical unit.
func (v *Validator) checkWave(d *declared, id asset.ID, w asset.Waveform) (asset.Waveform, *asset.Invalid) {
	w, bad := v.soundWave(d, id, w)
	if bad == nil {
		bad = v.advance(key{id, w.Channel, true}, string(id)+"/"+w.Channel, w.Start)
	}
	return w, bad
}

// soundWave is checkWave, wherever the block stands among others.
func (v *Validator) soundWave(d *declared, id asset.ID, w asset.Waveform) (asset.Waveform, *asset.Invalid) {
	where := string(id) + "/" + w.Channel
	c, ok := d.channels[w.Channel]
	if !ok {
		return w, refuse(UnknownChannel, where, "the nameplate has no such channel")
	}
	if w.Len() == 0 {
		return w, refuse(Empty, where, "a waveform without samples")
	}
	if bad := v.checkRate(where, c, w.RateHz); bad != nil {
		return w, bad
	}
	if bad := checkQuality(where, w.Quality); bad != nil {
		return w, bad
	}
	if bad := checkTime(id, w.Start); bad != nil {
		return w, bad
	}
	offset, unit, ok := asset.Convert(0, w.Unit)
	if !ok {
		return w, refuse(UnknownUnit, where, "unit is %q, want one of %s", w.Unit, asset.Units())
	}
	if bad := sameKind(where, c.Unit, unit); bad != nil {
		return w, bad
	}
	one, _, _ := asset.Convert(1, w.Unit)
	w, finite := inUnit(w, one-offset, offset)
	if !finite {
		return w, refuse(NotFinite, where, "a sample at %s or later in the block is no finite number", w.Start.UTC().Format(time.RFC3339Nano))
	}
	w.Unit = unit
	return w, nil
}

func (v *Validator) checkRate(where string, c asset.Channel, rateHz float64) *asset.Invalid {
	if !(rateHz > 0) || math.IsInf(rateHz, 0) {
		return refuse(BadRate, where, "rate is %g Hz, want more than 0", rateHz)
	}
	if c.RateHz > 0 && math.Abs(rateHz-c.RateHz) > v.opt.RateTolerance*c.RateHz {
		return refuse(BadRate, where, "rate is %g Hz, declared is %g Hz within %g %%", rateHz, c.RateHz, 100*v.opt.RateTolerance)
	}
	return nil
}

// inUnit returns w with every value x as x·factor + offset, and whether all of it is
// finite. Counts stay counts where a positive scale can say it.
func inUnit(w asset.Waveform, factor, offset float64) (_ asset.Waveform, finite bool) {
	if w.Counts == nil {
		w.Samples, finite = scaleAll(w.Samples, factor, offset)
		return w, finite
	}
	scale := w.Scale * factor
	if !(math.Abs(scale) > 0) || math.IsInf(scale, 0) {
		return w, false
	}
	if scale > 0 && offset == 0 {
		w.Scale = scale
		return w, true
	}
	samples := make([]float32, len(w.Counts))
	for i, c := range w.Counts {
		samples[i] = float32(float64(c)*scale + offset)
	}
	w.Counts, w.Scale = nil, 0
	w.Samples, finite = scaleAll(samples, 1, 0)
	return w, finite
}

// scaleAll returns x·factor + offset, x itself when that changes nothing, and
// whether all of it is finite.
func scaleAll(x []float32, factor, offset float64) (out []float32, finite bool) {
	var sum float32 // of zeros, unless one is not finite
	if factor == 1 && offset == 0 {
		for _, s := range x {
			sum += s * 0
		}
		return x, sum == 0
	}
	out = make([]float32, len(x))
	for i, s := range x {
		y := float32(float64(s)*factor + offset)
		out[i] = y
		sum += y * 0
	}
	return out, sum == 0
}

// Cut splits a waveform into blocks of at most a second, in order. First and
// Last of w go to the first and the last block.
func Cut(w asset.Waveform) []asset.Waveform {
	per := w.Len()
	if w.RateHz >= 1 && w.RateHz < float64(per) {
		per = int(w.RateHz)
	} else if w.RateHz > 0 && w.RateHz < 1 {
		per = 1
	}
	if per >= w.Len() {
		return []asset.Waveform{w}
	}
	out := make([]asset.Waveform, 0, (w.Len()+per-1)/per)
	for from := 0; from < w.Len(); from += per {
		to := min(from+per, w.Len())
		b := w
		b.Start = w.Start.Add(after(from, w.RateHz))
		if w.Counts != nil {
			b.Counts = w.Counts[from:to:to]
		} else {
			b.Samples = w.Samples[from:to:to]
		}
		b.First, b.Last = w.First && from == 0, w.Last && to == w.Len()
		out = append(out, b)
	}
	return out
}

// Newest is the time of a waveform's last sample, to the microsecond that files keep.
func Newest(w asset.Waveform) time.Time {
	return w.Start.Add(after(w.Len()-1, w.RateHz)).Round(time.Microsecond)
}

// after is when sample i is taken after the first; 0 for a rate that makes no sense.
func after(i int, rate float64) time.Duration {
	ns := math.Round(float64(i) / rate * 1e9)
	if !(ns >= 0 && ns < math.MaxInt64/2) {
		return 0
	}
	return time.Duration(ns)
}
