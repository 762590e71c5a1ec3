package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/collectors"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/postgres"
	"github.com/telltale-iot/telltale/store/postgres/postgrestest"
	"github.com/telltale-iot/telltale/store/storetest"
)

// soon is how long a test waits for what has to come.
const soon = time.Minute

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > soon {
			t.Fatalf("%s did not come about", what)
		}
	}
}

// asked is the one value that the superuser reads.
func asked[T any](t *testing.T, s *postgrestest.Server, sql string) (v T) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background()) //nolint:errcheck // it was for one question
	if err := c.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// keeping keeps a batch, and tells when it is acknowledged.
func keeping(t *testing.T, s *postgres.Store, epoch, k int64) <-chan error {
	t.Helper()
	return keepingAll(t, s, storetest.Batch(epoch, k))
}

func keepingAll(t *testing.T, s *postgres.Store, fx pipeline.Effects) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- s.Keep(ctx, fx) }()
	return done
}

func ends(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(soon):
		t.Fatal("the batch is not acknowledged")
	}
}

func claim(t *testing.T, s *postgres.Store) int64 {
	t.Helper()
	c, err := s.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return c.Epoch
}

// holds fails unless the store has exactly the first n batches.
func holds(t *testing.T, s *postgres.Store, n int) {
	t.Helper()
	counts, err := s.Counts(t.Context())
	if err != nil || counts["in"] != int64(n) {
		t.Errorf("counted %v, %v; want %d", counts, err, n)
	}
	if frames := len(storetest.Frames(t, s)); frames != n {
		t.Errorf("%d frames, want %d", frames, n)
	}
}

// The server is killed with all its processes while it is written to, and started again.
func TestServerKilled(t *testing.T) {
	server := postgrestest.Start(t)
	s := openAt(t, server.URL(), postgres.Options{Plan: storetest.Plan})
	storetest.Outage(t, s, 6, func(int) {
		server.Kill(t)
		time.Sleep(rand.N(200 * time.Millisecond)) //nolint:gosec // any span will do
		server.Restart(t)
	})
}

