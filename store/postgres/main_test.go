package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/postgres"
	"github.com/telltale-iot/telltale/store/postgres/postgrestest"
	"github.com/telltale-iot/telltale/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// schemaOf is a schema for each folder.
func schemaOf(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "t_" + hex.EncodeToString(sum[:8])
}

// open opens a store of the shared server; a folder is a schema.
func open(tb testing.TB, dir string, plan store.Planner) *postgres.Store {
	tb.Helper()
	return openAt(tb, postgrestest.Shared(tb).In(schemaOf(dir)), postgres.Options{Plan: plan})
}

func openAt(tb testing.TB, url string, opt postgres.Options) *postgres.Store {
	tb.Helper()
	opt.Migrate = true
	opt.BackoffMax = 200 * time.Millisecond
	s, err := postgres.Open(context.Background(), url, opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	postgrestest.Shared(t)
	storetest.Run(t, func(t *testing.T, dir string, plan store.Planner) storetest.Store {
		t.Helper()
		return open(t, dir, plan)
	})
}

func TestCrash(t *testing.T) {
	postgrestest.Shared(t)
	storetest.Crash(t, func(t *testing.T, dir string, plan store.Planner) storetest.Store {
		t.Helper()
		return open(t, dir, plan)
	}, 10)
}
