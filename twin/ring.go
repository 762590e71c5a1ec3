package twin

import (
	"fmt"
	"slices"
	"time"
)

// Sample is one value of a ring.
type Sample struct {
	Time  time.Time `json:"time"`
	Value float64   `json:"value"`
}

// Ring keeps the newest samples of one metric in time order. Appending is O(1);
// a late sample is put where it belongs when it is newer than the oldest kept.
// One goroutine owns it.
type Ring struct {
	samples []stored // grows up to room, then wraps
	first   int      // of the oldest
	room    int
	Late    int64 // refused: older than all that is kept
	Doubled int64 // refused: a sample of that instant is kept
}

// stored is a sample in 16 bytes.
type stored struct {
	ns    int64 // since 1970, so 1678 to 2262
	value float64
}

// DefaultCapacity of a ring.
const DefaultCapacity = 10000

// NewRing returns a ring of that capacity; 0 means DefaultCapacity. It panics on
// a negative one.
func NewRing(capacity int) *Ring {
	if capacity < 0 {
		panic(fmt.Sprintf("twin: ring capacity %d", capacity))
	}
	if capacity == 0 {
		capacity = DefaultCapacity
	}
	return &Ring{room: capacity}
}

// Len is the number of samples kept.
func (r *Ring) Len() int { return len(r.samples) }

// At is the i-th oldest sample.
func (r *Ring) At(i int) Sample {
	s := r.at(i)
	return Sample{time.Unix(0, s.ns).UTC(), s.value}
}

func (r *Ring) at(i int) stored { return r.samples[(r.first+i)%len(r.samples)] }

func (r *Ring) set(i int, s stored) { r.samples[(r.first+i)%len(r.samples)] = s }

// Last is the newest sample; ok is false for an empty ring.
func (r *Ring) Last() (s Sample, ok bool) {
	if r.Len() == 0 {
		return s, false
	}
	return r.At(r.Len() - 1), true
}

// Add keeps the sample and reports whether it did. The oldest sample makes room.
func (r *Ring) Add(sample Sample) bool {
	s, n := stored{sample.Time.UnixNano(), sample.Value}, r.Len()
	if n == 0 || s.ns > r.at(n-1).ns {
		r.push(s)
		return true
	}
	at := n - 1 // the newest sample that is not after s
	for at >= 0 && r.at(at).ns > s.ns {
		at--
	}
	switch {
	case at >= 0 && r.at(at).ns == s.ns:
		r.Doubled++
		return false
	case at < 0 && n == r.room:
		r.Late++
		return false
	}
	r.push(r.at(n - 1)) // the oldest may go, and everything moves down by one
	last := r.Len() - 1
	if n == r.room {
		at--
	}
	for i := last; i > at+1; i-- {
		r.set(i, r.at(i-1))
	}
	r.set(at+1, s)
	return true
}

// push puts s at the end.
func (r *Ring) push(s stored) {
	if len(r.samples) < r.room {
		if r.first != 0 { // never wrapped while growing
			panic("twin: ring wrapped before it was full")
		}
		r.samples = append(r.samples, s)
		return
	}
	r.samples[r.first] = s
	r.first = (r.first + 1) % r.room
}

// Samples appends the samples from the time on to dst, oldest first.
func (r *Ring) Samples(dst []Sample, from time.Time) []Sample {
	dst = slices.Grow(dst, r.Len())
	for i := range r.Len() {
		if s := r.At(i); !s.Time.Before(from) {
			dst = append(dst, s)
		}
	}
	return dst
}
