package spool

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// flipped are the folders that differ from d by one bit of a file.
func flipped(d *fakeDisk, each func(what string, d *fakeDisk)) {
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		for bit := range 8 * len(d.names[name].data) {
			c := d.copy()
			c.names[name].data[bit/8] ^= 1 << (bit % 8)
			each(fmt.Sprintf("%s bit %d of byte %d", name, bit%8, bit/8), c)
		}
	}
}

// Whatever bit of whatever file flips: what comes back was written, in order, and as many
// records as are missing are lost with a reason.
func TestAnyFlippedBitIsNoticed(t *testing.T) {
	const records = 9
	d := newFakeDisk()
	s := d.spool(t, Options{MaxBytes: leastBytes, SegmentBytes: 400})
	for n := 0; n < records; n += 3 {
		add(t, s, "a", n, n+1, n+2)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(d.names) < 4 {
		t.Fatalf("files %v", slices.Collect(maps.Keys(d.names)))
	}
	byName := 0
	flipped(d, func(what string, d *fakeDisk) {
		s := d.spool(t, Options{})
		all, lost := drain(t, s)
		last := -1
		for _, r := range all {
			n, err := strconv.Atoi(r.Headers[0].Value)
			if err != nil || n <= last || !reflect.DeepEqual(r, numbered("a", n)) {
				t.Fatalf("%s: %+v after %d", what, r, last)
			}
			last = n
		}
		missing := uint64(0)
		for _, x := range lost {
			missing += x.Records
			if x.Key == "a" && x.From.Equal(x.To) && !x.From.IsZero() {
				byName++
			}
		}
		if len(all)+int(missing) != records || missing > 3 || s.Status().Damaged != missing {
			t.Fatalf("%s: %d records and %d lost (%v), written were %d; status %+v", what, len(all), missing, lost, records, s.Status())
		}
		add(t, s, "a", 99)
		after, _ := drain(t, s)
		expect(t, after, 99)
	})
	want := 0
	for n := range records {
		want += 8 * len(numbered("a", n).Payload)
	}
	if byName < want {
		t.Errorf("%d losses name whose and of when they are, flipped were %d bits of payloads", byName, want)
	}
}

// Records in the payload of another one are not taken for records when that is damaged.
func TestNothingInAPayloadPassesForARecord(t *testing.T) {
	other := newFakeDisk()
	add(t, other.spool(t, Options{}), "a", upTo(0, 20)...)
	inner := bytes.Clone(other.names[other.lastSegment()].data)
	d := newFakeDisk()
	s := d.spool(t, Options{})
	add(t, s, "a", 0, 1)
	before := len(d.names[d.lastSegment()].data)
	if err := s.Append(Record{Key: "a", Payload: inner}); err != nil {
		t.Fatal(err)
	}
	add(t, s, "a", 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.names[d.lastSegment()].data[before+20] ^= 1 // in the head of the outer one
	all, lost := drain(t, d.copy().spool(t, Options{}))
	if len(lost) != 1 || lost[0].Records != 1 {
		t.Errorf("lost %v", lost)
	}
	expect(t, all, 0, 1, 2)
}

// What a damaged file of losses held is not known, and said.
func TestADamagedFileOfLossesIsALoss(t *testing.T) {
	now := t0
	opt := Options{MaxAge: time.Hour, Now: func() time.Time { return now }}
	d := newFakeDisk()
	s := d.spool(t, opt)
	add(t, s, "a", 0, 1)
	first := d.copy()
	now = t0.Add(2 * time.Hour)
	if _, err := s.Next(t.Context(), Limit{}); err != nil {
		t.Fatal(err)
	}
	// The power goes between the losses and the cursor: they are told once.
	torn := d.copy()
	copy(torn.names[cursorName].data, first.names[cursorName].data)
	if all, lost := drain(t, torn.spool(t, opt)); len(all) != 0 || len(lost) != 1 || lost[0].Records != 2 {
		t.Errorf("with the cursor as it was: %v, lost %v", all, lost)
	}
	flipped(d, func(what string, d *fakeDisk) {
		if !strings.HasPrefix(what, lostName) {
			return
		}
		_, lost := drain(t, d.spool(t, opt))
		if len(lost) == 0 {
			t.Fatalf("%s: nothing is said to be lost", what)
		}
	})
}

// A place that cannot be read is tried again, and given up as the damage it is; what lies
// around it comes back.
func TestAPlaceThatCannotBeReadIsDamageInTheEnd(t *testing.T) {
	d := newFakeDisk()
	s := d.spool(t, Options{})
	for n := range 8 {
		r := numbered("a", n)
		r.Payload = append(r.Payload, make([]byte, 5000)...)
		if err := s.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	d.bad = 64 + 3*5100
	if _, err := s.look(Limit{Records: 100, Bytes: 1 << 20}); err == nil {
		t.Fatal("the first attempt says nothing of a place that cannot be read")
	}
	d.bad = 0
	if b, err := s.look(Limit{Records: 100, Bytes: 1 << 20}); err != nil || len(b.Records) != 8 || b.Lost != nil {
		t.Fatalf("it could be read again: %d records, %v, %v", len(b.Records), b.Lost, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.bad = 64 + 3*5100
	s = d.spool(t, Options{})
	var b Batch
	err := errors.New("not tried")
	for try := 0; err != nil && try < readTries; try++ {
		b, err = s.look(Limit{Records: 100, Bytes: 1 << 20})
	}
	if err != nil || len(b.Records) < 3 || len(b.Records) > 4 {
		t.Fatalf("%d records, %v", len(b.Records), err)
	}
	if err := s.Done(b.End); err != nil {
		t.Fatal(err)
	}
	for range readTries {
		if c, err := s.look(Limit{Records: 100, Bytes: 1 << 20}); err == nil {
			var missing uint64
			for _, x := range c.Lost {
				missing += x.Records
			}
			if missing < 1 || missing > 2 || len(b.Records)+len(c.Records)+int(missing) != 8 {
				t.Errorf("%d and %d records, lost %v", len(b.Records), len(c.Records), c.Lost)
			}
			return
		}
	}
	t.Error("it is not given up")
}

// A version that is not known is another program's to read.
func TestAnUnknownVersionIsLeftAlone(t *testing.T) {
	d := newFakeDisk()
	add(t, d.spool(t, Options{}), "a", 0)
	b := d.names[d.lastSegment()].data
	for at := range 2 {
		h := b[at*segmentHead:]
		h[4]++
		crc := sum(h[:28])
		h[28], h[29], h[30], h[31] = byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24)
	}
	before := bytes.Clone(b)
	if _, err := Open(Options{disk: d.disk()}); err == nil || !strings.Contains(err.Error(), "version 2, known is 1") {
		t.Errorf("got %v", err)
	}
	if !bytes.Equal(before, d.names[d.lastSegment()].data) {
		t.Error("it was changed")
	}
}

func FuzzOpen(f *testing.F) {
	d := newFakeDisk()
	s, err := Open(Options{disk: d.disk()})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Append(numbered("a", 0), numbered("b", 1)); err != nil {
		f.Fatal(err)
	}
	f.Add(d.names[d.lastSegment()].data, d.names[cursorName].data, []byte(nil))
	f.Fuzz(func(t *testing.T, segment, cursor, lost []byte) {
		d := newFakeDisk()
		d.put(segmentName(1), segment)
		d.put(cursorName, cursor)
		d.put(lostName, lost)
		s, err := Open(Options{disk: d.disk()})
		if err != nil {
			return
		}
		for range 100 {
			b, err := s.look(Limit{Records: 10, Bytes: 1 << 20})
			if err != nil || len(b.Records)+len(b.Lost) == 0 {
				return
			}
			if err := s.Done(b.End); err != nil {
				t.Fatal(err)
			}
		}
	})
}
