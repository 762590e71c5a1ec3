package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/sqlite"
)

// storePath is the file in which a service keeps everything.
func storePath(data string) string { return filepath.Join(data, "telltale.db") }

// runPath is the file in which a backtest keeps everything.
func runPath(out string) string { return filepath.Join(out, "run.db") }

// openFile opens the embedded store at path, making it where there is none.
func openFile(ctx context.Context, path string, plan store.Planner) (store.Store, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Plan: plan})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// openService opens the store of a service, named by its data folder, to read it or to
// work on its orders.
func openService(ctx context.Context, data string) (store.Store, error) {
	path := storePath(data)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no service has written to %s: name its data folder with --data: %w", data, err)
	}
	return openFile(ctx, path, nil)
}
