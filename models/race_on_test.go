//go:build race

package models_test

// raceOn: simulations and children that take seconds would take minutes and find no
// race; `make test` runs them without the detector as well.
const raceOn = true
