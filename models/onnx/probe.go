package onnx

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/models"
)

// Proof is what running a file showed of it.
type Proof struct {
	Shape  []int64 `json:"shape"`  // of the first output for one sequence, without its batch
	Serial bool    `json:"serial"` // rounding differs with the batch: sequences are run one by one
}

// Values is how many values the first output has for one sequence.
func (p Proof) Values() int {
	n := 1
	for _, d := range p.Shape {
		n *= int(d)
	}
	return n
}

// tolerance of the self-test, relative above 1 and absolute below, and of what
// probabilities sum to.
const tolerance = 1e-4

// probeBatches are around the widths of vector registers.
var probeBatches = []int{2, 3, 5, 8, 16, 17, 32}

// notRun is how a finding about a failed run goes.
const notRun = "does not run"

// explain puts into a finding what the runtime says of a file that it does not load.
func explain(err error) models.Finding {
	f := models.Finding{Where: "graph", What: "is not loaded by ONNX Runtime: " + reason(err)}
	if strings.Contains(err.Error(), "Could not find an implementation") {
		f.Fix = "the CPU provider lacks this operator for this type: export in float32, without quantization"
	}
	return f
}

// reason is what the runtime says of a run that failed.
func reason(err error) string {
	for _, sign := range []string{"bad_alloc", "Failed to allocate", "bad allocation"} {
		if strings.Contains(err.Error(), sign) {
			return "it asks for more memory than is allowed"
		}
	}
	return short(err.Error())
}

