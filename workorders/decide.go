package workorders

import (
	"math"
	"time"
)

// Activity is the kind of work that an order asks for.
type Activity string

// The activities. An inspection comes first where what it finds may change the work.
const (
	Inspection Activity = "inspection"
	Repair     Activity = "repair"
)

// Costs says what work on a component costs, and what a failure does; kEUR. Without
// FailureKEUR and PlannedKEUR nothing is decided by cost.
type Costs struct {
	FailureKEUR    float64       // repair after a failure, without lost production
	PlannedKEUR    float64       // planned repair, without lost production
	InspectionKEUR float64       // a drone's flight, an endoscope; default a twentieth of PlannedKEUR
	ExpressKEUR    float64       // surcharge on parts that come before PartsLead; 0: they cannot
	CalloutKEUR    float64       // surcharge on work outside the regular windows
	StandbyKEUR    float64       // of a crew that the weather turns back, each time
	LostKEURPerH   float64       // production lost per hour of standstill: mean power × price
	FailureDownH   float64       // standstill after a failure
	PlannedDownH   float64       // standstill of a planned repair
	InspectDownH   float64       // standstill of an inspection
	PartsLead      time.Duration // parts in the ordinary way; default Policy.Lead
	Sensitivity    float64       // probability that an inspection finds a real fault; default 0.9 (expert judgement)
	Specificity    float64       // probability that it clears a sound part; default 0.95 (expert judgement)
	Age            AgeLaw        // of components of this type
}

// Access says when people can work. Its zero is the documented default.
type Access struct {
	CrewLead  time.Duration // soonest visit; default half of Policy.Lead
	Every     time.Duration // from one regular window to the next; default 24 h
	First     time.Duration // start of a regular window after midnight UTC; default 6 h, within Every
	Length    time.Duration // of a window; default 8 h
	Wind      Wind          // at the height of the work
	RepairMPS float64       // wind below which a repair can be done; default 10, work in a nacelle
	VisitMPS  float64       // the same for an inspection; default 10
}

// rarest is the least probability of weather for work: nobody waits longer on average
// than for a hundred windows.
const rarest = 0.01

// Wind is the climate at the height of the work: speeds follow a Weibull law.
type Wind struct {
	MeanMPS float64 // 0: no weather to wait for
	Shape   float64 // default 2 (Rayleigh, IEC 61400-1)
	CalmH   float64 // mean length of a spell below a limit; default 24
}

// below is the probability that the wind is under limit m/s at the start of work and
// stays there for its length: the share of the time, 1 − exp(−(v/A)^k) with
// A = mean/Γ(1+1/k), and spells of exponential length (Graham 1982, Coastal Eng. 6:303).
func (w Wind) below(limit float64, length time.Duration) float64 {
	if !(w.MeanMPS > 0) {
		return 1
	}
	k, calm := w.Shape, w.CalmH
	if k <= 0 {
		k = 2
	}
	if calm <= 0 {
		calm = 24
	}
	scale := w.MeanMPS / math.Gamma(1+1/k)
	return max(-math.Expm1(-math.Pow(limit/scale, k))*math.Exp(-length.Hours()/calm), rarest)
}

func (a Access) withDefaults(lead time.Duration) Access {
	if a.CrewLead <= 0 {
		a.CrewLead = lead / 2
	}
	if a.Every <= 0 {
		a.Every = 24 * time.Hour
	}
	if a.First <= 0 {
		a.First = 6 * time.Hour
	}
	if a.Length <= 0 {
		a.Length = 8 * time.Hour
	}
	if a.RepairMPS <= 0 {
		a.RepairMPS = 10
	}
	if a.VisitMPS <= 0 {
		a.VisitMPS = 10
	}
	return a
}

func (c Costs) declared() bool { return c.FailureKEUR > 0 && c.PlannedKEUR > 0 }

func (c Costs) withDefaults(lead time.Duration) Costs {
	if c.InspectionKEUR <= 0 {
		c.InspectionKEUR = c.PlannedKEUR / 20
	}
	if c.PartsLead <= 0 {
		c.PartsLead = lead
	}
	if c.Sensitivity <= 0 || c.Sensitivity > 1 {
		c.Sensitivity = 0.9
	}
	if c.Specificity <= 0 || c.Specificity > 1 {
		c.Specificity = 0.95
	}
	return c
}

// failure is C_CM: repair after a failure with the production it costs.
func (c Costs) failure() float64 { return c.FailureKEUR + c.LostKEURPerH*c.FailureDownH }

// planned is C_PM with the production it costs.
func (c Costs) planned() float64 { return c.PlannedKEUR + c.LostKEURPerH*c.PlannedDownH }

// inspection is what looking costs.
func (c Costs) inspection() float64 { return c.InspectionKEUR + c.LostKEURPerH*c.InspectDownH }

// Window is a time in which work can be done, and what choosing it costs.
type Window struct {
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	ExpectedKEUR float64   `json:"expected_cost_keur"` // of the work, and of a failure before it
	FailP        float64   `json:"fail_p"`             // probability of a failure before the work starts
}

// slot is a window before the probability that the fault is real is settled.
type slot struct {
	start, end time.Time
	given      float64 // probability of a failure before the work, given a real fault
	extra      float64 // surcharges on planned work: parts by express, call-out, weather; kEUR
}

// expectedCost is E_w = p_f·C_CM + (1 − p_f)·(C_PM + extra_w), kEUR, C_CM and C_PM with
// the production they cost.
func expectedCost(failP, failure, planned, extra float64) float64 {
	return failP*failure + (1-failP)*(planned+extra)
}

