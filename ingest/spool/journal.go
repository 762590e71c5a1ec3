package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// JournalOptions of a Journal; zero values mean the defaults given.
type JournalOptions struct {
	Base int64       // offset to count on from: what the store has committed in earlier lives
	Tell func(error) // hears of readings that are lost on the disk, and of a disk that takes none for now; nil: nobody does
}

// Journal makes a source one that can go on from an earlier reading: what arrives is on
// disk before it is acknowledged to the source and passed on, and stays there until the
// flow needs it no more. A broker is then never kept waiting for a window to close, however
// few messages it lets be under way, and a restart finds the readings of open windows, of
// polled devices too.
//
// Next is used by one goroutine; Ack may come from others.
type Journal struct {
	spool  *Spool
	source ingest.Source
	opt    JournalOptions
	stop   context.CancelFunc
	work   sync.WaitGroup
	kept   chan keep // on disk, not returned
	again  []asset.Reading
	offset int64
	need   chan int64 // newest offset acknowledged, for the goroutine that moves the cursor

	done  int64  // offset of the cursor; of that goroutine
	holes uint64 // records of an earlier life that no offset stands for; of that goroutine
	solid int64  // offset from which every record has one
}

// keep is a reading on disk, or why there is no more.
type keep struct {
	reading asset.Reading
	err     error
}

// heard is a reading of the source with its place there.
type heard struct {
	asset.Reading
	at  asset.Position
	err error
}

const (
	journalQueue   = 1024                   // readings between the stages
	journalBatch   = 256                    // readings written at once
	journalSamples = 4 << 20                // and samples in them
	journalPause   = 2 * time.Millisecond   // at least between two writes: it bounds the syncs
	journalAck     = 200 * time.Millisecond // and between two moves of the cursor
)

