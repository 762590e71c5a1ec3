package twin_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/twin"
)

func TestRingAgainstASortedList(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		room := 1 + r.IntN(8)
		ring := twin.NewRing(room)
		var want []twin.Sample
		for i := range 60 {
			s := twin.Sample{Time: start.Add(time.Duration(i/2+r.IntN(12)) * time.Second), Value: float64(i)}
			at, found := slices.BinarySearchFunc(want, s, func(a, b twin.Sample) int { return a.Time.Compare(b.Time) })
			keep := !found && (at > 0 || len(want) < room)
			if keep {
				if want = slices.Insert(want, at, s); len(want) > room {
					want = want[1:]
				}
			}
			if got := ring.Add(s); got != keep {
				t.Fatalf("seed %d, capacity %d: Add(%v) = %v, want %v", seed, room, s, got, keep)
			}
			if got := ring.Samples(nil, time.Time{}); !slices.Equal(got, want) {
				t.Fatalf("seed %d, capacity %d:\n got %v\nwant %v", seed, room, got, want)
			}
		}
		if last, ok := ring.Last(); !ok || last != want[len(want)-1] {
			t.Errorf("Last() = %v", last)
		}
	}
}

func TestBoardKeepsTheNewestVersion(t *testing.T) {
	b := twin.NewBoard()
	for _, v := range []int64{1, 3, 2} {
		b.Publish(twin.View{Asset: "b", Version: v})
	}
	b.Publish(twin.View{Asset: "a", Version: 1})
	if v, ok := b.Get("b"); !ok || v.Version != 3 {
		t.Errorf("Get(b) = version %d", v.Version)
	}
	if _, ok := b.Get("c"); ok {
		t.Error("Get(c) found a twin that was never published")
	}
	if all := b.List(); len(all) != 2 || all[0].Asset != "a" {
		t.Errorf("List() = %v", all)
	}
}

func TestASlowSubscriberIsToldToResync(t *testing.T) {
	b := twin.NewBoard()
	s := b.Subscribe(3)
	for v := range int64(3) {
		b.Publish(twin.View{Asset: "a", Version: v})
	}
	if u := <-s.C; u.Resync || u.View.Version != 0 {
		t.Errorf("first update %+v", u)
	}
	b.Publish(twin.View{Asset: "a", Version: 3})
	b.Publish(twin.View{Asset: "a", Version: 4}) // full
	b.Publish(twin.View{Asset: "a", Version: 5})
	if u := <-s.C; !u.Resync {
		t.Errorf("after an overflow: %+v, want resync", u)
	}
	if u := <-s.C; u.Resync || u.View.Version != 5 {
		t.Errorf("after the resync: %+v, want version 5", u)
	}
	s.Close()
	s.Close()
	if _, open := <-s.C; open {
		t.Error("a closed subscription's channel is open")
	}
	b.Publish(twin.View{Asset: "a", Version: 6})
}

func TestBoardUnderManyReaders(t *testing.T) {
	b := twin.NewBoard()
	var wg sync.WaitGroup
	for r := range 4 {
		s := b.Subscribe(1 + r)
		wg.Go(func() {
			last := map[asset.ID]int64{}
			for u := range s.C {
				if u.Resync {
					for _, v := range b.List() {
						last[v.Asset] = max(last[v.Asset], v.Version)
					}
					continue
				}
				last[u.View.Asset] = u.View.Version
				if u.View.Version == math.MaxInt64 {
					break
				}
			}
			s.Close()
		})
	}
	for v := range int64(300) {
		for a := range 3 {
			b.Publish(twin.View{Asset: asset.ID(fmt.Sprint(a)), Version: v})
		}
	}
	stop := make(chan struct{})
	wg2 := sync.WaitGroup{}
	wg2.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				b.Publish(twin.View{Asset: "0", Version: math.MaxInt64})
			}
		}
	})
	wg.Wait()
	close(stop)
	wg2.Wait()
}
