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
	AnomalyRisk float64 // a source that calls the instant abnormal, or two views that agree, are believed from this risk on; default 0.2, what one rule at its limit gives

	HalfLives map[asset.Group]float64 // of a group's own; oil by default seven times HalfLifeH
	Weights   map[asset.Group]float64 // of a group's log likelihood ratio; default 1
	Groups    map[string]asset.Group  // of a source, channel or metric, over what its kind or unit says
	Modes     bool                    // failure modes are independent: one probability each, joined by noisy-OR
	Leak      float64                 // probability of a failure that no mode explains, with Modes; default 0
	LivesSeen bool                    // forecasts of the condition are learned from earlier lives
	Curve     Curve                   // from the summed log likelihood ratio to the calibrated one; default: as it is
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

// oilHalfLives is how much longer than others an oil sample holds: a week to a day.
const oilHalfLives = 7

// halfLife is how long a group's evidence takes to halve, in hours.
func (o *FusionOptions) halfLife(g asset.Group) float64 {
	if h := o.HalfLives[g]; h > 0 {
		return h
	}
	if g == asset.GroupOil {
		return oilHalfLives * o.HalfLifeH
	}
	return o.HalfLifeH
}

func (o *FusionOptions) weight(g asset.Group) float64 {
	if w, ok := o.Weights[g]; ok {
		return w
	}
	return 1
}

func (o *FusionOptions) limit(v asset.View) float64 {
	switch v {
	case asset.Learned:
		return o.CapML
	case asset.Derived:
		return o.CapPhysics
	}
	return o.CapRule
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
	signals  signalGroups
	opinions []opinion // sorted by view, source
	modes    map[asset.Mode]float64
	mode     asset.Mode // running diagnosis
	seen     onset
}

// hear replaces what the assessment's source said before.
func (f *fusion) hear(a asset.Assessment) {
	at, found := slices.BinarySearchFunc(f.opinions, a, func(o opinion, a asset.Assessment) int {
		return cmp.Or(cmp.Compare(o.View, a.View), cmp.Compare(o.Source, a.Source))
	})
	if a.Group == "" && found {
		a.Group = f.opinions[at].Group // a source judges by the same signals for good
	}
	if a.Group == "" {
		a.Group = f.signals.group(&a)
	}
	if found {
		f.opinions[at] = opinion{a}
		return
	}
	f.opinions = slices.Insert(f.opinions, at, opinion{a})
}

// verdict fuses the fresh opinions into one risk: the prior's log odds plus what
// each view brings (see odds). What every source brought, or why nothing, is
// kept with it.
func (f *fusion) verdict(id asset.ID, component string, now time.Time) asset.Risk {
	r := asset.Risk{
		Time: now, Asset: id, Component: component, HorizonH: f.opt.HorizonH, Risk: asset.Missing(), Certainty: asset.Unsure(),
		MLScore: asset.Missing(), MLP: asset.Missing(), PhysicsScore: asset.Missing(), RuleScore: asset.Missing(), LLR: asset.NoLLR(), RUL: asset.NoRUL(),
	}
	witnesses, heard, sensor := f.question(&r, now)
	o := f.opt.odds(witnesses, -1)
	for _, w := range o.leading {
		r.Sources[w.at].Weight = asset.Number(w.weight)
		speak(&r, &f.opinions[w.opinion], w.weight)
	}
	r.LLR = o.llr
	f.scores(&r, now)
	f.diagnose(&r, now, sensor)
	if len(witnesses) > 0 {
		r.Risk = asset.Number(f.opt.posterior(witnesses, -1))
		r.Anomaly = (r.Anomaly || heard && agreed(r.LLR)) && float64(r.Risk) >= f.opt.AnomalyRisk
		r.Certainty = f.certainty(&r, witnesses, o)
		if r.Certainty.Conflicting() {
			r.Evidence = append(r.Evidence, conflicting(r.Certainty.Conflict))
		}
	}
	f.seen.follow(&r, f.opt.AnomalyRisk, time.Duration(4*f.opt.HalfLifeH*float64(time.Hour)))
	r.RUL = f.remaining(now)
	share(r.Sources)
	slices.SortStableFunc(r.Evidence, func(a, b asset.Evidence) int { return cmp.Compare(weight(b), weight(a)) })
	return r
}

// question lists every source with what it says now, or why it says nothing;
// those with something to say are the witnesses, in the order of the opinions.
func (f *fusion) question(r *asset.Risk, now time.Time) (witnesses []witness, heard, sensor bool) {
	r.Sources = make([]asset.Contribution, 0, len(f.opinions))
	for i := range f.opinions {
		o := &f.opinions[i]
		c := asset.Contribution{
			Source: string(o.View) + "/" + o.Source, Group: o.Group, Value: o.Score, Limit: o.Limit,
			LLR: asset.Missing(), AgeH: now.Sub(o.Time).Hours(), Trust: o.Trust, Weight: 0, Share: asset.Missing(),
		}
		l, known := f.opt.logLR(o, now)
		switch {
		case o.Trust <= 0:
			c.Reason = cmp.Or(o.Reason, reasonUntrusted)
		case f.stale(o, now):
			c.Reason = reasonStale
		case isSensor(o.Assessment):
			sensor = sensor || o.Abnormal
			r.Evidence = append(r.Evidence, sensorEvidence(o.Assessment)...)
			c.Reason = reasonSensor
		default:
			r.Anomaly = r.Anomaly || (o.Abnormal && o.Time.Equal(now))
			if !known {
				c.Reason = reasonUnscored
				break
			}
			c.LLR = asset.Number(l)
			heard = heard || l > 0 && o.Time.Equal(now)
			witnesses = append(witnesses, witness{opinion: i, at: len(r.Sources), view: o.View, group: o.Group, mode: leading(o.Modes), l: l})
		}
		r.Sources = append(r.Sources, c)
	}
	return witnesses, heard, sensor
}

// agreed reports whether two views argue for a failure: neither need be at its limit.
func agreed(l asset.ViewLLR) bool {
	n := 0
	for _, v := range l.Views() {
		if v > 0 { // a missing one is not
			n++
		}
	}
	return n > 1
}

// Why a source that was heard says nothing now.
const (
	reasonUntrusted asset.Reason = "untrusted"
	reasonStale     asset.Reason = "stale"
	reasonSensor    asset.Reason = "sensor"   // it judges the sensor, not the machine
	reasonUnscored  asset.Reason = "no-score" // neither a probability nor a score with a limit
)

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
	return now.Sub(o.Time).Hours() > 4*f.opt.halfLife(o.Group)
}

// speak writes a leading opinion into the evidence, with its share of the log odds.
func speak(r *asset.Risk, o *opinion, l float64) {
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

// share says which part of all that moved the log odds is each source's.
func share(sources []asset.Contribution) {
	var total float64
	for _, c := range sources {
		total += math.Abs(float64(c.Weight))
	}
	for i := range sources {
		if total > 0 {
			sources[i].Share = asset.Number(math.Abs(float64(sources[i].Weight)) / total)
		}
	}
}

// scores reports the worst fresh score of each view.
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
	}
}
