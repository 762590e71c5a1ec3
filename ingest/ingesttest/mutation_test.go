package ingesttest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var sink []byte

// faults are decoders that must not pass, each with what has to be said of it.
var faults = map[string]struct {
	decode func([]byte)
	want   string
}{
	"panic": {func(b []byte) {
		if len(b) > 3 && b[3] == 0xff {
			panic("an index")
		}
	}, "panics: an index"},
	"memory": {func(b []byte) {
		if len(b) > 3 && b[3] == 0xff {
			sink = make([]byte, 200<<10)
		}
	}, "allocates 204800 bytes"},
	"memory in pieces": {func(b []byte) {
		if len(b) > 3 && b[3] == 0xff {
			for range 3000 {
				sink = make([]byte, 100)
			}
		}
	}, "allocates 336"},
	"time": {func(b []byte) {
		if len(b) > 3 && b[3] == 0xff {
			time.Sleep(30 * time.Millisecond)
		}
	}, "takes "},
}

// A harness that finds nothing proves nothing: each fault is found, in a process of its
// own because finding it fails the test.
func TestMutateFindsFaults(t *testing.T) {
	if name := os.Getenv("INGESTTEST_FAULT"); name != "" {
		Mutate(t, Decoder{Decode: faults[name].decode, Corpus: [][]byte{[]byte("0123456789")}}, Options{Execs: 20_000, Slow: 20 * time.Millisecond})
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			c := exec.CommandContext(t.Context(), self, "-test.run=^TestMutateFindsFaults$")
			c.Env = append(os.Environ(), "INGESTTEST_FAULT="+name)
			out, err := c.CombinedOutput()
			if err == nil || !strings.Contains(string(out), fault.want) {
				t.Errorf("%v: want %q in\n%s", err, fault.want, out)
			}
		})
	}
}

func TestMutateIsTheSameForTheSameSeed(t *testing.T) {
	sum := func(seed uint64) (s uint64) {
		Mutate(t, Decoder{
			Decode: func(b []byte) {
				for _, c := range b {
					s = s*31 + uint64(c)
				}
			},
			Corpus: [][]byte{[]byte(`{"a":1}`)}, Words: []string{`"a":`},
		}, Options{Execs: 1000, Seed: seed, Slow: time.Minute})
		return s
	}
	if first, again, other := sum(5), sum(5), sum(6); first != again || first == other {
		t.Error("the seed does not decide what is tried")
	}
}
