package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/postgres"
	"github.com/telltale-iot/telltale/store/postgres/postgrestest"
	"github.com/telltale-iot/telltale/store/storetest"
)

// Several processes start at once on an empty database.
func TestMigratedOnce(t *testing.T) {
	url := postgrestest.Shared(t).In(schemaOf(t.TempDir()))
	const starters = 6
	failed := make(chan error, starters)
	for range starters {
		go func() {
			s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true})
			if err == nil {
				err = s.Close()
			}
			failed <- err
		}()
	}
	for range starters {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	s := openAt(t, url, postgres.Options{})
	if v, err := s.Version(t.Context()); err != nil || v < 2 {
		t.Errorf("version %d, %v", v, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	server := postgrestest.Shared(t)
	schema := schemaOf(t.TempDir())
	for name, tc := range map[string]struct{ url, want string }{
		"an empty database without Migrate": {server.In(schema), "run telltale store migrate"},
		"a schema of a strange name":        {server.In(`x"; DROP`), "want one schema"},
		"a wrong password":                  {strings.Replace(server.URL(), ":canary@", ":wrong@", 1), "password authentication failed"},
		"no address":                        {"postgres://%zz", "not an address"},
	} {
		s, err := postgres.Open(t.Context(), tc.url, postgres.Options{})
		if err == nil {
			s.Close() //nolint:errcheck,gosec // it returns nil
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "wrong@") {
			t.Errorf("%s: %v; want %q and no password", name, err, tc.want)
		}
	}
	openAt(t, server.In(schema), postgres.Options{})
	server.Exec(t, "UPDATE "+schema+".schema_version SET version = 99")
	if _, err := postgres.Open(t.Context(), server.In(schema), postgres.Options{Migrate: true}); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a database of a newer program: %v", err)
	}
}

// Weeks before and after what there is get partitions of their own; those that are too
// old are dropped as a whole, and a component's latest risk stays.
func TestPartitions(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, storetest.Plan)
	epoch := claim(t, s)
	sunday := time.Date(2026, 3, 1, 23, 59, 59, 999_999_999, time.UTC)
	instants := []time.Time{sunday, sunday.Add(1), sunday.AddDate(-30, 0, 0), time.Date(1969, 7, 20, 20, 17, 0, 1, time.UTC), sunday.AddDate(5, 0, 0)}
	for i, at := range instants {
		fx := pipeline.Effects{Epoch: epoch, Next: int64(i) + 1, Risks: []asset.Risk{storetest.Risk(at, "T01", "gearbox", 0.5)}}
		if i == 2 {
			fx.Risks = append(fx.Risks, storetest.Risk(at, "T01", "silent", 0.5))
		}
		if err := s.Keep(t.Context(), fx); err != nil {
			t.Fatal(err)
		}
	}
	partitions := func() int {
		return asked[int](t, postgrestest.Shared(t), "SELECT count(*) FROM pg_inherits WHERE inhparent = '"+schemaOf(dir)+".risk'::regclass")
	}
	if n := partitions(); n != 9 { // two neighbours with the one after them, and three others with the one after each
		t.Errorf("%d partitions, want 9", n)
	}
	n, err := s.Prune(t.Context(), sunday.Add(1))
	if err != nil || n != 3 {
		t.Errorf("%d rows forgotten, %v; want the three before Monday whose component has a newer one", n, err)
	}
	if n := partitions(); n != 4 {
		t.Errorf("%d partitions are left, want 4", n)
	}
	latest, err := s.LatestRisks(t.Context())
	if err != nil || len(latest) != 2 {
		t.Errorf("latest risks %v, %v; want those of both components", latest, err)
	}
	late := pipeline.Effects{Epoch: epoch, Next: 9, Risks: []asset.Risk{storetest.Risk(sunday, "T01", "gearbox", 0.5)}}
	if err := s.Keep(t.Context(), late); err != nil {
		t.Errorf("a row for a week that was dropped: %v", err)
	}
}

