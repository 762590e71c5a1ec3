package pipeline

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/telltale-iot/telltale/asset"
)

// AlarmOptions turns a risk over time into episodes. Zero means the default.
type AlarmOptions struct {
	On     float64 // risk that counts towards opening; default 0.3
	Off    float64 // risk under which an open alert may clear; default half of On
	M      int     // evaluations at or above On …
	N      int     // … of the last N open an alert; default 4 of 6
	DwellH float64 // an alert clears after this long under Off; default 2
	Rise   int     // evaluations in a row that raise an open alert's severity; default 2

	ConfirmH float64 // an alert that would open this long after it did is confirmed; default 0: none is
}

func (o AlarmOptions) withDefaults() AlarmOptions {
	if o.On == 0 {
		o.On = 0.3
	}
	if o.Off == 0 {
		o.Off = o.On / 2
	}
	if o.N == 0 {
		o.M, o.N = 4, 6
	}
	if o.M == 0 || o.M > o.N {
		o.M = o.N
	}
	if o.DwellH == 0 {
		o.DwellH = 2
	}
	if o.Rise == 0 {
		o.Rise = 2
	}
	return o
}

// Namespace of alert IDs (UUIDv5 of asset, component and time of opening).
var namespace = uuid.MustParse("6c8f1a0e-2f5b-5c0a-9f0e-7e117a1e0001")

// alarm is the state of one component's episodes: one open at most.
type alarm struct {
	opt    AlarmOptions
	Marks  []bool       `json:"marks,omitempty"`  // the last N evaluations of the machine
	Sensor []bool       `json:"sensor,omitempty"` // the same for its sensors
	Rises  []int        `json:"rises,omitempty"`  // graver severities of the last evaluations in a row
	Open   *asset.Alert `json:"open,omitempty"`
	Below  *time.Time   `json:"below,omitempty"` // since when the open alert could clear
}

// hear moves the episode on and returns the alert if it was opened, changed or cleared.
func (a *alarm) hear(r asset.Risk) (asset.Alert, bool) {
	sensor := r.Mode == asset.SensorFault
	high := r.Risk.Known() && latched(false, float64(r.Risk), a.opt.On, a.opt.Off) && !sensor
	if r.Risk.Known() || sensor {
		a.Marks = remember(a.Marks, high, a.opt.N)
		a.Sensor = remember(a.Sensor, sensor, a.opt.N)
	} else {
		a.Sensor = nil // only the sensor was judged, and it is in order again
	}
	machine, faulty := count(a.Marks) >= a.opt.M, count(a.Sensor) >= a.opt.M
	switch {
	case a.Open == nil && (machine || faulty):
		a.open(r, machine)
		return *a.Open, true
	case a.Open == nil:
		return asset.Alert{}, false
	}
	return a.follow(r, machine, faulty)
}

func (a *alarm) open(r asset.Risk, machine bool) {
	mode, severity := r.Mode, severityOf(r)
	if !machine {
		mode, severity = asset.SensorFault, 4
	} else if mode == asset.Healthy {
		mode = asset.Unknown
	}
	name := string(r.Asset) + "\x00" + r.Component + "\x00" + r.Time.UTC().Format(time.RFC3339Nano)
	a.Open = &asset.Alert{
		ID: uuid.NewSHA1(namespace, []byte(name)).String(), Asset: r.Asset, Component: r.Component,
		Mode: mode, Severity: severity, Opened: r.Time, Changed: r.Time,
		Risk: r.Risk, HorizonH: r.HorizonH, RUL: r.RUL, Evidence: slices.Clone(r.Evidence), Sources: slices.Clone(r.Sources),
	}
	if c := r.Certainty; c.Confidence.Known() {
		a.Open.Certainty = &c
	}
	a.Below, a.Rises = nil, nil
}

// latched is a trigger with hysteresis: on from on, and off only under off
// (Schmitt 1938, J. Sci. Instrum. 15:24).
func latched(was bool, risk, on, off float64) bool {
	if was {
		return risk >= off
	}
	return risk >= on
}

