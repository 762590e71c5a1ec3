package sqlite_test

import (
	"testing"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/storetest"
)

func TestCrash(t *testing.T) {
	storetest.Crash(t, func(t *testing.T, dir string, plan store.Planner) storetest.Store {
		t.Helper()
		return open(t, dir, plan)
	}, 10)
}
