package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"

	"gonum.org/v1/gonum/mathext"

	"github.com/telltale-iot/telltale/asset"
)

// proofFigure is one figure with its 95 % interval and its goal.
type proofFigure struct {
	Name string       `json:"name"`
	K    int          `json:"k"`
	N    float64      `json:"n"` // cases, or turbine-years
	X    asset.Number `json:"value"`
	Lo   asset.Number `json:"low"`
	Hi   asset.Number `json:"high"`
	Goal string       `json:"goal,omitempty"`
	OK   bool         `json:"ok"`
}

// share is a proportion with the interval of Clopper & Pearson (1934, Biometrika 26:404).
func share(name string, k, n int, goal string, ok func(float64) bool) proofFigure {
	f := proofFigure{Name: name, K: k, N: float64(n), Goal: goal, X: asset.Missing(), Lo: 0, Hi: 1}
	if n == 0 {
		return f
	}
	f.X = asset.Number(float64(k) / float64(n))
	if k > 0 {
		f.Lo = asset.Number(mathext.InvRegIncBeta(float64(k), float64(n-k+1), 0.025))
	}
	if k < n {
		f.Hi = asset.Number(mathext.InvRegIncBeta(float64(k+1), float64(n-k), 0.975))
	}
	f.OK = ok(float64(f.X))
	return f
}

// rate is a count over an exposure in years with the exact Poisson interval (Garwood
// 1936, Biometrika 28:437).
func rate(name string, k int, years float64, most float64) proofFigure {
	f := proofFigure{Name: name, K: k, N: years, Goal: fmt.Sprintf("≤ %g", most), X: asset.Missing(), Lo: 0, Hi: asset.Missing()}
	if !(years > 0) {
		return f
	}
	f.X = asset.Number(float64(k) / years)
	if k > 0 {
		f.Lo = asset.Number(mathext.GammaIncRegInv(float64(k), 0.025) / years)
	}
	f.Hi = asset.Number(mathext.GammaIncRegInv(float64(k+1), 0.975) / years)
	f.OK = float64(f.X) <= most
	return f
}

// afterFault is how long after the end of a fault an alert is still its own: the
// running means forget it in that time.
const afterFault = 7 * 24 * time.Hour

// repaired is when a machine's new part is in (simulate: 72 h after the failure).
func (f proofFault) repaired() time.Time { return f.Failure.Add(72 * time.Hour) }

func (f *proofFault) active(t time.Time) bool {
	return f != nil && !t.Before(f.Onset) && t.Before(f.repaired().Add(afterFault))
}

// lead is the time from the first alert on the unit that fails to the failure.
func (t proofTurbine) lead() (lead time.Duration, found bool) {
	for _, a := range t.Alerts {
		if a.Mode != asset.SensorFault && sameUnit(a.Component, t.Fault.Component) && !a.Opened.Before(t.Fault.Onset) && a.Opened.Before(t.Fault.Failure) {
			return t.Fault.Failure.Sub(a.Opened), true
		}
	}
	return 0, false
}

// exposure is the time in years in which an alert of the machine would be false.
func (t proofTurbine) exposure() float64 {
	h := t.End.Sub(t.Begin).Hours()
	for _, f := range []*proofFault{t.Fault, t.Sensor} {
		if f != nil {
			h -= math.Min(f.repaired().Add(afterFault).Sub(f.Onset).Hours(), t.End.Sub(f.Onset).Hours())
		}
	}
	return max(h, 0) / 8766
}

const enoughLead = 48 * time.Hour

// proofGroups are told apart in the table.
var proofGroups = []string{"main bearing", "gearbox", "generator", "blade crack", "thermal"}