// follow refines the mode in place, raises the severity and clears the alert
// after it has dwelt below Off. A severity is never lowered while it is open.
func (a *alarm) follow(r asset.Risk, machine, faulty bool) (asset.Alert, bool) {
	mode, severity := a.Open.Current()
	if count(a.Marks) == 0 && !faulty && (!r.Risk.Known() || !latched(true, float64(r.Risk), a.opt.On, a.opt.Off)) {
		a.Rises = nil
		if a.Below == nil {
			a.Below = &r.Time
		}
		healed := mode == asset.SensorFault && !r.Risk.Known() // nobody may speak again to end the dwell
		if healed || r.Time.Sub(*a.Below).Hours() >= a.opt.DwellH {
			closed := a.change(r, "cleared", mode, severity)
			a.Open, a.Below, a.Marks, a.Sensor = nil, nil, nil, nil
			at := closed.Changed
			closed.Cleared = &at
			return closed, true
		}
		return asset.Alert{}, false
	}
	a.Below = nil
	if !machine {
		a.Rises = nil
		return asset.Alert{}, false
	}
	if s, rose := a.rise(severityOf(r), severity); rose {
		if refines(r.Mode, mode) {
			mode = r.Mode
		}
		return a.change(r, "severity", mode, s), true
	}
	if refines(r.Mode, mode) {
		return a.change(r, "mode", r.Mode, severity), true
	}
	if a.lasts(r.Time) {
		return a.change(r, asset.Confirmed, mode, severity), true
	}
	return asset.Alert{}, false
}

// lasts reports whether the alert is to be confirmed, once.
func (a *alarm) lasts(t time.Time) bool {
	known := slices.ContainsFunc(a.Open.Changes, func(c asset.Change) bool { return c.What == asset.Confirmed })
	return a.opt.ConfirmH > 0 && !known && t.Sub(a.Open.Opened).Hours() >= a.opt.ConfirmH
}

// rise takes note of a graver severity and returns the mildest of those that Rise
// evaluations in a row were at least.
func (a *alarm) rise(now, stands int) (int, bool) {
	if now >= stands {
		a.Rises = nil
		return stands, false
	}
	a.Rises = append(slices.Clone(a.Rises), now)
	if len(a.Rises) < a.opt.Rise {
		return stands, false
	}
	s := slices.Max(a.Rises)
	a.Rises = nil
	return s, true
}

// refines reports whether a diagnosis tells more than the one that stands. What
// was named once is not taken back to "something wears".
func refines(next, now asset.Mode) bool {
	return next != now && next != asset.Healthy && next != asset.SensorFault && (!generic(next) || generic(now) || now == asset.SensorFault)
}

// change notes a step of the open alert. It is never before the step before it, though a
// window that ends within a block may be judged after a later one of another channel.
func (a *alarm) change(r asset.Risk, what string, mode asset.Mode, severity int) asset.Alert {
	if r.Time.After(a.Open.Changed) {
		a.Open.Changed = r.Time
	}
	a.Open.Changes = append(slices.Clone(a.Open.Changes), asset.Change{Time: a.Open.Changed, What: what, Mode: mode, Severity: severity, Risk: r.Risk, RUL: r.RUL})
	return *a.Open
}

// severityOf follows the time that is left, then the risk: 1 act now, 2 within
// two weeks, 3 plan, 4 watch.
func severityOf(r asset.Risk) int {
	switch rul := r.RUL.P50; {
	case rul.Known() && rul < 48 && r.Risk >= 0.3, r.Risk >= 0.9:
		return 1
	case rul.Known() && rul < 14*24 && r.Risk >= 0.3, r.Risk >= 0.6:
		return 2
	case r.Risk >= 0.2:
		return 3
	}
	return 4
}

func remember(marks []bool, m bool, n int) []bool {
	marks = append(marks, m)
	if len(marks) > n {
		marks = marks[len(marks)-n:]
	}
	return slices.Clone(marks)
}

func count(marks []bool) (n int) {
	for _, m := range marks {
		if m {
			n++
		}
	}
	return n
}