// cheapest is the least expected cost among repairing in one of the slots and doing
// nothing, which fails with probability nothing when the fault is real; theta is the
// probability of that. The slot is -1 for nothing; a tie goes to the earlier.
func cheapest(slots []slot, nothing, theta, failure, planned float64) (best int, cost float64) {
	best, cost = -1, math.Inf(1)
	for i, s := range slots {
		if e := expectedCost(theta*s.given, failure, planned, s.extra); e < cost {
			best, cost = i, e
		}
	}
	if e := idle(nothing, theta, failure, planned); e < cost {
		best, cost = -1, e
	}
	return best, cost
}

// idle is the expected cost of doing nothing: of a real fault the failure, or the
// planned work that still lies ahead of what has not failed by then.
func idle(nothing, theta, failure, planned float64) float64 {
	return theta * expectedCost(nothing, failure, planned, 0)
}

// decision is what the costs say of an alert.
type decision struct {
	costs   Costs
	life    lifeCurve
	slots   []slot  // of repair, to the end of the plan
	nothing float64 // probability of a failure by the end of the plan, given a real fault
	until   time.Time
	best    int     // the cheapest slot of repair; -1: none is worth its cost
	cost    float64 // of best
	visit   Window  // of the cheapest inspection, with the work that follows it
	worth   float64 // EVSI of that inspection
	perfect float64 // EVPI
}

// decide weighs every window up to the horizon: E_w for repair, doing nothing, and for
// an inspection within the priority's span, which finds the fault with probability P₊,
// the cheapest of what can follow it. The expected value of the sample information is
// EVSI = min E − Σ_r P_r·min_w E_w(θ_r), of perfect information
// EVPI = min E − θ·min_w E_w(1) − (1−θ)·0 (Raiffa & Schlaifer 1961; Straub 2014,
// Structural Safety 49:75), with θ the probability that the fault is real.
func decide(s state, horizonH float64, span, lead time.Duration, c Costs, a Access) decision {
	a = a.withDefaults(lead)
	c = c.withDefaults(lead)
	d := decision{costs: c, life: newLife(s.rul, s.risk, horizonH)}
	first := c.PartsLead
	if c.ExpressKEUR > 0 {
		first = min(first, a.CrewLead)
	}
	whole := span
	if horizonH > 0 {
		whole = time.Duration(min(horizonH, spans[3].Hours()) * float64(time.Hour))
	}
	d.slots = d.slotsOf(s.at, max(first, a.CrewLead), whole, a, a.Wind.below(a.RepairMPS, a.Length), true)
	visits := d.slotsOf(s.at, a.CrewLead, span, a, a.Wind.below(a.VisitMPS, a.Length), false)
	d.until = later(s.at.Add(whole), d.slots[len(d.slots)-1].end)
	d.nothing = d.life.given(d.until.Sub(s.at).Hours())
	d.best, d.cost = cheapest(d.slots, d.nothing, d.life.real, c.failure(), c.planned())
	_, known := cheapest(d.slots, d.nothing, 1, c.failure(), c.planned())
	d.perfect = d.cost - d.life.real*known
	d.inspect(visits)
	return d
}

// mostSlots bounds the windows that are weighed.
const mostSlots = 400

// slotsOf lists the windows from the lead to the end of the span, at least one: the
// first outside the regular ones, as a call-out.
func (d *decision) slotsOf(at time.Time, lead, span time.Duration, a Access, weatherOK float64, repair bool) []slot {
	every := a.Every.Hours()
	regular := at.Add(lead).Truncate(a.Every).Add(a.First % a.Every)
	var out []slot
	start, extra := at.Add(lead).Truncate(time.Minute), d.costs.CalloutKEUR
	for {
		o := slot{start: start, end: start.Add(a.Length), given: d.life.tried(start.Sub(at).Hours(), every, weatherOK), extra: extra}
		o.extra += d.costs.StandbyKEUR * (1 - weatherOK) / weatherOK
		if repair && start.Sub(at) < d.costs.PartsLead {
			o.extra += d.costs.ExpressKEUR
		}
		out = append(out, o)
		for !regular.After(start) {
			regular = regular.Add(a.Every)
		}
		start, extra = regular, 0
		if len(out) == mostSlots || start.Add(a.Length).Sub(at) > span {
			return out
		}
	}
}

// inspect finds the cheapest time to look, and what looking saves.
func (d *decision) inspect(visits []slot) {
	c, theta := d.costs, d.life.real
	found := theta*c.Sensitivity + (1-theta)*(1-c.Specificity)
	sick, sound := 0.0, 0.0 // probability of a real fault once found, once cleared
	if found > 0 {
		sick = theta * c.Sensitivity / found
	}
	if found < 1 {
		sound = theta * (1 - c.Sensitivity) / (1 - found)
	}
	d.visit.ExpectedKEUR = math.Inf(1)
	after := d.slots
	for _, v := range visits {
		for len(after) > 0 && after[0].start.Before(v.end) {
			after = after[1:]
		}
		_, ill := cheapest(after, d.nothing, sick, c.failure(), c.planned())
		_, well := cheapest(after, d.nothing, sound, c.failure(), c.planned())
		follow := found*ill + (1-found)*well
		if cost := follow + c.inspection() + v.extra; cost < d.visit.ExpectedKEUR {
			d.visit = Window{Start: v.start, End: v.end, ExpectedKEUR: cost, FailP: theta * v.given}
			d.worth = d.cost - follow
		}
	}
}

// looksFirst says whether an inspection is cheaper than the best without one.
func (d *decision) looksFirst() bool { return d.visit.ExpectedKEUR < d.cost }

// window is slot i as chosen.
func (d *decision) window(i int) Window {
	o := d.slots[i]
	p := d.life.real * o.given
	return Window{Start: o.start, End: o.end, FailP: p, ExpectedKEUR: expectedCost(p, d.costs.failure(), d.costs.planned(), o.extra)}
}
