package mqtt

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// idle is a session that nobody reads and nobody writes.
func idle() *session { return &session{wake: make(chan struct{}, 1)} }

func arrived(i int, seconds float64, id uint16, dup bool) *message {
	return &message{published: published{topic: "t", payload: fmt.Append(nil, i), id: id, qos: 1, dup: dup}, at: at(seconds)}
}

// Some messages are owed and nothing comes: whether that is the broker's limit is told by
// what is configured, or guessed by what was before.
func TestStandstill(t *testing.T) {
	for name, tc := range map[string]struct {
		limit, arrive int
		every         float64 // s between them
		commit        int     // the first of them, after the last came
		wait          float64 // s after that
		want          string  // "" for nothing
		sure          bool
	}{
		"at the limit":                 {20, 20, 1, 0, 10, "limit of 20 messages in flight is reached: 20 wait", true},
		"at the limit, not for long":   {20, 20, 1, 0, 9, "", false},
		"below the limit":              {20, 19, 1, 0, 1000, "", false},
		"at a limit of one":            {1, 1, 1, 0, 10, "limit of 1 messages", true},
		"limit not known":              {0, 20, 1, 0, 10, "20 messages wait to be committed", false},
		"limit not known, some of it":  {0, 20, 1, 1, 1000, "", false},
		"all committed":                {0, 20, 1, 20, 1000, "", false},
		"usually as slow":              {0, 3, 600, 0, 700, "", false},
		"usually slow, and now slower": {0, 3, 600, 0, 1300, "3 messages wait", false},
		"one, for now":                 {0, 1, 1, 0, 59, "", false},
		"one, for long":                {0, 1, 1, 0, 60, "1 messages wait", false},
		"none":                         {0, 0, 1, 0, 1000, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := newLedger(tc.limit, 10*time.Second), idle()
			l.connected(s, at(0))
			var all []*message
			now := 0.0
			for i := range tc.arrive {
				now = float64(i) * tc.every
				all = append(all, arrived(i, now, uint16(i+1), false))
				if !l.enter(all[i], s) {
					t.Fatal("a new message is taken for an old one")
				}
			}
			for _, m := range all[:tc.commit] {
				l.acknowledge(m, at(now))
			}
			err, sure := l.standstill(at(now + tc.wait))
			if got := fmt.Sprint(err); tc.want == "" && err != nil || !strings.Contains(got, tc.want) || sure != tc.sure {
				t.Errorf("%s (sure: %t), want %q (%t)", got, sure, tc.want, tc.sure)
			}
			if tc.commit < tc.arrive {
				l.acknowledge(all[tc.arrive-1], at(now+tc.wait))
				if err, _ := l.standstill(at(now + tc.wait + 1)); err != nil {
					t.Errorf("after a commit: %v", err)
				}
			}
		})
	}
}

// What comes again over a new connection is owed there, once.
func TestOwedOverTheNewConnection(t *testing.T) {
	l, one, two := newLedger(2, time.Second), idle(), idle()
	l.connected(one, at(0))
	a, b := arrived(1, 0, 1, false), arrived(1, 0, 2, false) // the same content twice
	l.enter(a, one)
	l.enter(b, one)
	l.connected(two, at(1))
	if err, _ := l.standstill(at(100)); err != nil {
		t.Errorf("nothing came over the new connection, yet %v", err)
	}
	if l.enter(arrived(1, 2, 11, true), two) || l.enter(arrived(1, 2, 12, true), two) {
		t.Error("what comes again is taken for new")
	}
	if l.enter(arrived(1, 3, 12, true), two) {
		t.Error("what comes a third time, with the same ID, is taken for new")
	}
	if err, sure := l.standstill(at(100)); err == nil || !sure {
		t.Error("two are owed and two is the limit, yet it is not said")
	}
	if !l.enter(arrived(1, 4, 13, true), two) {
		t.Error("a third message of this content is not taken")
	}
	one.out, two.out = nil, nil
	l.acknowledge(a, at(5))
	l.acknowledge(b, at(5))
	if len(one.out) > 0 || string(two.out) != "\x40\x02\x00\x0b\x40\x02\x00\x0c" {
		t.Errorf("acknowledged % x over the old connection and % x over the new one, want 11 and 12 over that", one.out, two.out)
	}
}

// Only so many acknowledged messages are remembered, and nothing of what is done with.
func TestLedgerForgets(t *testing.T) {
	l, s := newLedger(0, time.Second), idle()
	l.connected(s, at(0))
	for i := range 3 * mostRecent {
		m := arrived(i, 0, 1, false)
		l.enter(m, s)
		l.acknowledge(m, at(0))
		s.out = nil
	}
	if len(l.open) > 0 || len(l.recent) > mostRecent || len(l.order) > mostRecent || l.owed != 0 {
		t.Errorf("%d open, %d recent, %d in order, %d owed", len(l.open), len(l.recent), len(l.order), l.owed)
	}
	if l.enter(arrived(3*mostRecent-1, 1, 9, true), s) || string(s.out) != "\x40\x02\x00\x09" {
		t.Errorf("what was just committed is taken again; acknowledged % x", s.out)
	}
}
