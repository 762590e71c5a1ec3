package main

import (
	"bufio"
	"bytes"
	"fmt"
	"html/template"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/simulate"
	"github.com/telltale-iot/telltale/workorders"
)

// economics compares strategies of maintenance on the same simulated faults.
type economics struct {
	TurbineYears float64    `json:"turbine_years"`
	Faults       int        `json:"faults"`
	Strategies   []strategy `json:"strategies"`
	Saved        interval   `json:"saved_against_run_to_failure_keur_per_year"`
	SavedFixed   interval   `json:"saved_against_fixed_intervals_keur_per_year"`
	Note         string     `json:"note"`
}

// strategy is what a way of maintaining costs for each turbine-year.
type strategy struct {
	Name        string   `json:"name"`
	Cost        interval `json:"cost_keur_per_year"` // repairs, inspections, lost production
	DowntimeH   interval `json:"downtime_h_per_year"`
	Failures    interval `json:"failures_per_year"`
	MTBFH       interval `json:"mtbf_h"`
	Utilisation interval `json:"utilisation"` // share of the time not down for these
	Orders      interval `json:"orders_per_year"`
}

// interval is a mean with its 95 % bootstrap interval over turbines.
type interval struct {
	Mean asset.Number `json:"mean"`
	Lo   asset.Number `json:"low"`
	Hi   asset.Number `json:"high"`
}

// turbineYear is what a year of one turbine came to under one strategy.
type turbineYear struct{ cost, downH, failures, orders float64 }

// How the strategies work (house choices; the note says them).
const (
	lookAgain   = 28 * 24 * time.Hour
	fixedEvery  = 182 * 24.0 // hours between two looks at everything
	fixedPhases = 13         // over which the first visit is averaged
	hoursOfYear = 8766.0     // of a mean Gregorian year
	economyNote = "Simulated turbines, of which more fail in a year than real ones do: compare strategies, not sums. Costs are those of the class wind-turbine. A false repair order is paid in full. A look that finds nothing is repeated every four weeks while the alert stands. Fixed intervals: a look at every unit twice a year, averaged over when the first one falls."
)

// purse prices outcomes with the class's costs.
type purse struct {
	class class.Class
	plate asset.Nameplate
}

func economicsOf(turbines []proofTurbine) (*economics, error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, err
	}
	farm, err := simulate.New(simulate.Options{Turbines: 1, Healthy: true, Extended: true, WaveEvery: -1, Duration: time.Hour})
	if err != nil {
		return nil, err
	}
	plate := farm.Nameplates()[0]
	p := purse{classes.Of(plate.Kind), plate}
	e := &economics{Note: economyNote}
	years := make([]float64, len(turbines))
	by := [3][]turbineYear{}
	for i, t := range turbines {
		years[i] = t.End.Sub(t.Begin).Hours() / hoursOfYear
		e.TurbineYears += years[i]
		if t.Fault != nil {
			e.Faults++
		}
		by[0], by[1], by[2] = append(by[0], p.predictive(t)), append(by[1], p.runToFailure(t)), append(by[2], p.fixed(t))
	}
	for i, name := range []string{"predictive", "run to failure", "fixed intervals"} {
		e.Strategies = append(e.Strategies, strategyOf(name, by[i], years))
	}
	cost := func(o turbineYear) float64 { return o.cost }
	e.Saved = difference(by[1], by[0], years, cost)
	e.SavedFixed = difference(by[2], by[0], years, cost)
	return e, nil
}

// of is what work on a component costs, with what the standstill loses.
func (p purse) of(component string) (c workorders.Costs, lostPerH float64) {
	c = orderPolicy(p.class, p.plate, component).Costs
	return c, c.LostKEURPerH
}

func (p purse) add(o *turbineYear, keur, downH, lostPerH float64) {
	o.cost += keur + downH*lostPerH
	o.downH += downH
}

func (p purse) runToFailure(t proofTurbine) (o turbineYear) {
	if t.Fault != nil {
		c, lost := p.of(t.Fault.Component)
		p.add(&o, c.FailureKEUR, c.FailureDownH, lost)
		o.failures, o.orders = 1, 1
	}
	return o
}

