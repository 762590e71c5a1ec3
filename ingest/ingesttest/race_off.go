//go:build !race

package ingesttest

const defaultExecs = 200_000