// short puts a message of the runtime on one line that can be read.
func short(text string) string {
	const most = 400
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// selfTest runs the example that came with the file.
func (r *Runner) selfTest(ctx context.Context) []models.Finding {
	t := r.contract.SelfTest
	fail := func(format string, args ...any) []models.Finding {
		return []models.Finding{{Where: "self-test", What: fmt.Sprintf(format, args...)}}
	}
	row := models.Row{}
	for _, in := range t.Input {
		for _, v := range in {
			row.Values = append(row.Values, float32(v))
		}
	}
	got, _, err := r.raw(ctx, []models.Row{row})
	if err != nil {
		return fail(notRun+": %s", reason(err))
	}
	if len(got[0].Values) != len(t.Output) {
		return fail("answers %d values, %d are expected", len(got[0].Values), len(t.Output))
	}
	for i, want := range t.Output {
		v := float64(got[0].Values[i])
		if notFinite(got[0].Values[i]) {
			return fail("answers %g at %d: no number", v, i)
		}
		if math.Abs(v-want) > tolerance*max(1, math.Abs(want)) {
			return fail("answers %g at %d, %g is expected (±%g): annotate the file again after each export", v, i, want, tolerance)
		}
	}
	return nil
}

// probe runs the self-test, then sequences as long as the flow's in batches of
// several sizes, and lists everything that comes out wrong.
func (r *Runner) probe(ctx context.Context) (Proof, []models.Finding) {
	var found []models.Finding
	fail := func(format string, args ...any) {
		found = append(found, models.Finding{Where: "probe", What: fmt.Sprintf(format, args...)})
	}
	if len(r.contract.SelfTest.Output) > 0 {
		found = r.selfTest(ctx)
	}
	var p Proof
	rows := probeRows(r.contract, r.steps, r.width, max(r.max, 2))
	alone := make([]models.Result, len(rows))
	for i := range rows {
		one, shape, err := r.raw(ctx, rows[i:i+1])
		if err != nil {
			fail("at %d steps "+notRun+": %s", r.steps, reason(err))
			return p, found
		}
		if i == 0 {
			if err := r.fixed(shape, &p); err != "" {
				found = append(found, models.Finding{Where: fmt.Sprintf("output %q", r.contract.Y), What: err})
				return p, found
			}
		}
		if len(one[0].Values) != p.Values() {
			fail("answers %d values for one sequence and %d for another: the output's shape must not depend on the data", p.Values(), len(one[0].Values))
			return p, found
		}
		alone[i] = one[0]
	}
	found = append(found, r.numbers(alone)...)
	serial, what := r.independent(ctx, rows, alone)
	if what != "" {
		fail("%s", what)
	}
	p.Serial = serial
	return p, found
}

// fixed takes the shape of an answer from that to a batch of one; it says what is wrong with it.
func (r *Runner) fixed(s []int64, p *Proof) string {
	if len(s) < 2 || s[0] != 1 || !r.contract.Answers(s) || slices.Contains(s, 0) {
		return fmt.Sprintf("answers %v to one sequence of %d × %d: %s", s, r.steps, r.width, r.contract.Wanted())
	}
	p.Shape = slices.Clone(s[1:])
	return ""
}

// numbers looks at what came out: finite numbers, and probabilities where modes are.
func (r *Runner) numbers(alone []models.Result) []models.Finding {
	for _, a := range alone {
		for i, v := range a.Values {
			if notFinite(v) {
				return []models.Finding{{Where: "probe", What: fmt.Sprintf("answers %g at %d: no number", v, i)}}
			}
		}
		if slices.ContainsFunc(a.State, notFinite) {
			return []models.Finding{{Where: "probe", What: "remembers what is no number"}}
		}
		if r.contract.Output != models.OutputModes {
			continue
		}
		sum := 0.0
		for _, v := range a.Values {
			if v < 0 || v > 1 {
				sum = math.NaN()
			}
			sum += float64(v)
		}
		if !(math.Abs(sum-1) <= tolerance) {
			return []models.Finding{{Where: "probe", What: fmt.Sprintf("answers %v: probabilities of the modes, within 0 and 1, that sum to 1 are wanted", a.Values), Fix: "end the graph with Softmax"}}
		}
	}
	return nil
}

// independent compares what each row gives in batches of several sizes with what
// it gives alone. Rows that differ by rounding are run one by one from now on
// (some operators treat the end of a vector differently), so that a replay with
// other batches gives the same bytes; a larger difference is refused.
func (r *Runner) independent(ctx context.Context, rows []models.Row, alone []models.Result) (serial bool, wrong string) {
	for _, n := range append(slices.Clone(probeBatches), r.max) {
		if n > len(rows) || n < 2 {
			continue
		}
		got, _, err := r.raw(ctx, rows[:n])
		if err != nil {
			return serial, fmt.Sprintf("in a batch of %d "+notRun+": %s", n, reason(err))
		}
		for i := range got {
			if len(got[i].Values) != len(alone[i].Values) || !near(got[i].Values, alone[i].Values) || !near(got[i].State, alone[i].State) {
				return serial, fmt.Sprintf("answers something else in a batch of %d: what comes out for a sequence depends on the rest of its batch", n)
			}
			serial = serial || !slices.Equal(got[i].Values, alone[i].Values) || !slices.Equal(got[i].State, alone[i].State)
		}
	}
	return serial, ""
}

// near also holds for values that are no numbers: those are told of elsewhere.
func near(a, b []float32) bool {
	for i, v := range a {
		if math.Abs(float64(v-b[i])) > tolerance*max(1, math.Abs(float64(b[i]))) {
			return false
		}
	}
	return true
}

// notFinite holds for NaN and both infinities: their difference from themselves is NaN.
func notFinite(v float32) bool { return v-v != 0 }

// probeRows makes n different sequences of the given steps out of the
// self-test's rows, repeated, rotated, backwards and a little stretched; without
// a self-test out of small numbers. A mask stays as it is.
func probeRows(c models.Contract, steps, width, n int) []models.Row {
	rows, values := c.SelfTest.Input, width
	if len(rows) == 0 {
		rows = make([][]float64, 7)
		for i := range rows {
			rows[i] = make([]float64, width)
			for j := range rows[i] {
				rows[i][j] = 1 + float64((i*3+j*5)%7)/7
			}
		}
	}
	if c.Mask {
		values = width / 2
	}
	batch := make([]models.Row, n)
	for k := range batch {
		for i := range steps {
			j := (i + k) % len(rows)
			if k%2 == 1 {
				j = len(rows) - 1 - j
			}
			for col, v := range rows[j] {
				if col < values {
					v *= 1 + float64(k)/1024
				}
				batch[k].Values = append(batch[k].Values, float32(v))
			}
		}
	}
	return batch
}

// raw runs sequences of equal length without the runner's own tensors, from no
// memory, and gives the shape of the first output.
func (r *Runner) raw(ctx context.Context, batch []models.Row) ([]models.Result, []int64, error) {
	n := len(batch)
	x := Tensor{Shape: r.shape(n, len(batch[0].Values)/r.width)}
	for _, row := range batch {
		x.Data = append(x.Data, row.Values...)
	}
	in := []Tensor{x}
	for k := range r.states {
		d := r.contract.State.Dims[k]
		in = append(in, Tensor{Shape: []int64{int64(d[0]), int64(n), int64(d[1])}, Data: make([]float32, n*d[0]*d[1])})
	}
	out, err := r.session.Run(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	if len(out[0].Shape) == 0 || out[0].Shape[0] != int64(n) {
		return nil, nil, fmt.Errorf("output %q is %v for a batch of %d: the batch comes first", r.contract.Y, out[0].Shape, n)
	}
	res := make([]models.Result, n)
	size := len(out[0].Data) / n
	for i := range res {
		res[i].Values = out[0].Data[i*size : (i+1)*size]
		res[i].State = make([]float32, r.memory)
	}
	for k := range r.states {
		if !slices.Equal(out[1+k].Shape, in[1+k].Shape) {
			return nil, nil, fmt.Errorf("output %q is %v, its input %v: they must be alike", r.contract.State.Out[k], out[1+k].Shape, in[1+k].Shape)
		}
	}
	r.eachState(n, func(k, i, at, from, size int) { copy(res[i].State[from:from+size], out[1+k].Data[at:]) })
	return res, out[0].Shape, nil
}
