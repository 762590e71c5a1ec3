// Package workorders turns alerts into orders and sees each of them into the
// ERP once: a row in the outbox, looked up before every create, followed until
// it is done.
package workorders

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Status is where an order stands.
type Status string

// The life of an order.
const (
	Open      Status = "open"      // in the outbox, not yet accepted by the ERP
	Sent      Status = "sent"      // the ERP has it and gave it a number
	Parked    Status = "parked"    // refused for good; a person has to look
	Completed Status = "completed" // the ERP reports the work as done
)

// Order is the work that an alert asks for.
type Order struct {
	ID          string           `json:"id"`    // UUIDv5 of the key
	Alert       string           `json:"alert"` // the episode it belongs to
	Asset       asset.ID         `json:"asset"`
	Component   string           `json:"component"`
	Mode        asset.Mode       `json:"mode"`
	Priority    int              `json:"priority"` // 1–4
	Title       string           `json:"title"`    // at most 40 characters
	Text        string           `json:"text"`
	RequiredEnd time.Time        `json:"required_end"`
	Activity    Activity         `json:"activity,omitempty"` // empty in orders of before there was one
	Window      *Window          `json:"window,omitempty"`   // of the work, and what it is expected to cost; nil where no costs are declared
	Key         string           `json:"key"`                // 20 characters; the same for every attempt
	Status      Status           `json:"status"`
	ERP         string           `json:"erp,omitempty"`        // which adapter has it
	ERPNumber   string           `json:"erp_number,omitempty"` // notification number in the ERP
	Attempts    int              `json:"attempts"`             // creates tried
	Failures    int              `json:"failures,omitempty"`   // of these, answered with an error inside the ERP (500)
	NotBefore   time.Time        `json:"not_before,omitzero"`  // wall clock of the next attempt
	Problem     string           `json:"problem,omitempty"`    // what the ERP said last
	HoldUntil   time.Time        `json:"hold_until,omitzero"`  // wall clock until which an earlier create may still commit
	Created     time.Time        `json:"created"`              // event time
	Evidence    []asset.Evidence `json:"evidence,omitempty"`
	Lease       int64            `json:"-"` // which hand-out of the outbox this copy is; 0 for none
}

// KeyOf is the idempotency key of an episode: 20 base32 characters of the
// SHA-256 of its ID. SAP's external reference holds just that many.
func KeyOf(episode string) string {
	sum := sha256.Sum256([]byte(episode))
	return base32.StdEncoding.EncodeToString(sum[:])[:20]
}

// What a forwarder decides on.
var (
	ErrRefused     = errors.New("order refused by the ERP")    // permanent: park it
	ErrUnavailable = errors.New("ERP not available")           // try again later
	ErrUnknown     = errors.New("outcome of the call unknown") // look it up for the hold time before creating again
	ErrDenied      = errors.New("ERP denied access")           // pause the adapter
	ErrLeaseLost   = errors.New("order leased to another")     // somebody else goes on with it
)

// ERP is one system that takes orders. It is safe for concurrent use.
type ERP interface {
	// Find looks an order up by its key; "" when the ERP has none.
	Find(ctx context.Context, key string) (number string, err error)
	// Create makes the order and returns the ERP's number.
	Create(ctx context.Context, o Order) (number string, err error)
	// Done reports whether the work under that number is completed.
	Done(ctx context.Context, number string) (bool, error)
}

// Outbox is where orders wait: the store implements it.
type Outbox interface {
	// Due leases up to n orders whose time has come until the lease ends.
	Due(ctx context.Context, now time.Time, lease time.Duration, n int) ([]Order, error)
	// Update writes an order back and ends its lease; ErrLeaseLost when it was
	// leased to somebody else since. A copy without a lease always wins.
	Update(ctx context.Context, o Order) error
}
