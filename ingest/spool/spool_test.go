package spool

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var t0 = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// numbered is the n-th record of a key.
func numbered(key string, n int) Record {
	return Record{
		Key: key, Time: t0.Add(time.Duration(n) * time.Second), Headers: []Header{{"n", fmt.Sprint(n)}},
		Payload: fmt.Appendf(nil, "%s %d %s", key, n, strings.Repeat("x", n%7*5)),
	}
}

func add(t *testing.T, s *Spool, key string, numbers ...int) {
	t.Helper()
	var all []Record
	for _, n := range numbers {
		all = append(all, numbered(key, n))
	}
	if err := s.Append(all...); err != nil {
		t.Fatal(err)
	}
}

// drain takes everything there is, a few records at a time.
func drain(t *testing.T, s *Spool) (all []Record, lost []Loss) {
	t.Helper()
	for {
		b, err := s.look(Limit{Records: 3, Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records)+len(b.Lost) == 0 {
			return all, lost
		}
		all, lost = append(all, b.Records...), append(lost, b.Lost...)
		if err := s.Done(b.End); err != nil {
			t.Fatal(err)
		}
	}
}

func upTo(from, to int) (out []int) {
	for n := from; n < to; n++ {
		out = append(out, n)
	}
	return out
}

func expect(t *testing.T, got []Record, numbers ...int) {
	t.Helper()
	if len(got) != len(numbers) {
		t.Fatalf("%d records, want %d", len(got), len(numbers))
	}
	for i, n := range numbers {
		if want := numbered("a", n); !reflect.DeepEqual(got[i], want) {
			t.Fatalf("record %d is %+v, want %+v", i, got[i], want)
		}
	}
}

// small has many segments of few records.
var small = Options{MaxBytes: leastBytes, SegmentBytes: 500}

func TestRecordsComeBackInOrderAcrossRestarts(t *testing.T) {
	opt := small
	opt.Dir = filepath.Join(t.TempDir(), "spool")
	for n, took := 0, 0; n < 200; n += 20 {
		s, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Fatalf("opened twice: %v", err)
		}
		if got := s.Newest(); n > 0 && !got.Equal(t0.Add(time.Duration(n-1)*time.Second)) || n == 0 && !got.IsZero() {
			t.Fatalf("after a restart at %d the newest record is of %s", n, got)
		}
		for i := range 4 {
			add(t, s, "a", upTo(n+5*i, n+5*i+5)...)
		}
		for range 3 { // a part only
			b, err := s.Next(t.Context(), Limit{Records: 5})
			if err != nil {
				t.Fatal(err)
			}
			again, err := s.Next(t.Context(), Limit{Records: 5})
			if err != nil || !reflect.DeepEqual(again.Records, b.Records) {
				t.Fatalf("before Done it is another batch: %v, %v", again, err)
			}
			expect(t, again.Records, upTo(took, took+5)...)
			took += 5
			if err := s.Done(again.End); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.Status().Records; got != uint64(n+20-took) {
			t.Fatalf("%d records are said to be left, want %d", got, n+20-took)
		}
		if got, want := s.Newest(), t0.Add(time.Duration(n+19)*time.Second); !got.Equal(want) {
			t.Fatalf("the newest record is of %s, want %s", got, want)
		}
		if n == 180 {
			all, lost := drain(t, s)
			expect(t, all, upTo(took, 200)...)
			if st := s.Status(); lost != nil || st.Records != 0 || st.Oldest != 0 || st.Bytes > 1500 {
				t.Errorf("lost %v, status %+v", lost, st)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(opt.Dir, "*"+segmentSuffix)); len(left) > 2 {
		t.Errorf("segments that are done with are still there: %v", left)
	}
}

func TestNextWaitsForAppendAndForClose(t *testing.T) {
	s := newFakeDisk().spool(t, small)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx, Limit{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing there: %v", err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		b, err := s.Next(t.Context(), Limit{})
		if err != nil || len(b.Records) != 2 {
			t.Errorf("got %v, %v", b, err)
			return
		}
		if err := s.Done(b.End); err != nil {
			t.Error(err)
		}
		if _, err := s.Next(t.Context(), Limit{}); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
	add(t, s, "a", 0, 1)
	for s.Status().Records > 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
	if err := s.Append(numbered("a", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
}

func TestOnlyTheNewestBatchCanBeDone(t *testing.T) {
	s := newFakeDisk().spool(t, small)
	add(t, s, "a", 0, 1, 2, 3)
	one, _ := s.Next(t.Context(), Limit{Records: 1})
	two, _ := s.Next(t.Context(), Limit{Records: 2})
	if err := s.Done(one.End); err == nil {
		t.Error("an older batch was accepted")
	}
	if err := s.Done(two.End); err != nil {
		t.Error(err)
	}
	if err := s.Done(two.End); err == nil {
		t.Error("a batch was done twice")
	}
	all, _ := drain(t, s)
	expect(t, all, 2, 3)
}

// A batch ends with the first record that would make it too large, but never holds none.
func TestBatchesAreBounded(t *testing.T) {
	s := newFakeDisk().spool(t, Options{})
	for _, n := range []int{10, 4000, 10, 10} {
		if err := s.Append(Record{Key: "a", Payload: make([]byte, n)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	for range 3 {
		b, err := s.Next(t.Context(), Limit{Bytes: 100})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, len(b.Records))
		if err := s.Done(b.End); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(got) != "[1 1 2]" {
		t.Errorf("batches of %v records, want 1 1 2", got)
	}
}

func TestAFullSpoolRefusesUntilThereIsRoom(t *testing.T) {
	s := newFakeDisk().spool(t, Options{MaxBytes: leastBytes})
	n := 0
	var err error
	for ; err == nil; n++ {
		err = s.Append(numbered("a", n))
	}
	n--
	if !errors.Is(err, ErrFull) || s.Status().Full == nil || s.Status().Bytes > leastBytes || s.Status().Bytes < leastBytes*9/10 {
		t.Fatalf("refused with %v at %+v", err, s.Status())
	}
	if got := s.Status().Records; got != uint64(n) {
		t.Fatalf("%d records, accepted were %d", got, n)
	}
	for round := range 20 { // as much again and again as it can hold
		all, lost := drain(t, s)
		if lost != nil {
			t.Fatalf("lost %v", lost)
		}
		from := 0
		if round > 0 {
			from = 1000 * round
		}
		expect(t, all, upTo(from, from+len(all))...)
		from = 1000 * (round + 1)
		for i := range 100 {
			add(t, s, "a", from+i)
		}
		if s.Status().Full != nil {
			t.Fatal("it is still said to be full")
		}
	}
	if err := s.Append(Record{Payload: make([]byte, leastBytes/2)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record of half the spool: %v", err)
	}
	if err := s.Append(Record{Payload: make([]byte, leastBytes/6)}, Record{Payload: make([]byte, leastBytes/6)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("records of a third of the spool: %v", err)
	}
	if _, err := Open(Options{MaxBytes: leastBytes - 1, disk: newFakeDisk().disk()}); err == nil {
		t.Error("a spool of no size was opened")
	}
}

func TestConcurrentAppendsShareASync(t *testing.T) {
	d := newFakeDisk()
	s := d.spool(t, Options{})
	const writers, each = 16, 20
	var begun sync.WaitGroup
	begun.Add(writers)
	d.fail = func(op, _ string) error {
		if op == "sync" {
			d.mu.Unlock()
			time.Sleep(time.Millisecond)
			d.mu.Lock()
		}
		return nil
	}
	before := d.syncs
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			begun.Done()
			begun.Wait()
			for n := range each {
				if err := s.Append(numbered(fmt.Sprint(w), n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := d.syncs - before; n > writers*each/2 {
		t.Errorf("%d syncs for %d appends by %d", n, writers*each, writers)
	}
	records, _ := drain(t, s)
	next := map[string]int{}
	for _, r := range records {
		if want := numbered(r.Key, next[r.Key]); !reflect.DeepEqual(r, want) {
			t.Fatalf("got %+v, want %+v", r, want)
		}
		next[r.Key]++
	}
	if len(records) != writers*each {
		t.Errorf("%d records, want %d", len(records), writers*each)
	}
}

func TestRecordsThatAreTooOldAreLostByName(t *testing.T) {
	d := newFakeDisk()
	now := t0
	opt := small
	opt.MaxAge, opt.Now = time.Hour, func() time.Time { return now }
	s := d.spool(t, opt)
	for n := range 30 {
		add(t, s, []string{"a", "b"}[n%2], n)
	}
	now = t0.Add(50 * time.Minute)
	add(t, s, "a", 30, 31)
	if oldest := s.Status().Oldest; oldest != 50*time.Minute {
		t.Errorf("the oldest record is of %s", oldest)
	}
	now = t0.Add(70 * time.Minute)
	before := s.Status().Bytes
	b, err := s.Next(t.Context(), Limit{})
	if err != nil {
		t.Fatal(err)
	}
	if after := s.Status().Bytes; after > before/3 {
		t.Errorf("%d of %d bytes are still taken, though nobody will get them", after, before)
	}
	want := "[{a 12:00:00 12:00:28 15 too old} {b 12:00:01 12:00:29 15 too old}]"
	text := func(lost []Loss) string {
		var out []string
		for _, x := range lost {
			out = append(out, fmt.Sprintf("{%s %s %s %d %v}", x.Key, x.From.Format(time.TimeOnly), x.To.Format(time.TimeOnly), x.Records, x.Why))
		}
		return fmt.Sprint(out)
	}
	if got := text(b.Lost); got != want {
		t.Errorf("lost %s, want %s", got, want)
	}
	expect(t, b.Records, 30, 31)
	if n := s.Status().Expired; n != 30 {
		t.Errorf("%d are counted, want 30", n)
	}
	// Nobody heard of the losses before the crash: they are told again, by themselves too.
	s = d.copy().spool(t, opt)
	now = t0.Add(20 * time.Hour)
	if b, err = s.Next(t.Context(), Limit{}); err != nil || len(b.Records) != 0 {
		t.Fatalf("got %+v, %v", b, err)
	}
	if got := text(b.Lost); got != "[{a 12:00:00 12:00:31 17 too old} {b 12:00:01 12:00:29 15 too old}]" {
		t.Errorf("after a restart lost %s", got)
	}
	if err := s.Done(b.End); err != nil {
		t.Fatal(err)
	}
	if all, lost := drain(t, s); len(all)+len(lost) != 0 {
		t.Errorf("told twice: %v %v", all, lost)
	}
}
