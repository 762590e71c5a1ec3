package mqtt

import (
	"context"
	"errors"
	"testing"
	"time"
)

func long(n int) *message { return &message{published: published{payload: make([]byte, n)}} }

// A queue is full by messages or by bytes; one message is let in whatever its length, and
// what happened to the connection always.
func TestQueueIsBounded(t *testing.T) {
	full, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		lengths []int
		want    int // let in
	}{
		"messages":   {[]int{1, 1, 1, 1}, 3},
		"bytes":      {[]int{60, 40, 1}, 2},
		"a long one": {[]int{500, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(3, 100)
			for i, n := range tc.lengths {
				if got := q.put(full, long(n)); got != (i < tc.want) {
					t.Fatalf("message %d let in: %t", i, got)
				}
			}
			q.tell(item{back: true})
			if q.waiting() != tc.want {
				t.Errorf("%d are waiting, want %d", q.waiting(), tc.want)
			}
			for range tc.want {
				if i, ok, err := q.take(full, nil); !ok || err != nil || i.message == nil {
					t.Fatalf("got %+v, %v", i, err)
				}
			}
			if i, ok, err := q.take(full, nil); !ok || err != nil || !i.back {
				t.Errorf("got %+v, %v, want what happened", i, err)
			}
			if _, ok, err := q.take(full, nil); ok || !errors.Is(err, context.Canceled) {
				t.Errorf("an empty queue gives something: %v", err)
			}
			if !q.put(full, long(100)) {
				t.Error("an empty queue has no room")
			}
		})
	}
}

// Who waits for room gets it as soon as there is some.
func TestQueueWakesWhoWaits(t *testing.T) {
	q := newQueue(1, 1<<20)
	q.put(t.Context(), long(1))
	entered := make(chan bool)
	go func() { entered <- q.put(t.Context(), long(2)) }()
	for _, want := range []int{1, 2} {
		if i, ok, err := q.take(t.Context(), time.After(10*time.Second)); !ok || err != nil || len(i.message.payload) != want {
			t.Fatalf("got %+v, %v, want %d bytes", i, err, want)
		}
	}
	if !<-entered {
		t.Error("it was not let in")
	}
}
