package sparkplug

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// truth is the one value that a metric of an asset has at an instant, so that a value
// that an alias brought to another metric shows.
func truth(id asset.ID, metric string, at time.Time) float64 {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s %s %d", id, metric, at.UnixMilli())
	return float64(h.Sum32())
}

// flight is a message on its way.
type flight struct {
	arrives time.Time
	Publication
}

// storm is an edge node and a host application with a network between them that loses,
// delays and repeats what is sent, and a node that is started anew now and then.
type storm struct {
	*plant

	random *rand.Rand
	edge   *Edge
	bdSeq  byte
	will   Publication
	air    []flight
	calm   bool
	sent   map[asset.ID][]time.Time
	ticks  int // of the node's clock in the step
}

// clock is the node's: no two of its messages are of the same millisecond.
func (s *storm) clock() time.Time {
	s.ticks++
	return s.now.Add(time.Duration(s.ticks) * time.Millisecond)
}

func (s *storm) send(all []Publication) {
	for _, q := range all {
		delay := time.Duration(s.random.IntN(3)) * time.Millisecond
		if !s.calm {
			switch roll := s.random.IntN(1000); {
			case roll < 3:
				continue
			case roll < 15:
				delay += time.Duration(s.random.IntN(3000)) * time.Millisecond
			case roll < 25:
				s.air = append(s.air, flight{s.now.Add(delay + 5*time.Millisecond), q})
			}
		}
		s.air = append(s.air, flight{s.now.Add(delay), q})
	}
}

// restart is a node whose connection broke: its will comes late, or before its birth.
func (s *storm) restart() {
	if s.edge != nil {
		s.air = append(s.air, flight{s.now.Add(time.Duration(s.random.IntN(4000)) * time.Millisecond), s.will})
	}
	edge, err := NewEdge(EdgeOptions{Group: "farm", Edge: "e1", BdSeq: s.bdSeq, NoAlias: s.random.IntN(4) == 0})
	if err != nil {
		s.Fatal(err)
	}
	s.edge = edge
	s.bdSeq++
	s.will = edge.Will(s.clock())
	s.send(edge.Birth(s.clock()))
}

// arrive delivers what is due.
func (s *storm) arrive() {
	slices.SortStableFunc(s.air, func(a, b flight) int { return a.arrives.Compare(b.arrives) })
	for len(s.air) > 0 && !s.air[0].arrives.After(s.now) {
		q := s.air[0]
		s.air = s.air[1:]
		if err := s.hearRaw(q.Topic, q.Payload); err != nil {
			s.Fatalf("%s: %v", q.Topic, err)
		}
	}
}

// step lets 100 ms pass: each asset sends, the host's requests reach the node.
func (s *storm) step() {
	s.pass(100 * time.Millisecond)
	s.ticks = 0
	ids := []asset.ID{"wt01", "wt02"}
	if s.random.IntN(2) == 0 {
		slices.Reverse(ids) // so that another session gives other aliases
	}
	for _, id := range ids {
		r := asset.Reading{Asset: id, Time: s.now}
		names := []string{"a", "b", "c"}
		s.random.Shuffle(3, func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, m := range names {
			r.Points = append(r.Points, asset.Point{Metric: m, Value: truth(id, m, s.now), Unit: "1", Quality: 100})
		}
		s.sent[id] = append(s.sent[id], s.now)
		s.send(s.edge.Data(s.clock(), r))
	}
	s.arrive()
	published := s.published
	s.published = nil
	for _, q := range published {
		if s.calm || s.random.IntN(3) > 0 {
			answer, err := s.edge.Handle(s.clock(), q.Topic, q.Payload)
			if err != nil {
				s.Fatal(err)
			}
			s.send(answer)
		}
	}
}

// TestNothingIsLostInSilenceAndNothingIsMistaken sends through a bad network: every value
// that arrives is the true one of its metric and instant, and every reading that does not
// lies within a gap. TELLTALE_STORMS is how many such networks, for a longer look.
func TestNothingIsLostInSilenceAndNothingIsMistaken(t *testing.T) {
	seeds, err := strconv.ParseUint(cmp.Or(os.Getenv("TELLTALE_STORMS"), "8"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := &storm{random: rand.New(rand.NewPCG(seed, 7)), sent: map[asset.ID][]time.Time{}}
			s.plant = open(t, Options{HostID: "h", Bindings: []Binding{{Group: "farm", Edge: "e1", Device: "wt01", Asset: "wt01"}, {Group: "farm", Edge: "e1", Device: "wt02", Asset: "wt02"}}})
			s.restart()
			for i := range 2000 {
				if s.random.IntN(500) == 0 {
					s.restart()
				}
				if i%900 == 899 {
					s.host.Lost(s.now)
					s.air = nil
					s.host.Will(s.now)
					s.host.Birth(s.now)
				}
				s.step()
			}
			s.calm = true
			for range 1500 { // longer than the longest wait
				s.step()
			}
			s.judge()
		})
	}
}

var gapText = regexp.MustCompile(`^nothing from (\S+) to (\S+?)(:|$)`)

func (s *storm) judge() {
	s.Helper()
	here := map[string]bool{}
	gaps := map[asset.ID][][2]time.Time{}
	newest := map[asset.ID]time.Time{}
	for _, r := range s.readings {
		if r.Time.Before(newest[r.Asset]) {
			s.Errorf("%s: what is of %s comes after %s: %+v", r.Asset, r.Time, newest[r.Asset], r)
		}
		newest[r.Asset] = r.Time
		for _, p := range r.Points {
			if want := truth(r.Asset, p.Metric, r.Time); p.Value != want {
				s.Fatalf("%s %s at %s is %g, want %g", r.Asset, p.Metric, r.Time, p.Value, want)
			}
			here[fmt.Sprint(r.Asset, p.Metric, r.Time.UnixMilli())] = true
		}
		if r.Event != nil && r.Event.Kind == ingest.GapEvent {
			m := gapText.FindStringSubmatch(r.Event.Text)
			from, err := time.Parse(time.RFC3339, m[1])
			if err != nil {
				s.Fatal(err)
			}
			gaps[r.Asset] = append(gaps[r.Asset], [2]time.Time{from, r.Time})
		}
	}
	lost := 0
	for id, all := range s.sent {
		for i, at := range all {
			complete := true
			for _, m := range []string{"a", "b", "c"} {
				complete = complete && here[fmt.Sprint(id, m, at.UnixMilli())]
			}
			if complete || i >= len(all)-1 { // the last is on its way
				continue
			}
			lost++
			if i > len(all)-50 {
				s.Errorf("%s at %s is missing long after the storm", id, at)
			}
			if !slices.ContainsFunc(gaps[id], func(g [2]time.Time) bool { return !at.Before(g[0]) && !at.After(g[1]) }) {
				s.Errorf("%s at %s was lost in silence", id, at)
			}
		}
	}
	if s.status("e1").State != Online || s.status("e1").Doubt {
		s.Errorf("after the storm: %+v", s.status("e1"))
	}
	if lost == 0 {
		s.Error("nothing was lost: that is no storm")
	}
}
