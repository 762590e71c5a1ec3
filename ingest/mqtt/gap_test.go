package mqtt

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

var (
	noon   = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	errCut = errors.New("cut")
)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * 1e9)) }

// Readings of one asset come every second; after an outage of a minute the next is that
// many seconds after the last.
func TestGapIsWhatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		before int     // readings before the outage
		step   float64 // s from the last of them to the first after it
		lasted float64 // s, the outage
		old    bool    // the first is one that the broker had kept
		want   string  // the gap, from and to in s after the last reading
	}{
		"nothing missing":               {20, 1, 60, false, ""},
		"late by less than half":        {20, 1.5, 60, false, ""},
		"one missing":                   {20, 2, 60, false, "0-2"},
		"a minute missing":              {20, 60, 60, false, "0-60"},
		"sent again":                    {20, 60, 60, true, ""},
		"unknown rhythm, long outage":   {2, 60, 60, false, "0-60"},
		"unknown rhythm, short outage":  {2, 60, 3, false, ""},
		"nothing before":                {0, 60, 60, false, ""},
		"the clock went back meanwhile": {20, -5, 60, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGaps("mqtt tcp://b", 5*time.Second)
			for i := range tc.before {
				if got := g.saw("t", at(float64(i)), false, []asset.Reading{{Asset: "a", Time: at(float64(i))}}); len(got) > 0 {
					t.Fatalf("a gap without an outage: %+v", got)
				}
			}
			last := float64(tc.before - 1)
			g.lost(at(last), errCut)
			g.back(at(last+tc.lasted), false)
			got := ""
			for _, r := range g.saw("t", at(last+tc.lasted), tc.old, []asset.Reading{{Asset: "a", Time: at(last + tc.step)}}) {
				want := ingest.Gap("a", at(last), at(last+tc.step), "mqtt tcp://b", errCut)
				if r.Asset != want.Asset || !r.Time.Equal(want.Time) || *r.Event != *want.Event {
					t.Errorf("gap %+v %+v, want %+v", r, r.Event, want.Event)
				}
				got = fmt.Sprintf("0-%g", r.Time.Sub(at(last)).Seconds())
			}
			if got != tc.want {
				t.Errorf("gap %q, want %q", got, tc.want)
			}
		})
	}
}

// Each topic has its rhythm: one that comes every ten minutes misses nothing in a minute,
// one that comes every second does; and one gap is told of an asset, however many topics.
func TestGapGoesByTheTopic(t *testing.T) {
	g := newGaps("s", 5*time.Second)
	for i := range 40 {
		g.saw("fast", at(float64(i)), false, []asset.Reading{{Asset: "a", Time: at(float64(i))}})
		g.saw("also fast", at(float64(i)), false, []asset.Reading{{Asset: "a", Time: at(float64(i))}})
		g.saw("slow", at(float64(i)), false, []asset.Reading{{Asset: "a", Time: at(float64(600 * (i - 39)))}})
		g.saw("fast", at(float64(i)), false, []asset.Reading{{Asset: "b", Time: at(float64(i))}})
	}
	for outage := range 2 {
		from := 39 + 100*float64(outage)
		g.lost(at(from), errCut)
		g.back(at(from+60), outage == 1)
		var got []string
		for _, topic := range []string{"slow", "fast", "also fast", "fast"} {
			readings := []asset.Reading{{Asset: "a", Time: at(from + 90)}}
			if topic == "fast" {
				readings = append(readings, asset.Reading{Asset: "b", Time: at(from + 90)})
			}
			for _, r := range g.saw(topic, at(from+90), false, readings) {
				got = append(got, fmt.Sprint(topic, " ", r.Asset))
			}
		}
		if want := "[fast a fast b]"; fmt.Sprint(got) != want {
			t.Errorf("outage %d: gaps %v, want %v", outage, got, want)
		}
		for i := range 11 {
			g.saw("fast", at(from+90+float64(i)), false, []asset.Reading{{Asset: "a", Time: at(from + 90 + float64(i))}, {Asset: "b", Time: at(from + 90 + float64(i))}})
		}
	}
	if !errors.Is(g.why, errForgotten) || !errors.Is(g.why, errCut) {
		t.Errorf("the reason is %v, want also that the broker forgot us", g.why)
	}
}

// A record in blocks is one step of its topic; what is missing ends where it begins.
func TestGapBeforeARecord(t *testing.T) {
	g := newGaps("s", 5*time.Second)
	record := func(start float64) (blocks []asset.Reading) {
		for k := range 10 {
			w := &asset.Waveform{Start: at(start + float64(k)), RateHz: 10, Samples: make([]float32, 10)}
			blocks = append(blocks, asset.Reading{Asset: "a", Time: ingest.Newest(*w), Wave: w})
		}
		return blocks
	}
	for i := range 10 {
		g.saw("w", at(60*float64(i)+10), false, record(60*float64(i)))
	}
	g.lost(at(550), errCut)
	g.back(at(600), false)
	if got := g.saw("w", at(610), false, record(600)); len(got) > 0 {
		t.Errorf("a gap although no record is missing: %+v", got[0].Event)
	}
	g.lost(at(610), errCut)
	g.back(at(700), false)
	if got := g.saw("w", at(730), false, record(720)); len(got) != 1 || !got[0].Time.Equal(at(720)) {
		t.Errorf("%d gaps, want one that ends where the record begins", len(got))
	}
}

// A broker keeps the beginning of an outage until its queue is full: the gap is where what
// it kept ends. Pauses after that are the sender's.
func TestGapAfterWhatTheBrokerKept(t *testing.T) {
	g := newGaps("s", 5*time.Second)
	one := func(stamp, now float64) string {
		got := ""
		for _, r := range g.saw("t", at(now), false, []asset.Reading{{Asset: "a", Time: at(stamp)}}) {
			got += r.Event.Text + "; "
		}
		return got
	}
	for i := range 20 {
		one(float64(i), float64(i)+0.1)
	}
	g.lost(at(19.5), errCut)
	g.back(at(619), false)
	for i := 20; i < 120; i++ {
		if got := one(float64(i), 619+float64(i)/1000); got != "" {
			t.Fatalf("before %d, which was kept: %s", i, got)
		}
	}
	const want = "nothing from 2024-03-01T12:01:59Z to 2024-03-01T12:10:20Z: cut; "
	if got := one(620, 620.1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for i := 621; i < 626; i++ {
		one(float64(i), float64(i)+0.1)
	}
	if got := one(640, 640.1); got != "" {
		t.Errorf("a pause of the sender: %s", got)
	}
}

// A broker that was killed goes on from what it last wrote down: it sends again what it
// had sent, and does not say so. The gap is after that.
func TestGapAfterABrokerLostItsMemory(t *testing.T) {
	g := newGaps("s", 5*time.Second)
	for i := range 20 {
		g.saw("t", at(float64(i)), false, []asset.Reading{{Asset: "a", Time: at(float64(i))}})
	}
	g.lost(at(19.5), errCut)
	g.back(at(25), false)
	for i := 15; i < 20; i++ {
		if got := g.saw("t", at(25), false, []asset.Reading{{Asset: "a", Time: at(float64(i))}}); len(got) > 0 {
			t.Errorf("a gap before %d, which was there: %+v", i, got[0].Event)
		}
	}
	if got := g.saw("t", at(25), false, []asset.Reading{{Asset: "a", Time: at(22)}}); len(got) != 1 {
		t.Errorf("%d gaps, want one from 19 to 22", len(got))
	}
}
