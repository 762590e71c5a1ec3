package ingest

import (
	"errors"
	"fmt"
	"strings"
)

// Checks collects what is wrong with a configuration: a line for each field, which names
// it, its value and what is allowed.
type Checks []error

// That notes that a field's value is not allowed, unless ok. want says what is, as in
// "want more than 0".
func (c *Checks) That(ok bool, field string, value any, want string) {
	if !ok {
		*c = append(*c, fmt.Errorf("%s: %v is not allowed: %s", field, value, want))
	}
}

// Under notes what is wrong with a section: each line of err, below its field.
func (c *Checks) Under(section string, err error) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		*c = append(*c, errors.New(section+"."+line))
	}
}

// Err is all of it, nil when nothing is wrong.
func (c Checks) Err() error { return errors.Join(c...) }
