package workorders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Options of a Forwarder. Its zero is usable.
type Options struct {
	Poll        time.Duration // how often the outbox is looked at; default 5 s
	Batch       int           // orders leased at once; default 16
	Lease       time.Duration // default 2 min
	Timeout     time.Duration // of one call to the ERP; default 30 s
	HoldUnknown time.Duration // longest run time of a request at the ERP's gateway; default 10 min
	LookUp      time.Duration // between look-ups while an order is held; default 30 s
	Follow      time.Duration // between questions whether a sent order is done; default 10 min
	BackoffMin  time.Duration // default 1 s
	BackoffMax  time.Duration // default 5 min
	Pause       time.Duration // after the ERP denied access; default 5 min
	MaxFailures int           // creates that may end in an error inside the ERP (500); default 5

	Now  func() time.Time // wall clock; default time.Now
	Rand func() float64   // in [0, 1), for jitter; default math/rand/v2
	Log  *slog.Logger     // default none
}

func (o Options) withDefaults() Options {
	span := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	span(&o.Poll, 5*time.Second)
	span(&o.Lease, 2*time.Minute)
	span(&o.Timeout, 30*time.Second)
	span(&o.HoldUnknown, 10*time.Minute)
	span(&o.LookUp, 30*time.Second)
	span(&o.Follow, 10*time.Minute)
	span(&o.BackoffMin, time.Second)
	span(&o.BackoffMax, 5*time.Minute)
	span(&o.Pause, 5*time.Minute)
	if o.Batch <= 0 {
		o.Batch = 16
	}
	if o.MaxFailures <= 0 {
		o.MaxFailures = 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Forwarder sees the outbox's orders into one ERP, each of them once. It is
// used by one goroutine; any number of them, in any number of processes, may
// share an outbox.
//
// No ERP is trusted to notice a second create. So an order is looked up by its
// key before every create, and before every create the outbox is told until
// when that create may still commit: whoever finds the order after a crash, a
// cut connection or a lost answer only looks it up until then.
type Forwarder struct {
	outbox Outbox
	erp    ERP
	name   string
	opt    Options

	resume time.Time // nothing is sent before
	streak int       // calls in a row that found the ERP unavailable
}

// NewForwarder makes a forwarder to the ERP of that name.
func NewForwarder(outbox Outbox, erp ERP, name string, opt Options) *Forwarder {
	return &Forwarder{outbox: outbox, erp: erp, name: name, opt: opt.withDefaults()}
}

// Run forwards until ctx ends, and then returns nil. What goes wrong is logged,
// written to the order, and tried again.
func (f *Forwarder) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		n, err := f.Once(ctx)
		if err != nil && ctx.Err() == nil {
			f.opt.Log.Error("outbox", "err", err)
		}
		if n == f.opt.Batch && err == nil {
			timer.Reset(0)
		} else {
			timer.Reset(f.opt.Poll)
		}
	}
}

// Once leases what is due and takes each order one step on. It returns how many
// it leased; an error is the outbox's, not the ERP's.
func (f *Forwarder) Once(ctx context.Context) (int, error) {
	if f.opt.Now().Before(f.resume) {
		return 0, nil
	}
	due, err := f.outbox.Due(ctx, f.opt.Now(), f.opt.Lease, f.opt.Batch)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, o := range due {
		if ctx.Err() != nil {
			break // the leases end by themselves
		}
		if now := f.opt.Now(); now.Before(f.resume) {
			o.NotBefore = f.resume // the ERP does not answer: give the rest back untried
		} else if o, err = f.step(ctx, o); err != nil {
			errs = append(errs, dropLost(err))
			continue
		}
		errs = append(errs, dropLost(f.outbox.Update(context.WithoutCancel(ctx), o)))
	}
	return len(due), errors.Join(errs...)
}

// dropLost forgets the one error that needs no act: another worker goes on with the order.
func dropLost(err error) error {
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	return err
}

func (f *Forwarder) step(ctx context.Context, o Order) (Order, error) {
	if o.Status == Sent {
		return f.follow(ctx, o), nil
	}
	return f.deliver(ctx, o)
}

// follow asks whether the work is done. Work that is done is never reopened.
func (f *Forwarder) follow(ctx context.Context, o Order) Order {
	ctx, cancel := context.WithTimeout(ctx, f.opt.Timeout)
	defer cancel()
	done, err := f.erp.Done(ctx, o.ERPNumber)
	o.NotBefore = f.opt.Now().Add(f.opt.Follow)
	switch {
	case err != nil:
		o.Problem = err.Error()
		if errors.Is(err, ErrDenied) || errors.Is(err, ErrUnavailable) {
			o.NotBefore = f.stop(err)
		}
	case done:
		f.streak = 0
		o.Status, o.Problem, o.NotBefore = Completed, "", time.Time{}
		f.opt.Log.Info("order completed", "order", o.ID, "erp", f.name, "number", o.ERPNumber)
	default:
		f.streak = 0
		o.Problem = ""
	}
	return o
}

