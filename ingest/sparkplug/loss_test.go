package sparkplug

import (
	"slices"
	"testing"
	"time"
)

func TestANodeThatSendsAfterItsDeathIsAsked(t *testing.T) {
	p := open(t, options())
	p.bear(1)
	p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(1))
	p.pass(time.Hour)
	if _, published := p.look(); len(published) > 0 {
		t.Errorf("published %v to a node that is offline", published)
	}
	p.hear("spBv1.0/farm/NDATA/e1", 9, p.again(1, 5))
	readings, published := p.look()
	if got := rebirths(published); len(readings) > 0 || !slices.Equal(got, []string{"e1"}) {
		t.Errorf("read %q, asked %v", told(readings), got)
	}
	p.pass(time.Hour)
	if _, published := p.look(); len(published) != mostUnheard-1 {
		t.Errorf("asked %d times more, want %d: it says nothing", len(published), mostUnheard-1)
	}
}

func TestNothingIsPublishedBeforeOurBirth(t *testing.T) {
	h, err := New(options())
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{T: t, host: h, now: start}
	h.Will(p.now)
	p.hear("spBv1.0/farm/NDATA/e1", 9, p.again(1, 5))
	p.pass(10 * time.Second)
	if _, published := p.look(); len(published) > 0 {
		t.Errorf("published %v before STATE", published)
	}
}

func TestBackOffEndsAfterQuietMinutes(t *testing.T) {
	p := open(t, options())
	lose := func() (after time.Duration) {
		t.Helper()
		p.bear(1)
		p.pass(10 * time.Millisecond)
		begun := p.now
		p.hear("spBv1.0/farm/NDATA/e1", 9, p.again(1, 5))
		for p.now.Sub(begun) < 3*time.Minute {
			p.pass(100 * time.Millisecond)
			if _, published := p.look(); len(published) > 0 {
				return p.now.Sub(begun).Round(time.Second)
			}
		}
		t.Fatal("never asked")
		return 0
	}
	if got := []time.Duration{lose(), lose(), lose()}; got[0] != 2*time.Second || got[1] < 4*time.Second || got[2] < 9*time.Second {
		t.Errorf("asked after %v", got)
	}
	p.bear(1)
	p.pass(3 * time.Minute)
	p.look()
	if got := lose(); got != 2*time.Second {
		t.Errorf("after a quiet time asked after %s, want 2s", got)
	}
	if got := lose(); got > 5*time.Second {
		t.Errorf("then after %s, want 5s at most", got)
	}
}

func TestWhatIsHeldIsNotTheCallersBytes(t *testing.T) {
	p := open(t, options())
	p.bear(1)
	p.pass(100 * time.Millisecond)
	first := p.message(2, p.again(1, 5))
	p.now = p.now.Add(time.Millisecond)
	second := p.message(3, p.again(1, 6))
	if err := p.hearRaw("spBv1.0/farm/NDATA/e1", second); err != nil {
		t.Fatal(err)
	}
	clear(second)
	if err := p.hearRaw("spBv1.0/farm/NDATA/e1", first); err != nil {
		t.Fatal(err)
	}
	p.want("station Load=5 1", "station Load=6 1")
}

// TestASessionThatFitsByChanceIsNotMistaken has a node that was started anew and whose
// birth was lost, just when its seq reaches the one that the session before would be at.
func TestASessionThatFitsByChanceIsNotMistaken(t *testing.T) {
	p := open(t, options())
	p.bear(1) // 2 comes next
	for _, seq := range []int{1, 2} {
		p.pass(100 * time.Millisecond)
		p.hear("spBv1.0/farm/NDATA/e1", seq, p.again(1, float64(seq))) // of the new session: alias 1 is another metric now
	}
	p.want()
	if s := p.status("e1"); !s.Doubt || !s.Waiting {
		t.Errorf("status %+v, want doubt", s)
	}
}

func TestDataOfTheMillisecondOfABirthPrecedeIt(t *testing.T) {
	p := open(t, options())
	p.bear(1)
	p.pass(time.Minute)
	p.hear("spBv1.0/farm/NDATA/e1", 3, p.again(1, 99)) // 2 is lost
	p.hear("spBv1.0/farm/NBIRTH/e1", 2, p.bdSeq(1), p.double("Other", 1, 1))
	readings, _ := p.look()
	for _, line := range told(readings) {
		if line == "station Other=99 1" {
			t.Errorf("read %q: the value is of the alias before", told(readings))
		}
	}
}

// TestAGapHoldsAllThatIsDropped has data that are dropped after a loss and are younger
// than the birth that comes at last.
func TestAGapHoldsAllThatIsDropped(t *testing.T) {
	p := open(t, options())
	p.bear(1)
	p.pass(time.Second)
	birth := p.message(0, p.bdSeq(1), p.double("Load", 1, 7))
	p.hear("spBv1.0/farm/NDATA/e1", 5, p.again(1, 5))
	p.pass(3 * time.Second)
	p.hear("spBv1.0/farm/NDATA/e1", 6, p.again(1, 6)) // dropped: nobody knows what alias 1 is
	dropped := p.now.Add(-3 * time.Second)
	p.pass(time.Second)
	p.look()
	if err := p.hearRaw("spBv1.0/farm/NBIRTH/e1", birth); err != nil {
		t.Fatal(err)
	}
	if readings := p.want("station Load=7 1", "station gap"); readings[1].Time.Before(dropped) {
		t.Errorf("the gap ends at %s, before what was dropped at %s", readings[1].Time, dropped)
	}
}

// TestTheValuesOfABirthAreNotLate has values that were measured before their birth: behind
// the gap, or the news of the birth, they would come too late to be used.
func TestTheValuesOfABirthAreNotLate(t *testing.T) {
	p := open(t, options())
	older := func(v float64, by time.Duration) tree {
		m := p.double("Power", 3, v)
		m["timestamp"] = p.ms() - uint64(by.Milliseconds())
		return m
	}
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(1))
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, older(1, time.Second))
	p.want("station status online", "WT01 Power=1 1", "WT01 status online")
	p.pass(10 * time.Second)
	p.host.Lost(p.now)
	p.host.Birth(p.now)
	p.pass(10 * time.Second)
	p.look()
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(1))
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, older(2, 700*time.Millisecond))
	p.want("station gap", "WT01 Power=2 1", "WT01 gap")
}

// TestALossBeforeARebirthIsCovered has a device whose own birth made it sound again after
// a loss: what may be lost between it and the node's birth is a gap for it too.
func TestALossBeforeARebirthIsCovered(t *testing.T) {
	p := open(t, options())
	p.bear(1)
	p.pass(time.Second)
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 5, p.double("Power", 3, 1))
	p.pass(3 * time.Second)
	p.want("WT01 gap", "WT01 Power=1 1")
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(1))
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("Power", 3, 2))
	p.want("station gap", "WT01 gap", "WT01 Power=2 1")
}

// TestAClockBehindOurs has an edge node die, at our time, and be born again before its own
// clock has come so far: what it says until then is older than what was told already, so
// that the gap has to go over it.
func TestAClockBehindOurs(t *testing.T) {
	p := open(t, options())
	p.bear(1)
	p.pass(time.Second)
	p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(1))
	died := p.now
	p.pass(time.Second)
	p.look()
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(2), p.double("Load", 1, 7))
	if readings := p.want("station Load=7 1", "station gap", "station status online"); readings[1].Time.Before(died) {
		t.Errorf("the gap ends at %s, before the event of %s", readings[1].Time, died)
	}
}
