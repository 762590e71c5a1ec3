package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Label is the truth about one component over a span of the run: a row of
// labels.csv, and what only a simulator knows.
type Label struct {
	Asset      asset.ID
	Component  string
	Mode       asset.Mode // empty for healthy
	Kind       string     // failure, fault, healthy, maintenance
	Start      time.Time
	End        time.Time // of the run when the fault outlives it; zero in a run without end
	Onset      time.Time // severity left 0; may lie before the run
	Detectable time.Time // severity is enough to be seen: −10 dB of the healthy channel for an impulse train, else 0.25
	Failure    time.Time // severity reaches 1; zero when it never does
	Severity   float64   // at End; of a run without end, 1
}

// Labels are the truth of the run, by turbine, component and start. A machine fault
// that fails within the run is a failure, one that does not a fault; both start
// at the onset (or with the run), which may be long before Detectable. A
// component with neither is healthy throughout.
func (f *Farm) Labels() []Label {
	var out []Label
	end := f.opt.Start.Add(f.opt.Duration)
	if f.opt.Duration == 0 {
		end = time.Time{}
	}
	for i := range f.opt.Turbines {
		own, seen := []Label{}, map[string]bool{}
		for _, x := range f.faults[i] {
			if component := x.labelled(); component != "" {
				seen[component] = true
			}
			own = append(own, f.labelsOf(x, end)...)
		}
		for _, c := range f.nameplate(i).Components {
			if !seen[c.Name] {
				own = append(own, Label{Asset: assetID(i), Component: c.Name, Kind: "healthy", Start: f.opt.Start, End: end})
			}
		}
		slices.SortStableFunc(own, func(a, b Label) int {
			return cmp.Or(strings.Compare(a.Component, b.Component), a.Start.Compare(b.Start))
		})
		out = append(out, own...)
	}
	return out
}

// labelled is the component that a fault is booked on.
func (f Fault) labelled() string {
	if f.Mode == asset.SensorFault {
		return signalComponent(f.Signal)
	}
	return f.Component
}

// labelsOf are the rows that a fault causes within the run.
func (f *Farm) labelsOf(x Fault, end time.Time) []Label {
	l := Label{Asset: assetID(x.Turbine), Component: x.labelled(), Mode: x.Mode, Kind: "fault", Onset: x.Onset, Failure: x.Failure}
	l.Detectable = x.Onset
	if x.Mode != asset.SensorFault {
		l.Detectable = x.reached(x.detectable())
	}
	l.Start, l.End, l.Severity = later(x.Onset, f.opt.Start), end, 1
	inRun := func(t time.Time) bool { return !t.IsZero() && (end.IsZero() || t.Before(end)) }
	if !inRun(l.Start) || !x.Failure.IsZero() && !x.Failure.After(f.opt.Start) {
		return nil
	}
	if inRun(x.Failure) {
		l.End = x.Failure
	} else if !end.IsZero() {
		l.Severity = x.Severity(end)
	}
	out := []Label{l}
	if x.Mode != asset.SensorFault && inRun(x.Failure) {
		out[0].Kind = "failure"
		if r := x.repaired(); inRun(r) {
			out = append(out, Label{Asset: l.Asset, Component: l.Component, Mode: l.Mode, Kind: "maintenance", Start: x.Failure, End: r, Onset: x.Onset, Detectable: l.Detectable, Failure: x.Failure})
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
