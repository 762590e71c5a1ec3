package pipeline

import (
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// listener is a monitor and a twin that remember the events they were shown.
type listener struct {
	adder
	watched, stepped []string
}

func (l *listener) Observe(s *features.Snapshot) []asset.Assessment {
	for _, e := range s.Events {
		l.watched = append(l.watched, s.Time.Format("15:04:05 ")+e.Code)
	}
	return nil
}

func (l *listener) Step(s features.Snapshot) []asset.Assessment {
	for _, e := range s.Events {
		l.stepped = append(l.stepped, e.Code)
	}
	return nil
}

// An event is heard once and at its time, with a reading beside it or alone between two.
func TestAnEventBetweenTwoReadingsIsHeard(t *testing.T) {
	var l listener
	made := func(id asset.ID) (*Line, bool) {
		line, ok := plant(WindowOptions{})(id)
		line.Monitor, line.Twin = &l, &l
		return line, ok
	}
	at := func(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }
	var h []Arrival
	add := func(r asset.Reading) {
		r.Asset = "t1"
		h = append(h, Arrival{Reading: r, From: int64(len(h))})
	}
	for i := range 6 {
		add(asset.Reading{Time: at(float64(i)), Points: []asset.Point{{Metric: "temperature", Value: 20, Unit: "°C", Quality: 100}}})
		switch i {
		case 2:
			add(asset.Reading{Time: at(2), Event: &asset.Event{Kind: "part-replaced", Code: "beside"}})
		case 3:
			add(asset.Reading{Time: at(3.5), Event: &asset.Event{Kind: "part-replaced", Code: "alone"}})
		}
	}
	if !playOn(t, newDisk(), made, h, func() int { return 3 }, -1) {
		t.Fatal("stopped early")
	}
	want := []string{"00:00:02 beside", "00:00:03 alone"}
	if len(l.watched) != 2 || l.watched[0] != want[0] || l.watched[1] != want[1] || len(l.stepped) != 2 {
		t.Errorf("the monitor heard %q, the twin %q; want %q", l.watched, l.stepped, want)
	}
}

// TestAnEventThatComesAgainIsOne sends an event twice that is the newest thing known, as a
// source does that was not told in time.
func TestAnEventThatComesAgainIsOne(t *testing.T) {
	o := order{metrics: 1}
	again := Arrival{Reading: asset.Reading{Asset: "t1", Time: epoch, Event: &asset.Event{Kind: "part-replaced", Component: "gearbox"}}}
	other := again
	other.Reading.Event = &asset.Event{Kind: "part-replaced", Component: "generator"}
	later := Arrival{Reading: asset.Reading{Asset: "t1", Time: epoch.Add(time.Second), Points: []asset.Point{{Metric: "m"}}}}
	count := 0
	for i, step := range []struct {
		a    Arrival
		want fate
	}{{again, accepted}, {again, duplicate}, {other, accepted}, {later, accepted}, {again, late}} {
		out, got := o.add(step.a)
		if got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
		for _, instant := range out {
			count += len(instant)
		}
	}
	if count != 3 {
		t.Errorf("%d readings passed, want 3", count)
	}
}
