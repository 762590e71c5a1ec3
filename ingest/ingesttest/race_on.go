//go:build race

package ingesttest

// defaultExecs is fewer with the race detector, which is ten times slower.
const defaultExecs = 20_000
