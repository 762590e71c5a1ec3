package spool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lastSegment is the name of the newest segment of a folder.
func (d *fakeDisk) lastSegment() (last string) {
	for name := range d.names {
		if strings.HasSuffix(name, segmentSuffix) && name > last {
			last = name
		}
	}
	return last
}

// A file that ends anywhere keeps the records before, each write of several too.
func TestTheLastSegmentMayEndAtAnyByte(t *testing.T) {
	d := newFakeDisk()
	s := d.spool(t, Options{})
	var ends []int
	name := ""
	for n := 0; n < 12; n += 3 {
		add(t, s, "a", n, n+1, n+2)
		name = d.lastSegment()
		scan := scanner{f: d.names[name], salt: s.salt, limit: int64(len(d.names[name].data))}
		for at, i := int64(segmentStart), 0; ; i++ {
			f, ok, err := scan.next(at, true)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if at = f.end; i == len(ends) {
				ends = append(ends, int(at))
			}
		}
	}
	whole := d.names[name].data
	if len(ends) != 12 || ends[11] != len(whole) {
		t.Fatalf("records end at %v of %d", ends, len(whole))
	}
	for size := range whole {
		cut := newFakeDisk()
		cut.put(name, bytes.Clone(whole[:size]))
		s := cut.spool(t, Options{})
		kept := 0
		for kept < 12 && ends[kept] <= size {
			kept++
		}
		wantTorn := 0
		if size > segmentStart {
			wantTorn = size - max(segmentStart, append([]int{0}, ends...)[kept])
		}
		if st := s.Status(); st.Records != uint64(kept) || st.Torn != int64(wantTorn) {
			t.Fatalf("cut at %d: status %+v, want %d records and %d bytes cut off", size, st, kept, wantTorn)
		}
		add(t, s, "a", upTo(kept, 14)...) // what was under way comes again
		all, lost := drain(t, s)
		if lost != nil {
			t.Fatalf("cut at %d: lost %v", size, lost)
		}
		expect(t, all, upTo(0, 14)...)
	}
}

// A source sends again whatever was not accepted, a receiver passes over what it has had:
// after any number of losses of power it has had every record once and in order.
func TestNothingAcceptedIsLostWithThePower(t *testing.T) {
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 7))
		d := newFakeDisk()
		accepted, got := map[string]int{}, map[string]int{}
		receive := func(records []Record) {
			for _, r := range records {
				n, err := strconv.Atoi(r.Headers[0].Value)
				if err != nil || !reflect.DeepEqual(r, numbered(r.Key, n)) {
					t.Fatalf("seed %d: nobody wrote %+v", seed, r)
				}
				if n > got[r.Key] {
					t.Fatalf("seed %d: record %d of %s after %d", seed, n, r.Key, got[r.Key]-1)
				}
				got[r.Key] = max(got[r.Key], n+1)
			}
		}
		for range 6 { // lives
			s := d.spool(t, Options{MaxBytes: leastBytes, SegmentBytes: 1 + rng.Int64N(3000)})
			if s.Status().Repeats {
				t.Fatalf("seed %d: the cursor is lost", seed)
			}
			for range rng.IntN(12) {
				switch rng.IntN(4) {
				default:
					var batch []Record
					next := map[string]int{"a": accepted["a"], "b": accepted["b"]}
					for range 1 + rng.IntN(9) {
						key := []string{"a", "b"}[rng.IntN(2)]
						batch = append(batch, numbered(key, next[key]))
						next[key]++
					}
					failing := rng.IntN(3) == 0
					after := rng.IntN(4) // operations
					d.fail = func(string, string) error {
						if after--; failing && after < 0 {
							return syscall.EIO // until the power goes, as of a disk that is dying
						}
						return nil
					}
					if err := s.Append(batch...); err == nil {
						accepted = next
					}
					if after < 0 && failing {
						d.fail = func(string, string) error { return syscall.EIO }
					}
				case 0:
					b, err := s.look(Limit{Records: 1 + rng.IntN(6), Bytes: 1 << 20})
					if err != nil || len(b.Lost) > 0 {
						if errors.Is(err, syscall.EIO) {
							continue
						}
						t.Fatalf("seed %d: %v, lost %v", seed, err, b.Lost)
					}
					receive(b.Records)
					_ = s.Done(b.End) // that fails on a disk that is dying
				}
			}
			d = d.crash(rng)
		}
		s := d.spool(t, Options{MaxBytes: leastBytes, SegmentBytes: 1000})
		all, lost := drain(t, s)
		receive(all)
		if lost != nil || got["a"] < accepted["a"] || got["b"] < accepted["b"] {
			t.Fatalf("seed %d: received %v, accepted %v, lost %v", seed, got, accepted, lost)
		}
	}
}

// A sync that failed proves nothing about what was written, so the records are refused,
// and the next ones go elsewhere.
func TestAFailedSyncIsARefusal(t *testing.T) {
	d := newFakeDisk()
	s := d.spool(t, Options{})
	add(t, s, "a", 0, 1)
	d.fail = func(op, _ string) error {
		if op == "sync" || op == "truncate" {
			return syscall.EIO
		}
		return nil
	}
	for range 3 {
		if err := s.Append(numbered("a", 2)); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrFull) || s.Status().Full == nil {
			t.Fatalf("got %v, status %+v", err, s.Status())
		}
	}
	d.fail = nil
	add(t, s, "a", 2, 3)
	for _, s := range []*Spool{d.copy().spool(t, Options{}), s} {
		all, lost := drain(t, s)
		if lost != nil {
			t.Errorf("lost %v", lost)
		}
		expect(t, all, 0, 1, 2, 3)
	}
}