// figures judges all turbines.
func figures(turbines []proofTurbine) []proofFigure {
	atLeast := func(x float64) bool { return x >= 0.95 }
	found, cases := map[string]int{}, map[string]int{}
	falseAlerts, falseOrders, elsewhere, blamed, sensors, years := 0, 0, 0, 0, 0, 0.0
	for _, t := range turbines {
		years += t.exposure()
		if t.Fault != nil {
			cases[t.Fault.Group]++
			cases[""]++
			if lead, ok := t.lead(); ok && lead >= enoughLead {
				found[t.Fault.Group]++
				found[""]++
			}
		}
		if t.Sensor != nil {
			sensors++
		}
		wronged := false
		for _, a := range t.Alerts {
			switch {
			case a.Mode == asset.SensorFault:
			case t.Fault.active(a.Opened):
				if !sameUnit(a.Component, t.Fault.Component) {
					elsewhere++
				}
			case t.Sensor.active(a.Opened):
				wronged = true
			default:
				falseAlerts++
				if a.Order != nil {
					falseOrders++
				}
			}
		}
		if wronged {
			blamed++
		}
	}
	out := []proofFigure{share("lead ≥ 48 h, all gradual faults", found[""], cases[""], "≥ 95 %", atLeast)}
	for _, g := range proofGroups {
		out = append(out, share("lead ≥ 48 h, "+g, found[g], cases[g], "≥ 95 %", atLeast))
	}
	elsewhereShare := share("alerts on another unit while one fails, per fault", min(elsewhere, cases[""]), cases[""], "", func(float64) bool { return true })
	return append(out,
		rate("false alerts per turbine-year", falseAlerts, years, 0.5),
		rate("false orders per turbine-year", falseOrders, years, 0.05),
		coverage(turbines),
		share("sensor faults blamed on the machine", blamed, sensors, "≤ 2 %", func(x float64) bool { return x <= 0.02 }),
		elsewhereShare)
}

// coverage is the share of instants whose 80 % interval of the remaining life holds the
// truth, the mean over faults, with a bootstrap over faults: instants of one fault are
// no independent cases.
func coverage(turbines []proofTurbine) proofFigure {
	f := proofFigure{Name: "80 % interval of remaining life, coverage", Goal: "70–90 %", X: asset.Missing(), Lo: asset.Missing(), Hi: asset.Missing()}
	var each []float64
	for _, t := range turbines {
		if t.RULRows > 0 {
			each = append(each, float64(t.RULWithn)/float64(t.RULRows))
			f.K += t.RULRows
		}
	}
	f.N = float64(len(each))
	if len(each) == 0 {
		return f
	}
	lo, hi := bootstrap(len(each), func(pick []int) float64 { return meanAt(each, pick) })
	f.X, f.Lo, f.Hi = asset.Number(meanAt(each, nil)), asset.Number(lo), asset.Number(hi)
	f.OK = f.X >= 0.7 && f.X <= 0.9
	return f
}

// meanAt is the mean of the picked values, or of all.
func meanAt(x []float64, pick []int) float64 {
	sum := 0.0
	if pick == nil {
		for _, v := range x {
			sum += v
		}
		return sum / float64(len(x))
	}
	for _, i := range pick {
		sum += x[i]
	}
	return sum / float64(len(pick))
}

// bootstrap is the 95 % percentile interval of a statistic over n cases (Efron 1979,
// Ann. Stat. 7:1), always with the same draws.
func bootstrap(n int, of func(pick []int) float64) (lo, hi float64) {
	rnd := rand.New(rand.NewPCG(1, uint64(n))) //nolint:gosec // not for secrecy: the same figures each time
	values := make([]float64, 0, 1000)
	pick := make([]int, n)
	for range 1000 {
		for i := range pick {
			pick[i] = rnd.IntN(n)
		}
		if v := of(pick); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(values)
	return values[len(values)*25/1000], values[(len(values)*975)/1000-1]
}

func sortAlerts(a []proofAlert) {
	slices.SortFunc(a, func(x, y proofAlert) int {
		return cmp.Or(x.Opened.Compare(y.Opened), cmp.Compare(x.Component, y.Component))
	})
}

// printFigures writes the table.
func printFigures(to io.Writer, seeds, turbines int, rows []proofFigure) error {
	fmt.Fprintf(to, "%d seed(s), %d turbine-year(s); intervals of 95 %%\n", seeds, turbines)
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tvalue\tinterval\tfrom\tgoal\t")
	for _, f := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s – %s\t%d of %.4g\t%s\t%s\n", f.Name, shown(f.X, "%.3f"), shown(f.Lo, "%.3f"), shown(f.Hi, "%.3f"), f.K, f.N, f.Goal, f.Verdict())
	}
	return w.Flush()
}
