package simtest

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/telltale-iot/telltale/workorders"
)

// erp is the other side: it does not notice when it gets an order twice.
type erp struct {
	orders map[string][]string // numbers by key
	late   []pledge
	n      int
}

// pledge is an order that it will have made at that time, whatever the caller heard.
type pledge struct {
	key string
	at  time.Time
}

func newERP() *erp { return &erp{orders: map[string][]string{}} }

func (e *erp) commit(w *world, key string) string {
	e.n++
	number := fmt.Sprint(10000000 + e.n)
	e.orders[key] = append(e.orders[key], number)
	if len(e.orders[key]) > 1 {
		w.fail("I2: the ERP has %d orders of key %s", len(e.orders[key]), key)
	}
	w.note("erp commits", 0, int64(len(e.orders[key])), int64(e.n))
	return number
}

// promise makes an order within the gateway's longest run time.
func (e *erp) promise(w *world, key string) {
	e.late = append(e.late, pledge{key, w.now().Add(time.Duration(w.rng.Int64N(int64(10 * time.Minute))))})
}

// settle makes the orders whose time has come.
func (e *erp) settle(w *world) {
	for i := 0; i < len(e.late); {
		if p := e.late[i]; p.at.After(w.now()) {
			i++
		} else {
			e.late = append(e.late[:i:i], e.late[i+1:]...)
			e.commit(w, p.key)
		}
	}
}

// killed unwinds a forwarder whose instance has ended.
type killed struct{}

// job is one round of a forwarder, which stops before and after every call it makes, so
// that everything may happen between two of them.
type job struct {
	next  func() (string, bool)
	stop  func()
	pause func(string) bool
}

// round begins a round of the instance's forwarder.
func (n *node) round() *job {
	j := &job{}
	j.next, j.stop = iter.Pull(func(yield func(string) bool) {
		defer func() {
			if r := recover(); r != nil && r != any(killed{}) {
				panic(r)
			}
		}()
		j.pause = yield
		if n.forwarder == nil {
			n.forwarder = workorders.NewForwarder(desk{n}, desk{n}, "erp", workorders.Options{Rand: n.w.rng.Float64, Batch: 3})
		}
		n.forwarder.Once(context.Background()) //nolint:errcheck,gosec // as Run, it goes on after an error
	})
	return j
}

// forward takes the round under way to its next call.
func (n *node) forward() {
	begins := n.job == nil
	if begins {
		n.job = n.round()
	}
	what, more := n.job.next()
	if !more {
		if begins {
			n.asked = n.w.now()
		}
		n.job = nil
		what = "round done"
	}
	n.w.note(what, n.id, 0, 0)
}

// kill ends a round where it stands.
func (j *job) kill() {
	if j != nil {
		j.stop()
	}
}

// desk is the outbox and the ERP as an instance's forwarder calls them.
type desk struct{ n *node }

// wait lets the rest of the world go on.
func (d desk) wait(what string) {
	if !d.n.job.pause(what) {
		panic(killed{})
	}
}

// Due asks the outbox.
func (d desk) Due(ctx context.Context, now time.Time, lease time.Duration, n int) ([]workorders.Order, error) {
	due, err := d.n.w.disk.Due(ctx, now, lease, n)
	d.wait("due")
	return due, err
}

// Update asks the outbox.
func (d desk) Update(ctx context.Context, o workorders.Order) error {
	d.wait("before update")
	err := d.n.w.disk.Update(ctx, o)
	d.wait("after update")
	return err
}

// Find looks an order up.
func (d desk) Find(ctx context.Context, key string) (string, error) {
	d.wait("before find")
	w := d.n.w
	if err := ctx.Err(); err != nil {
		return "", workorders.TransportError(err, false)
	}
	if w.bug == blindERP {
		return "", nil
	}
	switch w.chance(100) {
	case 0, 1, 2:
		return "", fault(http.StatusServiceUnavailable, false)
	case 3, 4:
		return "", fault(http.StatusInternalServerError, false)
	case 5:
		return "", fault(http.StatusUnauthorized, false)
	case 6, 7:
		return "", d.timeout(ctx, false)
	}
	number := ""
	if all := w.erp.orders[key]; len(all) > 0 {
		number = all[0]
	}
	d.wait("after find")
	return number, nil
}

// timeout waits until the caller has waited long enough.
func (d desk) timeout(ctx context.Context, writes bool) error {
	for ctx.Err() == nil {
		d.wait("waits for the ERP")
		d.n.w.sleepy = true
	}
	return workorders.TransportError(ctx.Err(), writes)
}

// refusedFor says which orders the ERP never takes.
func refusedFor(key string) bool { return key[0] == 'A' || key[0] == 'B' || key[0] == 'C' }

// Create makes an order, says so or not, at once or later.
func (d desk) Create(ctx context.Context, o workorders.Order) (string, error) {
	d.wait("before create")
	w := d.n.w
	if err := ctx.Err(); err != nil {
		return "", workorders.TransportError(err, true)
	}
	if refusedFor(o.Key) {
		return "", fault(http.StatusBadRequest, true)
	}
	switch w.chance(20) {
	case 0:
		return "", fault(http.StatusServiceUnavailable, true)
	case 1:
		if w.rng.IntN(2) == 0 {
			w.erp.commit(w, o.Key)
		}
		return "", fault(http.StatusInternalServerError, true)
	case 2:
		return "", d.timeout(ctx, true)
	case 3: // it comes to pass while nobody listens any more
		w.erp.promise(w, o.Key)
		return "", d.timeout(ctx, true)
	case 4:
		w.erp.commit(w, o.Key)
		return "", d.timeout(ctx, true)
	case 5: // the gateway gives up, what is behind it may not
		if w.rng.IntN(2) == 0 {
			w.erp.commit(w, o.Key)
		} else {
			w.erp.promise(w, o.Key)
		}
		return "", fault(http.StatusBadGateway, true)
	case 6:
		w.erp.commit(w, o.Key)
		return "", nil // no number
	case 7:
		return "", fault(http.StatusForbidden, true)
	}
	number := w.erp.commit(w, o.Key)
	d.wait("after create")
	return number, nil
}

// Done says that the work is done, sooner or later.
func (d desk) Done(context.Context, string) (bool, error) {
	d.wait("done?")
	if d.n.w.chance(10) == 0 {
		return false, fault(http.StatusServiceUnavailable, false)
	}
	return d.n.w.calm || d.n.w.rng.IntN(2) == 0, nil
}

func fault(status int, writes bool) error {
	return workorders.AnswerError(&http.Response{StatusCode: status, Header: http.Header{}}, writes, http.StatusText(status), time.Time{})
}

// due reports whether the outbox has something for a forwarder.
func (m *memory) due(now time.Time) bool {
	for _, r := range m.orders {
		if s := r.order.Status; (s == workorders.Open || s == workorders.Sent) && !r.order.NotBefore.After(now) && !r.leased.After(now) {
			return true
		}
	}
	return false
}
