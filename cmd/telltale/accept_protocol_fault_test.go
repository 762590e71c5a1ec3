//go:build accept

package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/collectors"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// flowsWithin is how soon data has to flow once a server or the way to it is back.
const flowsWithin = 10 * time.Second

// between is a network that can be broken.
type between struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

// network leads to a port of this machine.
func network(t *testing.T, port string) *between {
	t.Helper()
	s := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	s.Metrics.ProxyMetrics = collectors.NewProxyMetricCollectors()
	p := toxiproxy.NewProxy(s, t.Name(), "127.0.0.1:"+freePort(t), "127.0.0.1:"+port)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &between{t, p}
}

func (b *between) address() string { return b.proxy.Listen }

// poison lets every connection suffer from a toxic, in both directions.
func (b *between) poison(kind, attributes string) {
	b.t.Helper()
	for _, way := range []string{"upstream", "downstream"} {
		body := fmt.Sprintf(`{"type": %q, "name": %q, "stream": %q, "attributes": {%s}}`, kind, way, way, attributes)
		if _, err := b.proxy.Toxics.AddToxicJson(strings.NewReader(body)); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *between) heal() { b.proxy.Toxics.ResetToxics(b.t.Context()) }

// fault is something that happens to a server or the way to it, and its end.
type fault struct {
	name     string
	begin    func()
	end      func()
	outlasts time.Duration
}

// faultsOf are three kills, a network that is cut, one that swallows everything and keeps
// the connections, and one that breaks off in the middle of a message.
func faultsOf(server *peer, way *between) []fault {
	killed := fault{"killed with signal 9", server.kill, server.start, time.Second}
	return []fault{
		killed,
		{"network cut", way.proxy.Stop, func() {
			if err := way.proxy.Start(); err != nil {
				way.t.Fatal(err)
			}
		}, 2 * time.Second},
		killed,
		{"half-open", func() { way.poison("timeout", `"timeout": 0`) }, way.heal, 4 * time.Second},
		killed,
		{"broken off in a message", func() { way.poison("limit_data", `"bytes": 1500`) }, way.heal, 2 * time.Second},
	}
}

// ordeal runs a protocol for the trial's time with faults spread over it: after each one,
// data has to flow again in time, with the process that was there before.
func ordeal(t *testing.T, s *collector, faults []fault) {
	t.Helper()
	lasts, period := trial(t)
	s.flows(0, flowsWithin)
	began, slowest := time.Now(), time.Duration(0)
	for i, f := range faults {
		time.Sleep(time.Until(began.Add(lasts * time.Duration(i+1) / time.Duration(len(faults)+1))))
		f.begin()
		time.Sleep(f.outlasts + 2*period)
		before := s.committed()
		f.end()
		took := s.flows(before, flowsWithin).Round(time.Millisecond)
		t.Logf("%s: data flows %s after its end", f.name, took)
		slowest = max(slowest, took)
	}
	t.Logf("slowest: %s", slowest)
	time.Sleep(time.Until(began.Add(lasts)))
}

// sentReading is one that a server had, or a window.
type sentReading struct {
	key    int64 // that tells it from every other
	at     time.Time
	values map[string]float64
	off    float64 // that values may be, as a share of them
	sure   bool    // that it was there to be read; another may have been
}

func (s sentReading) is(values map[string]float64) bool {
	return maps.EqualFunc(s.values, values, func(a, b float64) bool { return math.Abs(a-b) <= s.off*math.Abs(a) })
}

// tally is what a server had of something, and what the store has of it.
type tally struct {
	what  string // it is
	sent  []sentReading
	kept  []keptReading
	gaps  []silence
	until time.Time               // later ones may be on their way; zero: there are none
	key   func(keptReading) int64 // which one a kept one is; nil: its time says so
	least int                     // that have to be kept; default a tenth of protocolReadings
}

// account holds the store to what the server had: everything that was there to be read is
// in it once, with its values, or lies in a gap, and nothing is in it that the server
// had not.
func (y tally) account(t *testing.T) {
	t.Helper()
	if y.key == nil {
		y.key = func(k keptReading) int64 { return k.at.UnixNano() }
	}
	had := map[int64]sentReading{}
	for _, s := range y.sent {
		had[s.key] = s
	}
	got := map[int64]bool{}
	var strange, doubled, wrong, missing []string
	for _, k := range y.kept {
		id := y.key(k)
		s, known := had[id]
		switch {
		case !known:
			strange = append(strange, fmt.Sprint(id, " ", k.values))
		case got[id]:
			doubled = append(doubled, fmt.Sprint(id))
		case !s.is(k.values):
			wrong = append(wrong, fmt.Sprintf("%d: %v, want %v", id, k.values, s.values))
		}
		got[id] = true
	}
	inGap := 0
	for id, s := range had {
		if !s.sure || got[id] || !y.until.IsZero() && s.at.After(y.until) {
			continue
		}
		if slices.ContainsFunc(y.gaps, func(g silence) bool { return !s.at.Before(g.from) && !s.at.After(g.to) }) {
			inGap++
			continue
		}
		missing = append(missing, fmt.Sprint(id, " of ", s.at.UTC().Format(time.RFC3339Nano)))
	}
	t.Logf("the server had %d %s, %d are kept, %d lie in %d gaps", len(had), y.what, len(y.kept), inGap, len(y.gaps))
	if len(y.kept) < cmp.Or(y.least, protocolReadings/10) {
		t.Errorf("only %d %s are kept: that proves nothing", len(y.kept), y.what)
	}
	slices.Sort(missing)
	for what, list := range map[string][]string{"that the server never had": strange, "twice": doubled, "with other values": wrong, "missing without a gap": missing} {
		if len(list) > 0 {
			t.Errorf("%d %s %s, such as %v", len(list), y.what, what, list[:min(3, len(list))])
		}
	}
	if t.Failed() {
		for _, g := range y.gaps {
			t.Logf("gap: %s", g.text)
		}
	}
}

// clean wants nothing late, refused or doubled on the way.
func clean(t *testing.T, counts map[string]int64) {
	t.Helper()
	for what, n := range counts {
		if (what == "late" || strings.HasPrefix(what, "refused/")) && n > 0 {
			t.Errorf("%d readings %s", n, what)
		}
	}
}
