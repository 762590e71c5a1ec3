package kinesis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// checkpoint is how far the shards of a stream were read, as it is in the file.
type checkpoint struct {
	Stream string           `json:"stream"`
	Shards map[string]place `json:"shards"`
}

// place is how far a shard was read.
type place struct {
	After string    `json:"after,omitempty"` // sequence number of the last record that is durable; empty: none is
	Until time.Time `json:"until"`           // what had arrived by then is durable
	Done  bool      `json:"done,omitempty"`  // the shard is closed and nothing more is in it
}

func loadCheckpoint(path, stream string) (checkpoint, error) {
	c := checkpoint{Stream: stream, Shards: map[string]place{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	if c.Stream != stream {
		return c, fmt.Errorf("checkpoint %s is of stream %q, want one of its own for %q", path, c.Stream, stream)
	}
	if c.Shards == nil {
		c.Shards = map[string]place{}
	}
	return c, nil
}

// save replaces the file at once: after a crash there is the old one or the new one.
func (c checkpoint) save(path string) error {
	b, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("checkpoint: %w", err), os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
