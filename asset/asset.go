// Package asset holds the words that every room shares: what a reading is, what
// a window is, what the views say about a component, and what a person is told.
//
// Time is UTC event time everywhere. Quantities are SI inside the program
// (m/s², °C, rpm for shaft speed, kW for power as the one concession to the
// field); conversion happens at the edges, in ingest. A Number that is NaN means
// "missing", never zero, and is null wherever it leaves the process.
package asset

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ErrInvalid marks data from outside that was refused. The error that wraps it
// is an *Invalid, whose Reason is counted.
var ErrInvalid = errors.New("invalid input")

// Invalid says what was refused, where, and what would have been allowed.
type Invalid struct { //nolint:errname // read as asset.Invalid: it is a verdict on data and is counted more often than returned
	Reason Reason // the counter it belongs to
	Where  string // asset, channel or file and row
	Text   string // what is wrong and what is allowed
}

// Error is one line that a person can act on.
func (e *Invalid) Error() string { return fmt.Sprintf("%s: %s (%s)", e.Where, e.Text, e.Reason) }

// Unwrap makes errors.Is(err, ErrInvalid) hold.
func (e *Invalid) Unwrap() error { return ErrInvalid }

// Reason is a stable, short word under which refused or missing data is counted.
type Reason string

// ID names an asset: 1–100 characters, stable for its life.
type ID string

// Position is a place in a source's partition. The source that handed it out
// can go on from it.
type Position struct {
	Partition int32
	Offset    int64 // of the next reading in that partition
}

// Number is a float64 whose NaN means missing; it is null in JSON.
type Number float64

// Missing is the Number that says so.
func Missing() Number { return Number(math.NaN()) }

// Known reports whether n holds a value.
func (n Number) Known() bool { return !math.IsNaN(float64(n)) }

// MarshalJSON writes null for a missing or infinite number.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}

// UnmarshalJSON reads null as missing.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Missing()
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("number %s: %w", b, err)
	}
	*n = Number(f)
	return nil
}