// predictive follows the orders: the first that reaches the failing unit in time
// prevents the failure; a look finds what is detectable, is repeated while it finds nothing
// and the alert stands, and is followed by a repair when the parts are there.
func (p purse) predictive(t proofTurbine) (o turbineYear) {
	fixed := false
	for _, a := range t.Alerts {
		if a.Order == nil || a.Mode == asset.SensorFault {
			continue
		}
		c, lost := p.of(a.Component)
		f := t.Fault
		hit := f != nil && sameUnit(a.Component, f.Component) && !a.Opened.Before(f.Onset) && a.Opened.Before(f.repaired())
		if hit && (fixed || !a.Opened.Before(f.Failure)) {
			continue // done already, or part of the repair after the failure
		}
		if hit { // what is found is what costs
			c, lost = p.of(f.Component)
		}
		o.orders++
		look := a.Activity == string(workorders.Inspection)
		if !hit && !look {
			p.add(&o, c.PlannedKEUR, c.PlannedDownH, lost)
			continue
		}
		work := *a.Work
		if look {
			looks, at, found := a.looks(t, hit)
			for range looks {
				p.add(&o, c.InspectionKEUR, p.class.Orders.InspectDownH, lost)
			}
			o.orders += max(float64(looks-1), 0)
			if !found {
				continue
			}
			work = at.Add(c.PartsLead)
		}
		if work.Before(f.Failure) {
			p.add(&o, c.PlannedKEUR, c.PlannedDownH, lost)
			fixed = true
		}
	}
	if t.Fault != nil && !fixed {
		c, lost := p.of(t.Fault.Component)
		p.add(&o, c.FailureKEUR, c.FailureDownH, lost)
		o.failures++
	}
	return o
}

// looks are those that an order for an inspection leads to: the first at its time, others
// every lookAgain while the alert stands and nothing was found. What an alert is about is
// found once it is detectable; at is when.
func (a proofAlert) looks(t proofTurbine, hit bool) (n int, at time.Time, found bool) {
	until := t.End
	if hit {
		until = t.Fault.Failure
	}
	if a.Cleared != nil && a.Cleared.Before(until) {
		until = *a.Cleared
	}
	for at = *a.Work; n == 0 && (!hit || at.Before(until)) || at.Before(until); at = at.Add(lookAgain) {
		if n++; hit && !at.Before(t.Fault.Detectable) {
			return n, at, true
		}
	}
	return n, at, false
}

// fixed looks at everything every fixedEvery hours, averaged over the first visit.
func (p purse) fixed(t proofTurbine) (o turbineYear) {
	for i := range fixedPhases {
		first := t.Begin.Add(time.Duration(fixedEvery * (float64(i) + 0.5) / fixedPhases * float64(time.Hour)))
		found := false
		for at := first; at.Before(t.End); at = at.Add(time.Duration(fixedEvery * float64(time.Hour))) {
			o.orders++
			for _, row := range p.class.Costs {
				o.cost += row.InspectionKEUR
			}
			_, lost := p.of("rotor")
			p.add(&o, 0, p.class.Orders.InspectDownH, lost)
			if f := t.Fault; f != nil && !found && !at.Before(f.Detectable) {
				c, lost := p.of(f.Component)
				if at.Add(c.PartsLead).Before(f.Failure) {
					p.add(&o, c.PlannedKEUR, c.PlannedDownH, lost)
					found = true
				}
			}
		}
		if f := t.Fault; f != nil && !found {
			c, lost := p.of(f.Component)
			p.add(&o, c.FailureKEUR, c.FailureDownH, lost)
			o.failures++
		}
	}
	return turbineYear{o.cost / fixedPhases, o.downH / fixedPhases, o.failures / fixedPhases, o.orders / fixedPhases}
}

