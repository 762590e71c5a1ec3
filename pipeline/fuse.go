package pipeline

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// FusionOptions says how much each view may say. Zero means the default.
type FusionOptions struct {
	HorizonH    float64 // default 2160 (90 days)
	Prior       float64 // probability of a failure within the horizon before any evidence; default 0.02
	CapML       float64 // largest log likelihood ratio of the learned view; default 3
	CapPhysics  float64 // of the derived view; default 4
	CapRule     float64 // of the rules; default 2.5
	HalfLifeH   float64 // an assessment's log likelihood ratio halves in this time; default 24
	AnomalyRisk float64 // a source that calls the instant abnormal is believed from this risk on; default 0.2, what one rule at its limit gives
}

func (o FusionOptions) withDefaults() FusionOptions {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.HorizonH, 2160)
	def(&o.Prior, 0.02)
	def(&o.CapML, 3)
	def(&o.CapPhysics, 4)
	def(&o.CapRule, 2.5)
	def(&o.HalfLifeH, 24)
	def(&o.AnomalyRisk, 0.2)
	return o
}

// opinion is the newest assessment of one source, kept until it is stale.
type opinion struct {
	asset.Assessment
}

// conviction is how much a source's modes count: all of them once it speaks up,
// and with the square of its score below its limit.
func (o *opinion) conviction() float64 {
	if o.Sure > 0 {
		return math.Min(o.Sure, 1)
	}
	if o.Abnormal || !o.Score.Known() || !o.Limit.Known() || o.Limit <= 0 {
		return 1
	}
	s := math.Min(math.Max(float64(o.Score/o.Limit), 0), 1)
	return s * s
}

// fusion holds what every source last said of one component.
type fusion struct {
	opt      FusionOptions
	opinions []opinion // sorted by view, source
	modes    map[asset.Mode]float64
	mode     asset.Mode // running diagnosis
}

// hear replaces what the assessment's source said before.
func (f *fusion) hear(a asset.Assessment) {
	at, found := slices.BinarySearchFunc(f.opinions, a, func(o opinion, a asset.Assessment) int {
		return cmp.Or(cmp.Compare(o.View, a.View), cmp.Compare(o.Source, a.Source))
	})
	if found {
		f.opinions[at] = opinion{a}
		return
	}
	f.opinions = slices.Insert(f.opinions, at, opinion{a})
}

// modeMemory is the share of the accumulated mode weights that the next verdict
// keeps: a diagnosis follows the last few windows, not one.
const modeMemory = 0.8

// verdict fuses the fresh opinions into one risk: the prior's log odds plus, for
// each view, the strongest log likelihood ratio, capped and aged (domain: log-odds
// fusion, correlated sources grouped, maximum within a group).
func (f *fusion) verdict(id asset.ID, component string, now time.Time) asset.Risk {
	r := asset.Risk{
		Time: now, Asset: id, Component: component, HorizonH: f.opt.HorizonH, Risk: asset.Missing(),
		MLScore: asset.Missing(), MLP: asset.Missing(), PhysicsScore: asset.Missing(), RuleScore: asset.Missing(), RUL: asset.NoRUL(),
	}
	var lrs []float64
	sensor := false
	for _, view := range []asset.View{asset.Learned, asset.Derived, asset.Ruled} {
		best, lead := math.Inf(-1), -1
		for i := range f.opinions {
			o := &f.opinions[i]
			if o.View != view || o.Trust <= 0 || f.stale(o, now) {
				continue
			}
			if isSensor(o.Assessment) {
				sensor = sensor || o.Abnormal
				r.Evidence = append(r.Evidence, sensorEvidence(o.Assessment)...)
				continue
			}
			if l, ok := f.logLR(o, now); ok && l > best {
				best, lead = l, i
			}
			r.Anomaly = r.Anomaly || (o.Abnormal && o.Time.Equal(now))
		}
		if lead < 0 {
			continue
		}
		lrs = append(lrs, best)
		f.speak(&r, &f.opinions[lead], view, best)
	}
	f.scores(&r, now)
	f.diagnose(&r, now, sensor)
	if len(lrs) > 0 {
		r.Risk = asset.Number(posterior(f.opt.Prior, lrs))
		r.Anomaly = r.Anomaly && float64(r.Risk) >= f.opt.AnomalyRisk
	}
	slices.SortStableFunc(r.Evidence, func(a, b asset.Evidence) int { return cmp.Compare(weight(b), weight(a)) })
	return r
}

func weight(e asset.Evidence) float64 {
	if !e.Weight.Known() {
		return -1
	}
	return math.Abs(float64(e.Weight))
}

func isSensor(a asset.Assessment) bool { return a.Modes[asset.SensorFault] > 0 }

func sensorEvidence(a asset.Assessment) []asset.Evidence {
	if !a.Abnormal {
		return nil
	}
	out := slices.Clone(a.Evidence)
	for i := range out {
		out[i].Weight = 0
	}
	return out
}

// stale drops an assessment after four half lives.
func (f *fusion) stale(o *opinion, now time.Time) bool {
	return now.Sub(o.Time).Hours() > 4*f.opt.HalfLifeH
}

