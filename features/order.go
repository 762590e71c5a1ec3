package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Bounds of order work.
const (
	minOrderRevs   = 10      // turns that an order spectrum needs
	maxPerRev      = 1 << 16 // samples a turn
	maxOversampled = 64      // samples by angle for one by time
)

// Resample reads x, sampled at rateHz, at perRev equal angles a turn: at t(θ), a
// natural cubic spline through turns, by a natural cubic spline through x (Fyfe &
// Munck 1997, MSSP 11:187). The times of turns count from the first sample. It
// returns whole turns, from the first that begins inside x on, and the number of
// that turn. Frequencies beyond perRev/2 orders have to be filtered out before.
// It writes into dst when dst is long enough.
func Resample[T float32 | float64](dst []float64, x []T, rateHz float64, turns Turns, perRev int) (y []float64, first int, why asset.Reason) {
	return resample(&tracker{angles: dst}, x, rateHz, turns, perRev)
}

// tracker is the memory of order tracking: several times that of a window. What it
// gives is valid until it is used again.
type tracker struct {
	knots, curvature []float64 // of the spline through the samples
	clean            []float64 // samples behind the low-pass
	angles           []float64 // samples by angle
}

// resample is Resample into r.angles.
func resample[T float32 | float64](r *tracker, x []T, rateHz float64, turns Turns, perRev int) (y []float64, first int, why asset.Reason) {
	dst := r.angles
	e, why := binade(x)
	knots := min(len(turns.Revs), len(turns.Times))
	switch {
	case why != "":
		return dst[:0], 0, why
	case !(rateHz > 0) || math.IsInf(float64(len(x))/rateHz, 0):
		return dst[:0], 0, ReasonRate
	case knots < 2:
		return dst[:0], 0, ReasonNoSpeed
	case perRev < 1 || perRev > maxPerRev || !turns.rise():
		return dst[:0], 0, ReasonUndefined
	case len(x) < 4 || (turns.Revs[knots-1]-turns.Revs[0])*float64(perRev) > float64(maxOversampled*len(x)+perRev):
		return dst[:0], 0, ReasonShort
	}
	when := naturalSpline(turns.Revs[:knots], turns.Times[:knots])
	first, revs := when.wholeRevs(float64(len(x)-1)/rateHz, perRev)
	if revs < 1 {
		return dst[:0], 0, ReasonShort
	}
	knot := resize(r.knots, len(x))
	scaleInto(knot, x, -e)
	curvature := uniformCurvature(r.curvature, knot)
	y = resize(dst, revs*perRev)
	r.knots, r.curvature, r.angles = knot, curvature, y
	seg, before := 0, math.Inf(-1)
	for k := range y {
		angle := float64(first+k/perRev) + float64(k%perRev)/float64(perRev)
		seg = when.segment(seg, angle)
		t := when.at(seg, angle)
		if !(t > before) { // the speed jumps so hard that the angle is unknown
			return dst[:0], 0, ReasonTransient
		}
		before = t
		y[k] = uniformAt(knot, curvature, t*rateHz)
	}
	if !scaleInto(y, y, e) {
		return dst[:0], 0, ReasonUndefined
	}
	return y, first, ""
}

// rise reports whether angle and time are finite and rise strictly.
func (t Turns) rise() bool {
	for i := range min(len(t.Revs), len(t.Times)) {
		if t.Revs[i]-t.Revs[i] != 0 || t.Times[i]-t.Times[i] != 0 || math.Abs(t.Revs[i]) > 1e9 {
			return false
		}
		if i > 0 && !(t.Revs[i] > t.Revs[i-1] && t.Times[i] > t.Times[i-1]) {
			return false
		}
	}
	return true
}

// segment is the piece that holds v, looked for from piece i on.
func (s spline) segment(i int, v float64) int {
	for i < len(s.x)-2 && v >= s.x[i+1] {
		i++
	}
	return i
}

// wholeRevs is the first turn that begins within [0, end] s, and how many follow
// of which each sample lies there; a millionth of a turn's time is forgiven.
func (s spline) wholeRevs(end float64, perRev int) (first, revs int) {
	from, to := int(math.Ceil(s.x[0])), int(math.Floor(s.x[len(s.x)-1]))
	seg := 0
	for ; from < to; from++ {
		seg = s.segment(seg, float64(from))
		if t := s.at(seg, float64(from)); t >= -1e-6*(s.x[seg+1]-s.x[seg]) {
			break
		}
	}
	for r := from; r < to; r++ {
		last := float64(r) + float64(perRev-1)/float64(perRev)
		seg = s.segment(seg, last)
		if !(s.at(seg, last) <= end*(1+1e-12)) {
			break
		}
		revs++
	}
	return from, revs
}

