//go:build race

package ingesttest

// fewer inputs are tried with the race detector, which is ten times slower.
const fewer = 10