// NewJournal begins with what the spool holds, then reads the source until Close. The
// spool is the caller's to close.
func NewJournal(ctx context.Context, s *Spool, source ingest.Source, opt JournalOptions) (*Journal, error) {
	if opt.Tell == nil {
		opt.Tell = func(error) {}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	j := &Journal{spool: s, source: source, opt: opt, stop: stop, offset: opt.Base, done: opt.Base, kept: make(chan keep, journalQueue), need: make(chan int64, 1)}
	if err := j.recall(); err != nil {
		stop()
		return nil, err
	}
	arrived := make(chan heard, journalQueue)
	j.work.Go(func() { j.listen(ctx, arrived) })
	j.work.Go(func() { j.write(ctx, arrived) })
	j.work.Go(func() { j.settle(ctx) })
	return j, nil
}

// recall reads all that an earlier life did not finish. What was lost on the disk is a gap.
func (j *Journal) recall() error {
	all, err := j.spool.rest()
	if err != nil {
		return err
	}
	for _, x := range all {
		lost, n := x.loss, uint64(1)
		if lost == nil {
			got, err := ingest.DecodeProtobuf(x.record.Payload, ingest.Message{Asset: asset.ID(x.record.Key)})
			if err == nil && len(got) == 1 {
				j.again = append(j.again, got[0])
				continue
			}
			lost = &Loss{Key: x.record.Key, From: x.record.Time, To: x.record.Time, Why: fmt.Errorf("not in the form that this version writes: %w", err)}
		} else {
			n = lost.Records
		}
		j.opt.Tell(fmt.Errorf("journal: %d readings of %q are lost: %w", n, lost.Key, lost.Why))
		if lost.Key != "" {
			n--
			j.again = append(j.again, ingest.Gap(asset.ID(lost.Key), lost.From, lost.To, "journal", lost.Why))
		}
		j.holes += n
	}
	j.solid = j.opt.Base + int64(len(j.again))
	return nil
}

// listen reads the source, so that what comes while the disk works is written at once.
func (j *Journal) listen(ctx context.Context, arrived chan<- heard) {
	for {
		r, p, err := j.source.Next(ctx)
		select {
		case arrived <- heard{r, p, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// write keeps what arrived, acknowledges it and passes it on.
func (j *Journal) write(ctx context.Context, arrived <-chan heard) {
	for {
		batch, end := gather(ctx, arrived)
		if !j.put(ctx, batch) {
			return
		}
		for _, h := range batch {
			select {
			case j.kept <- keep{reading: h.Reading}:
			case <-ctx.Done():
				return
			}
		}
		if end != nil {
			select {
			case j.kept <- keep{err: end}:
			case <-ctx.Done():
			}
			return
		}
		if !ingest.Sleep(ctx, journalPause) {
			return
		}
	}
}

// gather waits for a reading and takes along what has come beside it.
func gather(ctx context.Context, arrived <-chan heard) (batch []heard, end error) {
	samples := 0
	take := func(h heard) {
		if h.err != nil {
			end = h.err
			return
		}
		batch = append(batch, h)
		if h.Wave != nil {
			samples += h.Wave.Len()
		}
	}
	select {
	case h := <-arrived:
		take(h)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for end == nil && len(batch) < journalBatch && samples < journalSamples {
		select {
		case h := <-arrived:
			take(h)
		default:
			return batch, end
		}
	}
	return batch, end
}

// put writes a batch and acknowledges it. While there is no room it waits: the source is
// not read on, and those before it see that.
func (j *Journal) put(ctx context.Context, batch []heard) bool {
	if len(batch) == 0 {
		return true
	}
	records := make([]Record, len(batch))
	for i, h := range batch {
		records[i] = Record{Key: string(h.Asset), Time: h.Time, Payload: ingest.AppendTelemetry(nil, h.Reading)}
	}
	wait := ingest.Backoff{First: 100 * time.Millisecond, Last: 5 * time.Second}
	for told := false; ; told = true {
		err := j.spool.Append(records...)
		if err == nil {
			break
		}
		if !told {
			j.opt.Tell(fmt.Errorf("journal: nothing is taken while the disk refuses: %w", err))
		}
		if errors.Is(err, ErrClosed) || !wait.Wait(ctx) {
			return false
		}
	}
	j.source.Ack(batch[len(batch)-1].at)
	return true
}

// Next returns the next reading that is on disk.
func (j *Journal) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	if len(j.again) > 0 {
		r := j.again[0]
		j.again = j.again[1:]
		j.offset++
		return r, asset.Position{Offset: j.offset}, nil
	}
	select {
	case k := <-j.kept:
		if k.err != nil {
			return asset.Reading{}, asset.Position{}, k.err
		}
		j.offset++
		return k.reading, asset.Position{Offset: j.offset}, nil
	case <-ctx.Done():
		return asset.Reading{}, asset.Position{}, ctx.Err()
	}
}

// Ack lets go of what lies before p; the disk hears of it within a moment.
func (j *Journal) Ack(p asset.Position) {
	for {
		select {
		case j.need <- p.Offset:
			return
		case older := <-j.need:
			p.Offset = max(p.Offset, older)
		}
	}
}

// settle moves the cursor to where the flow needs nothing before.
func (j *Journal) settle(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			j.release()
			return
		case to := <-j.need:
			j.move(to)
		}
		if !ingest.Sleep(ctx, journalAck) {
			j.release()
			return
		}
	}
}

// release moves the cursor once more before the end.
func (j *Journal) release() {
	select {
	case to := <-j.need:
		j.move(to)
	default:
	}
}

func (j *Journal) move(to int64) {
	if to <= j.done {
		return
	}
	n := uint64(to - j.done) //nolint:gosec // positive
	if j.done < j.solid && to >= j.solid {
		n += j.holes
	}
	if err := j.spool.Skip(n); err != nil {
		j.opt.Tell(fmt.Errorf("journal: %w", err))
		return // what stays comes again after a restart, and is known then
	}
	j.done = to
}

// Queued counts the readings on disk that were not taken.
func (j *Journal) Queued() int { return len(j.kept) }

// Close ends the reading. The source and the spool are the caller's to close.
func (j *Journal) Close() {
	j.stop()
	j.work.Wait()
}
