package spool

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/internal/powerloss"
)

// powerOptions have segments that end soon, in a folder of a new disk.
func powerOptions(dir string) Options {
	return Options{Dir: filepath.Join(dir, "data", "spool"), MaxBytes: 64 << 20, SegmentBytes: 5000}
}

// powerTrial runs a program on a spool; broken takes a protection away from its folder.
func powerTrial(broken func(*disk), run func(*Spool) error, check func(s *Spool, accepted, took, done int) error) powerloss.Trial {
	return powerloss.Trial{
		Changes: 1500,
		Write: func(dir string) error {
			opt := powerOptions(dir)
			var err error
			if opt.disk, err = openFolder(opt.Dir); err != nil {
				return err
			}
			broken(opt.disk)
			s, err := Open(opt)
			if err != nil {
				return err
			}
			return run(s)
		},
		Check: func(dir string, said []string) error {
			accepted, took, done := 0, -1, -1
			for _, line := range said {
				_, _ = fmt.Sscanf(line, "accepted %d", &accepted)
				_, _ = fmt.Sscanf(line, "took %d", &took)
				_, _ = fmt.Sscanf(line, "done %d", &done)
			}
			s, err := Open(powerOptions(dir))
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // a copy
			return check(s, accepted, took, done)
		},
	}
}

// appendAndPass goes on with the number of the record that comes next.
func appendAndPass(s *Spool) error {
	for n, round := int(s.next)-1, 0; ; round++ { //nolint:gosec // few
		batch := []Record{}
		for range 1 + round%9 {
			batch = append(batch, numbered("a", n))
			n++
		}
		if err := s.Append(batch...); err != nil {
			return err
		}
		fmt.Println("accepted", n)
		if round%3 > 0 {
			continue
		}
		b, err := s.look(Limit{Records: 12, Bytes: 1 << 20})
		if err != nil {
			return err
		}
		if len(b.Lost) > 0 {
			return fmt.Errorf("lost %v", b.Lost)
		}
		if len(b.Records) == 0 {
			continue
		}
		last := b.Records[len(b.Records)-1].Headers[0].Value
		fmt.Println("took", last)
		if err := s.Done(b.End); err != nil {
			return err
		}
		fmt.Println("done", last)
	}
}

// checkNumbers wants the records behind those done, from one that was taken, or the next,
// to the last one accepted at least.
func checkNumbers(s *Spool, accepted, took, done int) error {
	b, err := s.look(Limit{Records: 1 << 20, Bytes: 1 << 30})
	if err != nil {
		return err
	}
	if b.Lost != nil || s.Status().Repeats {
		return fmt.Errorf("lost %v, repeats: %t", b.Lost, s.Status().Repeats)
	}
	next := int(s.next) - 1 //nolint:gosec // few
	first := next - len(b.Records)
	for i, r := range b.Records {
		if r.Headers[0].Value != fmt.Sprint(first+i) {
			return fmt.Errorf("record %s in the place of %d", r.Headers[0].Value, first+i)
		}
	}
	if first > took+1 || first <= done || next < accepted {
		return fmt.Errorf("there are records %d to %d; accepted were those before %d, taken those to %d, done those to %d", first, next-1, accepted, took, done)
	}
	return nil
}

// ticker is a source that says which of its readings were accepted.
type ticker struct{ n int }

func (x *ticker) Next(context.Context) (asset.Reading, asset.Position, error) {
	r := asset.Reading{Asset: "a", Time: t0.Add(time.Duration(x.n) * time.Second), Points: []asset.Point{{Metric: "n", Value: float64(x.n)}}}
	x.n++
	time.Sleep(50 * time.Microsecond)
	return r, asset.Position{Offset: int64(x.n)}, nil
}

func (*ticker) Ack(p asset.Position) { fmt.Println("accepted", p.Offset) }

// keepJournal reads a source through a journal, and lets go of what is a little older.
func keepJournal(s *Spool) error {
	refused := make(chan error, 1)
	tell := func(err error) {
		select {
		case refused <- err:
		default:
		}
	}
	j, err := NewJournal(context.Background(), s, &ticker{int(s.next) - 1}, JournalOptions{Tell: tell}) //nolint:gosec // few
	if err != nil {
		return err
	}
	for len(refused) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		r, p, err := j.Next(ctx)
		cancel()
		if err == nil && int(r.Points[0].Value)%7 == 0 {
			fmt.Println("took", r.Points[0].Value)
			j.Ack(p)
		}
	}
	return <-refused
}

// checkJournal wants of a journal what checkNumbers wants of a spool.
func checkJournal(s *Spool, accepted, took, _ int) error {
	var lost error
	j := Journal{spool: s, opt: JournalOptions{Tell: func(err error) { lost = err }}}
	if err := errors.Join(j.recall(), lost); err != nil {
		return err
	}
	next := int(s.next) - 1 //nolint:gosec // few
	first := next - len(j.again)
	for i, r := range j.again {
		if len(r.Points) != 1 || r.Points[0].Value != float64(first+i) {
			return fmt.Errorf("reading %+v in the place of %d", r, first+i)
		}
	}
	if first > took+1 || next < accepted || s.Status().Repeats {
		return fmt.Errorf("there are readings %d to %d; accepted were those before %d, let go of those to %d; repeats: %t",
			first, next-1, accepted, took, s.Status().Repeats)
	}
	return nil
}

func journalTrial(broken func(*disk)) powerloss.Trial {
	trial := powerTrial(broken, keepJournal, checkJournal)
	trial.Changes = 400 // it syncs once in a few milliseconds
	return trial
}

func TestPowerLoss(t *testing.T) {
	for name, trial := range map[string]powerloss.Trial{
		"spool":   powerTrial(func(*disk) {}, appendAndPass, checkNumbers),
		"journal": journalTrial(func(*disk) {}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := trial.Run(t); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// unsynced is a file that says it is on the disk.
type unsynced struct{ file }

func (unsynced) Sync() error { return nil }

// without leaves out the syncs of some files.
func without(which func(name string) bool) func(*disk) {
	return func(d *disk) {
		open := d.open
		d.open = func(name string) (file, int64, error) {
			f, size, err := open(name)
			if err == nil && which(name) {
				f = unsynced{f}
			}
			return f, size, err
		}
	}
}

// Each sync that is left out is found.
func TestPowerLossIsFoundWithoutSync(t *testing.T) {
	segments := without(func(name string) bool { return filepath.Ext(name) == segmentSuffix })
	for name, trial := range map[string]powerloss.Trial{
		"segments": powerTrial(segments, appendAndPass, checkNumbers),
		"cursor":   powerTrial(without(func(name string) bool { return name == cursorName }), appendAndPass, checkNumbers),
		"names":    powerTrial(func(d *disk) { d.sync = func() error { return nil } }, appendAndPass, checkNumbers),
		"journal":  journalTrial(segments),
	} {
		t.Run(name, func(t *testing.T) {
			trial.Cuts = 200
			err := trial.Run(t)
			if err == nil {
				t.Fatal("nothing was lost")
			}
			t.Log(err)
		})
	}
}