// Damage in an earlier write takes nothing from a later one, though the process never
// came to say how far it was synced.
func TestDamageBeforeTheLastWriteIsNoTornWrite(t *testing.T) {
	d := newFakeDisk()
	s := d.spool(t, Options{})
	var begin []int64
	for n := 0; n < 9; n += 3 {
		begin = append(begin, max(s.Status().Bytes, segmentStart))
		add(t, s, "a", n, n+1, n+2)
	}
	for at, want := range map[int64][]int{begin[0]: {1, 2, 3, 4, 5, 6, 7, 8}, begin[1]: {0, 1, 2, 4, 5, 6, 7, 8}, begin[2] - 1: {0, 1, 2, 3, 4, 6, 7, 8}, begin[2]: {0, 1, 2, 3, 4, 5}} {
		c := d.copy()
		c.names[c.lastSegment()].data[at] ^= 4
		s := c.spool(t, Options{})
		add(t, s, "a", 9)
		all, lost := drain(t, s)
		expect(t, all, append(want, 9)...)
		if torn := s.Status().Torn; (at == begin[2]) != (torn > 0) || (torn > 0) == (len(lost) > 0) {
			t.Errorf("damage at %d: %d bytes cut off, lost %v", at, torn, lost)
		}
	}
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	d := newFakeDisk()
	s := d.spool(t, Options{SegmentBytes: 2000})
	d.room = 5000
	fillAndRecover(t, s, func() {
		if said, is := s.Status().Bytes, d.used()-len(d.names[cursorName].data)-len(d.names[lostName].data); said != int64(is) {
			t.Errorf("%d bytes are said to be on disk, it is %d: what was refused is still there", said, is)
		}
		d.room = 100000
	})
	again, lost := drain(t, d.copy().spool(t, Options{}))
	if len(again)+len(lost) != 0 {
		t.Errorf("after a restart there is %v, lost %v", again, lost)
	}
}

func TestAFullFilesystemRefusesAndRecovers(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("no small filesystem without the right to mount one: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: filepath.Join(dir, "spool"), SegmentBytes: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	fillAndRecover(t, s, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// fillAndRecover appends until the disk is full, and goes on when there is room.
func fillAndRecover(t *testing.T, s *Spool, makeRoom func()) {
	t.Helper()
	n := 0
	batch := func() []Record {
		var all []Record
		for i := range 5 {
			all = append(all, numbered("a", n+i))
		}
		return all
	}
	var err error
	for ; err == nil && n < 10000; n += 5 {
		err = s.Append(batch()...)
	}
	n -= 5
	for range 5 {
		if err = s.Append(batch()...); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%d records: %v, want that the disk is full", n, err)
		}
	}
	if st := s.Status(); st.Records != uint64(n) || st.Full == nil {
		t.Fatalf("accepted %d, status %+v", n, st)
	}
	makeRoom()
	if err := s.Append(batch()...); err != nil || s.Status().Full != nil {
		t.Fatalf("with room again: %v", err)
	}
	all, lost := drain(t, s)
	if lost != nil {
		t.Errorf("lost %v", lost)
	}
	expect(t, all, upTo(0, n+5)...)
}

const childDir = "SPOOL_TEST_CHILD"

// TestChild is not a test: it appends, and passes on, until it is killed.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("run by TestAKilledProcessLosesNothing")
	}
	s, err := Open(Options{Dir: dir, MaxBytes: 1 << 30, SegmentBytes: 20000})
	if err != nil {
		t.Fatal(err)
	}
	from, err := strconv.Atoi(os.Getenv(childDir + "_FROM"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			b, err := s.Next(context.Background(), Limit{Records: 50})
			if err != nil {
				return
			}
			fmt.Printf("took %s %s\n", b.Records[0].Headers[0].Value, b.Records[len(b.Records)-1].Headers[0].Value)
			if err := s.Done(b.End); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for n := from; ; n += 10 {
		add(t, s, "a", upTo(n, n+10)...)
		fmt.Printf("accepted %d\n", n+10)
	}
}

func TestAKilledProcessLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	accepted, took := 0, 0
	for life := range 5 {
		c := exec.Command(os.Args[0], "-test.run=^TestChild$")
		c.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("%s_FROM=%d", childDir, accepted))
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); seen++ {
			var first, last int
			if n, _ := fmt.Sscanf(lines.Text(), "accepted %d", &last); n == 1 {
				accepted = last
			} else if n, _ := fmt.Sscanf(lines.Text(), "took %d %d", &first, &last); n == 2 {
				if first > took {
					t.Fatalf("life %d: record %d was passed on after %d", life, first, took-1)
				}
				took = max(took, last+1)
			} else {
				t.Logf("child: %s", lines.Text())
			}
			if seen == 100+37*life {
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = c.Wait() // killed
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.look(Limit{Records: 1 << 20, Bytes: 1 << 30})
		if err != nil || b.Lost != nil {
			t.Fatalf("life %d: %v, lost %v", life, err, b.Lost)
		}
		next := took
		for i, r := range b.Records {
			n, _ := strconv.Atoi(r.Headers[0].Value)
			if i == 0 && n > took || i > 0 && n != next {
				t.Fatalf("life %d: record %d, want %d", life, n, next)
			}
			next = n + 1
		}
		if next < accepted {
			t.Fatalf("life %d: kept to %d, accepted were %d", life, next, accepted)
		}
		accepted = next // the write under way may have been whole
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d records were accepted", accepted)
	}
}
