//go:build race

package pipeline

// raceOn: single-threaded computations of seconds would take minutes and find no race;
// `make test` runs them without the detector as well.
const raceOn = true
