package workorders_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/workorders"
)

// clock is wall time that the test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

// desk is an outbox in memory.
type desk struct {
	orders map[string]*row
	down   time.Time // it fails until then
}

type row struct {
	order workorders.Order
	lease int64
	until time.Time
}

func newDesk(orders ...workorders.Order) *desk {
	d := &desk{orders: map[string]*row{}}
	for _, o := range orders {
		d.orders[o.ID] = &row{order: o}
	}
	return d
}

func (d *desk) Due(_ context.Context, now time.Time, lease time.Duration, n int) ([]workorders.Order, error) {
	if now.Before(d.down) {
		return nil, errors.New("disk full")
	}
	var due []workorders.Order
	for _, r := range d.orders {
		s := r.order.Status
		if len(due) < n && (s == workorders.Open || s == workorders.Sent) && !r.order.NotBefore.After(now) && !r.until.After(now) {
			r.lease++
			r.until = now.Add(lease)
			o := r.order
			o.Lease = r.lease
			due = append(due, o)
		}
	}
	slices.SortFunc(due, func(a, b workorders.Order) int { return strings.Compare(a.ID, b.ID) })
	return due, nil
}

func (d *desk) Update(_ context.Context, o workorders.Order) error {
	r := d.orders[o.ID]
	if o.Lease != 0 && o.Lease != r.lease {
		return workorders.ErrLeaseLost
	}
	o.Lease = 0
	r.order, r.until = o, time.Time{}
	return nil
}

func (d *desk) get(id string) workorders.Order { return d.orders[id].order }

// erp commits what its script says, and never looks whether it has the key already.
type erp struct {
	clock   *clock
	creates int
	current string // key of the create under way
	book    []entry
	find    error                                                     // when set, look-ups fail
	script  func(n int) (commit bool, after time.Duration, err error) // of the n-th create
	done    map[string]bool
}

type entry struct {
	key, number string
	from        time.Time // visible from then on
}

func (e *erp) Find(_ context.Context, key string) (string, error) {
	if e.find != nil {
		return "", e.find
	}
	for _, b := range e.book {
		if b.key == key && !b.from.After(e.clock.now) {
			return b.number, nil
		}
	}
	return "", nil
}

func (e *erp) Create(_ context.Context, o workorders.Order) (string, error) {
	n := e.creates
	e.creates++
	e.current = o.Key
	commit, after, err := true, time.Duration(0), error(nil)
	if e.script != nil {
		commit, after, err = e.script(n)
	}
	number := fmt.Sprintf("%d", 1000+n)
	if commit {
		e.book = append(e.book, entry{o.Key, number, e.clock.now.Add(after)})
	}
	if err != nil {
		return "", err
	}
	return number, nil
}

func (e *erp) Done(_ context.Context, number string) (bool, error) { return e.done[number], nil }

func (e *erp) count(key string) (n int) {
	for _, b := range e.book {
		if b.key == key {
			n++
		}
	}
	return n
}

func order(id string) workorders.Order {
	return workorders.Order{ID: id, Key: workorders.KeyOf(id), Status: workorders.Open}
}

