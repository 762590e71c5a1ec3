package models

import (
	"slices"
	"strings"
)

// Finding is one thing that is wrong with a model, in words that whoever
// exported it can act on.
type Finding struct {
	Where string `json:"where"`         // metadata key, input, output, node, weight or step of the probe
	What  string `json:"what"`          // what is there, and what is allowed: goes on after Where
	Fix   string `json:"fix,omitempty"` // what to type in the exporter
}

func (f Finding) String() string {
	s := f.What
	if f.Where != "" {
		s = f.Where + " " + s
	}
	if f.Fix != "" {
		s += " (" + f.Fix + ")"
	}
	return s
}

// ContractError lists everything that is wrong with a model, sorted. It wraps
// ErrContract.
type ContractError struct {
	Findings []Finding
	Unsafe   bool // a runtime must not load the file at all
}

func (e *ContractError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return ErrContract.Error() + ": " + strings.Join(lines, "; ")
}

func (e *ContractError) Unwrap() error { return ErrContract }

// Refuse is nil without findings, else one error of all of them.
func Refuse(found ...Finding) error {
	if len(found) == 0 {
		return nil
	}
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
	return &ContractError{Findings: slices.Compact(found)}
}
