package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/sqlite"
	"github.com/telltale-iot/telltale/store/storetest"
)

// A shard is claimed, goes on from its checkpoint, and is fenced once another
// instance has claimed it.
func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	ctx := context.Background()
	s, err := sqlite.Open(ctx, filepath.Join(dir, "telltale.db"), sqlite.Options{})
	if err != nil {
		panic(err)
	}
	defer s.Close() //nolint:errcheck // everything is on disk

	mine, _ := s.Claim(ctx, 0)
	fmt.Println("kept:", s.Keep(ctx, storetest.Batch(mine.Epoch, 1)))
	theirs, _ := s.Claim(ctx, 0)
	fmt.Println("they go on from", theirs.Next)
	fmt.Println("fenced:", errors.Is(s.Keep(ctx, storetest.Batch(mine.Epoch, 2)), store.ErrFenced))
	// Output:
	// kept: <nil>
	// they go on from 1
	// fenced: true
}
