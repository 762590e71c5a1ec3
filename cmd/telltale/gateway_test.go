package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/spool"
)

// field is a source of n readings of three assets, in turn.
type field struct {
	n   int
	end bool // EOF follows, else silence

	mu    sync.Mutex
	given int
	acked int64
}

func (f *field) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	f.mu.Lock()
	i := f.given
	if i < f.n {
		f.given++
	}
	f.mu.Unlock()
	if i == f.n && f.end {
		return asset.Reading{}, asset.Position{}, io.EOF
	}
	if i == f.n {
		<-ctx.Done()
		return asset.Reading{}, asset.Position{}, ctx.Err()
	}
	return fieldReading(i), asset.Position{Offset: int64(i + 1)}, nil
}

func (f *field) Ack(p asset.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acked = p.Offset
}

func (f *field) state() (given int, acked int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.given, f.acked
}

var fieldTime = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func fieldReading(i int) asset.Reading {
	r := asset.Reading{Asset: asset.ID(fmt.Sprintf("wt%d", i%3)), Time: fieldTime.Add(time.Duration(i) * time.Second)}
	if i%5 == 4 {
		r.Wave = &asset.Waveform{Channel: "gearbox", Start: r.Time, RateHz: 1000, Unit: "g", Counts: slices.Repeat([]int16{int16(i), -3}, 500), Scale: 0.001, Quality: 100}
		r.Time = ingest.Newest(*r.Wave)
		return r
	}
	r.Points = []asset.Point{{Metric: "n", Value: float64(i), Unit: "1", Quality: 100}}
	return r
}

// far is a backbone that keeps what it has got.
type far struct {
	mu   sync.Mutex
	fail func(messages []ingest.Message) (map[int]error, error) // nil: all is taken
	got  []ingest.Message
}

func (f *far) Send(_ context.Context, messages []ingest.Message) (map[int]error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var no map[int]error
	if f.fail != nil {
		var err error
		if no, err = f.fail(messages); err != nil {
			return nil, err
		}
	}
	for i, m := range messages {
		if no[i] == nil {
			f.got = append(f.got, m)
		}
	}
	return no, nil
}

func (f *far) set(fail func([]ingest.Message) (map[int]error, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// received are the readings of what has arrived, without those that came twice.
func (f *far) received(t *testing.T) (readings []asset.Reading) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	newest := map[asset.ID]time.Time{}
	var decoder ingest.Payloads
	for _, m := range f.got {
		all, err := decoder.Decode(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if r.Event == nil && !r.Time.After(newest[r.Asset]) {
				continue // what a receiver refuses, be it a second time or out of order
			}
			newest[r.Asset] = r.Time
			readings = append(readings, r)
		}
	}
	return readings
}

// complete reports whether the first n readings have arrived and no others.
func complete(t *testing.T, got []asset.Reading, n int) {
	t.Helper()
	have := map[string]bool{}
	text := func(r asset.Reading) string {
		if r.Wave != nil {
			return fmt.Sprint(r.Asset, r.Time, r.Wave.Channel, r.Wave.Counts[0])
		}
		return fmt.Sprint(r.Asset, r.Time, r.Points)
	}
	for _, r := range got {
		have[text(r)] = true
	}
	for i := range n {
		if want := fieldReading(i); !have[text(want)] {
			t.Fatalf("reading %d is missing: %s", i, text(want))
		}
	}
	if len(got) != n {
		t.Errorf("%d readings arrived, sent were %d", len(got), n)
	}
}

// startGateway runs a gateway; stop ends it as SIGTERM would and waits.
func startGateway(t *testing.T, opt spool.Options, src ingest.Source, out backbone) (g *gateway, url string, stop func()) {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	s, err := spool.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := ingest.OpenLetters(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = letters.Close() })
	g = &gateway{spool: s, out: out, letters: letters, ids: []asset.ID{"wt0", "wt1", "wt2"}, log: slog.New(slog.DiscardHandler), pause: ingest.Backoff{First: time.Millisecond, Last: 10 * time.Millisecond}}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- g.serve(ctx, "127.0.0.1:0", 5*time.Second, func(ctx context.Context) (*intake, error) {
			return &intake{Joined: ingest.Join(ctx, 0, src), log: g.log}, nil
		}, func(url string) { ready <- url })
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return g, <-ready, stop
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain until " + what)
		}
	}
}

