package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// list is a source of what it holds.
type list struct{ left []asset.Reading }

func (l *list) Next(context.Context) (asset.Reading, asset.Position, error) {
	if len(l.left) == 0 {
		return asset.Reading{}, asset.Position{}, io.EOF
	}
	r := l.left[0]
	l.left = l.left[1:]
	return r, asset.Position{Offset: int64(10 - len(l.left))}, nil
}

func (*list) Ack(asset.Position) {}

func scalar(id asset.ID, t time.Time) asset.Reading {
	return asset.Reading{Asset: id, Time: t, Points: []asset.Point{{Metric: "m", Value: 1, Unit: "°C", Quality: 100}}}
}

func TestEdgeHoldsBackWhatCannotBeTrue(t *testing.T) {
	now := t0
	var letters []ingest.DeadLetter
	meter := ingest.NewMeter("mqtt", "mqtt tcp://broker")
	e := ingest.NewEdge(&list{[]asset.Reading{
		scalar("a", now), scalar("b", now), scalar("a", now.Add(4*time.Minute)), scalar("a", now.Add(6*time.Minute)),
		scalar("a", now.Add(-366*24*time.Hour)), ingest.Gap("a", now.Add(-time.Minute), now, "mqtt", nil),
		{Asset: "b", Time: now, Wave: &asset.Waveform{Channel: "x", Start: now, RateHz: 10, Unit: "g", Samples: []float32{1, 2}}},
	}}, ingest.EdgeOptions{
		Meter: meter, Allows: func(id asset.ID) bool { return id == "a" }, Now: func() time.Time { return now },
		Refused: func(d ingest.DeadLetter) { letters = append(letters, d) },
	})
	passed := 0
	for {
		r, _, err := e.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if passed++; r.Asset != "a" || r.Time.After(now.Add(5*time.Minute)) {
			t.Errorf("passed: %+v", r)
		}
	}
	got := ""
	for _, d := range letters {
		got += fmt.Sprint(d.Reason, " ")
	}
	if want := "not-allowed bad-time bad-time not-allowed "; passed != 3 || got != want {
		t.Errorf("%d passed, refused %s; want 3 and %s", passed, got, want)
	}
	// What was held back can be sent again.
	if r, err := ingest.DecodeTelemetry(letters[1].Payload, "a"); err != nil || !r.Time.Equal(now.Add(6*time.Minute)) {
		t.Errorf("the letter holds %+v, %v", r, err)
	}
	if w, err := ingest.DecodeWave(asset.Waveform{}, letters[3].Payload, letters[3].Headers["channel"]); err != nil || w.Len() != 2 {
		t.Errorf("the letter holds %+v, %v", w, err)
	}
	s := meter.Status(7)
	if s.Readings != 3 || s.Gaps != 1 || s.Refused["bad-time"] != 2 || s.Refused["not-allowed"] != 2 || s.Queued != 7 || !s.Heard.Equal(now) {
		t.Errorf("the meter says %+v", s)
	}
}

func TestStopOfTheServiceIsAGap(t *testing.T) {
	meter := ingest.NewMeter("modbus", "modbus x")
	e := ingest.NewEdge(&list{[]asset.Reading{scalar("a", t0), scalar("a", t0.Add(time.Second)), scalar("b", t0), scalar("c", t0.Add(-56*time.Second))}}, ingest.EdgeOptions{
		Meter: meter, Answers: true, Since: t0.Add(-time.Minute), Now: func() time.Time { return t0.Add(2 * time.Second) },
	})
	got := ""
	for {
		r, p, err := e.Next(t.Context())
		if err != nil {
			break
		}
		what := "reading"
		if r.Event != nil {
			what = r.Event.Text
		}
		got += fmt.Sprintf("%s %s %d\n", r.Asset, what, p.Offset)
	}
	const away = "nothing from 2024-03-01T11:59:00Z to 2024-03-01T12:00:00Z: the service did not run, and its source keeps nothing"
	if want := "a " + away + " 6\na reading 7\na reading 8\nb " + away + " 8\nb reading 9\nc reading 10\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if s := meter.Status(0); s.Gaps != 2 || s.Readings != 6 || !s.Up {
		t.Errorf("the meter says %+v", s)
	}
}

func TestMeterKnowsSinceWhenItIsDown(t *testing.T) {
	m := ingest.NewMeter("mqtt", "x")
	m.Down(t0, errors.New("no route"))
	m.Down(t0.Add(time.Second), errors.New("no route"))
	if s := m.Status(0); s.Up || !s.Since.Equal(t0) || s.Outages != 0 || s.Why != "no route" {
		t.Errorf("before the first connection: %+v", s)
	}
	m.Up(t0.Add(2 * time.Second))
	m.Up(t0.Add(3 * time.Second))
	if s := m.Status(0); !s.Up || !s.Since.Equal(t0.Add(2*time.Second)) || s.Why != "" {
		t.Errorf("connected: %+v", s)
	}
	m.Down(t0.Add(5*time.Second), errors.New("reset"))
	if s := m.Status(0); s.Up || s.Outages != 1 || !s.Since.Equal(t0.Add(5*time.Second)) {
		t.Errorf("lost: %+v", s)
	}
}