// While the server is away a batch waits, the store says so, and the end of the service
// ends the waiting.
func TestServerAway(t *testing.T) {
	server := postgrestest.Start(t)
	s := openAt(t, server.URL(), postgres.Options{Plan: storetest.Plan})
	epoch := claim(t, s)
	ends(t, keeping(t, s, epoch, 1))
	if err := s.Away(); err != nil {
		t.Errorf("away while it is there: %v", err)
	}
	server.Kill(t)
	done := keeping(t, s, epoch, 2)
	waitFor(t, "a store that says that it waits", func() bool { return s.Away() != nil && s.Retries() > 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Keep(ctx, storetest.Batch(epoch, 3)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a batch whose service ended: %v", err)
	}
	if _, err := s.LatestRisks(t.Context()); err == nil {
		t.Error("a reader was answered by a server that is away")
	}
	if len(done) > 0 {
		t.Fatalf("acknowledged without a server: %v", <-done)
	}
	server.Restart(t)
	ends(t, done)
	waitFor(t, "a store that is back", func() bool { return s.Away() == nil })
	holds(t, s, 2)
}

// The connection is cut after COMMIT was sent and before its answer came; the commit goes
// through meanwhile. The batch must be found, not written again.
func TestCutAfterCommit(t *testing.T) {
	server := postgrestest.Start(t)
	metrics := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	metrics.Metrics.ProxyMetrics = collectors.NewProxyMetricCollectors()
	proxy := toxiproxy.NewProxy(metrics, t.Name(), "127.0.0.1:0", server.Addr())
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	s := openAt(t, strings.Replace(server.URL(), server.Addr(), proxy.Listen, 1), postgres.Options{Plan: storetest.Plan})
	epoch := claim(t, s)
	ends(t, keeping(t, s, epoch, 1))
	// A commit takes a while from now on, since what is deferred runs within it; a client that
	// is cut off and asks for an end of it comes too late.
	server.Exec(t, `CREATE FUNCTION telltale.slow() RETURNS trigger LANGUAGE plpgsql AS $$
		DECLARE began CONSTANT timestamptz := clock_timestamp();
		BEGIN
			WHILE clock_timestamp() < began + interval '1 second' LOOP
				BEGIN PERFORM pg_sleep(0.1); EXCEPTION WHEN query_canceled THEN NULL; END;
			END LOOP;
			RETURN NULL;
		END $$`)
	server.Exec(t, `CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON telltale.shard DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (OLD.next <> NEW.next) EXECUTE FUNCTION telltale.slow()`)
	for k := int64(2); k <= 3; k++ {
		fx := storetest.Batch(epoch, k)
		if k == 3 { // with no row whose key would tell
			fx = pipeline.Effects{Epoch: epoch, Next: k, Counts: fx.Counts}
		}
		done := keepingAll(t, s, fx)
		waitFor(t, "a commit under way", func() bool {
			return asked[int](t, server, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ILIKE 'commit%'") > 0
		})
		proxy.Stop()
		if err := proxy.Start(); err != nil {
			t.Fatal(err)
		}
		ends(t, done)
		waitFor(t, "a reader whose connection was cut, too", func() bool { _, err := s.Counts(t.Context()); return err == nil })
		if counts, err := s.Counts(t.Context()); err != nil || counts["in"] != k {
			t.Errorf("counted %v, %v; want %d", counts, err, k)
		}
	}
	if frames := len(storetest.Frames(t, s)); frames != 2 {
		t.Errorf("%d frames, want 2", frames)
	}
	if s.Retries() == 0 {
		t.Error("no connection was cut")
	}
}

// synced sets the primary up so that commits wait for the standby.
func synced(t *testing.T, primary *postgrestest.Server) {
	t.Helper()
	primary.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
	primary.Exec(t, "SELECT pg_reload_conf()")
	waitFor(t, "a synchronous standby", func() bool {
		return asked[int](t, primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") > 0
	})
}

// The primary dies, its standby takes over: what was acknowledged is there, what was not
// is written there.
func TestFailover(t *testing.T) {
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	synced(t, primary)
	both := strings.Replace(primary.URL(), primary.Addr(), primary.Addr()+","+standby.Addr(), 1) + "?target_session_attrs=read-write"
	s := openAt(t, both, postgres.Options{Plan: storetest.Plan})
	epoch := claim(t, s)
	for k := int64(1); k <= 20; k++ {
		ends(t, keeping(t, s, epoch, k))
	}
	standby.Pause(t)
	done := keeping(t, s, epoch, 21)
	select {
	case err := <-done:
		t.Fatalf("acknowledged without the standby: %v", err)
	case <-time.After(time.Second):
	}
	primary.Kill(t)
	standby.Resume(t)
	standby.Exec(t, "SELECT pg_promote()")
	ends(t, done)
	ends(t, keeping(t, s, epoch, 22))
	holds(t, s, 22)
}

// A wait for the standby that somebody cancels leaves a commit that is on one server
// alone: it is no acknowledgement, and neither is finding it there.
func TestCommitThatIsNotReplicated(t *testing.T) {
	server := postgrestest.Start(t)
	s := openAt(t, server.URL(), postgres.Options{Plan: storetest.Plan})
	epoch := claim(t, s)
	ends(t, keeping(t, s, epoch, 1))
	server.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	server.Exec(t, "SELECT pg_reload_conf()")
	time.Sleep(200 * time.Millisecond) // until the backends have read it
	done := keeping(t, s, epoch, 2)
	const waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	waitFor(t, "a commit that waits", func() bool { return asked[int](t, server, waiting) > 0 })
	server.Exec(t, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	waitFor(t, "a second attempt", func() bool { return s.Retries() > 0 && asked[int](t, server, waiting) > 0 })
	time.Sleep(300 * time.Millisecond)
	if len(done) > 0 {
		t.Fatalf("acknowledged without a standby: %v", <-done)
	}
	server.Exec(t, "ALTER SYSTEM RESET synchronous_standby_names")
	server.Exec(t, "SELECT pg_reload_conf()")
	ends(t, done)
	holds(t, s, 2)
}

// Where it is asked for, a server without a synchronous standby is refused.
func TestRequireSynchronous(t *testing.T) {
	primary := postgrestest.Start(t)
	refused := func(url, why string) {
		t.Helper()
		s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true, RequireSynchronous: true})
		if err == nil {
			s.Close() //nolint:errcheck,gosec // it returns nil
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("opened: %v; want %q", err, why)
		}
	}
	refused(primary.URL(), "synchronous_standby_names is empty")
	standby := primary.Standby(t)
	primary.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'other'")
	primary.Exec(t, "SELECT pg_reload_conf()")
	time.Sleep(200 * time.Millisecond)
	refused(primary.URL(), "none of the standbys in synchronous_standby_names (other)")
	synced(t, primary)
	s := openAt(t, primary.URL(), postgres.Options{Plan: storetest.Plan, RequireSynchronous: true})
	ends(t, keeping(t, s, claim(t, s), 1))
	refused(primary.URL()+"?synchronous_commit=remote_write", "synchronous_commit is remote_write")
	refused(standby.URL(), "standby")
	primary.Exec(t, "CREATE ROLE nobody_special LOGIN PASSWORD 'x'")
	refused(strings.Replace(primary.URL(), "postgres:canary", "nobody_special:x", 1), "GRANT pg_read_all_stats")
}
