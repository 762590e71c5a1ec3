package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// mosquitto is a broker that is not ours, named by TELLTALE_MOSQUITTO.
type mosquitto struct {
	t    *testing.T
	addr string // of its first listener
	dir  string
	cmd  *exec.Cmd
}

// newMosquitto starts one that keeps its sessions on disk; lines go into its configuration.
func newMosquitto(t *testing.T, lines ...string) *mosquitto {
	t.Helper()
	if os.Getenv("TELLTALE_MOSQUITTO") == "" {
		t.Skip("TELLTALE_MOSQUITTO names no broker; see .ci/mosquitto")
	}
	m := &mosquitto{t: t, addr: free(t), dir: t.TempDir()}
	_, port, _ := net.SplitHostPort(m.addr)
	conf := strings.Join(append([]string{
		"user root", "allow_anonymous true", "persistence true", "persistence_location " + m.dir + "/",
		"autosave_interval 1", "autosave_on_changes true", "max_queued_messages 100000",
		"listener " + port + " 127.0.0.1",
	}, lines...), "\n")
	if err := os.WriteFile(filepath.Join(m.dir, "conf"), []byte(conf+"\n"), 0o644); err != nil { //nolint:gosec // it is read by another user
		t.Fatal(err)
	}
	m.start()
	t.Cleanup(m.kill)
	return m
}

func (m *mosquitto) url() string { return "tcp://" + m.addr }

