package features

import "math"

// PageHinkleyOptions configures the Page–Hinkley test; the defaults are those of
// river's, with no forgetting.
type PageHinkleyOptions struct {
	Delta     float64 // change that is tolerated, in the unit of x; default 0.005
	Threshold float64 // of the statistic; default 50
	Min       int     // values before it may alarm; default 30
	Forget    float64 // share of the sum lost per step, in [0, 1)
}

// PageHinkley watches for a lasting rise of a series: m_t = Σ(x − x̄_t − δ) with a
// mean that includes the current x, an alarm when m_t − min m > λ (Page 1954;
// Hinkley 1971, Biometrika 58:509; river 0.26 PageHinkley of mode "up"). Feed −x
// for a fall. The zero value has seen nothing; after an alarm it begins anew.
type PageHinkley struct {
	N      int
	Mean   float64
	Sum    float64
	Lowest float64 // of Sum
	Alarm  bool    // at the last step
}

// Step takes one value and reports the alarm. One that is no number is left out;
// beyond 1e150 it counts as that.
func (p PageHinkley) Step(x float64, o PageHinkleyOptions) (PageHinkley, bool) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return p, p.Alarm
	}
	if o.Delta == 0 {
		o.Delta = 0.005
	}
	if o.Threshold == 0 {
		o.Threshold = 50
	}
	if o.Min == 0 {
		o.Min = 30
	}
	if p.Alarm {
		p = PageHinkley{}
	}
	x = clamp(x, 1e150)
	p.N++
	p.Mean += (x - p.Mean) / float64(p.N)
	p.Sum = (1-o.Forget)*p.Sum + x - p.Mean - o.Delta
	if p.N == 1 || p.Sum < p.Lowest {
		p.Lowest = p.Sum
	}
	p.Alarm = p.N >= o.Min && p.Statistic() > o.Threshold
	return p, p.Alarm
}

// Statistic is m_t − min m.
func (p PageHinkley) Statistic() float64 { return p.Sum - p.Lowest }
