package onnx

import (
	"context"
	"errors"
	"slices"

	"github.com/telltale-iot/telltale/models"
)

// unproved loads a file of which only as much of the contract is known as it
// takes to run it: what Parse found is somebody else's to tell.
func unproved(file []byte) (*Runner, []models.Finding) {
	c, err := models.Parse(file)
	var bad *models.ContractError
	if errors.As(err, &bad) && bad.Unsafe {
		return nil, bad.Findings
	}
	if c.X == "" || c.Y == "" || c.State != nil && slices.Contains(c.State.Dims, [2]int{}) {
		return nil, nil
	}
	r, err := load(file, c, Options{})
	switch {
	case errors.As(err, &bad):
		return nil, bad.Findings
	case err != nil:
		return nil, []models.Finding{explain(err)}
	}
	dim := func(i int) int { return max(0, int(c.Dims[i])) }
	switch len(c.Dims) {
	case 2:
		if r.width == 0 || r.steps == 0 {
			r.width, r.steps = dim(1), 1
		}
	case 3:
		if d := dim(2); d > 0 {
			r.width = d
		}
		if d := dim(1); d > 0 {
			r.steps = d
		} else if r.steps == 0 {
			r.steps = 16
		}
	}
	return r, nil
}

// inspect runs a file and lists everything that comes out wrong.
func inspect(file []byte) (Proof, []models.Finding) {
	r, found := unproved(file)
	if r == nil {
		return Proof{}, found
	}
	defer r.Close() //nolint:errcheck // the process ends anyway
	if len(r.contract.Features) == 0 || r.width == 0 || r.steps == 0 {
		return Proof{}, nil // it loads; how it is run, and what it should answer, is not known
	}
	if rows := r.contract.SelfTest.Input; len(rows) > 0 && len(rows[0]) != r.width {
		r.contract.SelfTest = models.SelfTest{} // Parse tells
	}
	return r.probe(context.Background())
}

// answer runs rows one after the other; where follows says so, from what the row
// before left.
func answer(file []byte, rows [][]float32, follows []bool) ([][]float32, []models.Finding) {
	r, found := unproved(file)
	if r == nil {
		if len(found) == 0 {
			found = []models.Finding{{Where: "graph", What: "cannot be run: which input holds the data is not known"}}
		}
		return nil, found
	}
	defer r.Close() //nolint:errcheck // the process ends anyway
	fail := func(what string) ([][]float32, []models.Finding) {
		return nil, []models.Finding{{Where: "probe", What: what}}
	}
	if len(rows[0])%max(1, r.width) != 0 || len(rows[0])/max(1, r.width) != r.steps {
		return fail("reads another number of values than a row has")
	}
	ctx := context.Background()
	_, shape, err := r.raw(ctx, []models.Row{{Values: rows[0]}})
	if err != nil {
		return fail(notRun + ": " + reason(err))
	}
	if what := r.fixed(shape, &r.proof); what != "" {
		return fail(what)
	}
	out := make([][]float32, len(rows))
	var state []float32
	for i, row := range rows {
		if i >= len(follows) || !follows[i] {
			state = nil
		}
		got, err := r.Run(ctx, []models.Row{{Values: row, State: state}})
		if err != nil {
			return fail(notRun + ": " + reason(err))
		}
		out[i], state = got[0].Values, got[0].State
		if len(out[i]) == 0 || slices.ContainsFunc(out[i], notFinite) {
			return fail("answers what is no number")
		}
	}
	return out, nil
}
