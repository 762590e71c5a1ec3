package onnx

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/telltale-iot/telltale/models"
)

// lane holds the memory of one call in flight; it belongs to that call.
type lane struct {
	in, out [][]float32 // of each input and output of the graph, for the largest batch
	opts    *ort.RunOptions
	pin     runtime.Pinner
	bound   map[int]*binding // by batch size
}

// binding is the tensors of one batch size over a lane's memory.
type binding struct{ in, out []ort.Value }

// lanes keeps the lanes that no call uses. It is safe for concurrent use.
type lanes struct {
	mu     sync.Mutex
	idle   []*lane
	closed bool
	make   func() *lane
}

func (s *lanes) take() *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		l := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return l
	}
	return s.make()
}

func (s *lanes) give(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.free()
		return
	}
	s.idle = append(s.idle, l)
}

func (s *lanes) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.idle {
		l.free()
	}
	s.idle = nil
}

// lane allocates the memory of one call.
func (r *Runner) lane() *lane {
	l := &lane{bound: map[int]*binding{}}
	l.in = append(l.in, make([]float32, r.max*r.steps*r.width))
	l.out = append(l.out, make([]float32, r.max*r.proof.Values()))
	for _, n := range r.states {
		l.in = append(l.in, make([]float32, r.max*n))
		l.out = append(l.out, make([]float32, r.max*n))
	}
	return l
}

// run answers a part of a batch that one call of the runtime takes.
func (l *lane) run(ctx context.Context, r *Runner, part []models.Row, out []models.Result) error {
	size := r.steps * r.width
	for i := range part {
		copy(l.in[0][i*size:], part[i].Values)
	}
	r.eachState(len(part), func(k, i, at, from, n int) {
		to := l.in[1+k][at : at+n]
		if part[i].State == nil {
			clear(to)
		} else {
			copy(to, part[i].State[from:])
		}
	})
	b, err := l.bind(r, len(part))
	if err != nil {
		return err
	}
	// Pinned for the call only: a Pinner that is collected before Unpin panics,
	// and a runner that nobody closed must not end the process.
	for i := range l.in {
		l.pin.Pin(&l.in[i][0])
		l.pin.Pin(&l.out[i][0])
	}
	defer l.pin.Unpin()
	if err := r.session.run(ctx, l.opts, b.in, b.out); err != nil {
		return err
	}
	values := r.proof.Values()
	for i := range part {
		copy(out[i].Values, l.out[0][i*values:(i+1)*values])
	}
	r.eachState(len(part), func(k, i, at, from, n int) {
		copy(out[i].State[from:from+n], l.out[1+k][at:])
	})
	return nil
}

// eachState calls f for each run of values that lies together both in a state
// tensor [layers, batch, hidden] and in a row's state: n values of state k of row
// i, at the offset at in the tensor and from in the row.
func (r *Runner) eachState(rows int, f func(k, i, at, from, n int)) {
	base := 0
	for k := range r.states {
		layers, hidden := r.contract.State.Dims[k][0], r.contract.State.Dims[k][1]
		for layer := range layers {
			for i := range rows {
				f(k, i, (layer*rows+i)*hidden, base+layer*hidden, hidden)
			}
		}
		base += layers * hidden
	}
}

// bind gives the tensors of a batch of n over the lane's memory.
func (l *lane) bind(r *Runner, n int) (*binding, error) {
	if b, ok := l.bound[n]; ok {
		return b, nil
	}
	if l.opts == nil {
		opts, err := ort.NewRunOptions()
		if err != nil {
			return nil, fmt.Errorf("run options: %w", err)
		}
		l.opts = opts
	}
	b := &binding{}
	in, out := []ort.Shape{r.shape(n, r.steps)}, []ort.Shape{append(ort.Shape{int64(n)}, r.proof.Shape...)}
	for k := range r.states {
		d := r.contract.State.Dims[k]
		s := ort.NewShape(int64(d[0]), int64(n), int64(d[1]))
		in, out = append(in, s), append(out, s)
	}
	for i := range in {
		x, err := ort.NewTensor(in[i], l.in[i])
		if err != nil {
			b.free()
			return nil, fmt.Errorf("input tensor: %w", err)
		}
		b.in = append(b.in, x)
		y, err := ort.NewTensor(out[i], l.out[i])
		if err != nil {
			b.free()
			return nil, fmt.Errorf("output tensor: %w", err)
		}
		b.out = append(b.out, y)
	}
	l.bound[n] = b
	return b, nil
}

// shape is that of the graph's data for n sequences.
func (r *Runner) shape(n, steps int) ort.Shape {
	if r.contract.Flat() {
		return ort.NewShape(int64(n), int64(steps*r.width))
	}
	return ort.NewShape(int64(n), int64(steps), int64(r.width))
}

func (b *binding) free() {
	for _, v := range b.in {
		_ = v.Destroy()
	}
	for _, v := range b.out {
		_ = v.Destroy()
	}
}

func (l *lane) free() {
	for _, b := range l.bound {
		b.free()
	}
	if l.opts != nil {
		_ = l.opts.Destroy()
	}
	l.bound, l.opts = nil, nil
}
