package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/simulate"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/postgres/postgrestest"
	"github.com/telltale-iot/telltale/workorders"
)

// gated is a source of listed readings that stops half-way until it is let through.
type gated struct {
	listed
	half int64
	open chan struct{}
}

// Next returns the next reading.
func (g *gated) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	if g.next == g.half {
		select {
		case <-g.open:
		case <-ctx.Done():
			return asset.Reading{}, asset.Position{}, ctx.Err()
		}
	}
	return g.listed.Next(ctx)
}

// configured writes a store section and reads it as a service does.
func configured(t *testing.T, section string) *config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "telltale.yaml")
	if err := os.WriteFile(path, []byte(section), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := readPartConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// The service on PostgreSQL: it answers from there, says when the server is away, goes on
// when it is back, and commands work on it.
func TestServiceOnPostgreSQL(t *testing.T) {
	server := postgrestest.Start(t)
	secretFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secretFile, []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.Replace(server.URL(), ":canary", "", 1)
	conf := configured(t, fmt.Sprintf("store:\n  url: %s\n  password_file: %s\n  retention: 168h\n", address, secretFile))
	if err := conf.Store.Validate(); err != nil {
		t.Fatal(err)
	}
	farm, err := newFarmRun(simulate.Options{Turbines: 2, Duration: 24 * time.Hour, WaveEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	db, err := openStore(t.Context(), conf, defaultShards, farm.w.order, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it returns nil
	s := newService(farm.w, db, slog.New(slog.DiscardHandler))
	s.batch, s.retention = pipeline.Batch{Eager: true}, conf.Store.Retention
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shards, next, _, err := s.claim(ctx)
	if err != nil || next != 0 {
		t.Fatalf("claimed up to %d, %v", next, err)
	}
	source := &gated{listed{readings: farm.readings}, int64(len(farm.readings) / 2), make(chan struct{})}
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- s.serve(ctx, "127.0.0.1:0", func(ctx context.Context) error { return s.flow(ctx, source, shards) }, nil, "", workorders.Options{}, func(url string) { listening <- url })
	}()
	url := <-listening
	answered := func(path string, code int, text string) bool {
		got, body := fetch(t, url+path)
		return got == code && strings.Contains(body, text)
	}
	eventually(t, "a risk by the API", func() bool {
		return answered("/api/v1/assets", 200, `"wt01"`) && answered("/readyz", 200, "true") && s.reach.Load() > 0
	})
	server.Kill(t)
	close(source.open)
	eventually(t, "a service that is not ready", func() bool {
		return answered("/readyz", 503, "store: PostgreSQL is away since") && answered("/metrics", 200, "telltale_store_away 1")
	})
	server.Restart(t)
	last := farm.readings[len(farm.readings)-1].Time
	eventually(t, "the end of the readings", func() bool { return time.Unix(0, s.reach.Load()).Add(time.Hour).After(last) })
	eventually(t, "a service that is ready", func() bool {
		return answered("/readyz", 200, "true") && answered("/metrics", 200, "telltale_store_away 0")
	})
	if !answered("/api/v1/assets/wt01/risks", 200, "gearbox") || !answered("/api/v1/status", 200, "counts") {
		t.Error("the API does not answer from the database")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the service ended with %v", err)
	}
	frames := 0
	if err := db.EachFrame(t.Context(), func(pipeline.Frame) error { frames++; return nil }); err != nil || frames == 0 {
		t.Errorf("%d frames, %v", frames, err)
	}
	commandsOnPostgreSQL(t, db, address)
}

// commandsOnPostgreSQL uses the address where a folder is named otherwise.
func commandsOnPostgreSQL(t *testing.T, db store.Store, address string) {
	t.Helper()
	t.Setenv("PGPASSWORD", "canary")
	if code, out, bad := typed(t, "store", "migrate", "--url", address); code != 0 || !strings.Contains(out, "up to date") {
		t.Errorf("store migrate: exit %d: %s%s", code, out, bad)
	}
	if code, _, bad := typed(t, "store", "migrate", "--url", strings.Replace(address, "@", ":canary@", 1)); code != 2 || strings.Contains(bad, "canary") {
		t.Errorf("a password in an address: exit %d: %s", code, bad)
	}
	if code, out, bad := typed(t, "store", "roles"); code != 0 || !strings.Contains(out, "telltale_writer") {
		t.Errorf("store roles: exit %d: %s", code, bad)
	}
	at, err := db.Claim(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	when := onDay(0)
	alert := asset.Alert{
		ID: "by-hand", Asset: "wt01", Component: "gearbox", Mode: asset.Wear, Severity: 1, Opened: when, Changed: when, Risk: 0.9,
		HorizonH: 720, RUL: asset.NoRUL(),
	}
	if err := db.Keep(t.Context(), pipeline.Effects{Shard: 7, Epoch: at.Epoch, Next: 1, Alerts: []asset.Alert{alert}}); err != nil {
		t.Fatal(err)
	}
	list, err := db.Orders(t.Context(), store.OrderFilter{Alert: "by-hand"})
	if err != nil || len(list) != 1 {
		t.Fatalf("orders %+v, %v", list, err)
	}
	if code, out, bad := typed(t, "orders", "park", list[0].ID, "--data", address, "--why", "by telephone"); code != 0 || !strings.Contains(out, "parked") {
		t.Errorf("orders park: exit %d: %s%s", code, out, bad)
	}
	out := t.TempDir()
	if code, _, bad := typed(t, "model", "export-training", address, "--out", out, "--class", "wind-turbine", "--component", "gearbox",
		"--inputs", "gearbox_oil_temperature/residual_z"); code != 0 {
		t.Errorf("model export-training: exit %d: %s", code, bad)
	}
	if _, err := os.Stat(filepath.Join(out, "features.parquet")); err != nil {
		t.Error(err)
	}
}

func TestStoreConfigRefuses(t *testing.T) {
	for section, want := range map[string]string{
		"store: {url: 'mysql://x/y'}":                       "url: not an address",
		"store: {url: 'postgres://a:secret@h/d'}":           "url: a password in an address is not allowed",
		"store: {url: 'postgres://a@h/d?password=secret'}":  "url: a password in an address is not allowed",
		"store: {require_synchronous: true}":                "require_synchronous: true is not allowed without url",
		"store: {retention: 24h}":                           "retention: 24h0m0s is not allowed",
		"store: {url: 'postgres://a@h,i/d', retention: 0s}": "",
	} {
		err := configured(t, section).Store.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", section, err, want)
		}
	}
}

// What is older than the retention goes, in whole weeks.
func TestServiceForgets(t *testing.T) {
	w := newWorks(nil, nil)
	db, err := openFile(t.Context(), filepath.Join(t.TempDir(), "s.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test's
	at, err := db.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	fx := pipeline.Effects{Epoch: at.Epoch, Next: 1}
	for d := range 30 {
		fx.Risks = append(fx.Risks, asset.Risk{Time: onDay(float64(d)), Asset: "a", Component: "b"})
	}
	if err := db.Keep(t.Context(), fx); err != nil {
		t.Fatal(err)
	}
	s := newService(w, db, slog.New(slog.DiscardHandler))
	s.retention = 7 * 24 * time.Hour
	s.reach.Store(onDay(29).UnixNano()) // Friday 30 January: 23 January, and from Monday 19 January on
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.retain(ctx) }()
	eventually(t, "the first day that is kept", func() bool {
		left, err := db.Risks(t.Context(), "a", "b", onDay(-1), onDay(40), 0)
		return err == nil && len(left) == 12 && left[0].Time.Equal(time.Date(2026, 1, 19, 0, 0, 0, 0, time.UTC))
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// waiting is a keeper that waits for a database that never comes back.
type waiting struct{ began chan struct{} }

// Keep waits until ctx ends.
func (w waiting) Keep(ctx context.Context, _ pipeline.Effects) error {
	close(w.began)
	<-ctx.Done()
	return ctx.Err()
}

func TestServiceEndsWhileTheStoreIsAway(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	k := endingKeeper{waiting{make(chan struct{})}, ctx, 50 * time.Millisecond}
	ended := make(chan error, 1)
	go func() { ended <- k.Keep(context.WithoutCancel(ctx), pipeline.Effects{}) }()
	<-k.Keeper.(waiting).began
	if len(ended) > 0 {
		t.Fatalf("a service that goes on gave up: %v", <-ended)
	}
	end()
	if err := <-ended; quiet(err) != nil {
		t.Errorf("ended with %v", err)
	}
}
