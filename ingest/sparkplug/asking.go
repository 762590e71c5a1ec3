package sparkplug

import "time"

// asking is the request for rebirth that a node is sent until it is born.
type asking struct {
	wanted bool
	from   time.Time     // not before
	last   time.Time     // when it was sent
	wait   time.Duration // until the next one
	times  int           // that it was sent and not answered
}

const (
	firstWait   = 5 * time.Second
	lastWait    = 2 * time.Minute
	askingApart = 10 * time.Millisecond // of the nodes after a connection, so that they do not answer at once
	mostUnheard = 3                     // requests to a node that says nothing at all
)

// want asks from now on. A node that had to be asked not long ago waits its turn.
func (a *asking) want(now time.Time) {
	if a.wanted {
		return
	}
	if now.Sub(a.last) > lastWait {
		a.wait = 0
	}
	a.wanted, a.from, a.times = true, now, 0
}

func (a *asking) answered() { a.wanted, a.times = false, 0 }

// due reports whether to ask now; heard is when the node last said something.
func (a *asking) due(now, heard time.Time) bool {
	return a.wanted && !now.Before(a.from) && a.rested(now) && (a.times < mostUnheard || heard.After(a.last))
}

// vain reports whether nothing at all came of asking a node that was not heard otherwise.
func (a *asking) vain(now, heard time.Time) bool {
	return a.wanted && a.times >= mostUnheard && a.rested(now) && heard.IsZero()
}

func (a *asking) rested(now time.Time) bool { return a.last.IsZero() || now.Sub(a.last) >= a.wait }

func (a *asking) sent(now time.Time) {
	a.last, a.wait = now, min(max(2*a.wait, firstWait), lastWait)
	a.times++
}
