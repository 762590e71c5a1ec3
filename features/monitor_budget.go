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
}

// Budget is the false-alarm statement of every detector. Multiplied by the
// evaluations of a year it is the expected number of false verdicts, counting
// consecutive ones singly and taking evaluations as independent, which windows
// that overlap are not.
func (m *Monitor) Budget() []Budget {
	var out []Budget
	for _, d := range m.detectors {
		o := d.shared().opt
		b := Budget{Detector: o.Name, Component: d.shared().component, P: math.NaN()}
		switch l := d.shared().learned; {
		case o.Type == "sensor" || o.Type == "zone":
			b.Method = "absolute limits: not a probability"
		case o.Type == "residual":
			b.Method = fmt.Sprintf("Student t of the %s-sided mean against held-out blocks", o.Side)
			b.P = tailOfT(o.Limit, m.stretches(), o.Side == "both")
		case o.Type == "level" && o.Drift > 0 && l == nil:
			b.Method = fmt.Sprintf("one-sided CUSUM on normal scores, k = %g, h = %g: 1/ARL", o.Drift, o.Limit)
			b.P = 1 / CusumARL(o.Drift, o.Limit, 0, 100)
		case l == nil || l.Scores.N == 0:
			b.Method = "nothing learned"
		default:
			p := l.Scores.P(d.shared().limit())
			b.Method = fmt.Sprintf("split conformal with a tail beyond %d scores, %d of %d", l.Scores.N, o.M, o.N)
			b.P = MOfN(o.M, o.N, p)
		}
		out = append(out, b)
	}
	return out
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
