package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// readLine is a line as its reader understands it.
type readLine struct {
	name   string
	tags   map[string]string
	fields map[string]any
	time   time.Time
}

func decodedLines(t *testing.T, body []byte) (all []readLine) {
	t.Helper()
	d := lineprotocol.NewDecoderWithBytes(body)
	for d.Next() {
		l := readLine{tags: map[string]string{}, fields: map[string]any{}}
		name, err := d.Measurement()
		l.name = string(name)
		for err == nil {
			var k, v []byte
			if k, v, err = d.NextTag(); k == nil {
				break
			}
			l.tags[string(k)] = string(v)
		}
		for err == nil {
			var k []byte
			var v lineprotocol.Value
			if k, v, err = d.NextField(); k == nil {
				break
			}
			l.fields[string(k)] = v.Interface()
		}
		if err == nil {
			l.time, err = d.Time(lineprotocol.Nanosecond, time.Time{})
		}
		if err != nil {
			t.Fatalf("line %d: %v", len(all)+1, err)
		}
		all = append(all, l)
	}
	return all
}

// farmStore is a store with a farm's afternoon, as a service leaves it in its data folder.
func farmStore(t *testing.T, f *farmRun, half func()) string {
	t.Helper()
	data := t.TempDir()
	if err := f.run(t.Context(), storePath(data), half, nil); err != nil {
		t.Fatal(err)
	}
	return data
}

// held counts the rows of a store by what a line of each says.
func held(t *testing.T, data string, from, to time.Time) map[string]int {
	t.Helper()
	db, err := openService(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	rows := map[string]int{}
	in := func(at time.Time) bool { return !at.Before(from) && !at.After(to) }
	err = errors.Join(db.EachFrame(t.Context(), func(f pipeline.Frame) error {
		for _, v := range f.Vectors {
			if in(f.Time) {
				rows["telltale_feature "+string(f.Asset)+" "+v.Channel+" "+f.Time.UTC().String()]++
			}
		}
		return nil
	}), db.EachRisk(t.Context(), func(r asset.Risk) error {
		if in(r.Time) {
			rows["telltale_risk "+string(r.Asset)+" "+r.Component+" "+r.Time.UTC().String()]++
		}
		return nil
	}))
	if err != nil || len(rows) == 0 {
		t.Fatal(len(rows), err)
	}
	return rows
}

// linesAreRows compares lines with rows.
func linesAreRows(t *testing.T, lines []readLine, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for _, l := range lines {
		got[l.name+" "+l.tags["asset"]+" "+l.tags["channel"]+l.tags["component"]+" "+l.time.UTC().String()]++
	}
	for row, n := range want {
		if got[row] != n {
			t.Errorf("%s: %d line(s), want %d", row, got[row], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("lines for %d rows, want %d", len(got), len(want))
	}
}

func TestExportedLinesAreTheRowsOfTheStore(t *testing.T) {
	f := someFarm(t)
	data := farmStore(t, f, nil)
	code, out, bad := tell("export", "line", "--store", data)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, bad)
	}
	all := decodedLines(t, []byte(out))
	linesAreRows(t, all, held(t, data, time.Time{}, endOfLines()))
	rms := 0
	for _, l := range all {
		if v, ok := l.fields["rms"].(float64); l.name == "telltale_feature" && l.tags["channel"] != "" && ok && v > 0 {
			rms++
		}
		if _, ok := l.fields["anomaly"].(bool); l.name == "telltale_risk" && !ok {
			t.Errorf("a risk without anomaly: %+v", l)
		}
	}
	if rms == 0 {
		t.Error("no rms was exported")
	}
	from, to := f.readings[0].Time.Add(time.Hour), f.readings[0].Time.Add(2*time.Hour)
	code, out, bad = tell("export", "line", "--store", data, "--from", from.Format(time.RFC3339Nano), "--to", to.Format(time.RFC3339Nano))
	if code != 0 {
		t.Fatalf("exit %d: %s", code, bad)
	}
	linesAreRows(t, decodedLines(t, []byte(out)), held(t, data, from, to))
	for args, want := range map[string]string{
		"":                                      "--store is missing",
		"--store " + data + " --from yesterday": "RFC 3339",
		"--store " + data + " --from 2026-01-02T00:00:00Z --to 2026-01-01T00:00:00Z": "before --from",
		"--store " + data + " --follow --to 2026-01-02T00:00:00Z":                    "leave --to out",
		"--store " + data + " --url ftp://x":                                         "/api/v2/write",
		"--store " + data + " --url http://x/?precision=s":                           "times are in ns",
		"--store " + data + " --token-file x":                                        "without --url",
	} {
		if code, _, bad := tell(append([]string{"export", "line"}, strings.Fields(args)...)...); code != 2 || !strings.Contains(bad, want) {
			t.Errorf("%q: exit %d: %s, want 2 and %q", args, code, bad, want)
		}
	}
}

// batches collects what is sent.
type batches struct {
	mu   sync.Mutex
	body bytes.Buffer
}

// Send is lineSink's.
func (w *batches) Send(_ context.Context, lines []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.body.Write(lines)
	return err
}

func (w *batches) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.body.Bytes())
}

