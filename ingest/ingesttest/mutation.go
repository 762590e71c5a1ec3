// Package ingesttest tries decoders on damaged messages: whatever bytes arrive, a decoder
// may not panic, hang, or allocate much more than it was sent.
package ingesttest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// Decoder is what is tried.
type Decoder struct {
	Decode func([]byte) // its result is of no interest; it is used by one goroutine
	Corpus [][]byte     // valid messages to begin with, small ones: they are tried by the million
	Words  []string     // of the format, such as keys, for random places
}

// Options of Mutate; zero values mean the defaults given.
type Options struct {
	Execs int           // default: environment TELLTALE_EXECS, or Few
	Few   int           // for every day; default 200,000, a tenth with the race detector
	Seed  uint64        // default 1
	Times uint64        // that a decoder may allocate of its input; default 64
	Floor uint64        // bytes that any input may cost beside; default 64 KiB: an error's text, and a waveform's blocks of a second
	Long  int           // bytes that an input is cut to; default 4096
	Slow  time.Duration // that an input may take at most; default 1 s
}

func (o Options) withDefaults(t *testing.T) Options {
	t.Helper()
	if o.Execs == 0 {
		o.Execs = cmp.Or(o.Few, 200_000) / fewer
		if s := os.Getenv("TELLTALE_EXECS"); s != "" {
			n, err := strconv.ParseFloat(s, 64) // 1e8 is easier to read
			if err != nil {
				t.Fatalf("TELLTALE_EXECS is %q: %v", s, err)
			}
			o.Execs = int(n)
		}
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Times == 0 {
		o.Times = 64
	}
	if o.Floor == 0 {
		o.Floor = 64 << 10
	}
	if o.Long == 0 {
		o.Long = 4096
	}
	if o.Slow == 0 {
		o.Slow = time.Second
	}
	return o
}

// largestBatch is how many inputs are judged by one look at the memory's counters, which
// stops the world; a batch that allocates more than one input may is judged one by one.
const largestBatch = 256

// Mutate tries d on damaged messages and reports how many, how fast, and the most that
// one allocated. The same seed tries the same.
func Mutate(t *testing.T, d Decoder, opt Options) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // looks at the memory stop the world, which costs little where there is one processor
	r := run{Decoder: d, opt: opt.withDefaults(t), t: t}
	r.execute()
}

// run is one Mutate.
type run struct {
	Decoder
	opt    Options
	t      *testing.T
	inputs [][]byte // of the batch, memory that is used again
	at     int      // input under way
	worst  float64  // bytes allocated beyond the floor for each one of an input
	most   uint64   // bytes allocated for one input
}

func (r *run) execute() {
	r.t.Helper()
	for _, b := range r.Corpus { // and what a decoder makes once is made
		r.Decode(b)
	}
	r.inputs = make([][]byte, largestBatch)
	began := time.Now()
	size := 64
	execs := 0
	for execs < r.opt.Execs && !r.t.Failed() {
		m := mutator{rand: rand.New(rand.NewPCG(r.opt.Seed, uint64(execs))), corpus: r.Corpus, words: r.Words, long: r.opt.Long}
		batch := r.inputs[:min(size, r.opt.Execs-execs)]
		for i := range batch {
			batch[i] = m.mutate(batch[i][:0])
		}
		spent, suspicious := r.try(batch)
		execs += len(batch)
		switch {
		case suspicious:
			r.each(batch)
			size = max(size/2, 1)
		case spent < r.opt.Floor/4:
			size = min(2*size, largestBatch)
		}
		if execs&0x3FFF < len(batch) { // now and then, for the report
			r.each(batch)
		}
	}
	took := time.Since(began).Seconds()
	r.t.Logf("%d inputs, %.0f a second, seed %d; the most for one: %d bytes, and %.1f times its length beyond %d", execs, float64(execs)/took, r.opt.Seed, r.most, r.worst, r.opt.Floor)
}

// try runs a batch and returns what it allocated, and whether one input of it may have
// cost more than it may.
func (r *run) try(batch [][]byte) (spent uint64, suspicious bool) {
	r.t.Helper()
	least := r.bound(batch[0])
	for _, b := range batch[1:] {
		least = min(least, r.bound(b))
	}
	hung := time.AfterFunc(60*r.opt.Slow, func() { panic(fmt.Sprintf("hangs in one of %d inputs: %x", len(batch), batch)) })
	defer hung.Stop()
	defer r.caught(batch)
	before, began := allocated(), time.Now()
	for r.at = 0; r.at < len(batch); r.at++ {
		r.Decode(batch[r.at])
	}
	took := time.Since(began)
	spent = allocated() - before
	return spent, spent > least || took > r.opt.Slow
}

// each judges the inputs of a batch one by one.
func (r *run) each(batch [][]byte) {
	r.t.Helper()
	defer r.caught(batch)
	for r.at = 0; r.at < len(batch); r.at++ {
		b := batch[r.at]
		took := r.opt.Slow + 1
		for tries := 0; took > r.opt.Slow && tries < 3; tries++ { // the machine may be busy
			began := time.Now()
			r.Decode(b)
			took = time.Since(began)
		}
		if took > r.opt.Slow {
			r.t.Errorf("takes %v, at most %v is allowed: %x", took, r.opt.Slow, b)
		}
		spent := ^uint64(0)
		for tries := 0; spent > r.opt.Floor/2 && tries < 3; tries++ { // others of the process allocate, too
			before := allocated()
			r.Decode(b)
			spent = min(spent, allocated()-before)
		}
		if spent > r.bound(b) {
			r.t.Errorf("allocates %d bytes for %d, at most %d times and %d are allowed: %x", spent, len(b), r.opt.Times, r.opt.Floor, b)
		}
		r.most = max(r.most, spent)
		if over := float64(spent) - float64(r.opt.Floor); over > 0 && len(b) > 0 {
			r.worst = max(r.worst, over/float64(len(b)))
		}
	}
}

func (r *run) bound(b []byte) uint64 { return r.opt.Floor + r.opt.Times*uint64(len(b)) }

// caught reports a panic with its input.
func (r *run) caught(batch [][]byte) {
	r.t.Helper()
	if why := recover(); why != nil {
		stack := make([]byte, 8<<10)
		r.t.Errorf("panics: %v: %x\n%s", why, batch[r.at], stack[:runtime.Stack(stack, false)])
	}
}

// allocated is how many bytes the process has ever allocated, to the byte.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