// deliver looks the order up and creates it when it is not there and no earlier
// create can still commit.
func (f *Forwarder) deliver(ctx context.Context, o Order) (Order, error) {
	asked := f.opt.Now() // a process may be stopped at any line: an answer says nothing of later
	number, err := f.find(ctx, o.Key)
	if err != nil {
		return f.missed(o, err), nil
	}
	f.streak = 0
	if number != "" {
		return f.sent(o, number), nil
	}
	if asked.Before(o.HoldUntil) {
		o.NotBefore = asked.Add(f.opt.LookUp)
		if o.NotBefore.After(o.HoldUntil) {
			o.NotBefore = o.HoldUntil
		}
		return o, nil
	}
	if o.Failures >= f.opt.MaxFailures {
		return f.park(o, fmt.Sprintf("gave up after %d errors inside the ERP; last: %s", o.Failures, o.Problem)), nil
	}
	return f.create(ctx, o)
}

func (f *Forwarder) find(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, f.opt.Timeout)
	defer cancel()
	return f.erp.Find(ctx, key)
}

// missed is an order that could not be looked up.
func (f *Forwarder) missed(o Order, err error) Order {
	if errors.Is(err, ErrRefused) {
		return f.park(o, "look-up: "+err.Error())
	}
	o.Problem = "look-up: " + err.Error()
	o.NotBefore = f.stop(err)
	return o
}

func (f *Forwarder) sent(o Order, number string) Order {
	o.Status, o.ERP, o.ERPNumber = Sent, f.name, number
	o.Problem, o.HoldUntil, o.NotBefore = "", time.Time{}, f.opt.Now().Add(f.opt.Follow)
	f.opt.Log.Info("order sent", "order", o.ID, "erp", f.name, "number", number)
	return o
}

func (f *Forwarder) park(o Order, why string) Order {
	o.Status, o.Problem = Parked, why
	o.HoldUntil, o.NotBefore = time.Time{}, time.Time{}
	f.opt.Log.Warn("order parked", "order", o.ID, "erp", f.name, "why", why)
	return o
}

// create writes down that a create is under way, then creates. The time limit
// runs from before it is written, so that a process that was stopped in between
// sends nothing once it goes on after the hold.
func (f *Forwarder) create(ctx context.Context, o Order) (Order, error) {
	call, cancel := context.WithTimeout(ctx, f.opt.Timeout)
	defer cancel()
	now := f.opt.Now()
	o.ERP = f.name
	o.Attempts++
	o.HoldUntil = now.Add(f.opt.Timeout + f.opt.HoldUnknown)
	o.NotBefore = now.Add(f.opt.Timeout)
	if err := f.outbox.Update(ctx, o); err != nil {
		return o, err
	}
	number, err := "", call.Err()
	if err == nil {
		number, err = f.erp.Create(call, o)
	} else {
		err = &CallError{Kind: ErrUnavailable, Text: "the outbox was too slow: nothing was sent"}
	}
	switch {
	case err == nil && number != "":
		f.streak = 0
		return f.sent(o, number), nil
	case errors.Is(err, ErrRefused):
		f.streak = 0
		return f.park(o, err.Error()), nil
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrDenied):
		o.Problem, o.HoldUntil = err.Error(), time.Time{}
		o.NotBefore = f.stop(err)
		return o, nil
	case err == nil:
		err = &CallError{Kind: ErrUnknown, Text: "the ERP gave no number"}
	}
	if fault := (*CallError)(nil); errors.As(err, &fault) && fault.Status == 500 {
		o.Failures++
	}
	o.Problem, o.NotBefore = err.Error(), f.opt.Now().Add(f.opt.LookUp)
	f.opt.Log.Warn("outcome of create unknown", "order", o.ID, "erp", f.name, "hold_until", o.HoldUntil, "err", err)
	return o, nil
}

// stop leaves the ERP alone for a while and returns when to go on: after the
// pause when it denied access, else with exponential backoff and full jitter,
// and never before it asked for.
func (f *Forwarder) stop(err error) time.Time {
	wait := f.opt.Pause
	if !errors.Is(err, ErrDenied) {
		ceiling := f.opt.BackoffMax
		if f.streak < 30 { // beyond that the shift would overflow
			ceiling = min(ceiling, f.opt.BackoffMin<<f.streak)
		}
		wait = max(time.Duration(f.opt.Rand()*float64(ceiling)), time.Millisecond)
		f.streak++
	}
	if fault := (*CallError)(nil); errors.As(err, &fault) {
		wait = max(wait, fault.After)
	}
	f.resume = f.opt.Now().Add(wait)
	f.opt.Log.Warn("ERP left alone", "erp", f.name, "until", f.resume, "err", err)
	return f.resume
}