// Who follows gets every row once: also those that are committed while it looks.
func TestFollowingGetsEveryRowOnce(t *testing.T) {
	data := t.TempDir()
	out := &batches{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	err := someFarm(t).run(t.Context(), storePath(data), func() {
		db, err := openService(t.Context(), data)
		if err != nil {
			t.Error(err)
			ended <- err
			return
		}
		go func() {
			defer db.Close() //nolint:errcheck // it was only read
			x := &lineExport{db: db.(store.Spans), to: out}
			ended <- x.follow(ctx, time.Unix(0, 0), 24*time.Hour, 10*time.Millisecond) // shards run free: one may be the whole afternoon ahead
		}()
		eventually(t, "the first half is there", func() bool { return len(out.bytes()) > 0 })
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := held(t, data, time.Time{}, endOfLines())
	n := 0
	for _, k := range want {
		n += k
	}
	eventually(t, "every row is there", func() bool { return bytes.Count(out.bytes(), []byte("\n")) >= n })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	linesAreRows(t, decodedLines(t, out.bytes()), want)
}

// oneRow is a store of one vector and one risk.
type oneRow struct{}

func (oneRow) FramesWithin(_ context.Context, _, _ time.Time, f func(pipeline.Frame) error) error {
	v := features.Vector{Channel: "x=\ny\\", Fields: []features.Field{{Name: "a b"}, {Name: "gone"}, {Name: "far"}}, Values: []float64{1.5, math.NaN(), math.Inf(1)}, Quality: 100}
	return f(pipeline.Frame{Asset: "pump, no. 7", Time: time.Unix(0, 1234567890123456789), Vectors: []features.Vector{v}})
}

func (oneRow) RisksWithin(_ context.Context, _, _ time.Time, f func(asset.Risk) error) error {
	return f(asset.Risk{
		Time: time.Unix(1, 0), Asset: "ü", Component: "gear", Risk: 0.25, Certainty: asset.Unsure(), HorizonH: 24, Anomaly: true, MLScore: asset.Missing(), MLP: asset.Missing(),
		PhysicsScore: asset.Missing(), RuleScore: 2, RUL: asset.RUL{P10: asset.Missing(), P50: asset.Missing(), P90: asset.Missing()}, Mode: `say "x"`,
	})
}

// The text is that of the published rules, batches down by hand.
func TestLinesAreEscapedByTheRules(t *testing.T) {
	out := &batches{}
	if err := (&lineExport{db: oneRow{}, to: out}).span(t.Context(), time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	want := `telltale_feature,asset=pump\,\ no.\ 7,channel=x\=_y_ a\ b=1.5,quality=100,window_s=0 1234567890123456789` + "\n" +
		`telltale_risk,asset=ü,component=gear anomaly=true,risk=0.25,horizon_h=24,rule_score=2,mode="say \"x\"" 1000000000` + "\n"
	if got := string(out.bytes()); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A server that is busy or broken gets the batch again; one that refuses it ends the export.
func TestLinesArePostedAgainUntilTheyAreTaken(t *testing.T) {
	answers := []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusNoContent, http.StatusNoContent}
	var got bytes.Buffer
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String()+" "+r.Header.Get("Authorization"))
		code := answers[0]
		answers = answers[1:]
		if code == http.StatusNoContent {
			io.Copy(&got, r.Body) //nolint:errcheck // the comparison tells
		}
		w.WriteHeader(code)
		if code == http.StatusBadRequest {
			io.WriteString(w, `{"message":"field type conflict"}`) //nolint:errcheck // the comparison tells
		}
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	post, err := newLinePost(server.URL+"/api/v2/write?org=plant&bucket=b", token)
	if err != nil {
		t.Fatal(err)
	}
	post.pause = time.Millisecond
	if err := (&lineExport{db: oneRow{}, to: post}).span(t.Context(), time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if all := decodedLines(t, got.Bytes()); len(all) != 2 || len(asked) != 3 || asked[2] != "/api/v2/write?bucket=b&org=plant&precision=ns Token canary" {
		t.Errorf("%d lines, asked %v", len(all), asked)
	}
	answers = []int{http.StatusBadRequest}
	if err := post.Send(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "field type conflict") {
		t.Errorf("a refusal: %v", err)
	}
	server.Close()
	post.tries = 3
	if err := post.Send(t.Context(), []byte("x")); err == nil {
		t.Error("nobody listened, and lines were taken")
	}
}
