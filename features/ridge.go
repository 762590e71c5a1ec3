package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// RidgeOptions say which line gives the speed away. The zero value means the
// documented defaults.
type RidgeOptions struct {
	Order  float64 // of the line, as a multiple of the shaft; default 1. A gear mesh is sharper
	Search float64 // how far the speed may be from nominal, as a share; default 0.1, at most 0.4
	Cycles float64 // of the line in one short spectrum; default 64
}

func (o RidgeOptions) filled() RidgeOptions {
	if !(o.Order > 0) || math.IsInf(o.Order, 0) {
		o.Order = 1
	}
	if !(o.Search > 0) || o.Search > 0.4 {
		o.Search = 0.1
	}
	if !(o.Cycles >= 8) || o.Cycles > 1<<16 {
		o.Cycles = 64
	}
	return o
}

// Ridge is the speed as read off a line of the signal itself.
type Ridge struct {
	Times      []float64 // s from the first sample, centres of the short spectra
	Rpm        []float64
	Confidence float64 // 0–0.95: mean height of the line, from 0 at 12 dB above its surroundings to 0.95 at 30 dB
}

// Confidence of a ridge: its height in dB where it says nothing, and where it
// says all that a line without a tacho can.
const (
	ridgeNoiseDB = 12
	ridgeClearDB = 30
	ridgeSurest  = 0.95
)

// SpeedRidge follows the strongest line near Order·nominalRpm through short
// Hann spectra that overlap by three quarters: the path of the largest summed
// log amplitude that moves by at most two bins a step, each point refined by a
// parabola. No more than that ties the line to the shaft: a resonance there
// would be followed too.
func SpeedRidge[T float32 | float64](x []T, rateHz, nominalRpm float64, opt RidgeOptions) (Ridge, asset.Reason) {
	opt = opt.filled()
	e, why := binade(x)
	f0 := opt.Order * nominalRpm / 60
	switch {
	case why != "":
		return Ridge{}, why
	case !(rateHz > 0) || math.IsInf(rateHz, 0):
		return Ridge{}, ReasonRate
	case !(nominalRpm >= 1):
		return Ridge{}, ReasonStandstill
	case !(f0*(1+2*opt.Search) < rateHz/2):
		return Ridge{}, ReasonAlias
	case !(opt.Cycles*rateHz/f0 <= float64(len(x))):
		return Ridge{}, ReasonShort
	}
	n := quickBelow(int(opt.Cycles * rateHz / f0))
	step := rateHz / float64(n)
	lo, hi := int(math.Floor(f0*(1-opt.Search)/step)), int(math.Ceil(f0*(1+opt.Search)/step))
	lo = max(lo, 1)
	if hi-lo < 2 || n < 16 {
		return Ridge{}, ReasonShort
	}
	y := make([]float64, len(x))
	scaleInto(y, x, -e)
	r := ridgeSearch{lo: lo, hi: min(hi, n/2-1)}
	for at := 0; at+n <= len(y); at += max(1, n/4) {
		r.add(y[at : at+n])
	}
	ridge := r.read()
	for i, bin := range ridge.Rpm {
		ridge.Rpm[i] = 60 * bin * step / opt.Order
		ridge.Times = append(ridge.Times, (float64(i*max(1, n/4))+float64(n)/2)/rateHz)
	}
	if !(ridge.Confidence > 0) {
		return ridge, ReasonNoSpeed
	}
	return ridge, ""
}

// ridgeSearch holds log amplitudes of bins lo–hi by frame, one bin more on each side.
type ridgeSearch struct {
	lo, hi int
	frames [][]float64
	height []float64 // by frame: level of the surroundings, log amplitude
	lines  hannLines
	shown  []float64
	around []float64
}

// add takes one frame.
func (r *ridgeSearch) add(frame []float64) {
	r.shown = r.lines.of(r.shown, frame)
	logs := make([]float64, 0, r.hi-r.lo+3)
	const least = 1e-150 // no line: keeps the logarithm finite
	for k := r.lo - 1; k <= r.hi+1; k++ {
		logs = append(logs, math.Log(max(r.shown[k], least)))
	}
	wide := r.hi - r.lo
	r.around = append(r.around[:0], r.shown[max(1, r.lo-wide):min(len(r.shown)-1, r.hi+wide+1)]...)
	r.frames = append(r.frames, logs)
	r.height = append(r.height, math.Log(max(medianOf(r.around), least)))
}

// ridgeJump is how many bins the path may move from frame to frame.
const ridgeJump = 2

// read walks back along the best path; Rpm of the result is in bins.
func (r *ridgeSearch) read() Ridge {
	width := r.hi - r.lo + 1
	best, next := make([]float64, width), make([]float64, width)
	from := make([][]int8, len(r.frames))
	for i, frame := range r.frames {
		from[i] = make([]int8, width)
		for k := range width {
			top, step := math.Inf(-1), 0
			for d := -ridgeJump; i > 0 && d <= ridgeJump; d++ {
				if p := k - d; p >= 0 && p < width && best[p] > top {
					top, step = best[p], d
				}
			}
			if i == 0 {
				top = 0
			}
			next[k], from[i][k] = top+frame[k+1], int8(step)
		}
		best, next = next, best
	}
	at := 0
	for k, v := range best {
		if v > best[at] {
			at = k
		}
	}
	out := Ridge{Rpm: make([]float64, len(r.frames))}
	for i := len(r.frames) - 1; i >= 0; i-- {
		f := r.frames[i]
		a, b, c := f[at], f[at+1], f[at+2]
		shift := 0.0
		if curve := a - 2*b + c; curve < 0 {
			shift = max(-0.5, min((a-c)/(2*curve), 0.5))
		}
		out.Rpm[i] = float64(r.lo+at) + shift
		db := 20 * math.Log10E * (b - r.height[i])
		out.Confidence += ridgeSurest * max(0, min((db-ridgeNoiseDB)/(ridgeClearDB-ridgeNoiseDB), 1)) / float64(len(r.frames))
		at -= int(from[i][at])
	}
	return out
}
