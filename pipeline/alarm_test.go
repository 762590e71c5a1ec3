package pipeline

import (
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// TestASensorThatIsInOrderAgainClosesItsAlert: where nothing else judges the component,
// the detector says so once and is silent from then on.
func TestASensorThatIsInOrderAgainClosesItsAlert(t *testing.T) {
	a := &alarm{opt: AlarmOptions{}.withDefaults()}
	risk := func(i int, m asset.Mode) asset.Risk {
		return asset.Risk{Time: epoch.Add(time.Duration(i) * 10 * time.Minute), Asset: "t", Component: "rotor", Risk: asset.Missing(), Mode: m}
	}
	for i := range 10 {
		a.hear(risk(i, asset.SensorFault))
	}
	if a.Open == nil || a.Open.Mode != asset.SensorFault {
		t.Fatalf("open: %+v, want a sensor's alert", a.Open)
	}
	if closed, changed := a.hear(risk(10, asset.Healthy)); !changed || closed.Cleared == nil || a.Open != nil {
		t.Errorf("%+v, changed %v: want it cleared", closed, changed)
	}
}

// TestAMachinesAlertDwellsWithoutAVerdict: that nobody judges a machine does not end
// what was found.
func TestAMachinesAlertDwellsWithoutAVerdict(t *testing.T) {
	a := &alarm{opt: AlarmOptions{}.withDefaults()}
	at := func(i int, p asset.Number) asset.Risk {
		return asset.Risk{Time: epoch.Add(time.Duration(i) * 10 * time.Minute), Asset: "t", Component: "gearbox", Risk: p, Mode: asset.Wear}
	}
	for i := range 6 {
		a.hear(at(i, 0.9))
	}
	if a.hear(at(6, asset.Missing())); a.Open == nil {
		t.Error("cleared where nobody judged")
	}
}

func TestAnAlertIsConfirmedOnceWhileItsSignsLast(t *testing.T) {
	at := func(h int, p asset.Number) asset.Risk {
		return asset.Risk{Time: epoch.Add(time.Duration(h) * time.Hour), Asset: "t", Component: "gearbox", Risk: p, Mode: asset.Wear}
	}
	confirmed := func(lasts int) (when []int) {
		a := &alarm{opt: AlarmOptions{DwellH: 200, ConfirmH: 48}.withDefaults()}
		for h := range 150 {
			p := asset.Number(0.4)
			if h >= lasts {
				p = 0.01
			}
			if got, changed := a.hear(at(h, p)); changed && len(got.Changes) > 0 && got.Changes[len(got.Changes)-1].What == asset.Confirmed {
				when = append(when, h)
			}
		}
		return when
	}
	if got := confirmed(150); len(got) != 1 || got[0] != 51 { // opened by the fourth evaluation
		t.Errorf("confirmed at %v, want once at 51", got)
	}
	if got := confirmed(30); len(got) != 0 {
		t.Errorf("confirmed at %v, though the signs passed", got)
	}
}

func TestAnAlertDoesNotOutliveItsPart(t *testing.T) {
	plate := asset.Nameplate{ID: "t", Components: []asset.Component{{Name: "blade-1"}}}
	l := &line{Line: &Line{Plate: plate}, fusions: []*fusion{{opt: FusionOptions{}.withDefaults()}}, alarms: []*alarm{{opt: AlarmOptions{DwellH: 12}.withDefaults()}}}
	for i := range 100 {
		m := &moment{line: l, snapshot: features.Snapshot{Time: epoch.Add(time.Duration(i) * time.Hour)}}
		m.said = []asset.Assessment{{Component: "blade-1", View: asset.Derived, Source: "law", Time: m.snapshot.Time, Trust: 1, FailP: 0.9, Score: 1, Limit: 1, P: asset.Missing(), RUL: asset.NoRUL()}}
		if i >= 20 {
			m.snapshot.Renewed = []string{"blade-1"}
		}
		for _, r := range l.fuse(m) {
			l.alarm(r)
		}
		if open := l.alarms[0].Open != nil; open != (i >= 3 && i < 32) {
			t.Fatalf("hour %d: open %v, replaced at 20, dwells 12", i, open)
		}
	}
}

// TestAnAlertNeverChangesBeforeItDidLast: windows of two channels need not end in the order
// in which they are judged, and a batch's alerts are kept in the order of their changes.
func TestAnAlertNeverChangesBeforeItDidLast(t *testing.T) {
	a := &alarm{opt: AlarmOptions{M: 1, N: 1, Rise: 1}.withDefaults()}
	at := func(ms int, p asset.Number) asset.Risk {
		return asset.Risk{Time: epoch.Add(time.Duration(ms) * time.Millisecond), Asset: "t", Component: "gearbox", Risk: p, Mode: asset.Wear, RUL: asset.NoRUL()}
	}
	opened, _ := a.hear(at(100, 0.4))
	risen, changed := a.hear(at(70, 0.95))
	if !changed || risen.Changed.Before(opened.Changed) || risen.Changes[0].Time.Before(opened.Opened) {
		t.Errorf("changed %v: %+v, want a step no earlier than %s", changed, risen, opened.Opened)
	}
}
