//go:build race

package simtest

// fewSeeds are those of every test run: with the race detector each takes ten times as long.
const fewSeeds = 120