func (m *mosquitto) start() {
	m.t.Helper()
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()                                                                         //nolint:errcheck // the broker has its own
	m.cmd = exec.Command(os.Getenv("TELLTALE_MOSQUITTO"), "-c", filepath.Join(m.dir, "conf")) //nolint:gosec // killed by kill
	m.cmd.Stderr = log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	until(m.t, "listening", func() bool {
		c, err := net.DialTimeout("tcp", m.addr, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// kill is kill -9.
func (m *mosquitto) kill() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	if m.t.Failed() {
		b, _ := os.ReadFile(filepath.Join(m.dir, "log"))
		m.t.Logf("%.3000s", b)
	}
}

// saved waits until everything that happened is on disk.
func (m *mosquitto) saved() {
	m.t.Helper()
	began := time.Now()
	until(m.t, "saved", func() bool {
		f, err := os.Stat(filepath.Join(m.dir, "mosquitto.db"))
		return err == nil && time.Since(began) > 1500*time.Millisecond && time.Since(f.ModTime()) > 300*time.Millisecond
	})
}

func publisherAt(t *testing.T, url string) *mqtt.Publisher {
	t.Helper()
	p, err := mqtt.NewPublisher(t.Context(), mqtt.Options{Config: mqtt.Config{URL: url, ClientID: "plant"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func send(t *testing.T, p *mqtt.Publisher, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// The broker is killed while some messages are returned and some are not. Nothing is given
// out twice, and what is committed afterwards is committed for the broker too.
func TestMosquittoKilledWithMessagesUnderWay(t *testing.T) {
	t.Parallel()
	m := newMosquitto(t, "max_inflight_messages 1000")
	p := publisherAt(t, m.url())
	opt := mqtt.Options{Config: mqtt.Config{URL: m.url(), ClientID: "flow", KeepAlive: time.Second}}
	s := open(t, opt)
	send(t, p, 0, 100)
	var last asset.Position
	for i := range 60 {
		r, pos := next(t, s)
		if r.Points[0].Value != float64(i) {
			t.Fatalf("want %d, got %+v", i, r)
		}
		if last = pos; i == 29 {
			s.Ack(pos)
		}
	}
	m.saved()
	m.kill()
	until(t, "noticed", func() bool { return !s.Status().Up })
	m.start()
	send(t, p, 100, 120)
	for i := 60; i < 120; i++ {
		r, pos := next(t, s)
		if r.Event != nil || r.Points[0].Value != float64(i) {
			t.Fatalf("want %d, got %+v %+v", i, r, r.Event)
		}
		last = pos
	}
	s.Ack(last)
	s.Close()
	s = open(t, opt)
	defer s.Close()
	if !quiet(t, s) {
		t.Error("something came again although all is committed")
	}
}

// A turbine's readings, while the broker is killed three times, and the network cut and
// held up between. All arrive once, but for what lies in a gap that is told; and data flows
// again within 10 s. A message alone that a killed broker forgot is shorter than what jitter
// does to the intervals: there the sender's count tells. TELLTALE_NIGHT=10m makes it longer.
func TestMosquittoNight(t *testing.T) {
	t.Parallel()
	m := newMosquitto(t)
	x := newProxy(t, m.addr)
	s := open(t, mqtt.Options{Config: mqtt.Config{URL: "tcp://" + x.addr(), ClientID: "flow", KeepAlive: 2 * time.Second}})
	defer s.Close()
	p := publisherAt(t, m.url())
	ctx, stop := context.WithCancel(t.Context())
	var sent atomic.Int64
	var stamps []time.Time
	var g sync.WaitGroup
	g.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			r := point(i)
			r.Time, r.Seq = time.Now().Round(time.Microsecond), uint64(i+1)
			stamps = append(stamps, r.Time)
			if i%20 == 0 {
				r.Wave = &asset.Waveform{Channel: "hss", Start: r.Time, RateHz: 25600, Unit: "m/s2", Samples: make([]float32, 1024), Quality: 100, First: true, Last: true}
				r.Wave.Samples[0] = float32(i)
			}
			if p.Publish(ctx, r, 0) == nil {
				sent.Store(int64(i))
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	v := ingest.NewValidator([]asset.Nameplate{{ID: point(0).Asset, Channels: []asset.Channel{{Name: "hss", Unit: "m/s2"}}}}, ingest.Options{})
	seen, waves := map[int]int{}, map[int]int{}
	var gaps []asset.Reading
	var newest atomic.Int64
	g.Go(func() {
		for {
			r, pos, err := s.Next(ctx)
			if err != nil {
				return
			}
			if r.Event != nil {
				gaps = append(gaps, r)
				continue
			}
			r, _ = v.Check(r)
			if r.Event != nil { // a number was left out
				gaps = append(gaps, r)
			}
			if r.Wave != nil {
				waves[int(r.Wave.Samples[0])]++
			}
			for _, q := range r.Points {
				seen[int(q.Value)]++
				newest.Store(max(newest.Load(), int64(q.Value)))
			}
			if pos.Offset%7 == 0 || s.Queued() == 0 {
				s.Ack(pos)
			}
		}
	})
	flows := func(what string) {
		t.Helper()
		mark, began := sent.Load(), time.Now()
		until(t, what, func() bool { return newest.Load() > mark })
		took := time.Since(began)
		t.Logf("%s: data flows after %s", what, took)
		if took > 10*time.Second {
			t.Errorf("%s: data flows after %s, want 10s at most", what, took)
		}
	}
	flows("at first")
	night, _ := time.ParseDuration(os.Getenv("TELLTALE_NIGHT"))
	pause := night / 9
	for range 3 {
		m.kill()
		time.Sleep(500 * time.Millisecond)
		m.start()
		flows("killed")
		time.Sleep(pause)
		x.cut()
		flows("cut")
		time.Sleep(pause)
		x.stall(true)
		time.Sleep(3 * time.Second)
		x.cut()
		x.stall(false)
		flows("held up")
		time.Sleep(pause)
	}
	stop()
	g.Wait()
	lost := 0
	for i := range int(newest.Load()) {
		if seen[i] > 1 || waves[i] > 1 {
			t.Errorf("%d arrived %d times, its waveform %d times", i, seen[i], waves[i])
		}
		if seen[i] == 1 && (i%20 != 0 || waves[i] == 1) {
			continue
		}
		lost++
		if !slices.ContainsFunc(gaps, func(r asset.Reading) bool { return covers(t, r, stamps[i]) }) {
			t.Errorf("%d is missing and in no gap", i)
		}
	}
	t.Logf("%d sent, %d lost by the broker, %d gaps; %+v", newest.Load(), lost, len(gaps), s.Status())
}

// covers reports whether a gap is told over an instant; its text is in whole seconds.
func covers(t *testing.T, gap asset.Reading, at time.Time) bool {
	t.Helper()
	var text string
	if _, err := fmt.Sscanf(gap.Event.Text, "nothing from %s to", &text); err != nil {
		t.Fatal(err)
	}
	from, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return !at.Before(from) && at.Before(gap.Time)
}

// Two sources of one group: every message goes to one of them.
func TestMosquittoGroup(t *testing.T) {
	t.Parallel()
	m := newMosquitto(t)
	var sources []*mqtt.Source
	for _, id := range []string{"one", "two"} {
		s := open(t, mqtt.Options{Config: mqtt.Config{URL: m.url(), ClientID: id, Group: "g"}})
		defer s.Close()
		sources = append(sources, s)
	}
	send(t, publisherAt(t, m.url()), 0, 500)
	var mu sync.Mutex
	seen := map[float64]int{}
	var g sync.WaitGroup
	of := make([]int, 2)
	for i, s := range sources {
		g.Go(func() {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				r, pos, err := s.Next(ctx)
				cancel()
				if err != nil {
					return
				}
				s.Ack(pos)
				mu.Lock()
				seen[r.Points[0].Value]++
				of[i]++
				mu.Unlock()
			}
		})
	}
	g.Wait()
	if len(seen) != 500 || of[0]+of[1] != 500 || of[0] == 0 || of[1] == 0 {
		t.Errorf("%d of 500 arrived, %v at each", len(seen), of)
	}
}

// The broker sends so many messages and waits. A flow that commits when nothing more is
// there gets all of them; one that holds on to what it has gets no more, and is told why.
func TestMosquittoLimitOfMessagesInFlight(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			m := newMosquitto(t, fmt.Sprint("max_inflight_messages ", limit))
			var told atomic.Int64
			s := open(t, mqtt.Options{
				Config: mqtt.Config{URL: m.url(), ClientID: "flow", KeepAlive: time.Second, InFlight: limit},
				Lost:   func(error) { told.Add(1) },
			})
			defer s.Close()
			all := 10 * limit
			send(t, publisherAt(t, m.url()), 0, all)
			i := 0
			var last asset.Position
			take := func(r asset.Reading, pos asset.Position) {
				t.Helper()
				if r.Points[0].Value != float64(i) {
					t.Fatalf("want %d, got %+v", i, r)
				}
				i, last = i+1, pos
			}
			burst := func() (n int) { // until nothing more comes
				t.Helper()
				for ; ; n++ {
					ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
					r, pos, err := s.Next(ctx)
					cancel()
					if err != nil {
						return n
					}
					take(r, pos)
				}
			}
			if n := burst(); n != limit { // and holds on to them
				t.Fatalf("%d came at once, want %d; %+v", n, limit, s.Status())
			}
			want := fmt.Sprintf("limit of %d messages in flight is reached: %d wait to be committed", limit, limit)
			until(t, "said", func() bool { st := s.Status(); return !st.Up && strings.Contains(st.Why, want) })
			until(t, "told", func() bool { return told.Load() == 1 })
			if more := burst(); more > 0 {
				t.Errorf("%d more came", more)
			}
			for i < all { // commits when nothing more comes; some versions send more than they may once they have begun
				s.Ack(last)
				if burst() == 0 {
					t.Fatalf("nothing comes after %d are committed; %+v", i, s.Status())
				}
			}
			s.Ack(last)
			if st := s.Status(); !st.Up || st.Why != "" || st.Outages != 0 || told.Load() != 1 {
				t.Errorf("status %+v, told %d times", st, told.Load())
			}
		})
	}
}

// Four million samples are one message; what is longer than the source reads is refused.
func TestMosquittoLongWaveform(t *testing.T) {
	t.Parallel()
	m := newMosquitto(t)
	s := open(t, mqtt.Options{Config: mqtt.Config{URL: m.url(), ClientID: "flow"}})
	defer s.Close()
	p := publisherAt(t, m.url())
	w := &asset.Waveform{Channel: "hss", Start: t0, RateHz: 25600, Unit: "m/s2", Scale: 0.001, Counts: make([]int16, ingest.MaxWaveSamples), Quality: 100, First: true, Last: true}
	for i := range w.Counts {
		w.Counts[i] = int16(i * 31)
	}
	if err := p.Publish(t.Context(), asset.Reading{Asset: "a", Time: t0, Wave: w}, 0); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(w.Counts); {
		r, pos := next(t, s)
		for _, c := range r.Wave.Counts {
			if c != w.Counts[n] {
				t.Fatalf("sample %d is %d, want %d", n, c, w.Counts[n])
			}
			n++
		}
		s.Ack(pos)
	}
	if err := p.Raw(t.Context(), "telltale/a/wave/hss", make([]byte, 32<<20)); err == nil || !strings.Contains(err.Error(), "is not allowed: want at most 33554432 (max_packet)") {
		t.Errorf("a message that is too long: %v", err)
	}
}
