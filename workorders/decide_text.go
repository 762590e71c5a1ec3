package workorders

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// reasons says what was weighed, in lines for the order's text.
func (d *decision) reasons(o Order) []string {
	out := []string{fmt.Sprintf("%s, %s: expected cost %s.", capital(string(o.Activity)), between(o.Window.Start, o.Window.End), keur(o.Window.ExpectedKEUR))}
	out = append(out, fmt.Sprintf("The fault is taken to be real with %s; a failure costs %s, planned repair %s, an inspection %s.",
		chance(d.life.real), keur(d.costs.failure()), keur(d.costs.planned()), keur(d.costs.inspection())))
	out = append(out, d.because(o), "Expected cost by choice:")
	for _, i := range d.shown() {
		w := d.window(i)
		row := fmt.Sprintf("- repair %s: %s (failure before: %s", between(w.Start, w.End), keur(w.ExpectedKEUR), chance(w.FailP))
		if extra := d.slots[i].extra; extra >= 0.05 {
			row += ", surcharges " + keur(extra)
		}
		out = append(out, row+")")
	}
	out = append(out,
		fmt.Sprintf("- inspect %s, then what it shows: %s (failure before: %s)", between(d.visit.Start, d.visit.End), keur(d.visit.ExpectedKEUR), chance(d.visit.FailP)),
		fmt.Sprintf("- nothing before %s: %s (failure: %s)", minute(d.until), keur(idle(d.nothing, d.life.real, d.costs.failure(), d.costs.planned())), chance(d.life.real*d.nothing)))
	if h, _, ok := d.costs.Age.replacementAge(d.costs.planned(), d.costs.failure()); ok {
		out = append(out, fmt.Sprintf("By age alone such a part is best replaced after %s years of running.", strconv.FormatFloat(h/24/365, 'f', 1, 64)))
	}
	return out
}

// because gives the reason for the choice.
func (d *decision) because(o Order) string {
	worth := fmt.Sprintf("looking first saves %s and costs %s (a perfect answer now would save %s)", keur(d.worth), keur(d.costs.inspection()), keur(d.perfect))
	if d.worth < 0 {
		worth = fmt.Sprintf("what looking takes in time costs %s more than it saves", keur(-d.worth))
	}
	switch {
	case o.Activity == Repair:
		return "Repair without a look before it: " + worth + "."
	case d.looksFirst():
		return "Inspect before repair: " + worth + "."
	case d.best < 0:
		return "No repair is worth its cost yet: look at it when on site; " + worth + "."
	case unnamed(o.Mode):
		return "Inspect before repair: no mode is named, so nobody can know yet what to repair."
	default:
		return fmt.Sprintf("Inspect before repair: the cheapest repair is %s, later than priority 1 allows without a look.", between(d.slots[d.best].start, d.slots[d.best].end))
	}
}

// shown picks the slots that the text compares: the first, the cheapest with its
// neighbours, and the last.
func (d *decision) shown() []int {
	n := len(d.slots)
	best, cost := 0, d.window(0).ExpectedKEUR
	for i := range n {
		if w := d.window(i); w.ExpectedKEUR < cost {
			best, cost = i, w.ExpectedKEUR
		}
	}
	out := []int{0, max(best-1, 0), best, min(best+1, n-1), n - 1}
	slices.Sort(out)
	return slices.Compact(out)
}

func keur(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 2, 64) + " kEUR"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " kEUR"
}

// chance writes a probability with the digits that small ones need.
func chance(p float64) string {
	if p > 0 && p < 0.1 {
		return strconv.FormatFloat(100*p, 'g', 2, 64) + " %"
	}
	return strconv.FormatFloat(100*p, 'f', 0, 64) + " %"
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func between(a, b time.Time) string {
	return a.UTC().Format("2006-01-02 15:04") + " to " + b.UTC().Format("2006-01-02 15:04 UTC")
}
