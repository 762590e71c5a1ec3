package physics

import "math"

// CrackPrior is what a fleet of cracks says of the next one: the joint distribution of
// ln C and m, which are strongly correlated, how much the rate scatters along a
// crack's way, and how the growth curve bends away from a straight line. Where it is
// zero, the law's options stand.
type CrackPrior struct {
	LnC    float64 `json:"lnc" yaml:"lnc"` // mean, with K in MPa·√m and a in m
	M      float64 `json:"m" yaml:"m"`     // mean
	LnCSd  float64 `json:"lncsd" yaml:"lncsd"`
	MSd    float64 `json:"msd" yaml:"msd"`
	Rho    float64 `json:"rho" yaml:"rho"`       // correlation of ln C and m
	RateSd float64 `json:"ratesd" yaml:"ratesd"` // standard deviation of ln da/dN over a stretch of pathCell in ln a
	PathSd float64 `json:"pathsd" yaml:"pathsd"` // the same, of the rest of the way: neighbouring deviations may make up for each other
	Bend   float64 `json:"bend" yaml:"bend"`     // see Paris
	KRef   float64 `json:"kref" yaml:"kref"`
	KLow   float64 `json:"klow" yaml:"klow"`
	KHigh  float64 `json:"khigh" yaml:"khigh"`
	Cracks int     `json:"cracks" yaml:"cracks"` // that it was learned from
}

// pathCell is the stretch of a crack's way, in ln a, over which the rate keeps its
// deviation from the law; deviations of neighbouring stretches are independent.
const pathCell = 0.1

// CrackHistory is the lengths of one crack at growing numbers of cycles, under one
// stress range.
type CrackHistory struct {
	Cycles    []float64
	LengthM   []float64
	StressMPa float64
}

// stretchSeen is one stretch of a crack: ln ΔK against KRef in its middle, the rate
// there as ln C + m·ln KRef would give it, how many cells it is long, and its cycles.
type stretchSeen struct{ x, y, cells, n float64 }

// stretches turns a history into stretches. The effort ∫da/(ΔK/KRef)^m over a stretch
// against its cycles is the rate at KRef; times (K/KRef)^m it is that in the middle.
func (p Paris) stretches(h CrackHistory, kRef float64) (out []stretchSeen) {
	p.C, p.Bend = math.Pow(kRef, -p.M), 0
	for i := 1; i < len(h.Cycles) && i < len(h.LengthM); i++ {
		a, b, n := h.LengthM[i-1], h.LengthM[i], h.Cycles[i]-h.Cycles[i-1]
		if !(a > 0) || !(b > a) || !(n > 0) || math.IsInf(b, 1) || math.IsInf(n, 1) {
			continue
		}
		effort := p.Cycles(a, b, h.StressMPa)
		x := math.Log(p.driving(math.Sqrt(a*b), h.StressMPa) / kRef)
		if y := math.Log(effort/n) + p.M*x; !math.IsNaN(y) && !math.IsInf(y, 0) && !math.IsInf(x, 0) {
			out = append(out, stretchSeen{x, y, math.Log(b/a) / pathCell, n})
		}
	}
	return out
}

// FitCrackPrior learns a prior from earlier cracks of one material and geometry, whose
// lengths were measured with a relative standard error. Geometry, width and stress ratio
// are of base; so are C and m, which are only where the search begins. ok is false
// with fewer than three cracks of three stretches.
//
// Each crack is a line in ln da/dN over ln ΔK with its own height and slope, drawn from
// a normal distribution that all share; expectation–maximisation finds it (Laird & Ware
// 1982). A bend that all cracks share is kept where it is beyond three of its own
// standard errors.
func FitCrackPrior(base Paris, err float64, cracks []CrackHistory) (CrackPrior, bool) {
	if base.M <= 0 {
		base.M = 3
	}
	var f crackFleet
	for range 3 { // the efforts depend on m, hardly
		if f = gather(base, cracks); len(f.cracks) < 3 {
			return CrackPrior{}, false
		}
		f.fit()
		base.M = math.Min(math.Max(f.mean[1], 1), 12)
	}
	if f.bend*f.bend <= 9*f.bendVar {
		f.straight, f.bend = true, 0
		f.fit()
	}
	l := math.Log(f.kRef)
	v := f.cov
	lnCVar := v[0] - 2*l*v[1] + l*l*v[2]
	q := CrackPrior{
		LnC: f.mean[0] - l*f.mean[1], M: f.mean[1], LnCSd: math.Sqrt(lnCVar), MSd: math.Sqrt(v[2]),
		Rho: (v[1] - l*v[2]) / math.Sqrt(lnCVar*v[2]), Bend: f.bend, KRef: f.kRef, Cracks: len(f.cracks),
	}
	q.KLow, q.KHigh = f.kRef*math.Exp(f.low), f.kRef*math.Exp(f.high)
	// What the lengths' own errors add to a stretch of the usual size is not the material's.
	d := pathCell * f.cells
	q.RateSd = math.Sqrt(math.Max(f.noise-2*err*err/(d*d)*f.cells, 0.02*0.02))
	q.PathSd = math.Sqrt(math.Min(math.Max(f.ahead(), 0.1*q.RateSd*q.RateSd), 2*q.RateSd*q.RateSd))
	return q, !math.IsNaN(q.LnC + q.LnCSd + q.Rho + q.RateSd)
}