func setUp(orders ...workorders.Order) (*clock, *desk, *erp, *workorders.Forwarder) {
	c := &clock{time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	d, e := newDesk(orders...), &erp{clock: c, done: map[string]bool{}}
	return c, d, e, forwarder(c, d, e)
}

func forwarder(c *clock, d *desk, e workorders.ERP) *workorders.Forwarder {
	return workorders.NewForwarder(d, e, "test", workorders.Options{Now: c.Now, Rand: func() float64 { return 0.5 }})
}

func once(t *testing.T, f *workorders.Forwarder) {
	t.Helper()
	if _, err := f.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func fault(kind error, status int) error {
	return &workorders.CallError{Kind: kind, Status: status, Text: "test"}
}

func TestForwardsAndFollows(t *testing.T) {
	c, d, e, f := setUp(order("a"))
	once(t, f)
	if o := d.get("a"); o.Status != workorders.Sent || o.ERPNumber != "1000" || o.ERP != "test" || o.Attempts != 1 || !o.HoldUntil.IsZero() {
		t.Fatalf("after the first round: %+v", o)
	}
	c.advance(10 * time.Minute)
	once(t, f)
	if o := d.get("a"); o.Status != workorders.Sent {
		t.Fatalf("completed before the work was done: %+v", o)
	}
	e.done["1000"] = true
	c.advance(10 * time.Minute)
	once(t, f)
	if o := d.get("a"); o.Status != workorders.Completed {
		t.Errorf("not completed: %+v", o)
	}
}

func TestFoundIsNotCreated(t *testing.T) {
	_, d, e, f := setUp(order("a"))
	e.book = []entry{{workorders.KeyOf("a"), "77", time.Time{}}}
	once(t, f)
	if o := d.get("a"); o.ERPNumber != "77" || e.creates != 0 {
		t.Errorf("order %+v after %d creates", o, e.creates)
	}
}

// What each outcome of a create leads to, ten seconds, two minutes and an hour later.
func TestOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		script       func(n int) (bool, time.Duration, error)
		soon, middle workorders.Status
		late         workorders.Status
		creates      int
	}{
		"answer lost after commit": {
			func(int) (bool, time.Duration, error) { return true, 0, fault(workorders.ErrUnknown, 0) },
			workorders.Open, workorders.Sent, workorders.Sent, 1,
		},
		"commit nine minutes late": {
			func(int) (bool, time.Duration, error) {
				return true, 9 * time.Minute, fault(workorders.ErrUnknown, 504)
			},
			workorders.Open, workorders.Open, workorders.Sent, 1,
		},
		"lost before commit": {func(n int) (bool, time.Duration, error) {
			if n == 0 {
				return false, 0, fault(workorders.ErrUnknown, 0)
			}
			return true, 0, nil
		}, workorders.Open, workorders.Open, workorders.Sent, 2},
		"no number": {
			func(int) (bool, time.Duration, error) { return true, 0, errors.New("unreadable answer") },
			workorders.Open, workorders.Sent, workorders.Sent, 1,
		},
		"refused":      {func(int) (bool, time.Duration, error) { return false, 0, fault(workorders.ErrRefused, 400) }, workorders.Parked, workorders.Parked, workorders.Parked, 1},
		"error inside": {func(int) (bool, time.Duration, error) { return false, 0, fault(workorders.ErrUnknown, 500) }, workorders.Open, workorders.Open, workorders.Parked, 5},
		"denied at once": {func(n int) (bool, time.Duration, error) {
			if n == 0 {
				return false, 0, fault(workorders.ErrDenied, 401)
			}
			return true, 0, nil
		}, workorders.Open, workorders.Open, workorders.Sent, 2},
		"busy": {func(n int) (bool, time.Duration, error) {
			if n == 0 {
				return false, 0, &workorders.CallError{Kind: workorders.ErrUnavailable, Status: 503, After: time.Minute}
			}
			return true, 0, nil
		}, workorders.Open, workorders.Sent, workorders.Sent, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c, d, e, f := setUp(order("a"))
			e.script = tc.script
			start := c.now
			run := func(until time.Duration, want workorders.Status) {
				t.Helper()
				for ; c.now.Sub(start) <= until; c.advance(5 * time.Second) {
					once(t, f)
				}
				if o := d.get("a"); o.Status != want {
					t.Fatalf("after %v: %s (%s), want %s", until, o.Status, o.Problem, want)
				}
			}
			run(10*time.Second, tc.soon)
			run(2*time.Minute, tc.middle)
			run(time.Hour, tc.late)
			if e.creates != tc.creates {
				t.Errorf("%d creates, want %d", e.creates, tc.creates)
			}
			if o := d.get("a"); o.Status == workorders.Parked && o.Problem == "" {
				t.Error("parked without a reason")
			}
		})
	}
}

func TestUnavailableStopsTheRound(t *testing.T) {
	c, d, e, f := setUp(order("a"), order("b"), order("c"))
	finds := 0
	e.script = func(int) (bool, time.Duration, error) {
		finds++
		return false, 0, fault(workorders.ErrUnavailable, 503)
	}
	once(t, f)
	if finds != 1 {
		t.Errorf("%d calls to an ERP that is not available, want 1", finds)
	}
	e.script = nil
	c.advance(time.Minute)
	once(t, f)
	for _, id := range []string{"a", "b", "c"} {
		if o := d.get(id); o.Status != workorders.Sent || e.count(o.Key) != 1 {
			t.Errorf("order %s: %+v, %d in the ERP", id, o, e.count(o.Key))
		}
	}
}

