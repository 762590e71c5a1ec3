package features

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/telltale-iot/telltale/asset"
)

// RegimeOptions configures the bins of the operating point in which one feature is
// compared with itself.
type RegimeOptions struct {
	RatedRPM float64 // with RatedKW: bins of speed and power; either zero: bins of wind
	RatedKW  float64

	SpeedShare float64 // width of a bin as a share of rated speed; default 0.05
	PowerShare float64 // and of rated power; default 0.1
	WindMS     float64 // and of mean wind in m/s; default 2, that is ±1

	Log        bool    // the feature is an energy or amplitude, log-normal: its logarithm is used
	Range      float64 // of the feature, after the logarithm; default what was learned
	MinSamples int     // of a valid bin; default 30
	MinDays    int     // on which they fell; default 3
	MaxValues  int     // kept of a bin; default 256
}

func (o RegimeOptions) resolve() RegimeOptions {
	o.SpeedShare, o.PowerShare, o.WindMS = cmp.Or(o.SpeedShare, 0.05), cmp.Or(o.PowerShare, 0.1), cmp.Or(o.WindMS, 2)
	o.MinSamples, o.MinDays, o.MaxValues = cmp.Or(o.MinSamples, 30), cmp.Or(o.MinDays, 3), cmp.Or(o.MaxValues, 256)
	o.MaxValues = max(o.MaxValues, o.MinSamples, 4)
	return o
}

// RegimePoint is how the machine ran. NaN is not known.
type RegimePoint struct{ RPM, PowerKW, WindMS float64 }

// RegimeKey numbers a bin, whose values lie nearest to that multiple of its width.
type RegimeKey struct {
	Speed int `json:"speed,omitempty"`
	Power int `json:"power,omitempty"`
	Wind  int `json:"wind,omitempty"`
}

// String names the bin: "3/5" is the third of speed and the fifth of power, "w4" the
// fourth of wind.
func (k RegimeKey) String() string {
	if k.Wind != 0 && k.Speed == 0 && k.Power == 0 {
		return "w" + strconv.Itoa(k.Wind)
	}
	return strconv.Itoa(k.Speed) + "/" + strconv.Itoa(k.Power)
}

func (k RegimeKey) compare(b RegimeKey) int {
	return cmp.Or(cmp.Compare(k.Speed, b.Speed), cmp.Compare(k.Power, b.Power), cmp.Compare(k.Wind, b.Wind))
}

// beside reports whether the bins touch.
func (k RegimeKey) beside(b RegimeKey) bool {
	near := func(i, j int) bool { return i-j >= -1 && i-j <= 1 }
	return k != b && near(k.Speed, b.Speed) && near(k.Power, b.Power) && near(k.Wind, b.Wind)
}

// maxRegime is the number of bins along one axis that anything can fall in: it
// bounds the memory of an asset whose ratings are wrong.
const maxRegime = 60

// Key is the bin of a point: by speed and power, or by wind. why is ReasonAbsent
// where they are not known, and ReasonRange far beyond what is rated.
func (o RegimeOptions) Key(p RegimePoint) (k RegimeKey, why asset.Reason) {
	o = o.resolve()
	place := func(v, width float64) int {
		n := math.Round(v / width)
		switch {
		case math.IsNaN(n) || math.IsInf(v, 0) || !(width > 0):
			why = cmp.Or(why, ReasonAbsent)
		case math.Abs(n) > maxRegime:
			why = cmp.Or(why, ReasonRange)
		default:
			return int(n)
		}
		return 0
	}
	if o.RatedRPM > 0 && o.RatedKW > 0 {
		k = RegimeKey{Speed: place(p.RPM, o.SpeedShare*o.RatedRPM), Power: place(p.PowerKW, o.PowerShare*o.RatedKW)}
	} else {
		k = RegimeKey{Wind: place(p.WindMS, o.WindMS)}
	}
	if why != "" {
		return RegimeKey{}, why
	}
	return k, ""
}

// scaled puts a value of the feature on the scale of the centres; NaN for none.
func (o RegimeOptions) scaled(v float64) float64 {
	if o.Log {
		v = math.Log(v) // NaN below 0
	}
	if !finite(v) || math.Abs(v) > 1e150 {
		return math.NaN()
	}
	return v
}

// RegimeValues are what one bin has seen: every Stride-th value, thinned by half
// whenever it is full, so that what is kept spans the whole time evenly.
type RegimeValues struct {
	Key    RegimeKey
	N      int // seen
	Stride int
	X      []float64
	LogKW  []asset.Number // logarithm of power at each; missing without
	Days   []int64        // different ones, no more than are asked for
}

// RegimeLearner gathers the healthy values of one feature in bounded memory. Its
// fields are its whole state; it has one owner.
type RegimeLearner struct {
	Options RegimeOptions
	Bins    []RegimeValues // by key
	Lo, Hi  float64        // of all values
	Days    []int64        // as of a bin
}

