package workorders

import (
	"fmt"
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Costs is what work on a component costs, in kEUR, and how long it takes. The zero
// means that nobody knows: then no window is chosen.
type Costs struct {
	Failure    float64 // C_CM: repair after a failure, with what it damages and crane
	Planned    float64 // C_PM: the same repair before it
	Inspection float64 // a look by endoscope or drone; 0: none is offered
	Rush       float64 // further cost of work before the parts' usual lead time
	CrewH      float64 // from the order to the first possible work, h
	PartsH     float64 // usual lead time of the parts, h
	WorkH      float64 // standstill for planned work, h
	OutageH    float64 // standstill after a failure, h
	WindMS     float64 // wind at the hub below which work is allowed, m/s; 0: any
	LifeShape  float64 // β of the fleet's Weibull life; 0: not known
	LifeScaleH float64 // η of it, h
}

// Site is what a standstill loses and how often the wind allows work.
type Site struct {
	RatedKW   float64
	Capacity  float64 // mean power as a share of the rated power; default 0.35
	EURPerMWh float64 // price of what is not produced
	WindScale float64 // c of the Weibull distribution of the wind, m/s; 0: no weather
	WindShape float64 // k of it; default 2
}

// lost is what a standstill of h hours loses, in kEUR.
func (s Site) lost(h float64) float64 {
	capacity := s.Capacity
	if capacity <= 0 {
		capacity = 0.35
	}
	return s.RatedKW / 1e3 * capacity * h * s.EURPerMWh / 1e3
}

// weatherOK is the climatological probability 1 − exp(−(v/c)^k) that the wind is below
// v m/s (IEC 61400-1's Weibull); 1 where nothing is asked or known.
func (s Site) weatherOK(v float64) float64 {
	if v <= 0 || s.WindScale <= 0 {
		return 1
	}
	k := s.WindShape
	if k <= 0 {
		k = 2
	}
	return -math.Expm1(-math.Pow(v/s.WindScale, k))
}

// Activity says what an order asks for.
type Activity string

// The activities.
const (
	Inspection Activity = "inspection"
	Repair     Activity = "repair"
)

// Window is a time for work with what it is expected to cost.
type Window struct {
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	ExpectedKEUR float64   `json:"expected_cost_keur"`
}

// option is a window under consideration; nothing is the window without work.
type option struct {
	at, fail, extra, expected float64 // h from now; p of failure before; kEUR
	nothing                   bool
}

// decision is what costs least.
type decision struct {
	options     []option
	best        int
	inspect     bool
	perfect     float64 // expected value of perfect information, kEUR
	information float64 // of an inspection (EVSI), kEUR
}

// ExpectedCost of work in a window before which the machine fails with probability pf:
// pf·C_CM + (1 − pf)·(C_PM + extra), in the unit of the costs.
func ExpectedCost(pf, failure, planned, extra float64) float64 {
	return pf*failure + (1-pf)*(planned+extra)
}

// windowsH are the times from now that are looked at, h.
var windowsH = []float64{24, 48, 72, 120, 168, 336, 504, 720, 1440, 2160}

// An inspection finds a fault that is there, and clears a machine that is sound, with
// these probabilities (expert).
const (
	sensitivity = 0.95
	specificity = 0.95
)

// visitH is how long a window for work stays open beyond the work itself, h.
const visitH = 24

// choose compares the windows up to lastH with doing nothing. fail is the probability of
// failure within h hours, ill the probability that there is a fault at all.
func choose(c Costs, s Site, fail func(h float64) float64, ill, horizonH, lastH float64) decision {
	failure, planned := c.Failure+s.lost(c.OutageH), c.Planned+s.lost(c.WorkH)
	options := func(share float64) []option {
		f := func(h float64) float64 { return min(fail(h)*share, 1) }
		var out []option
		for _, h := range windowsH {
			if h < c.CrewH || h > lastH && len(out) > 0 || h > horizonH && len(out) > 0 {
				continue
			}
			o := option{at: h, fail: f(h)}
			if h < c.PartsH {
				o.extra = c.Rush
			}
			// A window that the wind forbids is made up for a week later.
			w := s.weatherOK(c.WindMS)
			o.expected = w*ExpectedCost(o.fail, failure, planned, o.extra) + (1-w)*ExpectedCost(f(h+168), failure, planned, o.extra)
			out = append(out, o)
		}
		return append(out, option{at: horizonH, fail: f(horizonH), expected: f(horizonH) * failure, nothing: true})
	}
	d := decision{options: options(1)}
	d.best = BestWindow(expectedOf(d.options))
	least := d.options[d.best].expected
	if ill = min(max(ill, 0), 1); ill <= 0 || ill >= 1 {
		return d
	}
	// A result r changes the odds of a fault from p to P(r|ill)·p/P(r) (Bayes), and the
	// value of the sample is min E − Σ P(r)·min E|r (Raiffa & Schlaifer 1961, ch. 4).
	cheapest := func(post float64) float64 {
		e := expectedOf(options(post / ill))
		return e[BestWindow(e)]
	}
	positive := sensitivity*ill + (1-specificity)*(1-ill)
	after := positive*cheapest(sensitivity*ill/positive) + (1-positive)*cheapest((1-sensitivity)*ill/(1-positive))
	d.perfect, d.information = least-ill*cheapest(1), least-after
	d.inspect = c.Inspection > 0 && d.information > c.Inspection
	return d
}

// lifeEnds is the distribution of the remaining life at h hours: linear between the
// quantiles that are known and beyond P90 exponential with the last slope.
func lifeEnds(h float64, r asset.RUL) float64 {
	t0, p0, slope := 0.0, 0.0, 0.0
	for _, q := range []struct {
		t asset.Number
		p float64
	}{{r.P10, 0.1}, {r.P50, 0.5}, {r.P90, 0.9}} {
		t := float64(q.t)
		if !q.t.Known() || t < t0 {
			continue
		}
		if h < t {
			return p0 + (q.p-p0)*(h-t0)/(t-t0)
		}
		if t > t0 {
			slope = (q.p - p0) / (t - t0)
		}
		t0, p0 = t, q.p
	}
	return 1 - (1-p0)*math.Exp(-slope/(1-p0)*(h-t0))
}

func expectedOf(options []option) []float64 {
	out := make([]float64, len(options))
	for i, o := range options {
		out[i] = o.expected
	}
	return out
}

// BestWindow is the index of the least expected cost, the earliest of equals.
func BestWindow(expected []float64) int {
	best := 0
	for i, e := range expected {
		if e < expected[best] {
			best = i
		}
	}
	return best
}

// ReplacementAge is the age T in hours at which preventive replacement costs least in the
// long run, with the cost per hour: the minimum of (C_PM·S(T) + C_CM·(1 − S(T)))/∫₀ᵀS,
// where h(T)·∫₀ᵀS − (1 − S(T)) = C_PM/(C_CM − C_PM) (Barlow & Hunter 1960, Oper. Res. 8:90),
// for a Weibull life of shape β and scale η. ok is false where no finite age is
// best: β ≤ 1, or a failure that costs no more than the plan.
func ReplacementAge(planned, failure, shape, scaleH float64) (hours, perHour float64, ok bool) {
	if !(shape > 1) || !(scaleH > 0) || !(planned > 0) || !(failure > planned) || math.IsInf(failure+shape+scaleH, 0) {
		return math.NaN(), math.NaN(), false
	}
	want := planned / (failure - planned)
	excess := func(x float64) float64 {
		return shape*math.Pow(x, shape-1)*lived(x, shape) + math.Expm1(-math.Pow(x, shape)) - want
	}
	lo, hi := 0.0, 1.0
	for excess(hi) < 0 {
		if lo, hi = hi, 2*hi; hi > 1e3 {
			return math.NaN(), math.NaN(), false
		}
	}
	for range 60 {
		if m := (lo + hi) / 2; excess(m) < 0 {
			lo = m
		} else {
			hi = m
		}
	}
	s := math.Exp(-math.Pow(hi, shape))
	return hi * scaleH, (planned*s + failure*(1-s)) / (lived(hi, shape) * scaleH), true
}

// lived is ∫₀ˣ exp(−u^β) du by Simpson's rule.
func lived(x, shape float64) float64 {
	const n = 400
	sum := 1 + math.Exp(-math.Pow(x, shape))
	for i := 1; i < n; i++ {
		sum += float64(2+2*(i%2)) * math.Exp(-math.Pow(x*float64(i)/n, shape))
	}
	return sum * x / (3 * n)
}

// lines tell the decision for an order's text.
func (d decision) lines(c Costs, at time.Time) []string {
	b := d.options[d.best]
	why := fmt.Sprintf("Work around %s is expected to cost least: %s kEUR.", at.Add(hoursLong(b.at)).UTC().Format("2006-01-02"), keur(b.expected))
	if b.nothing {
		why = fmt.Sprintf("No work is expected to cost least: %s kEUR; plan a look on the next visit.", keur(b.expected))
	}
	if d.inspect {
		why = fmt.Sprintf("Inspect before any repair: it costs %s kEUR and is expected to save %s (perfect knowledge: %s).", keur(c.Inspection), keur(d.information), keur(d.perfect))
	}
	out := []string{why, "Windows (p of failure before, expected cost in kEUR):"}
	for _, o := range d.options {
		name := "in " + span(o.at)
		if o.nothing {
			name = "no work within " + span(o.at)
		}
		out = append(out, fmt.Sprintf("- %s: %.0f %%, %s", name, 100*o.fail, keur(o.expected)))
	}
	if age, _, ok := ReplacementAge(c.Planned, c.Failure, c.LifeShape, c.LifeScaleH); ok {
		out = append(out, fmt.Sprintf("For the fleet's life, preventive replacement costs least at %.1f years.", age/8766))
	}
	return out
}

func keur(x float64) string { return fmt.Sprintf("%.1f", x) }

func hoursLong(h float64) time.Duration { return time.Duration(min(h, 1e6) * float64(time.Hour)) }