func TestClockTellsDriftFromDelay(t *testing.T) {
	var c ingest.Clock
	if c.Offset().Known() || c.DriftPPM().Known() {
		t.Error("it knows something before the first message")
	}
	// A sender that is 3 s ahead and gains 50 ppm; a message takes 20 ms at best, and
	// one in five comes after seconds.
	for s := range 3600 {
		now := t0.Add(time.Duration(s) * time.Second)
		way := 20 * time.Millisecond
		if s%5 == 0 {
			way = time.Duration(s%13+1) * time.Second
		}
		sent := now.Add(-way)
		stamp := sent.Add(3*time.Second + time.Duration(50e-6*float64(sent.Sub(t0))))
		c.Saw(now, stamp)
	}
	if d := float64(c.DriftPPM()); math.Abs(d-50) > 1 {
		t.Errorf("drift is %g ppm, want 50", d)
	}
	if o := float64(c.Offset()); math.Abs(o-(3-0.02+3600*50e-6)) > 0.01 {
		t.Errorf("offset is %g s, want %g", o, 3-0.02+3600*50e-6)
	}
}

func TestSequenceTellsLoss(t *testing.T) {
	v := ingest.NewValidator([]asset.Nameplate{{ID: "a"}}, ingest.Options{})
	at := func(second int, seq uint64) string {
		r := scalar("a", t0.Add(time.Duration(second)*time.Second))
		r.Seq = seq
		got, refused := v.Check(r)
		switch {
		case len(refused) > 0:
			return string(refused[0].Reason)
		case got.Event != nil:
			return got.Event.Kind + ": " + got.Event.Text
		}
		return "ok"
	}
	for i, tc := range []struct {
		second int
		seq    uint64
		want   string
	}{
		{0, 5, "ok"},
		{1, 6, "ok"},
		{4, 9, "gap: nothing from 2024-03-01T12:00:01Z to 2024-03-01T12:00:04Z: the sender counted 2 messages that did not arrive (7 to 8)"},
		{3, 8, "time-backwards"},
		{4, 9, "duplicate"},
		{5, 10, "ok"},
		{6, 1, "ok"},
		{7, 2, "ok"}, // restarted
		{8, 0, "ok"},
		{9, 3, "ok"}, // does not count for once
	} {
		if got := at(tc.second, tc.seq); got != tc.want {
			t.Errorf("step %d: %s, want %s", i, got, tc.want)
		}
		state := v.Save() // what it knows survives at each step
		v = ingest.NewValidator([]asset.Nameplate{{ID: "a"}}, ingest.Options{})
		if err := v.Load(state); err != nil {
			t.Fatal(err)
		}
	}
	v.Rewind(t0.Add(8 * time.Second))
	if got := at(9, 30); got != "ok" {
		t.Errorf("after Rewind: %s, want ok", got)
	}
}

func TestNoSensorMeasuresThat(t *testing.T) {
	v := ingest.NewValidator([]asset.Nameplate{{ID: "a"}}, ingest.Options{})
	for i, p := range []asset.Point{
		{Metric: "oil", Value: 1001, Unit: "Cel"},
		{Metric: "oil", Value: 2000, Unit: "[degF]"},
		{Metric: "oil", Value: -1, Unit: "K"},
		{Metric: "speed", Value: 2e6, Unit: "/min"},
		{Metric: "pressure", Value: -300, Unit: "kPa"},
	} {
		p.Quality = 100
		_, refused := v.Check(asset.Reading{Asset: "a", Time: t0.Add(time.Duration(i) * time.Second), Points: []asset.Point{p}})
		if len(refused) != 1 || refused[0].Reason != ingest.OutOfRange {
			t.Errorf("%g %s: %v, want out-of-range", p.Value, p.Unit, refused)
		}
	}
}

func TestLettersAreKeptAndBounded(t *testing.T) {
	dir := t.TempDir()
	l, err := ingest.OpenLetters(dir, 4096)
	if err != nil {
		t.Fatal(err)
	}
	m := ingest.Message{Topic: "t", Headers: map[string]string{"k": "v"}, Payload: []byte{0, 1, 2, 0xff}}
	for i := range 100 {
		reason := ingest.Undecodable
		if i%10 == 0 {
			reason = ingest.BadTime
		}
		l.Put(m.Letter("s", t0, &asset.Invalid{Reason: reason, Text: fmt.Sprint(i)}))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = ingest.OpenLetters(dir, 4096); err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the folder goes with the test
	l.Put(m.Letter("s", t0, &asset.Invalid{Reason: ingest.BadTime, Text: "last"}))
	got, err := l.Newest(ingest.BadTime, 2)
	if err != nil || len(got) != 2 || got[0].Text != ": last (bad-time)" || got[1].Text != ": 90 (bad-time)" || string(got[0].Payload) != string(m.Payload) {
		t.Errorf("got %+v, %v", got, err)
	}
	all, err := l.Newest("", 1000)
	if err != nil || len(all) < 8 || len(all) > 40 {
		t.Errorf("%d letters in 4096 bytes, %v", len(all), err)
	}
	if l.Lost() != 0 {
		t.Errorf("%d were lost", l.Lost())
	}
}