// OrderSpectrum is the one-sided peak amplitude of whole turns y by order, in
// the unit of y: Hann window (periodic, amplitude 2/Σw), mean removed. Bin k is
// order k·stepOrder = k/turns. It needs ten turns. A line between two bins reads
// up to 1.42 dB low. It writes into dst when dst is long enough.
func OrderSpectrum[T float32 | float64](dst []float64, y []T, perRev int) (amplitude []float64, stepOrder float64, why asset.Reason) {
	e, why := binade(y)
	switch {
	case why != "":
		return dst[:0], math.NaN(), why
	case perRev < 2 || len(y)%perRev != 0:
		return dst[:0], math.NaN(), ReasonUndefined
	case len(y) < minOrderRevs*perRev:
		return dst[:0], math.NaN(), ReasonShort
	}
	z := make([]float64, len(y))
	scaleInto(z, y, -e)
	amplitude = new(hannLines).of(dst, z)
	if !scaleInto(amplitude, amplitude, e) {
		return dst[:0], math.NaN(), ReasonUndefined
	}
	return amplitude, float64(perRev) / float64(len(y)), ""
}

// OrderOptions say what is wanted of order tracking. The zero value means the
// documented defaults.
type OrderOptions struct {
	MaxOrder float64 // highest order to be right; default 20
}

// OrderTrack is a record by angle.
type OrderTrack struct {
	PerRev  int // samples a turn, at least 4·MaxOrder
	Revs    int
	Samples []float64 // whole turns, the first and the last of the record left out
	Speed   Speed
}

// TrackOrders is all of order tracking: a zero-phase low-pass above MaxOrder at
// the highest speed, resampling so fine that no alias comes below MaxOrder at the
// lowest, without the first and the last turn. Missing: fewer than ten turns are
// left (ReasonShort), MaxOrder lies beyond the rate (ReasonAlias).
func TrackOrders[T float32 | float64](x []T, rateHz float64, turns Turns, opt OrderOptions) (OrderTrack, asset.Reason) {
	return trackOrders(new(tracker), x, rateHz, turns, opt)
}

// trackOrders is TrackOrders in the memory of r, to which the samples of the result
// belong.
func trackOrders[T float32 | float64](r *tracker, x []T, rateHz float64, turns Turns, opt OrderOptions) (OrderTrack, asset.Reason) {
	if !(opt.MaxOrder > 0) || opt.MaxOrder > maxPerRev {
		opt.MaxOrder = 20
	}
	o := OrderTrack{Speed: turns.Speed()}
	if len(o.Speed.Rpm) == 0 || !turns.rise() {
		return o, ReasonNoSpeed
	}
	if !(rateHz > 0) || math.IsInf(rateHz, 0) {
		return o, ReasonRate
	}
	slowest, fastest := o.Speed.Rpm[0], o.Speed.Rpm[0]
	for _, v := range o.Speed.Rpm {
		slowest, fastest = min(slowest, v), max(fastest, v)
	}
	top := opt.MaxOrder * fastest / 60
	switch {
	case slowest < 1:
		return o, ReasonStandstill
	case !(2.56*top <= rateHz):
		return o, ReasonAlias
	case 4*opt.MaxOrder*fastest/slowest > maxPerRev:
		return o, ReasonTransient
	}
	o.PerRev = quickAbove(int(math.Ceil(4 * opt.MaxOrder * fastest / slowest)))
	why := asset.Reason("")
	if s, err := LowPass(8, 1.4*top, rateHz); err == nil && 1.4*top < 0.45*rateHz {
		r.clean, why = zeroPhase(r.clean, &r.knots, s, x)
	} else {
		r.clean, why = Scaled(r.clean, x, 1)
	}
	if why != "" {
		return o, why
	}
	y, _, why := resample(r, r.clean, rateHz, turns, o.PerRev)
	if why != "" {
		return o, why
	}
	o.Revs = len(y)/o.PerRev - 2
	if o.Revs < minOrderRevs {
		return o, ReasonShort
	}
	o.Samples = y[o.PerRev : (o.Revs+1)*o.PerRev]
	return o, ""
}