// Somebody reads for long: the retention gives way, and the flow goes on.
func TestPruneGivesWay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, storetest.Plan)
	epoch := claim(t, s)
	ends(t, keeping(t, s, epoch, 1))
	c, err := pgx.Connect(t.Context(), postgrestest.Shared(t).In(schemaOf(dir)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background()) //nolint:errcheck // it only reads
	if _, err := c.Exec(t.Context(), "BEGIN; SELECT count(*) FROM frame"); err != nil {
		t.Fatal(err)
	}
	later := storetest.Epoch.AddDate(0, 0, 30)
	pruned := make(chan error, 1)
	ctx := t.Context()
	go func() { _, err := s.Prune(ctx, later); pruned <- err }()
	ends(t, keeping(t, s, epoch, 2))
	if err := <-pruned; err == nil || !strings.Contains(err.Error(), "55P03") {
		t.Errorf("pruned beside a reader: %v", err)
	}
	if _, err := c.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), later); err != nil {
		t.Error(err)
	}
	if frames := len(storetest.Frames(t, s)); frames != 0 {
		t.Errorf("%d frames are left", frames)
	}
}

// The service does with the writer's rights what it has to, and nothing beyond.
func TestRoles(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	server.Exec(t, postgres.Roles())
	server.Exec(t, postgres.Roles()) // again: harmless
	for _, role := range []string{"owner", "writer", "reader"} {
		server.Exec(t, "CREATE ROLE my_"+role+" LOGIN PASSWORD 'x' IN ROLE telltale_"+role)
	}
	as := func(role string) string { return strings.Replace(server.URL(), "postgres:canary", "my_"+role+":x", 1) }
	if _, err := postgres.Open(t.Context(), as("writer"), postgres.Options{Migrate: true}); err == nil || !strings.Contains(err.Error(), "telltale store migrate") {
		t.Errorf("the writer before the owner migrated: %v", err)
	}
	openAt(t, as("owner"), postgres.Options{})
	s := openAt(t, as("writer"), postgres.Options{Plan: storetest.Plan})
	epoch := claim(t, s)
	for k := int64(1); k <= 3; k++ {
		fx := storetest.Batch(epoch, k)
		fx.Risks = append(fx.Risks, fx.Risks[0]) // twice: by way of a temporary table
		fx.Scores = []asset.Score{storetest.Score(fx.Through, "T01", "m:1", 1)}
		fx.Alerts = []asset.Alert{storetest.Alert("a", 1)}
		if err := s.Keep(t.Context(), fx); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Prune(t.Context(), storetest.Epoch.AddDate(0, 0, 30)); err != nil || n != 8 {
		t.Errorf("%d rows forgotten by the writer, %v; want 3 frames, 3 scores, 2 risks", n, err)
	}
	for role, statements := range map[string][]string{
		"writer": {"CREATE TABLE telltale.x ()", "DROP TABLE telltale.risk", "ALTER TABLE telltale.risk ADD x int", "UPDATE telltale.schema_version SET version = 0", "TRUNCATE telltale.alert"},
		"reader": {"INSERT INTO telltale.meta VALUES ('a', 'b')", "SELECT telltale.make_partitions(0)", "SELECT telltale.drop_partition(0)", "CREATE TABLE telltale.x ()"},
	} {
		c, err := pgx.Connect(t.Context(), as(role))
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range statements {
			_, err := c.Exec(t.Context(), sql)
			if err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("the %s ran %s: %v", role, sql, err)
			}
		}
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	r, err := postgres.Open(t.Context(), as("reader"), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // it returns nil
	if latest, err := r.LatestRisks(t.Context()); err != nil || len(latest) != 1 {
		t.Errorf("latest risks for the reader: %v, %v", latest, err)
	}
	if err := r.SetMeta(t.Context(), "a", "b"); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the reader wrote: %v", err)
	}
	if named := asked[int](t, server, "SELECT count(*) FROM telltale.feature_at WHERE name = 'rms' OR reason = 'alias'"); named != 0 {
		t.Errorf("%d values after all were forgotten", named)
	}
}

// What people read with SQL has names, units and times.
func TestViews(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, storetest.Plan)
	if err := s.Keep(t.Context(), storetest.Batch(claim(t, s), 7)); err != nil {
		t.Fatal(err)
	}
	got := asked[string](t, postgrestest.Shared(t), `SELECT string_agg(concat_ws(' ', at AT TIME ZONE 'UTC', asset, channel, name, unit, value, reason), '; ' ORDER BY name)
		FROM `+schemaOf(dir)+`.feature_at`)
	if want := "2026-03-01 00:07:00 T01 gearbox defect_bpfo 1 alias; 2026-03-01 00:07:00 T01 gearbox rms m/s² 7"; got != want {
		t.Errorf("features %q, want %q", got, want)
	}
}
