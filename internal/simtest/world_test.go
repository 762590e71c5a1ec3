// Package simtest runs the core in a world that goes wrong, again and again, each time
// as its seed says: a network that delays, permutes, doubles and drops, a broker that
// delivers again, a store that fails, an ERP that answers too late or never, instances
// that end between any two steps, and instances that go on after they were replaced.
// What runs in it is the real flow and the real forwarder.
package simtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/workorders"
)

// bug is a fault planted around the code under test, to show that it would be found.
type bug string

const (
	noBug     bug = ""
	ackFirst  bug = "acknowledged before the commit"
	unfenced  bug = "an old epoch may write"
	replayed  bug = "a batch that is stored is stored again"
	forgetful bug = "the checker forgets what it has seen"
	blindERP  bug = "no order is found before it is created"
)

// world is everything in one run. One goroutine moves it.
type world struct {
	seed   uint64
	rng    *rand.Rand
	bug    bug
	plant  *plant
	broker *broker
	disk   *memory
	erp    *erp
	nodes  []*node
	born   int
	batch  int // most new readings of a batch
	faults int // ends and takeovers that are left
	calm   bool
	sleepy bool // somebody waits for time to pass
	failed string

	trace  []event
	hash   uint64
	events int
	seen   map[string]int // how often each kind of step was taken
}

// event is one step of the trace.
type event struct {
	what string
	node int
	a, b int64
	at   time.Time
}

// keptEvents is how much of the trace a failure shows.
const keptEvents = 60

// newWorld makes the plant, its readings and what else the seed says. It has to run in a
// bubble of testing/synctest, whose clock is the world's.
func newWorld(seed uint64, b bug) *world {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 17)), bug: b, hash: 14695981039346656037, erp: newERP(), seen: map[string]int{}}
	w.plant = newPlant(w.rng)
	w.batch = 1 + w.rng.IntN(32)
	w.faults = w.rng.IntN(7)
	w.broker = newBroker(w, w.plant.travel(w.rng))
	w.disk = newMemory(w.plant.order)
	w.disk.lax, w.disk.again = b == unfenced, b == replayed
	w.disk.fate = w.fate
	w.disk.look = w.monotonic
	return w
}

// order plans the work of an alert, as cmd does.
func (p *plant) order(a asset.Alert) (workorders.Order, bool) {
	return workorders.Plan(a, p.plates[a.Asset], workorders.Policy{Mildest: 3})
}

func (w *world) now() time.Time { return time.Now() }

// note writes a line of the trace.
func (w *world) note(what string, node int, a, b int64) {
	for _, c := range []byte(what) {
		w.hash = (w.hash ^ uint64(c)) * 1099511628211
	}
	for _, x := range [...]uint64{uint64(node), uint64(a), uint64(b)} {
		w.hash = (w.hash ^ x) * 1099511628211
	}
	w.events++
	w.seen[what]++
	if len(w.trace) == 2*keptEvents {
		w.trace = append(w.trace[:0], w.trace[keptEvents:]...)
	}
	w.trace = append(w.trace, event{what, node, a, b, w.now()})
}

// fail notes the first broken promise.
func (w *world) fail(format string, args ...any) {
	if w.failed == "" {
		w.failed = fmt.Sprintf(format, args...)
		w.note("BROKEN: "+w.failed, 0, 0, 0)
	}
}

// story is the end of the trace as people read it.
func (w *world) story() string {
	var s strings.Builder
	p := w.plant
	fmt.Fprintf(&s, "bounded %v, %d shard(s), %d partition(s), %d machines, %d messages, lateness %s, windows %gs hop %g, batches of %d\n",
		p.bounded, p.shards, p.partitions, len(p.machines), len(w.broker.log), p.lateness, p.window.Seconds, p.window.Hop, w.batch)
	for _, e := range w.trace[max(0, len(w.trace)-keptEvents):] {
		fmt.Fprintf(&s, "%s instance %d: %s %d %d\n", e.at.Format("15:04:05.000"), e.node, e.what, e.a, e.b)
	}
	return s.String()
}

// chance is a number below n; while faults have stopped always the last.
func (w *world) chance(n int) int {
	if w.calm {
		return n - 1
	}
	return w.rng.IntN(n)
}

// fate decides how a write to the store ends.
func (w *world) fate() outcome {
	switch w.chance(120) {
	case 0:
		w.note("write refused", 0, 0, 0)
		return refused
	case 1:
		w.note("write uncertain", 0, 0, 0)
		return uncertain
	}
	return written
}

