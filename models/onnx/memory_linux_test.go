package onnx_test

import (
	"bytes"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/telltale-iot/telltale/models/onnx"
)

// resident is what this process holds in memory, in bytes.
func resident(tb testing.TB) int {
	tb.Helper()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skip(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(b)[1]))
	if err != nil {
		tb.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// A model that was swapped out leaves nothing behind: sessions, tensors, run
// options and arenas all go.
func TestMemoryIsFlatOver200Models(t *testing.T) {
	const cycles, mostBytes = 200, 12 << 20
	names := []string{"good", "stateful", "rul"}
	if file := os.Getenv("TELLTALE_BENCH_MODEL"); file != "" {
		names = []string{file}
	}
	use := func(name string) {
		r, err := onnx.Open(func() string {
			if name[0] == '/' {
				return name
			}
			return testdata + "/" + name + ".onnx"
		}(), onnx.Options{})
		skipWithout(t, err)
		c := r.Contract()
		ctx, cancel := context.WithCancel(context.Background())
		for n := 1; n <= 64; n *= 2 {
			if _, err := r.Run(ctx, sequences(n, c.Window, c.Columns())); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 { // allocators take what they will keep
		use(names[i%len(names)])
	}
	before := resident(t)
	for i := range cycles {
		use(names[i%len(names)])
		if i%40 == 0 {
			t.Logf("%d: %d KiB more", i, (resident(t)-before)>>10)
		}
	}
	if grown := resident(t) - before; grown > mostBytes {
		t.Errorf("%d KiB more after %d models, at most %d", grown>>10, cycles, mostBytes>>10)
	}
}