// crackFleet is the stretches of all cracks and what is fitted to them.
type crackFleet struct {
	cracks    [][]stretchSeen
	kRef      float64
	low, high float64 // of ln ΔK/KRef
	cells     float64 // mean length of a stretch
	straight  bool
	mean      [2]float64 // ln C + m·ln KRef, m
	cov       [3]float64 // 00, 01, 11
	noise     float64    // variance over one cell
	bend      float64
	bendVar   float64
}

func gather(base Paris, cracks []CrackHistory) crackFleet {
	f := crackFleet{kRef: 1, low: math.Inf(1), high: math.Inf(-1), mean: [2]float64{0, base.M}}
	var n, sum, cells float64
	for pass := range 2 { // the first finds the middle of ln ΔK
		f.cracks = nil
		for _, h := range cracks {
			s := base.stretches(h, f.kRef)
			if len(s) < 3 {
				continue
			}
			f.cracks = append(f.cracks, s)
			for _, o := range s {
				if n, sum, cells = n+1, sum+o.x, cells+o.cells; pass == 1 {
					f.low, f.high = math.Min(f.low, o.x), math.Max(f.high, o.x)
				}
			}
		}
		if n == 0 {
			return f
		}
		f.cells = cells / n
		if pass == 0 {
			f.kRef = math.Exp(sum / n)
			n, sum, cells = 0, 0, 0
		}
	}
	return f
}

// fit runs expectation–maximisation from a wide start.
func (f *crackFleet) fit() {
	var n, level float64
	for _, s := range f.cracks {
		for _, o := range s {
			n, level = n+1, level+o.y-f.mean[1]*o.x
		}
	}
	f.mean[0], f.cov, f.noise = level/n, [3]float64{0.1, 0, 0.1}, 0.01
	for range 200 {
		f.improve()
	}
}

// improve is one step: each crack's line given what all share, then what they share.
// The covariance has the weight of one more crack with 0.1 in each, so that few cracks
// do not claim that all are alike.
func (f *crackFleet) improve() {
	k := float64(len(f.cracks))
	var mean [2]float64
	var second [3]float64
	var wrong, n, fx, fy float64
	for _, s := range f.cracks {
		t0, t1, v00, v01, v11 := f.line(s)
		mean[0], mean[1] = mean[0]+t0/k, mean[1]+t1/k
		second[0], second[1], second[2] = second[0]+v00+t0*t0, second[1]+v01+t0*t1, second[2]+v11+t1*t1
		for _, o := range s {
			e := o.y - t0 - t1*o.x
			fx, fy = fx+o.cells*o.x*o.x*o.x*o.x, fy+o.cells*o.x*o.x*e
			e -= f.bend * o.x * o.x
			wrong += o.cells * (e*e + v00 + 2*o.x*v01 + o.x*o.x*v11)
			n++
		}
	}
	f.mean = mean
	f.cov[0] = (second[0] - k*mean[0]*mean[0] + 0.0025) / (k + 1)
	f.cov[1] = (second[1] - k*mean[0]*mean[1]) / (k + 1)
	f.cov[2] = (second[2] - k*mean[1]*mean[1] + 0.0025) / (k + 1)
	f.noise = math.Max(wrong/n, 1e-8)
	if !f.straight && fx > 0 {
		f.bend, f.bendVar = fy/fx, f.noise/fx
	}
}

// line is one crack's height and slope given what all share, and their covariance.
func (f *crackFleet) line(s []stretchSeen) (t0, t1, v00, v01, v11 float64) {
	p := 1 / (f.cov[0]*f.cov[2] - f.cov[1]*f.cov[1])
	a, b, c := f.cov[2]*p, -f.cov[1]*p, f.cov[0]*p
	u, v := a*f.mean[0]+b*f.mean[1], b*f.mean[0]+c*f.mean[1]
	for _, o := range s {
		w, y := o.cells/f.noise, o.y-f.bend*o.x*o.x
		a, b, c = a+w, b+w*o.x, c+w*o.x*o.x
		u, v = u+w*y, v+w*o.x*y
	}
	det := a*c - b*b
	v00, v01, v11 = c/det, -b/det, a/det
	return v00*u + v01*v, v01*u + v11*v, v00, v01, v11
}

// ahead is the variance over one cell that explains how wrong the line up to a third,
// a half and two thirds of each crack's stretches was about the cycles of the rest,
// beside the line's own uncertainty.
func (f *crackFleet) ahead() float64 {
	var sum, weight float64
	for _, s := range f.cracks {
		for _, known := range [3]int{len(s) / 3, len(s) / 2, 2 * len(s) / 3} {
			t0, t1, v00, v01, v11 := f.line(s[:known])
			var told, came, lever, squares float64
			for _, o := range s[known:] {
				n := o.n * math.Exp(o.y-t0-t1*o.x-f.bend*o.x*o.x)
				told, came, lever, squares = told+n, came+o.n, lever+n*o.x, squares+n*n/o.cells
			}
			if told > 0 {
				e, g := math.Log(told/came), lever/told
				sum += e*e - v00 - 2*g*v01 - g*g*v11
				weight += squares / (told * told)
			}
		}
	}
	return sum / math.Max(weight, 1e-12)
}
