//go:build !race

package simtest

// fewSeeds are those of every test run.
const fewSeeds = 500
