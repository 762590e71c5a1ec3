package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/telltale-iot/telltale/models"
)

// Options of a runner; the zero value is what the service uses.
type Options struct {
	Library  string         // path of the shared library; default: look for it
	Threads  int            // within an operator; default 1: more cost CPU without gain
	MaxBatch int            // sequences in one call of the runtime; default 32: more misses the cache
	Produced []models.Input // features that the flow makes; nil: not compared
	PeriodS  float64        // at which the flow cuts sequences; 0: not compared
}

// maxFile bounds a model file: it is read into memory whole.
const maxFile = 256 << 20

// tolerance of the self-test, relative above 1 and absolute below.
const tolerance = 1e-4

// Runner is a model that keeps its contract. Tensors are allocated once for each
// batch size and goroutine that runs at the same time.
type Runner struct {
	contract models.Contract
	session  *Session
	steps    int // of a sequence
	width    int
	out      int // values that the model answers for one sequence
	max      int

	mu   sync.Mutex
	free []*lane
}

var _ models.Runner = (*Runner)(nil)

// lane holds the tensors of one call in flight; it belongs to that call.
type lane struct {
	x, y  []float32
	pin   runtime.Pinner
	bound map[int][2]*ort.Tensor[float32] // by batch size, over x and y
}

// Open loads a model file, checks its contract and proves it by its self-test.
func Open(path string, opt Options) (*Runner, error) {
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	} else if st.Size() > maxFile {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", path, models.ErrContract, st.Size(), maxFile)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	r, err := OpenBytes(file, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// OpenBytes is Open on a file's bytes. What is wrong with the model wraps
// models.ErrContract; a missing library wraps models.ErrNoRuntime.
func OpenBytes(file []byte, opt Options) (*Runner, error) {
	c, err := models.Parse(file)
	if err != nil {
		return nil, err
	}
	if opt.Produced != nil || opt.PeriodS > 0 {
		produced := opt.Produced
		if produced == nil {
			produced = c.Features
		}
		if err := c.Fits(produced, opt.PeriodS); err != nil {
			return nil, err
		}
	}
	s, err := OpenSession(file, []string{c.X}, []string{c.Y}, opt)
	if errors.Is(err, models.ErrNoRuntime) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrContract, err)
	}
	r := &Runner{contract: c, session: s, steps: c.Window, width: len(c.Features), max: opt.MaxBatch}
	if r.max <= 0 {
		r.max = 32
	}
	if err := r.probe(context.Background()); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("%w: %w", models.ErrContract, err)
	}
	return r, nil
}

// Contract is what the model says of itself.
func (r *Runner) Contract() models.Contract { return r.contract }

// Run answers with the flattened first output for each sequence. Rows must
// be as long and as wide as the contract says and hold no NaN.
func (r *Runner) Run(ctx context.Context, batch []models.Row) ([]models.Result, error) {
	for i := range batch {
		if n := len(batch[i].Values); n != r.steps*r.width {
			return nil, fmt.Errorf("%s: sequence %d has %d values, the model reads %d × %d: %w",
				r.contract.Name, i, n, r.steps, r.width, models.ErrContract)
		}
	}
	rows := make([]models.Result, len(batch))
	all := make([]float32, len(batch)*r.out)
	for i := range rows {
		rows[i].Values = all[i*r.out : (i+1)*r.out : (i+1)*r.out]
	}
	l := r.take()
	defer r.give(l)
	for from := 0; from < len(batch); from += r.max {
		part := batch[from:min(from+r.max, len(batch))]
		if err := r.runPart(ctx, l, part, rows[from:]); err != nil {
			return nil, fmt.Errorf("%s: %w", r.contract.Name, err)
		}
	}
	return rows, nil
}

func (r *Runner) runPart(ctx context.Context, l *lane, part []models.Row, rows []models.Result) error {
	size := r.steps * r.width
	for i := range part {
		copy(l.x[i*size:], part[i].Values)
	}
	xy, err := r.bind(l, len(part))
	if err != nil {
		return err
	}
	// Pinned for the call only: a Pinner that is collected before Unpin panics,
	// and a runner that nobody closed must not end the process.
	l.pin.Pin(&l.x[0])
	l.pin.Pin(&l.y[0])
	defer l.pin.Unpin()
	if err := r.session.run(ctx, []ort.Value{xy[0]}, []ort.Value{xy[1]}); err != nil {
		return err
	}
	for i := range part {
		copy(rows[i].Values, l.y[i*r.out:])
	}
	return nil
}

// bind gives the tensors of a batch of n over the lane's memory.
func (r *Runner) bind(l *lane, n int) ([2]*ort.Tensor[float32], error) {
	if b, ok := l.bound[n]; ok {
		return b, nil
	}
	x, err := ort.NewTensor(ort.NewShape(int64(n), int64(r.steps), int64(r.width)), l.x)
	if err != nil {
		return [2]*ort.Tensor[float32]{}, fmt.Errorf("input tensor: %w", err)
	}
	shape := ort.NewShape(int64(n), int64(r.steps), int64(r.width))
	if r.contract.Output == models.OutputRUL {
		shape = ort.NewShape(int64(n), int64(r.out))
	} else if r.out != r.steps*r.width { // a forecaster has no error for its first step
		shape = ort.NewShape(int64(n), int64(r.out/r.width), int64(r.width))
	}
	y, err := ort.NewTensor(shape, l.y)
	if err != nil {
		_ = x.Destroy()
		return [2]*ort.Tensor[float32]{}, fmt.Errorf("output tensor: %w", err)
	}
	l.bound[n] = [2]*ort.Tensor[float32]{x, y}
	return l.bound[n], nil
}