func TestGatewayKeepsWhatTheClusterDoesNotTakeAndPassesItOnInOrder(t *testing.T) {
	away := errors.New("no cluster")
	out := &far{}
	n := 0
	out.set(func(messages []ingest.Message) (map[int]error, error) {
		if n++; n%3 == 0 { // half of it arrives, and nobody hears of that
			out.got = append(out.got, messages[:len(messages)/2]...)
		}
		return nil, away
	})
	src := &field{n: 2500}
	g, url, stop := startGateway(t, spool.Options{}, src, out)
	eventually(t, "all is on disk", func() bool { _, acked := src.state(); return acked == 2500 })
	eventually(t, "it was tried", func() bool { return g.away.Load() != nil })
	if code, body := fetch(t, url+"/readyz"); code != 200 {
		t.Errorf("readyz: %d %s", code, body)
	}
	if _, body := fetch(t, url+"/metrics"); !strings.Contains(body, "telltale_spool_records 2500\n") || !strings.Contains(body, "telltale_gateway_up 0\n") || !strings.Contains(body, "telltale_gateway_readings_total 2500\n") {
		t.Errorf("metrics: %s", body)
	}
	out.set(nil)
	eventually(t, "the spool is empty", func() bool { return g.spool.Status().Records == 0 })
	complete(t, out.received(t), 2500)
	if _, body := fetch(t, url+"/metrics"); !strings.Contains(body, "telltale_spool_records 0\n") || !strings.Contains(body, "telltale_gateway_up 1\n") {
		t.Errorf("metrics: %s", body)
	}
	stop()
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestGatewayStopsReadingWhenTheSpoolIsFull(t *testing.T) {
	out := &far{}
	out.set(func([]ingest.Message) (map[int]error, error) { return nil, errors.New("no cluster") })
	src := &field{n: 20000}
	g, url, _ := startGateway(t, spool.Options{MaxBytes: 1 << 20}, src, out)
	eventually(t, "it is full", func() bool { return g.spool.Status().Full != nil })
	given, acked := src.state()
	time.Sleep(300 * time.Millisecond)
	if now, _ := src.state(); now > given+1 || now-int(acked) > gatherRecords+2 || now == src.n {
		t.Errorf("%d, then %d readings were taken from the source, %d are on disk", given, now, acked)
	}
	if code, body := fetch(t, url+"/readyz"); code != 503 || !strings.Contains(body, "spool: full") {
		t.Errorf("readyz: %d %s", code, body)
	}
	if _, body := fetch(t, url+"/metrics"); !strings.Contains(body, "telltale_spool_full 1\n") {
		t.Errorf("metrics: %s", body)
	}
	out.set(nil)
	eventually(t, "all has been read", func() bool { _, acked := src.state(); return acked == 20000 })
	eventually(t, "the spool is empty", func() bool { return g.spool.Status().Records == 0 })
	complete(t, out.received(t), 20000)
	if code, _ := fetch(t, url+"/readyz"); code != 200 {
		t.Error("it is not ready again")
	}
}

func TestGatewayThatIsStoppedPassesOnWhatItHasRead(t *testing.T) {
	out := &far{}
	out.set(func([]ingest.Message) (map[int]error, error) { time.Sleep(20 * time.Millisecond); return nil, nil })
	src := &field{n: 3333}
	g, _, stop := startGateway(t, spool.Options{}, src, out)
	eventually(t, "something was read", func() bool { given, _ := src.state(); return given > 1500 })
	stop()
	given, acked := src.state()
	if left := given - int(acked); left > 1 { // one may have been under way to nobody
		t.Errorf("%d of %d readings were neither kept nor left with the source", left, given)
	}
	complete(t, out.received(t), int(acked))
	if g.away.Load() != nil {
		t.Errorf("the cluster is said to be away: %s", *g.away.Load())
	}
}

func TestGatewayThatDiesGoesOnWithItsSpool(t *testing.T) {
	dir := t.TempDir()
	down := &far{}
	down.set(func([]ingest.Message) (map[int]error, error) { return nil, errors.New("no cluster") })
	s, err := spool.Open(spool.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{spool: s, out: down, log: slog.New(slog.DiscardHandler)}
	if err := g.collect(t.Context(), &field{n: 700, end: true}); err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir() // as a process finds it that comes after a kill
	if err := os.CopyFS(filepath.Join(copied, "spool"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	out := &far{}
	after, _, stop := startGateway(t, spool.Options{Dir: filepath.Join(copied, "spool")}, &field{}, out)
	eventually(t, "the spool is empty", func() bool { return after.spool.Status().Records == 0 })
	stop()
	complete(t, out.received(t), 700)
	if got := after.spool.Newest(); !got.Equal(fieldReading(699).Time) {
		t.Errorf("the newest reading is of %s", got)
	}
}

func TestGatewaySendsAGapForWhatNobodyTakes(t *testing.T) {
	out := &far{}
	out.set(func(messages []ingest.Message) (map[int]error, error) {
		no := map[int]error{}
		for i, m := range messages {
			if m.Channel != "" {
				no[i] = errors.New("too large for the topic")
			}
		}
		return no, nil
	})
	g, url, stop := startGateway(t, spool.Options{}, &field{n: 30}, out)
	eventually(t, "all has been told", func() bool { return g.sent.Load() == 30 })
	if code, body := fetch(t, url+"/api/v1/dead-letters?limit=5"); code != 200 || strings.Count(body, `"reason":"rejected"`) != 5 || !strings.Contains(body, "too large for the topic") || !strings.Contains(body, `"channel":"gearbox"`) {
		t.Errorf("dead letters: %d %s", code, body)
	}
	if code, _ := fetch(t, url+"/api/v1/dead-letters?limit=0"); code != 400 {
		t.Errorf("a limit of 0 gives %d", code)
	}
	stop()
	gaps := ""
	for _, r := range out.received(t) {
		if r.Event != nil {
			gaps += fmt.Sprintf("%s %s %s %s; ", r.Asset, r.Event.Kind, r.Time.Sub(fieldTime).Round(time.Second), r.Event.Text[strings.LastIndex(r.Event.Text, ": ")+2:])
		}
	}
	if want := "wt0 gap 10s too large for the topic; "; !strings.Contains(gaps, want) || strings.Count(gaps, "gap") != 6 || g.rejected.Load() != 6 {
		t.Errorf("gaps %s, %d are counted; want 6 with %s", gaps, g.rejected.Load(), want)
	}
}

func TestGatewayTellsWhatTheSpoolLost(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	opt := spool.Options{Dir: dir, MaxAge: time.Hour, Now: func() time.Time { return now }}
	s, err := spool.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{spool: s, log: slog.New(slog.DiscardHandler)}
	if err := g.collect(t.Context(), &field{n: 6, end: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segment, _ := filepath.Glob(filepath.Join(dir, "*.segment"))
	whole, err := os.ReadFile(segment[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		harm func([]byte)
		late time.Duration
		want string
	}{
		"expired":         {func([]byte) {}, 2 * time.Hour, "wt0 12:00:00 12:00:03 2 too old; wt1 12:00:01 12:00:04 2 too old; wt2 12:00:02 12:00:05 2 too old; "},
		"payload damaged": {func(b []byte) { b[len(b)-3] ^= 1 }, 0, "wt2 12:00:05 12:00:05 1 damaged on disk; "},
		"head damaged":    {func(b []byte) { b[64+20] ^= 1 }, 0, "wt0 12:00:01 12:00:01 1 damaged on disk; wt1 12:00:01 12:00:01 1 damaged on disk; wt2 12:00:01 12:00:01 1 damaged on disk; "},
	} {
		t.Run(name, func(t *testing.T) {
			b := slices.Clone(whole)
			tc.harm(b)
			opt := opt
			opt.Dir = t.TempDir()
			opt.Now = func() time.Time { return now.Add(tc.late) }
			if err := os.CopyFS(opt.Dir, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(opt.Dir, filepath.Base(segment[0])), b, 0o600); err != nil {
				t.Fatal(err)
			}
			out := &far{}
			g, _, stop := startGateway(t, opt, &field{}, out)
			eventually(t, "the spool is empty", func() bool { return g.spool.Status().Records == 0 && g.sent.Load() > 0 })
			stop()
			got := ""
			for _, r := range out.received(t) {
				if r.Event != nil {
					var from, to string
					var n int
					if _, err := fmt.Sscanf(r.Event.Text, "nothing from %s to %s %d record(s) in the gateway's spool", &from, &to, &n); err != nil {
						t.Fatalf("%s: %v", r.Event.Text, err)
					}
					got += fmt.Sprintf("%s %s %s %d %s; ", r.Asset, from[11:19], to[11:19], n, r.Event.Text[strings.LastIndex(r.Event.Text, ": ")+2:])
				}
			}
			if got != tc.want {
				t.Errorf("gaps %s, want %s", got, tc.want)
			}
		})
	}
}
