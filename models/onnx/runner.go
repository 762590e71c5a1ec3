package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/telltale-iot/telltale/models"
)

// Options of a runner; the zero value runs whatever file it is given in this
// process.
type Options struct {
	Library  string         // path of the shared library; default: look for it
	Threads  int            // within an operator; default 1: more cost CPU without gain
	MaxBatch int            // sequences in one call of the runtime; default 32: more misses the cache
	Produced []models.Input // features that the flow makes; nil: not compared
	PeriodS  float64        // at which the flow cuts sequences; 0: not compared
	Prover   *Prover        // runs the file in a child process first; nil: nobody does
}

const maxBatch = 32

// maxFile bounds a model file: it is read into memory whole.
const maxFile = 256 << 20

// Runner is a model that keeps its contract. Tensors are allocated once for each
// batch size and goroutine that runs at the same time.
type Runner struct {
	contract models.Contract
	session  *Session
	steps    int // of a sequence
	width    int // columns of the graph
	proof    Proof
	max      int
	states   []int // values of each state input for one sequence
	memory   int   // their sum
	lanes    lanes
}

var _ models.Runner = (*Runner)(nil)

// Open loads a model file, checks its contract and proves it by its self-test.
func Open(path string, opt Options) (*Runner, error) {
	file, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := OpenBytes(file, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// ReadFile reads a model file into memory; one that is too large is refused
// with models.ErrContract.
func ReadFile(path string) ([]byte, error) {
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	} else if st.Size() > maxFile {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", path, models.ErrContract, st.Size(), maxFile)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return file, nil
}

// OpenBytes is Open on a file's bytes. What is wrong with the model is a
// *models.ContractError; a missing library wraps models.ErrNoRuntime.
func OpenBytes(file []byte, opt Options) (*Runner, error) {
	return open(context.Background(), file, opt)
}

// OpenContext is OpenBytes that stops when ctx ends.
func OpenContext(ctx context.Context, file []byte, opt Options) (*Runner, error) {
	return open(ctx, file, opt)
}

func open(ctx context.Context, file []byte, opt Options) (*Runner, error) {
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
	var proof *Proof
	if opt.Prover != nil {
		p, err := opt.Prover.Prove(ctx, file)
		if err != nil {
			return nil, err
		}
		proof = &p
	}
	r, err := load(file, c, opt)
	if err != nil {
		return nil, err
	}
	if proof != nil {
		r.proof = *proof
		err = models.Refuse(r.selfTest(ctx)...)
	} else {
		var found []models.Finding
		r.proof, found = r.probe(ctx)
		err = models.Refuse(found...)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	if r.proof.Serial {
		r.max = 1
	}
	return r, nil
}

// load makes a runner that nothing is proved of yet.
func load(file []byte, c models.Contract, opt Options) (*Runner, error) {
	inputs, outputs := []string{c.X}, []string{c.Y}
	r := &Runner{contract: c, steps: c.Window, width: c.Columns(), max: opt.MaxBatch}
	if r.max <= 0 {
		r.max = maxBatch
	}
	if c.State != nil {
		inputs, outputs = append(inputs, c.State.In...), append(outputs, c.State.Out...)
		for _, d := range c.State.Dims {
			r.states = append(r.states, d[0]*d[1])
			r.memory += d[0] * d[1]
		}
	}
	s, err := OpenSession(file, inputs, outputs, opt)
	if errors.Is(err, models.ErrNoRuntime) {
		return nil, err
	} else if err != nil {
		return nil, models.Refuse(explain(err))
	}
	r.session = s
	r.lanes.make = r.lane
	return r, nil
}

// Contract is what the model says of itself.
func (r *Runner) Contract() models.Contract { return r.contract }

// Run answers with the flattened first output for each sequence, and what a
// stateful model remembers. Rows must be as long and as wide as the contract says
// and hold no NaN; a state must be as long as the model's.
func (r *Runner) Run(ctx context.Context, batch []models.Row) ([]models.Result, error) {
	for i := range batch {
		if n := len(batch[i].Values); n != r.steps*r.width {
			return nil, fmt.Errorf("%s: sequence %d has %d values, the model reads %d × %d: %w",
				r.contract.Name, i, n, r.steps, r.width, models.ErrContract)
		}
		if n := len(batch[i].State); n != 0 && n != r.memory {
			return nil, fmt.Errorf("%s: sequence %d comes with a state of %d values, the model's has %d: %w",
				r.contract.Name, i, n, r.memory, models.ErrContract)
		}
	}
	l := r.lanes.take()
	defer r.lanes.give(l)
	out, size := make([]models.Result, len(batch)), r.proof.Values()+r.memory
	all := make([]float32, len(batch)*size)
	for i := range out {
		one := all[i*size : (i+1)*size : (i+1)*size]
		out[i].Values = one[:r.proof.Values():r.proof.Values()]
		if r.memory > 0 {
			out[i].State = one[r.proof.Values():]
		}
	}
	for from := 0; from < len(batch); from += r.max {
		part := batch[from:min(from+r.max, len(batch))]
		if err := l.run(ctx, r, part, out[from:]); err != nil {
			return nil, fmt.Errorf("%s: %w", r.contract.Name, err)
		}
	}
	return out, nil
}

// Close frees the model once no Run is in flight.
func (r *Runner) Close() error {
	err := r.session.Close()
	r.lanes.close()
	return err
}