// A worker that was stopped between its lease and its create comes back when
// another has sent the order.
func TestZombieCreatesNothing(t *testing.T) {
	c, d, e, _ := setUp(order("a"))
	zombie := &stall{ERP: e, wake: func() { once(t, forwarder(c, d, e)) }}
	zombie.before = func() { c.advance(3 * time.Minute) }
	once(t, forwarder(c, d, zombie))
	if o := d.get("a"); e.creates != 1 || o.Status != workorders.Sent {
		t.Errorf("%d creates, order %+v", e.creates, o)
	}
}

// stall answers its first look-up late; others work meanwhile.
type stall struct {
	workorders.ERP
	before, wake func()
}

func (s *stall) Find(ctx context.Context, key string) (string, error) {
	number, err := s.ERP.Find(ctx, key)
	s.before()
	s.wake()
	return number, err
}

// slowFind is stopped for a while after the ERP has answered a look-up.
type slowFind struct {
	*erp
	stop time.Duration
}

func (s slowFind) Find(ctx context.Context, key string) (string, error) {
	number, err := s.erp.Find(ctx, key)
	s.clock.advance(s.stop)
	return number, err
}

func TestLookUpSaysNothingOfLater(t *testing.T) {
	c, d, e, f := setUp(order("a"))
	e.script = func(int) (bool, time.Duration, error) { // commits while nobody looks
		return true, 5 * time.Minute, &workorders.CallError{Kind: workorders.ErrUnknown, Text: "cut"}
	}
	once(t, f)
	c.advance(4 * time.Minute)
	once(t, forwarder(c, d, slowFind{e, 20 * time.Minute})) // found nothing, and goes on after the hold
	c.advance(time.Minute)
	once(t, f)
	if o := d.get("a"); o.Status != workorders.Sent || e.creates != 1 {
		t.Errorf("order %+v after %d creates, want it sent by the first", o, e.creates)
	}
}

// Random faults and kills at random points; in the end every order is in the ERP once.
func TestExactlyOnceUnderRandomFaults(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c, d, e, _ := setUp(order("a"), order("b"), order("c"), order("d"))
		quiet := false
		e.script = func(int) (bool, time.Duration, error) {
			if quiet {
				return true, 0, nil
			}
			switch rng.IntN(7) {
			case 0:
				return true, 0, fault(workorders.ErrUnknown, 0)
			case 1:
				return true, time.Duration(rng.Int64N(int64(10 * time.Minute))), fault(workorders.ErrUnknown, 502)
			case 2:
				return false, 0, fault(workorders.ErrUnknown, 0)
			case 3:
				return false, 0, fault(workorders.ErrUnavailable, 503)
			case 4:
				panic("killed before the create")
			case 5:
				e.book = append(e.book, entry{key: e.current, number: "k", from: c.now.Add(time.Duration(rng.Int64N(int64(10 * time.Minute))))})
				panic("killed after the create")
			default:
				return true, 0, nil
			}
		}
		f := forwarder(c, d, e)
		for i := range 2000 {
			quiet = i > 1000
			if survived := attempt(t, f); !survived {
				f = forwarder(c, d, e)
			}
			c.advance(time.Duration(rng.Int64N(int64(20 * time.Second))))
		}
		for id, r := range d.orders {
			if n := e.count(r.order.Key); n != 1 || r.order.Status != workorders.Sent {
				t.Fatalf("seed %d: order %s is %d times in the ERP, status %s (%s)", seed, id, n, r.order.Status, r.order.Problem)
			}
		}
	}
}

func attempt(t *testing.T, f *workorders.Forwarder) (survived bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			survived = false
		}
	}()
	once(t, f)
	return true
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{time.Now()}
		d := newDesk(order("a"))
		d.down = c.now.Add(time.Minute)
		f := workorders.NewForwarder(d, &erp{clock: c}, "test", workorders.Options{Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil || d.get("a").Status != workorders.Sent {
			t.Errorf("Run: %v, order %+v", err, d.get("a"))
		}
	})
}
