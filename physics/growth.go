package physics

import (
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// GrowthOptions describes a health indicator, the level at which the part has
// failed, and what is known of lives before any growth is seen.
type GrowthOptions struct {
	Keys        []string      // channel/feature; the worst leads
	Linear      bool          // the indicator itself grows linearly; default: its logarithm does (exponential growth)
	FailAt      float64       // indicator at failure, in its unit; 0: FailRatio times the healthy level
	FailRatio   float64       // default 10 (20 dB)
	ThresholdSd float64       // uncertainty of that level, as a share of the way from healthy to failed; default 0.15
	Healthy     float64       // healthy level where it is declared; 0: learned
	BaselineN   int           // instants that the healthy level is learned from when there is no commissioning span; default 50
	Mode        asset.Mode    // of indicators that name none themselves; default wear
	Limit       float64       // share of the way at which the law speaks up; default 0.5
	MemoryH     float64       // over which the slope is learned; default a tenth of the age
	Diffusion   float64       // random part of the growth, share of the way per root hour; default 0
	HorizonH    float64       // default 2160
	MaxGapH     float64       // a longer silence does not age the part; default 24
	StartAgeH   float64       // running hours before the first instant
	AgeFactor   float64       // median of the remaining life as a multiple of the age (see prior); it goes before Life; 0: off unless Paths or Earlier are given alone
	Life        Weibull       // fleet's life in hours; a zero scale: unknown
	LifeWeight  float64       // weight of Life beside AgeFactor, 0–1 (see prior); default 0: the age alone
	Paths       []PathPoint   // how the indicator went in earlier lives, by rising Life
	Earlier     []EarlierLife // the lives themselves, to be compared with
}

// PathPoint is how far on its way to failure the indicator was at a share of the
// life, over earlier lives that ran to failure: 0 is healthy, 1 failed.
type PathPoint struct {
	Life float64 `json:"life"` // 0–1
	P10  float64 `json:"p10"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
}

// Growth follows a health indicator from its healthy level (0) to failure (1)
// with a local linear trend and tells when it arrives. Before any growth shows
// it falls back on what is known of lives, or says nothing.
type Growth struct {
	opt   GrowthOptions
	alike similarity
}

// Growth's state; each key's count, mean and sum of squares follow.
const (
	growthAge = iota
	growthLearned
	growthSpan // a commissioning span was seen
	growthStarted
	growthLevel
	growthSlope
	growthP00
	growthP01
	growthP11
	growthNoise // variance of a measurement
	growthSkips // in a row
	growthSkipped
	growthNIS // mean of the normalised innovations, over some fifty
	growthWorst
	growthSize
)

// NewGrowth returns the law for one indicator.
func NewGrowth(o GrowthOptions) Growth {
	o.FailRatio, o.ThresholdSd = def(o.FailRatio, 10), def(o.ThresholdSd, 0.15)
	o.Limit, o.HorizonH, o.MaxGapH = def(o.Limit, 0.5), def(o.HorizonH, 2160), def(o.MaxGapH, 24)
	if o.BaselineN <= 0 {
		o.BaselineN = 50
	}
	if o.Mode == "" {
		o.Mode = asset.Wear
	}
	alike := newSimilarity(o.Earlier)
	if o.AgeFactor == 0 && (len(o.Paths) > 0 || alike.known()) && o.Life.Scale <= 0 {
		o.AgeFactor = 1
	}
	return Growth{o, alike}
}

// Name is the law's name and version.
func (Growth) Name() string { return "growth/1" }

func (l Growth) size() int { return growthSize + 3*len(l.opt.Keys) }

// Step takes the indicators of the instant. An instant without any of them is
// not the law's business: the state stays and the reason is ReasonIdle.
func (l Growth) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), l.size())
	y, found := l.indicators(&in)
	if !found {
		return s, silent(l.Name(), in.Time, ReasonIdle)
	}
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	if dt > l.opt.MaxGapH {
		dt = 0
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	x[growthAge] += dt
	if x[growthLearned] == 0 && !l.learn(x, y, in.Learning) {
		return next, silent(l.Name(), in.Time, ReasonLearning)
	}
	z, ok := l.progress(x, y)
	if !ok {
		return next, silent(l.Name(), in.Time, ReasonRange)
	}
	l.follow(x, z, dt)
	return next, l.assess(x, in, y)
}

// indicators are the values of the keys on the scale that grows linearly.
func (l Growth) indicators(in *features.Snapshot) (y []float64, found bool) {
	y = make([]float64, len(l.opt.Keys))
	for i, key := range l.opt.Keys {
		y[i] = l.scale(measured(in, key))
		found = found || !math.IsNaN(y[i])
	}
	return y, found
}

func (l Growth) scale(v float64) float64 {
	switch {
	case l.opt.Linear:
		return v
	case v > 0:
		return math.Log(v)
	}
	return math.NaN()
}

func (l Growth) unscale(y float64) float64 {
	if l.opt.Linear {
		return y
	}
	return math.Exp(y)
}

// learn adds to the healthy level and reports whether it is known now.
func (l Growth) learn(x, y []float64, learning bool) bool {
	if l.opt.Healthy != 0 {
		x[growthLearned] = 1
		x[growthNoise] = 0.05 * 0.05
		for i := range y {
			copy(x[growthSize+3*i:], []float64{1, l.scale(l.opt.Healthy), 0})
		}
		return true
	}
	need := float64(l.opt.BaselineN)
	if learning {
		x[growthSpan] = 1
	}
	if x[growthSpan] == 1 {
		need = math.Min(need, 10)
	}
	var most float64
	for i := range y {
		most = math.Max(most, x[growthSize+3*i])
	}
	if !learning && most >= need {
		x[growthLearned] = 1
		l.setNoise(x)
		return true
	}
	for i, v := range y {
		if b := x[growthSize+3*i:]; !math.IsNaN(v) { // Welford 1962
			b[0]++
			d := v - b[1]
			b[1] += d / b[0]
			b[2] += d * (v - b[1])
		}
	}
	return false
}

// setNoise takes the largest variance of the healthy keys, doubled because
// neighbouring windows are alike, and at least 2 % of the way squared.
func (l Growth) setNoise(x []float64) {
	r := 0.02 * 0.02
	for i := range l.opt.Keys {
		b := x[growthSize+3*i:]
		if d := l.way(b[1]); b[0] > 0 && d != 0 {
			r = math.Max(r, 2*b[2]/b[0]/(d*d))
		}
	}
	x[growthNoise] = math.Min(r, 1)
}

// way is the distance from the healthy level to failure; negative for an
// indicator that falls.
func (l Growth) way(healthy float64) float64 {
	if l.opt.FailAt != 0 {
		return l.scale(l.opt.FailAt) - healthy
	}
	return l.scale(l.opt.FailRatio*l.unscale(healthy)) - healthy
}

// progress is the share of the way that the worst key has gone.
func (l Growth) progress(x, y []float64) (worst float64, ok bool) {
	worst = math.Inf(-1)
	for i, v := range y {
		b := x[growthSize+3*i:]
		d := l.way(b[1])
		if math.IsNaN(v) || b[0] == 0 || math.IsNaN(d) || d*d <= 4*b[2]/b[0] || d == 0 {
			continue
		}
		if g := (v - b[1]) / d; g > worst {
			worst, x[growthWorst], ok = g, float64(i), true
		}
	}
	return math.Min(math.Max(worst, -10), 10), ok
}

// follow runs the filter. Innovations beyond the 99.9 % gate are skipped; the
// fourth in a row is a step that happened, and the level moves there.
func (l Growth) follow(x []float64, z, dt float64) {
	r := x[growthNoise]
	if x[growthStarted] == 0 {
		x[growthStarted], x[growthLevel], x[growthP00], x[growthP11], x[growthNIS] = 1, z, r, 1, 1
		if x[growthAge] > 0 {
			x[growthP11] = 1 / (x[growthAge] * x[growthAge])
		}
		return
	}
	k := l.trend(x)
	memory := l.opt.MemoryH
	if memory <= 0 {
		memory = math.Max(0.1*x[growthAge], 10*dt)
	}
	q := 0.0
	if memory > 0 {
		q = r * dt / (memory * memory * memory * memory)
	}
	k.predict(dt, q)
	nis := k.nis(z, r)
	x[growthNIS] += (math.Min(nis, 25) - x[growthNIS]) / 50
	switch {
	case nis <= gate:
		x[growthSkips] = 0
		k.update(z, r)
	case x[growthSkips] < 3:
		x[growthSkips]++
		x[growthSkipped]++
	default:
		x[growthSkips] = 0
		jump := z - k.Level
		k.P00 += jump * jump
		k.update(z, r)
	}
	x[growthLevel], x[growthSlope] = k.Level, k.Slope
	x[growthP00], x[growthP01], x[growthP11] = k.P00, k.P01, k.P11
}

// gate is the 99.9 % quantile of χ² with one degree of freedom.
const gate = 10.827566170662733

func (l Growth) trend(x []float64) Trend {
	return Trend{Level: x[growthLevel], Slope: x[growthSlope], P00: x[growthP00], P01: x[growthP01], P11: x[growthP11]}
}

// visible says that the indicator has left its healthy band and is rising (90 %).
func (l Growth) visible(x []float64) bool {
	k := l.trend(x)
	return k.Level > math.Max(0.05, 3*math.Sqrt(x[growthNoise])) && k.Slope > 1.2816*math.Sqrt(math.Max(0, k.P11)) && k.Slope > 0
}

func (l Growth) assess(x []float64, in features.Snapshot, y []float64) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	level, visible := x[growthLevel], l.visible(x)
	a.Score, a.Limit = number(math.Max(0, level)), asset.Number(l.opt.Limit)
	a.Abnormal = level >= l.opt.Limit
	f := l.forecast(x, visible)
	a.RUL, a.FailP, a.Trust = f.rul, number(f.failP), f.trust
	if x[growthNIS] > 1.5 {
		a.Trust *= 0.7
	}
	i := int(x[growthWorst])
	if visible || a.Abnormal {
		a.Modes = map[asset.Mode]float64{l.modeOf(l.opt.Keys[i]): 0.5}
	}
	healthy := x[growthSize+3*i+1]
	text := fmt.Sprintf("%s is %.0f %% of the way from healthy (%.3g) to failed (%.3g)",
		l.opt.Keys[i], 100*level, l.unscale(healthy), l.unscale(healthy+l.way(healthy)))
	if visible {
		text += fmt.Sprintf(", %.2g %% more each hour", 100*x[growthSlope])
	}
	a.Evidence = []asset.Evidence{
		fact(l.Name(), l.opt.Keys[i], l.unscale(y[i]), l.unscale(healthy+l.way(healthy)), text+"; "+f.basis),
	}
	return a
}

// modeOf is what the leading indicator stands for: a defect line names its part.
func (l Growth) modeOf(key string) asset.Mode {
	_, name, _ := strings.Cut(key, "/")
	switch name {
	case "defect_bpfo":
		return asset.OuterRace
	case "defect_bpfi":
		return asset.InnerRace
	case "defect_bsf":
		return asset.RollingElement
	case "defect_ftf":
		return asset.Cage
	}
	return l.opt.Mode
}

// Quantities names the state for people.
func (l Growth) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), l.size())
	out := []Quantity{
		{"age", number(x[growthAge] + l.opt.StartAgeH), "h"},
		{"way to failure", number(x[growthLevel]), "1"},
		{"growth", number(x[growthSlope]), "1/h"},
		{"growth, standard deviation", number(math.Sqrt(math.Max(0, x[growthP11]))), "1/h"},
		{"noise", number(math.Sqrt(math.Max(0, x[growthNoise]))), "1"},
		{"instants skipped", number(x[growthSkipped]), "1"},
		{"innovation ratio", number(x[growthNIS]), "1"},
	}
	for i, key := range l.opt.Keys {
		healthy := asset.Missing()
		if b := x[growthSize+3*i:]; b[0] > 0 {
			healthy = number(l.unscale(b[1]))
		}
		out = append(out, Quantity{"healthy " + key, healthy, ""})
	}
	return out
}
