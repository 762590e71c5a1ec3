package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/registry"
	"github.com/telltale-iot/telltale/ingest/spool"
)

// intake is what stands before the flow: the sources of a configuration as one, each
// with its meter, and what was refused.
type intake struct {
	*ingest.Joined
	opened  []func() // what ends what was opened, the last first
	entries []entry
	letters *ingest.Letters
	schemas *registry.Registry // nil: none is configured
	silence time.Duration      // of a source that is reported
	log     *slog.Logger
}

// entry is one source of the configuration.
type entry struct {
	source liveSource // nil: it is read elsewhere
	meter  *ingest.Meter
	polled bool // nobody keeps what was not asked for
	allow  ingest.Allow
	keeps  bool // it can go on from an earlier reading by itself: what it brings needs no journal
}

// status is how the source stands; one that knows more than its meter is asked itself.
func (e entry) status() ingest.SourceStatus {
	if s, ok := e.source.(interface{ Status() ingest.SourceStatus }); ok {
		return s.Status()
	}
	if e.source == nil {
		return e.meter.Status(0)
	}
	return e.meter.Status(e.source.Queued())
}

type liveSource interface {
	ingest.Source
	Queued() int
	Close()
}

var _ api.Sources = (*intake)(nil)

// openIntake opens what the configuration names; next is the offset to count on from,
// through the event time that was reached. A journal is for a reader that comes back to
// what it has read.
func openIntake(ctx context.Context, c *config, next int64, through time.Time, journal bool, log *slog.Logger) (_ *intake, err error) {
	in, err := newIntake(c, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	for _, open := range []func(context.Context, sourceConfig) error{in.openModbus, in.openOPCUA, in.openMQTT, in.openSparkplug, in.openKafka, in.openKinesis} {
		if err := open(ctx, c.Source); err != nil {
			return nil, err
		}
	}
	if err := in.join(ctx, c, next, through, journal); err != nil {
		return nil, err
	}
	return in, nil
}

// newIntake has what every source needs, and none yet.
func newIntake(c *config, log *slog.Logger) (*intake, error) {
	letters, err := ingest.OpenLetters(filepath.Join(c.Data, "dead-letters"), 0)
	if err != nil {
		return nil, err
	}
	in := &intake{silence: c.Source.Silence, log: log, letters: letters}
	if r := c.Source.Registry; r != nil {
		if in.schemas, err = registry.Open(*r); err != nil {
			in.close()
			return nil, err
		}
		in.opened = append(in.opened, in.schemas.Close)
	}
	return in, nil
}

// journalBytes is how much of what came and is still needed is kept on disk.
const journalBytes = 1 << 30

// join puts an edge before each source and, where it is wanted, a journal behind those
// that keep nothing themselves.
func (in *intake) join(ctx context.Context, c *config, next int64, through time.Time, journal bool) error {
	var disk *spool.Spool
	if journal && slices.ContainsFunc(in.entries, func(e entry) bool { return !e.keeps }) {
		var err error
		if disk, err = spool.Open(spool.Options{Dir: journalPath(c.Data), MaxBytes: journalBytes}); err != nil {
			return err
		}
		in.opened = append(in.opened, func() { disk.Close() }) //nolint:errcheck,gosec // everything in it is synced
		if newest := disk.Newest(); newest.After(through) {
			through = newest // was heard, and is still to come
		}
	}
	var direct, others []ingest.Source
	for _, e := range in.entries {
		opt := in.edge(e, c.Source)
		if e.polled {
			opt.Since = through
		}
		edge := ingest.NewEdge(e.source, opt)
		if disk != nil && !e.keeps {
			others = append(others, edge)
		} else {
			direct = append(direct, edge)
		}
	}
	if disk != nil {
		j, err := in.journal(ctx, disk, others)
		if err != nil {
			return err
		}
		direct = append(direct, j)
	}
	in.Joined = ingest.Join(ctx, next, direct...)
	return nil
}

// edge is what stands before a source.
func (in *intake) edge(e entry, c sourceConfig) ingest.EdgeOptions {
	return ingest.EdgeOptions{Meter: e.meter, Answers: e.polled, Allows: e.allow.Allows, MaxAhead: c.MaxAhead, MaxPast: c.MaxPast, Refused: in.letters.Put}
}

func journalPath(data string) string { return filepath.Join(data, "journal") }

// hasJournal reports whether an earlier life kept one, which may hold what is still to come.
func hasJournal(data string) bool {
	_, err := os.Stat(journalPath(data))
	return err == nil
}

// journal keeps on disk what sources bring.
func (in *intake) journal(ctx context.Context, disk *spool.Spool, sources []ingest.Source) (*spool.Journal, error) {
	all := ingest.Join(ctx, 0, sources...)
	in.opened = append(in.opened, all.Close)
	j, err := spool.NewJournal(ctx, disk, all, spool.JournalOptions{Tell: func(err error) { in.log.Error("journal", "error", err) }})
	if err != nil {
		return nil, err
	}
	in.opened = append(in.opened, j.Close)
	return j, nil
}

// Sources lists how every source stands.
func (in *intake) Sources() []api.Source {
	out := make([]api.Source, len(in.entries))
	for i, e := range in.entries {
		out[i] = api.Source(e.status())
	}
	return out
}

// DeadLetters lists what was refused, the newest first.
func (in *intake) DeadLetters(reason asset.Reason, limit int) ([]api.DeadLetter, error) {
	letters, err := in.letters.Newest(reason, limit)
	out := make([]api.DeadLetter, len(letters))
	for i, l := range letters {
		out[i] = api.DeadLetter(l)
	}
	return out, err
}

// Close ends the reading, then the sources.
func (in *intake) Close() {
	in.Joined.Close()
	in.close()
}

func (in *intake) close() {
	for _, end := range slices.Backward(in.opened) {
		end()
	}
	for _, e := range slices.Backward(in.entries) {
		if e.source != nil {
			e.source.Close()
		}
	}
	if in.letters != nil {
		in.letters.Close() //nolint:errcheck,gosec // each letter is written when it is put
	}
}