func (r *Runner) take() *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		l := r.free[n-1]
		r.free = r.free[:n-1]
		return l
	}
	l := &lane{
		x:     make([]float32, r.max*r.steps*r.width),
		y:     make([]float32, r.max*r.out),
		bound: map[int][2]*ort.Tensor[float32]{},
	}
	return l
}

func (r *Runner) give(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session.closed() {
		l.free()
		return
	}
	r.free = append(r.free, l)
}

func (l *lane) free() {
	for _, b := range l.bound {
		_ = b[0].Destroy()
		_ = b[1].Destroy()
	}
	l.bound = nil
}

// Close frees the model once no Run is in flight.
func (r *Runner) Close() error {
	err := r.session.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.free {
		l.free()
	}
	r.free = nil
	return err
}

// probe runs the self-test, then sequences as long as the flow's, and fixes how
// many values one sequence gives.
func (r *Runner) probe(ctx context.Context) error {
	t := r.contract.SelfTest
	got, err := r.raw(ctx, probeRows(t.Input, len(t.Input), 1))
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	if len(got.Data) != len(t.Output) {
		return fmt.Errorf("self-test: %d values come out, %d are expected", len(got.Data), len(t.Output))
	}
	for i, want := range t.Output {
		v := float64(got.Data[i])
		if notFinite(got.Data[i]) {
			return fmt.Errorf("self-test: output %d is not a number", i)
		}
		if math.Abs(v-want) > tolerance*max(1, math.Abs(want)) {
			return fmt.Errorf("self-test: output %d is %g, expected %g (±%g)", i, v, want, tolerance)
		}
	}
	one, err := r.raw(ctx, probeRows(t.Input, r.steps, 1))
	if err != nil {
		return fmt.Errorf("probe at %d steps: %w", r.steps, err)
	}
	if err := r.shape(one.Shape); err != nil {
		return err
	}
	return r.independent(ctx, t.Input)
}

// probeBatches are around the widths of vector registers and the sweet spot.
var probeBatches = []int{2, 3, 5, 8, 16, 17, 33, 64}

// independent compares what each row gives in batches of several sizes with what
// it gives alone. Rows that differ by rounding are run one by one from now on
// (some operators treat the end of a vector differently), so that a replay with
// other batches gives the same bytes; a larger difference is refused.
func (r *Runner) independent(ctx context.Context, rows [][]float64) error {
	batch := probeRows(rows, r.steps, probeBatches[len(probeBatches)-1])
	alone := make([][]float32, len(batch))
	for i := range batch {
		out, err := r.raw(ctx, batch[i:i+1])
		if err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		alone[i] = out.Data
	}
	if slices.ContainsFunc(alone, func(a []float32) bool { return slices.ContainsFunc(a, notFinite) }) {
		return errors.New("probe: an output is not a number")
	}
	for _, n := range probeBatches {
		out, err := r.raw(ctx, batch[:n])
		if err != nil {
			return fmt.Errorf("probe with a batch of %d: %w", n, err)
		}
		if len(out.Data) != n*r.out {
			return fmt.Errorf("probe with a batch of %d: %d values come out, %d are expected", n, len(out.Data), n*r.out)
		}
		for i, v := range out.Data {
			want := alone[i/r.out][i%r.out]
			if v == want {
				continue
			}
			if !(math.Abs(float64(v-want)) <= tolerance*max(1, math.Abs(float64(want)))) {
				return errors.New("probe: what comes out for a sequence depends on the rest of its batch")
			}
			r.max = 1
		}
	}
	return nil
}

// notFinite holds for NaN and both infinities: their difference from themselves is NaN.
func notFinite(v float32) bool { return v-v != 0 }

// probeRows makes n different sequences of the given steps out of the
// self-test's rows: repeated, rotated, backwards and a little stretched.
func probeRows(rows [][]float64, steps, n int) [][]float32 {
	batch := make([][]float32, n)
	for k := range batch {
		for i := range steps {
			j := (i + k) % len(rows)
			if k%2 == 1 {
				j = len(rows) - 1 - j
			}
			for _, v := range rows[j] {
				batch[k] = append(batch[k], float32(v*(1+float64(k)/1024)))
			}
		}
	}
	return batch
}

// raw runs sequences of equal length without the runner's own tensors.
func (r *Runner) raw(ctx context.Context, batch [][]float32) (Tensor, error) {
	n := int64(len(batch))
	steps := int64(len(batch[0]) / r.width)
	out, err := r.session.Run(ctx, []Tensor{{Shape: []int64{n, steps, int64(r.width)}, Data: slices.Concat(batch...)}})
	if err != nil {
		return Tensor{}, err
	}
	return out[0], nil
}

// shape fixes the width of an answer from that of a batch of one.
func (r *Runner) shape(s []int64) error {
	switch {
	case len(s) == 2 && r.contract.Output == models.OutputRUL && (s[1] == 1 || s[1] == 3):
		r.out = int(s[1])
	case len(s) == 3 && r.contract.Output == models.OutputError && s[2] == int64(r.width) && s[1] >= 1 && s[1] <= int64(r.steps):
		r.out = int(s[1] * s[2])
	default:
		return fmt.Errorf("output %q has shape %v: %q wants [batch, time, %d], %q [batch, 1 or 3]",
			r.contract.Y, s, models.OutputError, r.width, models.OutputRUL)
	}
	return nil
}
