package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/internal/powerloss"
	"github.com/telltale-iot/telltale/store/storetest"
)

// powerTrial keeps batches, one after another, in a store that was opened and then changed
// by a statement, if there is one.
func powerTrial(change string) powerloss.Trial {
	open := func(dir string) (*Store, error) {
		return Open(context.Background(), filepath.Join(dir, "telltale.db"), Options{Plan: storetest.Plan})
	}
	return powerloss.Trial{
		Changes: 6000,
		Rare: func(change string) bool { // syncs, and what a checkpoint does
			return change != "write telltale.db-wal" && !strings.HasSuffix(change, "-shm")
		},
		RareChanges: 600,
		Write: func(dir string) error {
			s, err := open(dir)
			if err != nil {
				return err
			}
			if change != "" {
				if err := s.exec(context.Background(), change); err != nil {
					return err
				}
			}
			c, err := s.Claim(context.Background(), 0)
			if err != nil {
				return err
			}
			for k := c.Next + 1; ; k++ {
				if err := s.Keep(context.Background(), storetest.OrderingBatch(c.Epoch, k)); err != nil {
					return err
				}
				fmt.Println("kept", k)
			}
		},
		Check: func(dir string, said []string) error {
			var acknowledged int64
			for _, line := range said {
				_, _ = fmt.Sscanf(line, "kept %d", &acknowledged) // the newest is the last
			}
			s, err := open(dir)
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // a copy
			return checkPowerLoss(s, acknowledged)
		},
	}
}

// checkPowerLoss wants a sound file with a prefix of what was kept, of all that was
// acknowledged at least.
func checkPowerLoss(s *Store, acknowledged int64) error {
	ctx := context.Background()
	var sound string
	if err := s.row(ctx, "PRAGMA integrity_check(1)", nil, &sound); err != nil {
		return err
	}
	if sound != "ok" {
		return fmt.Errorf("the file is not sound: %s", sound)
	}
	c, err := s.Claim(ctx, 0)
	if err != nil {
		return err
	}
	if c.Next < acknowledged {
		return fmt.Errorf("position %d, but %d was acknowledged", c.Next, acknowledged)
	}
	return storetest.Prefix(ctx, s, c.Next)
}

func TestPowerLoss(t *testing.T) {
	if err := powerTrial("").Run(t); err != nil {
		t.Fatal(err)
	}
}

// What is not synced at each commit is lost with the power.
func TestPowerLossIsFoundWithoutSync(t *testing.T) {
	trial := powerTrial("PRAGMA synchronous = NORMAL")
	trial.Cuts = 50
	err := trial.Run(t)
	if err == nil {
		t.Fatal("nothing was lost")
	}
	t.Log(err)
}

// What is not synced at all tears the file, and is found though nothing were acknowledged.
func TestPowerLossTearsWithoutSync(t *testing.T) {
	trial := powerTrial("PRAGMA synchronous = OFF")
	trial.Cuts = 200
	check := trial.Check
	trial.Check = func(dir string, _ []string) error { return check(dir, nil) }
	err := trial.Run(t)
	if err == nil {
		t.Fatal("nothing was torn")
	}
	t.Log(err)
}
