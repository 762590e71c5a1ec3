package pipeline

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func opened(id string, machine asset.ID, component string, severity int, after time.Duration) asset.Alert {
	at := epoch.Add(after)
	return asset.Alert{ID: id, Asset: machine, Component: component, Mode: asset.Wear, Severity: severity, Opened: at, Changed: at}
}

func stands(t *testing.T, l *Annunciator, alert string, want asset.Reason) Notice {
	t.Helper()
	n, ok := l.Notice(alert)
	if !ok || n.Suppressed != want {
		t.Errorf("alert %s: %+v, %v; want %q", alert, n, ok, want)
	}
	return n
}

func TestAFloodBeginsOverTenAndEndsUnderFive(t *testing.T) {
	l := NewAnnunciator(ListOptions{})
	for i := range 14 { // eleven within ten minutes; each asset and component of its own
		l.Hear(opened(fmt.Sprint("a", i), asset.ID(fmt.Sprint("t", i)), fmt.Sprint("c", i), 3, time.Duration(i)*30*time.Second))
	}
	stands(t, l, "a9", "")
	stands(t, l, "a10", SuppressedFlood)
	stands(t, l, "a13", SuppressedFlood)
	grave := opened("grave", "t99", "c99", 1, 7*time.Minute)
	l.Hear(grave)
	stands(t, l, "grave", "")
	// Of 15, those at 5:30, 6:00, 6:30 and 7:00 are left after 15:00.
	if r := l.Report(epoch.Add(14*time.Minute + 59*time.Second)); len(r.Floods) != 1 || r.Floods[0].To != nil || r.Floods[0].Peak != 15 {
		t.Errorf("floods %+v, want one that goes on", r.Floods)
	}
	changed := l.Hear(opened("late", "t98", "c98", 3, 16*time.Minute))
	if !slices.ContainsFunc(changed, func(n Notice) bool { return n.Alert == "a10" && n.Suppressed == "" }) {
		t.Errorf("what the flood held back is not shown at its end: %+v", changed)
	}
	stands(t, l, "late", "")
	r := l.Report(epoch.Add(20 * time.Minute))
	if len(r.Floods) != 1 || r.Floods[0].To == nil || !r.Floods[0].To.Equal(epoch.Add(15*time.Minute)) || !r.Floods[0].From.Equal(epoch.Add(5*time.Minute)) {
		t.Errorf("floods %+v, want one from 5 to 15 min", r.Floods)
	}
}

func TestOneCauseOnThreeAssetsIsOneAlert(t *testing.T) {
	l := NewAnnunciator(ListOptions{})
	hot := func(id string, machine asset.ID, after time.Duration) asset.Alert {
		a := opened(id, machine, "gearbox", 3, after)
		a.Evidence = []asset.Evidence{{Name: "ambient/residual"}}
		return a
	}
	l.Hear(hot("a", "t1", 0))
	l.Hear(hot("b", "t2", 2*time.Minute))
	stands(t, l, "b", "")
	changed := l.Hear(hot("c", "t3", 4*time.Minute))
	if len(changed) != 3 {
		t.Errorf("notices %+v, want those of all three", changed)
	}
	first := stands(t, l, "a", "")
	if first.Group == "" || first.First != "a" {
		t.Errorf("the first-out stands as %+v", first)
	}
	for _, id := range []string{"b", "c"} {
		if n := stands(t, l, id, SuppressedCommon); n.Group != first.Group || n.First != "a" {
			t.Errorf("%s stands as %+v", id, n)
		}
	}
	l.Hear(hot("d", "t4", 8*time.Minute)) // joins: within five minutes of a member
	if n := stands(t, l, "d", SuppressedCommon); n.Group != first.Group {
		t.Errorf("a fourth stands as %+v", n)
	}
	l.Hear(hot("e", "t5", 20*time.Minute))
	stands(t, l, "e", "")
	other := opened("f", "t6", "generator", 3, 8*time.Minute)
	l.Hear(other)
	stands(t, l, "f", "")
	r := l.Report(epoch.Add(time.Hour))
	if len(r.Groups) != 1 || len(r.Groups[0].Members) != 4 || len(r.Groups[0].Assets) != 4 || r.Shown != 3 || r.Suppressed[SuppressedCommon] != 3 {
		t.Errorf("report %+v", r)
	}
}

func TestThreeOpeningsOfOneAssetHaveNoCommonCause(t *testing.T) {
	l := NewAnnunciator(ListOptions{})
	for i := range 3 {
		a := opened(fmt.Sprint(i), "t1", "gearbox", 3, time.Duration(i)*90*time.Second)
		a.Evidence = []asset.Evidence{{Name: "ambient/residual"}}
		l.Hear(a)
	}
	if n, _ := l.Notice("2"); n.Suppressed == SuppressedCommon {
		t.Errorf("one asset alone: %+v", n)
	}
}

func TestTheFirstOutStandsForItsAsset(t *testing.T) {
	l := NewAnnunciator(ListOptions{})
	l.Hear(opened("gearbox", "t1", "gearbox", 3, 0))
	l.Hear(opened("generator", "t1", "generator", 3, 3*time.Minute))
	l.Hear(opened("graver", "t1", "main-bearing", 1, 4*time.Minute))
	l.Hear(opened("later", "t1", "tower", 3, 30*time.Minute))
	first := stands(t, l, "gearbox", "")
	if n := stands(t, l, "generator", SuppressedFollows); n.Group != first.Group || n.First != "gearbox" {
		t.Errorf("the second stands as %+v", n)
	}
	if n := stands(t, l, "graver", ""); n.Group != first.Group {
		t.Errorf("a graver one stands as %+v", n)
	}
	if n := stands(t, l, "later", ""); n.Group != "" {
		t.Errorf("half an hour later: %+v", n)
	}
}

func TestChatteringShelvedAndOutOfServiceAreSuppressed(t *testing.T) {
	l := NewAnnunciator(ListOptions{})
	for i := range 3 {
		a := opened(fmt.Sprint(i), "t1", "gearbox", 3, time.Duration(i)*25*time.Second)
		l.Hear(a)
		end := a.Opened.Add(10 * time.Second)
		a.Cleared, a.Changed = &end, end
		l.Hear(a)
	}
	stands(t, l, "1", "")
	stands(t, l, "2", SuppressedChatter)

	l.Shelve(epoch.Add(time.Hour), "t2", "gearbox", epoch.Add(3*time.Hour))
	l.Hear(opened("shelved", "t2", "gearbox", 3, 2*time.Hour))
	stands(t, l, "shelved", SuppressedShelved)
	l.Report(epoch.Add(3 * time.Hour))
	stands(t, l, "shelved", "")

	l.State(epoch.Add(4*time.Hour), "t3", SuppressedService)
	l.Hear(opened("service", "t3", "gearbox", 1, 5*time.Hour))
	stands(t, l, "service", SuppressedService)
	l.State(epoch.Add(6*time.Hour), "t3", "")
	stands(t, l, "service", "")
	l.State(epoch.Add(7*time.Hour), "t4", SuppressedSilent)
	l.Hear(opened("silent", "t4", "gearbox", 1, 8*time.Hour))
	stands(t, l, "silent", SuppressedSilent)

	r := l.Report(epoch.Add(30 * time.Hour))
	if want := []string{"shelved", "service"}; !slices.Equal(r.Stale, want) {
		t.Errorf("stale %v, want %v: open for more than a day", r.Stale, want)
	}
	if r.Shown != 4 || r.Severity[0] != 0.25 || r.Severity[2] != 0.75 || r.MostPerDay != 4 {
		t.Errorf("report %+v", r)
	}
}