// logLR is the log likelihood ratio of "fails within the horizon" that an
// opinion carries now: the change of log odds for a physical probability, the
// e-value ½·p^(−½) for a p-value (Vovk & Wang 2021), and otherwise the score
// against its limit, +2.3 at the limit and 0 at half of it. A source that merely
// sees nothing argues against a failure no more than a p-value of 1 does.
func (f *fusion) logLR(o *opinion, now time.Time) (float64, bool) {
	limit := f.opt.CapRule
	switch o.View {
	case asset.Learned:
		limit = f.opt.CapML
	case asset.Derived:
		limit = f.opt.CapPhysics
	}
	var l float64
	switch {
	case o.FailP.Known():
		p := math.Min(math.Max(float64(o.FailP), 1e-9), 1-1e-9)
		l = logit(p) - logit(f.opt.Prior)
	case o.P.Known():
		l = math.Log(0.5) - 0.5*math.Log(math.Max(float64(o.P), 1e-12))
	case o.Score.Known() && o.Limit.Known() && o.Limit > 0:
		l = math.Max(2.3*(2*float64(o.Score/o.Limit)-1), math.Log(0.5))
	default:
		return 0, false
	}
	return aged(capped(l, limit), now.Sub(o.Time).Hours(), f.opt.HalfLifeH) * math.Min(o.Trust, 1), true
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

// posterior adds log likelihood ratios to the prior's log odds.
func posterior(prior float64, lrs []float64) float64 {
	l := logit(prior)
	for _, lr := range lrs {
		l += lr
	}
	return 1 / (1 + math.Exp(-l))
}

// capped bounds how much one view may say.
func capped(l, limit float64) float64 { return math.Min(math.Max(l, -limit), limit) }

// aged halves a log likelihood ratio with every half life.
func aged(l, ageH, halfLifeH float64) float64 { return l * math.Exp2(-ageH/halfLifeH) }

// speak writes a view's leading opinion into the evidence, with its share of the log odds.
func (f *fusion) speak(r *asset.Risk, o *opinion, view asset.View, l float64) {
	if view == asset.Derived {
		r.RUL = o.RUL
	}
	var total float64
	for _, e := range o.Evidence {
		total += math.Max(weight(e), 0)
	}
	for _, e := range o.Evidence {
		share := 1 / float64(len(o.Evidence))
		if total > 0 {
			share = math.Max(weight(e), 0) / total
		}
		e.Weight = asset.Number(l * share)
		r.Evidence = append(r.Evidence, e)
	}
}

// scores reports the worst fresh score of each view, and the RUL of whoever knows one.
func (f *fusion) scores(r *asset.Risk, now time.Time) {
	worst := func(to *asset.Number, s asset.Number) bool {
		if s.Known() && (!to.Known() || s > *to) {
			*to = s
			return true
		}
		return false
	}
	for i := range f.opinions {
		o := &f.opinions[i]
		if o.Trust <= 0 || f.stale(o, now) || isSensor(o.Assessment) {
			continue
		}
		switch o.View {
		case asset.Learned:
			if worst(&r.MLScore, o.Score) {
				r.MLP = o.P
			}
		case asset.Derived:
			worst(&r.PhysicsScore, o.Score)
		case asset.Ruled:
			s := o.Score
			if o.Limit.Known() && o.Limit > 0 {
				s /= o.Limit // detectors have scales of their own
			}
			worst(&r.RuleScore, s)
		}
		if o.RUL.P50.Known() && (!r.RUL.P50.Known() || o.RUL.P50 < r.RUL.P50) {
			r.RUL = o.RUL
		}
	}
}

// diagnose accumulates the candidate modes; an instant that cannot decide
// repeats the last diagnosis.
func (f *fusion) diagnose(r *asset.Risk, now time.Time, sensor bool) {
	fresh := map[asset.Mode]float64{}
	heard := false
	for i := range f.opinions {
		o := &f.opinions[i]
		if !o.Time.Equal(now) || o.Trust <= 0 || isSensor(o.Assessment) {
			continue
		}
		if o.Modes != nil {
			heard = true
			say := o.conviction()
			for m, w := range o.Modes {
				fresh[m] += say * w
			}
		}
	}
	if heard {
		if f.modes == nil {
			f.modes = map[asset.Mode]float64{}
		}
		for m := range f.modes {
			f.modes[m] *= modeMemory
		}
		for m, w := range fresh {
			f.modes[m] += (1 - modeMemory) * w
		}
		f.mode = leading(f.modes)
	}
	r.Mode = f.mode
	if sensor && r.Mode == asset.Healthy {
		r.Mode = asset.SensorFault
	}
	r.Modes = make(map[asset.Mode]float64, len(f.modes))
	for m, w := range f.modes {
		if m != asset.Healthy && w > 1e-6 {
			r.Modes[m] = w
		}
	}
}

// generic modes say that something wears, not what: they lead only where nothing
// more specific has a quarter of their weight.
func generic(m asset.Mode) bool { return m == asset.Wear || m == asset.Unknown }

// leastMode is the weight under which a mode is not worth naming.
const leastMode = 0.02

// leading is the heaviest mode; the vocabulary's order decides a tie.
func leading(modes map[asset.Mode]float64) asset.Mode {
	best, at := leastMode, asset.Healthy
	for m, w := range modes {
		if generic(m) {
			w /= 4
		}
		if w > best || (w == best && m < at) {
			best, at = w, m
		}
	}
	return at
}
