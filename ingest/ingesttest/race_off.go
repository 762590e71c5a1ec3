//go:build !race

package ingesttest

const fewer = 1