// monotonic holds I5: what a shard has reached, and how often a twin has moved, never goes back.
func (w *world) monotonic(was checkpoint, fx pipeline.Effects) {
	if fx.Next < was.Next || fx.Low < was.Low || fx.Through.Before(was.Through) || fx.Low > fx.Next {
		w.fail("I5: shard %d goes from next %d, low %d, %s to next %d, low %d, %s", fx.Shard,
			was.Next, was.Low, was.Through.Format(time.StampMilli), fx.Next, fx.Low, fx.Through.Format(time.StampMilli))
	}
	for k, body := range fx.State {
		if k.Part == "twin/sum" && moves(body) <= moves(w.disk.parts[k.Asset][k.Part]) {
			w.fail("I5: the twin of %s goes from %d moves to %d", k.Asset, moves(w.disk.parts[k.Asset][k.Part]), moves(body))
		}
	}
}

// forgets is a checker that judges each reading as if it were the first: the planted bug.
type forgets struct {
	pipeline.Checker
	fresh func() pipeline.Checker
}

// Check remembers and does not heed it.
func (f forgets) Check(r asset.Reading) (asset.Reading, []*asset.Invalid) {
	f.Checker.Check(r)
	return f.fresh().Check(r)
}

func (w *world) lines() pipeline.Plant { return w.plant.lines(w.bug == forgetful) }

// run lets the world go on until all is done, faults first, and then looks at what is left.
func (w *world) run() {
	for w.failed == "" && (w.broker.shown < len(w.broker.log) || w.rng.IntN(40) > 0) {
		w.turn()
	}
	w.calm = true
	w.note("faults stop", 0, 0, 0)
	w.drain()
	for _, n := range w.nodes {
		n.job.kill()
	}
	if w.failed == "" {
		w.judge()
	}
}

// turn is one thing that happens.
func (w *world) turn() {
	live := w.live()
	switch k := w.rng.IntN(100); {
	case live == 0 || k < 2 && w.faults > 0 && len(w.nodes) < 3:
		if live > 0 {
			w.faults-- // a takeover: the old one goes on as if nothing were
			w.nodes[w.rng.IntN(len(w.nodes))].paused = w.rng.IntN(2) == 0
		}
		w.start()
	case k < 5 && w.faults > 0:
		w.faults--
		w.nodes[w.rng.IntN(len(w.nodes))].die("crash")
	case k < 9 && w.faults > 0:
		if c, ok := w.nodes[w.rng.IntN(len(w.nodes))].source.(*consumer); ok {
			w.faults--
			w.note("partitions change hands", 0, 0, 0)
			c.again()
		}
	case k < 12:
		n := w.nodes[w.rng.IntN(len(w.nodes))]
		n.paused = !n.paused && w.faults > 0
	case k < 24:
		w.broker.show(1 + w.rng.IntN(12))
	case k < 30 || w.sleepy && k < 45:
		w.sleep()
	default:
		if n := w.nodes[w.rng.IntN(len(w.nodes))]; !n.paused {
			n.act(w.rng)
		}
	}
	w.bury()
}

// live is how many instances run and are not paused.
func (w *world) live() (live int) {
	for _, n := range w.nodes {
		if !n.paused {
			live++
		}
	}
	return live
}

func (w *world) start() {
	w.born++
	w.note("start", w.born, 0, 0)
	w.nodes = append(w.nodes, &node{w: w, id: w.born})
}

// bury takes away the instances that have ended.
func (w *world) bury() {
	for i := 0; i < len(w.nodes); {
		if w.nodes[i].dead {
			w.nodes = append(w.nodes[:i:i], w.nodes[i+1:]...)
		} else {
			i++
		}
	}
}

// sleep lets wall-clock time pass: mostly a little, at times longer than any lease or hold.
func (w *world) sleep() {
	d := time.Duration(w.rng.Int64N(int64(5 * time.Second)))
	switch w.rng.IntN(8) {
	case 0:
		d = time.Duration(w.rng.Int64N(int64(12 * time.Minute)))
	case 1, 2, 3:
		d = time.Duration(w.rng.Int64N(int64(time.Minute)))
	}
	w.sleepy = false
	time.Sleep(d)
	synctest.Wait()
	w.note("time passes", 0, int64(d), 0)
	w.erp.settle(w)
}

// mostTurns is when draining has failed.
const mostTurns = 20000

// drain is I6: what was accepted is done once the faults have stopped.
func (w *world) drain() {
	for range mostTurns {
		if w.failed != "" {
			return
		}
		w.broker.show(len(w.broker.log))
		if len(w.nodes) == 0 {
			w.start()
		}
		done := true
		for _, n := range w.nodes {
			n.paused = false
			if n.act(w.rng) {
				done = false
			}
		}
		w.bury()
		if !done {
			if w.sleepy {
				w.sleep()
			}
			continue
		}
		if len(w.nodes) > 0 && w.settled() {
			return
		}
		w.sleep()
	}
	w.fail("I6: not drained after %d turns: %s", mostTurns, w.rest())
}