// Learn adds a value of the healthy machine of a point and an instant. why tells of
// a value that is left out; the quality of readings is for the caller to judge.
func (l *RegimeLearner) Learn(p RegimePoint, at time.Time, value float64) (why asset.Reason) {
	o := l.Options.resolve()
	v := o.scaled(value)
	if math.IsNaN(v) {
		return ReasonUndefined
	}
	k, why := o.Key(p)
	if why != "" {
		return why
	}
	if len(l.Bins) == 0 {
		l.Lo, l.Hi = v, v
	}
	l.Lo, l.Hi = min(l.Lo, v), max(l.Hi, v)
	i, ok := slices.BinarySearchFunc(l.Bins, k, func(b RegimeValues, k RegimeKey) int { return b.Key.compare(k) })
	if !ok {
		l.Bins = slices.Insert(l.Bins, i, RegimeValues{Key: k, Stride: 1})
	}
	day := int64(math.Floor(float64(at.Unix()) / 86400))
	b := &l.Bins[i]
	b.Days, l.Days = withDay(b.Days, day, o.MinDays), withDay(l.Days, day, o.MinDays)
	b.keep(v, p.PowerKW, o.MaxValues)
	return ""
}

func withDay(days []int64, day int64, most int) []int64 {
	if len(days) >= most || slices.Contains(days, day) {
		return days
	}
	return append(days, day)
}

func (b *RegimeValues) keep(v, kw float64, most int) {
	b.N++
	if (b.N-1)%b.Stride != 0 {
		return
	}
	if len(b.X) >= most {
		n := 0
		for i := 0; i < len(b.X); i += 2 {
			b.X[n], b.LogKW[n] = b.X[i], b.LogKW[i]
			n++
		}
		b.X, b.LogKW = b.X[:n], b.LogKW[:n]
		b.Stride *= 2
		if (b.N-1)%b.Stride != 0 {
			return
		}
	}
	log := math.Log(kw) // NaN for a motoring or unknown machine
	if math.IsInf(log, 0) {
		log = math.NaN()
	}
	b.X, b.LogKW = append(b.X, v), append(b.LogKW, asset.Number(log))
}

// Freeze ends the learning: a baseline of the bins that are valid, and of the curve
// over power where there is enough for one. why is ReasonFew when there is neither.
func (l *RegimeLearner) Freeze() (b RegimeBaseline, why asset.Reason) {
	o := l.Options.resolve()
	b = RegimeBaseline{Options: o, Floor: 0.01 * cmp.Or(o.Range, l.Hi-l.Lo)}
	if !(b.Floor >= 0) || math.IsInf(b.Floor, 0) {
		return RegimeBaseline{}, ReasonUndefined
	}
	for _, v := range l.Bins {
		if v.N < o.MinSamples || len(v.Days) < o.MinDays {
			continue
		}
		s := Robust(v.X)
		b.Bins = append(b.Bins, RegimeBin{Key: v.Key, N: v.N, Center: s.Median, Scale: max(s.MAD, b.Floor)})
	}
	b.Curve = l.curve(o, b.Floor)
	if len(b.Bins) == 0 && b.Curve == nil {
		return RegimeBaseline{}, ReasonFew
	}
	body, err := json.Marshal(b)
	if err != nil {
		return RegimeBaseline{}, ReasonUndefined
	}
	sum := sha256.Sum256(body)
	b.ID = hex.EncodeToString(sum[:8])
	return b, ""
}

// curve fits the values on log power by least squares; nil for too few of them, too
// few days or a power that hardly changed.
func (l *RegimeLearner) curve(o RegimeOptions, floor float64) *RegimeCurve {
	var x, y []float64
	for _, b := range l.Bins {
		for i, v := range b.X {
			if p := float64(b.LogKW[i]); !math.IsNaN(p) {
				x, y = append(x, p), append(y, v)
			}
		}
	}
	if len(x) < o.MinSamples || len(l.Days) < o.MinDays {
		return nil
	}
	mean, std, _ := meanStd(x)
	if !(std > 1e-3) { // a tenth of a percent of power
		return nil
	}
	c := &RegimeCurve{Mean: mean, Std: std, Lo: slices.Min(x), Hi: slices.Max(x)}
	var normal [9]float64
	var rhs [3]float64
	for i := range x {
		u := (x[i] - mean) / std
		row := [3]float64{1, u, u * u}
		for a := range 3 {
			rhs[a] += row[a] * y[i]
			for d := range 3 {
				normal[3*a+d] += row[a] * row[d]
			}
		}
	}
	var fit mat.VecDense
	if err := fit.SolveVec(mat.NewDense(3, 3, normal[:]), mat.NewVecDense(3, rhs[:])); err != nil {
		return nil
	}
	copy(c.Coef[:], fit.RawVector().Data)
	left := make([]float64, len(x))
	for i := range x {
		left[i] = y[i] - c.at(x[i])
	}
	c.Scale = max(Robust(left).MAD, floor)
	if !finite(c.Coef[:]...) || !finite(c.Scale) {
		return nil
	}
	return c
}
