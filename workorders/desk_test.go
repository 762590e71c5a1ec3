package workorders_test

import (
	"errors"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/workorders"
)

// A person parks and retries an order whose create may still commit: it is
// looked up until then all the same.
func TestParkAndRetryKeepTheHold(t *testing.T) {
	c, d, e, f := setUp(order("a"))
	e.script = func(int) (bool, time.Duration, error) {
		return true, 5 * time.Minute, fault(workorders.ErrUnknown, 504)
	}
	once(t, f)
	parked, err := workorders.Park(d.get("a"), "not now")
	if err != nil || parked.Status != workorders.Parked {
		t.Fatalf("%+v, %v", parked, err)
	}
	if _, err := workorders.Park(parked, "again"); !errors.Is(err, workorders.ErrState) {
		t.Errorf("parked twice: %v", err)
	}
	open, err := workorders.Retry(parked)
	if err != nil || open.Status != workorders.Open {
		t.Fatalf("%+v, %v", open, err)
	}
	if _, err := workorders.Retry(open); !errors.Is(err, workorders.ErrState) {
		t.Errorf("retried an open order: %v", err)
	}
	if err := d.Update(t.Context(), open); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		once(t, f)
		c.advance(10 * time.Second)
	}
	if n := e.count(open.Key); n != 1 || d.get("a").Status != workorders.Sent {
		t.Errorf("%d orders in the ERP, %+v", n, d.get("a"))
	}
}