func strategyOf(name string, of []turbineYear, years []float64) strategy {
	per := func(get func(turbineYear) float64) interval {
		return overTurbines(len(of), func(pick []int) float64 {
			sum, over := 0.0, 0.0
			for _, i := range pick {
				sum, over = sum+get(of[i]), over+years[i]
			}
			return sum / over
		})
	}
	s := strategy{
		Name:     name,
		Cost:     per(func(o turbineYear) float64 { return o.cost }),
		Failures: per(func(o turbineYear) float64 { return o.failures }),
		Orders:   per(func(o turbineYear) float64 { return o.orders }),
	}
	s.DowntimeH = per(func(o turbineYear) float64 { return o.downH })
	s.Utilisation = interval{1 - s.DowntimeH.Mean/hoursOfYear, 1 - s.DowntimeH.Hi/hoursOfYear, 1 - s.DowntimeH.Lo/hoursOfYear}
	s.MTBFH = overTurbines(len(of), func(pick []int) float64 {
		ran, failures := 0.0, 0.0
		for _, i := range pick {
			ran, failures = ran+years[i]*hoursOfYear-of[i].downH, failures+of[i].failures
		}
		if failures == 0 {
			return math.NaN()
		}
		return ran / failures
	})
	return s
}

func difference(a, b []turbineYear, years []float64, get func(turbineYear) float64) interval {
	return overTurbines(len(a), func(pick []int) float64 {
		sum, over := 0.0, 0.0
		for _, i := range pick {
			sum, over = sum+get(a[i])-get(b[i]), over+years[i]
		}
		return sum / over
	})
}

// overTurbines is a statistic over all of n turbines with its bootstrap interval.
func overTurbines(n int, of func(pick []int) float64) interval {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	lo, hi := bootstrap(n, of)
	return interval{asset.Number(of(all)), asset.Number(lo), asset.Number(hi)}
}

func (i interval) String() string {
	if !i.Mean.Known() {
		return "–"
	}
	return fmt.Sprintf("%.4g (%.4g – %.4g)", float64(i.Mean), float64(i.Lo), float64(i.Hi))
}

// print writes the table of strategies.
func (e *economics) print(to io.Writer) error {
	fmt.Fprintf(to, "\n%d fault(s) in %.1f turbine-years after commissioning; per turbine-year, with 95 %% intervals over turbines\n", e.Faults, e.TurbineYears)
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "strategy\tcost kEUR\tdowntime h\tfailures\tMTBF h\tutilisation\torders")
	for _, s := range e.Strategies {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Cost, s.DowntimeH, s.Failures, s.MTBFH, s.Utilisation, s.Orders)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(to, "saved against run to failure: %s kEUR, against fixed intervals: %s kEUR\n%s\n", e.Saved, e.SavedFixed, e.Note)
	return err
}

// costBar is a strategy's cost in the drawing, in its units.
type costBar struct {
	Name                  string
	Y, Text, W, Lo, Hi, M float64
	Value                 string
}

// bars lays the strategies' costs out on 600 units.
func (e *economics) bars() []costBar {
	most := 1e-9
	for _, s := range e.Strategies {
		most = math.Max(most, float64(s.Cost.Hi))
	}
	var out []costBar
	for i, s := range e.Strategies {
		x := func(n asset.Number) float64 { return 140 + 440*float64(n)/most }
		y := 12 + 44*float64(i)
		out = append(out, costBar{s.Name, y, y + 18, x(s.Cost.Mean) - 140, x(s.Cost.Lo), x(s.Cost.Hi), y + 13, s.Cost.String()})
	}
	return out
}

// writeEconomics writes the page of a proof: figures, strategies and a drawing, without
// any reference outside itself.
func writeEconomics(path string, r proofReport) error {
	css, err := reportFiles.ReadFile("report/report.css")
	if err != nil {
		return err
	}
	t, err := template.New("economics.html.tmpl").ParseFS(reportFiles, "report/economics.html.tmpl")
	if err != nil {
		return err
	}
	var page bytes.Buffer
	err = t.Execute(&page, map[string]any{"R": r, "E": r.Economics, "Bars": r.Economics.bars(), "Style": template.CSS(css), "Version": version, "Simulator": simulate.Version}) //nolint:gosec // embedded at build time
	if err != nil {
		return err
	}
	return replace(path, func(f *bufio.Writer) error {
		_, err := f.Write(page.Bytes())
		return err
	})
}

// Verdict is the figure's goal with whether it is met.
func (f proofFigure) Verdict() string {
	switch {
	case f.Goal == "":
		return ""
	case !f.X.Known():
		return "no case"
	case !f.OK:
		return "MISSED"
	}
	return "ok"
}

// Of is the figure's value with its interval.
func (f proofFigure) Of() string { return interval{f.X, f.Lo, f.Hi}.String() }
