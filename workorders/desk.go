package workorders

import (
	"errors"
	"fmt"
	"time"
)

// ErrState says that an order is not where the act wants it.
var ErrState = errors.New("order is in another state")

// Retry sends a parked order on its way again. It is looked up first, and what
// an earlier create may still commit is waited for, as ever.
func Retry(o Order) (Order, error) {
	if o.Status != Parked {
		return o, fmt.Errorf("order %s is %s: only a parked one can be retried: %w", o.ID, o.Status, ErrState)
	}
	o.Status, o.Failures, o.NotBefore, o.Problem, o.Lease = Open, 0, time.Time{}, "", 0
	return o, nil
}

// Park takes an order out of the forwarder's hands and says why.
func Park(o Order, why string) (Order, error) {
	if o.Status != Open {
		return o, fmt.Errorf("order %s is %s: only an open one can be parked: %w", o.ID, o.Status, ErrState)
	}
	o.Status, o.NotBefore, o.Problem, o.Lease = Parked, time.Time{}, why, 0
	return o, nil
}
