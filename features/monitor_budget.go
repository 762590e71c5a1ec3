package features

import (
	"fmt"
	"math"
)

// Budget states what false alarms one detector is expected to cost.
type Budget struct {
	Detector  string
	Component string
	Method    string  // how the figure came about
	P         float64 // of a false verdict per evaluation; NaN when nobody can say
	// PerDay is how many evaluations a day the learning span had, as far as its rows
	// tell; PerYear how many false alarms to expect of an asset-year, verdicts that
	// follow each other counting once where the method can tell. NaN when not known.
	PerDay  float64
	PerYear float64
}

// Budget is the false-alarm statement of every detector. Evaluations are taken as
// independent, which windows that overlap are not, except by the detectors that
// learned from excursions or clusters: those say so.
func (m *Monitor) Budget() []Budget {
	var out []Budget
	perDay := m.perDay()
	for _, d := range m.detectors {
		o := d.shared().opt
		method, p, begins := m.statement(d)
		f := stated(method, p, begins, perDay)
		out = append(out, Budget{o.Name, d.shared().component, f.Method, f.P, f.PerDay, f.PerYear})
	}
	return out
}

// statement is how a detector's figure came about, its probability of a false verdict
// and that of one beginning.
func (m *Monitor) statement(d detector) (method string, p, begins float64) {
	o, l := d.shared().opt, d.shared().learned
	nan := math.NaN()
	switch {
	case o.Type == "sensor" || o.Type == "zone":
		return "absolute limits: not a probability", nan, nan
	case o.Type == "residual":
		p = tailOfT(o.Limit, m.stretches(), o.Side == "both")
		return fmt.Sprintf("Student t of the %s-sided mean against held-out blocks, evaluations of one episode each counted", o.Side), p, p
	case o.Type == "level" && o.Drift > 0 && l == nil:
		p = 1 / CusumARL(o.Drift, o.Limit, 0, 100)
		return fmt.Sprintf("one-sided CUSUM on normal scores, k = %g, h = %g: 1/ARL", o.Drift, o.Limit), p, p
	case l == nil || l.Scores.N == 0 && len(l.Arms) == 0:
		return "nothing learned", nan, nan
	}
	if s, ok := d.(*onset); ok {
		return s.statement()
	}
	one := l.Scores.P(d.shared().limit())
	return fmt.Sprintf("split conformal with a tail beyond %d scores, %d of %d", l.Scores.N, o.M, o.N), MOfN(o.M, o.N, one), beginsMOfN(o.M, o.N, one)
}

// statement adds up what the arms' limits cost. An alarm of m of n takes at least one
// excursion, and costs no more.
func (d *onset) statement() (method string, p, begins float64) {
	usable, refused := 0, ""
	for i := range d.learned.Arms {
		a := &d.learned.Arms[i]
		if a.Why != "" {
			refused = string(a.Why)
			continue
		}
		usable++
		switch {
		case a.Tail != nil:
			p += d.share()
		case a.Peaks != nil:
			if _, limit := newStatistic(d.opt, a, d.share()).step(0, 0); limit > 0 {
				p += a.Peaks.Rate(limit)
			}
		}
	}
	what := "excursions of " + d.opt.Type + " with an exponential tail"
	if d.opt.Type == "spot" {
		what = "clusters of peaks over the 0.98 quantile"
	}
	if usable == 0 {
		return fmt.Sprintf("%s: refused, %s", what, refused), math.NaN(), math.NaN()
	}
	method = fmt.Sprintf("%s, %d of %d arms, each alarm counted once", what, usable, len(d.learned.Arms))
	if d.opt.M > 1 {
		method += fmt.Sprintf(", %d of %d at most that", d.opt.M, d.opt.N)
	}
	return method, p, p
}

// perDay is how many evaluations a day the baseline's span had; NaN without one. A
// diary that was thinned is counted as it was.
func (m *Monitor) perDay() float64 {
	if m.baseline == nil || m.baseline.Rows < 2 {
		return math.NaN()
	}
	days := m.baseline.To.Sub(m.baseline.From).Hours() / 24
	return ratio(float64((m.baseline.Rows-1)*max(m.diary.stride, 1)), days)
}

// stretches is the least number of independent stretches behind a residual.
func (m *Monitor) stretches() int {
	n := 0
	for _, x := range m.normals {
		if x.learned != nil && (n == 0 || x.learned.N < n) {
			n = x.learned.N
		}
	}
	return n
}
