package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Tensor is a float32 array of any rank, row-major.
type Tensor struct {
	Shape []int64
	Data  []float32
}

// Session is a loaded graph without a contract: what Runner is built on, and
// what reads a file that was not made for this program.
type Session struct {
	mu      sync.RWMutex // Run holds it shared; Close waits for every Run
	ort     *ort.DynamicAdvancedSession
	inputs  int
	outputs int
}

var errClosed = errors.New("session is closed")

// OpenSession loads a graph with the named inputs and outputs.
func OpenSession(file []byte, inputs, outputs []string, opt Options) (*Session, error) {
	if _, _, err := Library(opt.Library); err != nil {
		return nil, err
	}
	so, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	defer so.Destroy() //nolint:errcheck // releases memory only
	err = errors.Join(
		so.SetIntraOpNumThreads(max(1, opt.Threads)),
		so.SetInterOpNumThreads(1),
		// An arena keeps the peak of every size it saw, once for each version in use;
		// malloc gives it back and costs nothing that can be measured.
		so.SetCpuMemArena(false),
		so.SetMemPattern(false),
		so.SetLogSeverityLevel(ort.LoggingLevelError),
		so.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		so.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(file, inputs, outputs, so)
	if err != nil {
		return nil, fmt.Errorf("load graph: %w", err)
	}
	return &Session{ort: s, inputs: len(inputs), outputs: len(outputs)}, nil
}

// Run computes all outputs. It allocates them, so their memory is the caller's.
func (s *Session) Run(ctx context.Context, inputs []Tensor) ([]Tensor, error) {
	if len(inputs) != s.inputs {
		return nil, fmt.Errorf("run: %d inputs, the session has %d", len(inputs), s.inputs)
	}
	in := make([]ort.Value, len(inputs))
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, t := range inputs {
		if len(t.Data) > 0 {
			pin.Pin(&t.Data[0])
		}
		v, err := ort.NewTensor(ort.NewShape(t.Shape...), t.Data)
		if err != nil {
			return nil, fmt.Errorf("run: input %d: %w", i, err)
		}
		defer v.Destroy() //nolint:errcheck // releases memory only
		in[i] = v
	}
	out := make([]ort.Value, s.outputs)
	opts, err := ort.NewRunOptions()
	if err != nil {
		return nil, fmt.Errorf("run options: %w", err)
	}
	defer opts.Destroy() //nolint:errcheck // releases memory only
	if err := s.run(ctx, opts, in, out); err != nil {
		return nil, err
	}
	res := make([]Tensor, len(out))
	var wrong error
	for i, v := range out {
		t, ok := v.(*ort.Tensor[float32])
		if !ok {
			wrong = fmt.Errorf("run: output %d is no float32 tensor", i)
		} else {
			res[i] = Tensor{Shape: t.GetShape().Clone(), Data: append([]float32(nil), t.GetData()...)}
		}
		_ = v.Destroy()
	}
	return res, wrong
}

// run is the one place where a graph runs. When ctx ends, the run is told to
// stop by way of opts, which belong to this call.
func (s *Session) run(ctx context.Context, opts *ort.RunOptions, in, out []ort.Value) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.ort == nil {
		return errClosed
	}
	if ctx.Done() == nil {
		return s.ort.Run(in, out)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = opts.Terminate()
		close(ended)
	})
	err := s.ort.RunWithOptions(in, out, opts)
	if !stop() {
		<-ended // the caller may free the options once this returns
		err = errors.Join(ctx.Err(), err, opts.UnsetTerminate())
	}
	return err
}

// Close frees the graph once no Run is in flight. Closing again does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ort == nil {
		return nil
	}
	err := s.ort.Destroy()
	s.ort = nil
	return err
}
