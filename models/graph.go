package models

import (
	"fmt"
	"slices"
	"strings"
)

// What is accepted. The opsets and the IR version are the newest that the pinned
// runtime (1.27.0) loads; older opsets run as they are. The others bound what a
// hostile file can ask for.
const (
	maxOpset    = 26 // of ai.onnx
	maxMLOpset  = 5  // of ai.onnx.ml
	maxIR       = 13
	maxNodes    = 10_000
	maxElements = 64 << 20 // 256 MiB of float32
	maxInputs   = 1_000
	maxWindow   = 100_000
)

// What to type so that a graph comes out as it is wanted.
const (
	fixOpset  = "torch.onnx.export(..., opset_version=18), tf2onnx --opset 17, skl2onnx target_opset=17"
	fixBatch  = "torch.onnx.export(..., dynamic_shapes={'x': {0: 'batch'}}), Keras Input without batch_size, skl2onnx FloatTensorType([None, n])"
	fixFloat  = "cast it: x.float(), FloatTensorType; float16 and float64 graphs are not read"
	fixOutput = "let the graph answer it first and leave the rest out; telltale model annotate picks one by graph_output"
)

func ownDomain(d string) bool { return d == "" || d == "ai.onnx" || d == "ai.onnx.ml" }

// check notes what the loader does not take in the graph itself, and completes
// the contract with the graph's names.
func (g *graphFile) check(c *Contract) {
	g.versions()
	if g.nodes > maxNodes {
		g.never("nodes", Finding{"file", fmt.Sprintf("is too large: %d nodes, at most %d", g.nodes, maxNodes), ""})
	}
	if g.elements > maxElements {
		g.never("elements", Finding{"file", fmt.Sprintf("is too large: its weights have more than %d elements", maxElements), ""})
	}
	g.names(c)
	if i := slices.IndexFunc(g.inputs, func(v valueInfo) bool { return v.name == c.X }); c.X != "" && i >= 0 {
		g.data(c, g.inputs[i])
	}
	if c.Y != "" && g.props["pdm.contract"] != "" { // what is wanted of a plain export is not known
		g.answer(c, g.outputs[0])
	}
	if c.State != nil {
		g.state(c)
	}
}

func (g *graphFile) versions() {
	if g.ir > maxIR {
		g.find("ir", Finding{"file", fmt.Sprintf("has IR version %d: at most %d", g.ir, maxIR), "model.ir_version = 10 before onnx.save"})
	}
	own := false
	for _, o := range g.opsets {
		if !ownDomain(o.domain) {
			continue // a domain of which no node is
		}
		name, most := "ai.onnx", int64(maxOpset)
		if o.domain == "ai.onnx.ml" {
			name, most = o.domain, maxMLOpset
		} else {
			own = true
		}
		if o.version > most || o.version < 1 {
			g.find("opset "+name, Finding{"file", fmt.Sprintf("is of opset %d of %s: at most %d", o.version, name, most), fixOpset})
		}
	}
	if !own {
		g.find("opset", Finding{"file", "names no opset of ai.onnx", fixOpset})
	}
}

// names finds the input that holds the data and the output that is read.
func (g *graphFile) names(c *Contract) {
	var data []string
	for _, v := range g.inputs {
		if !g.weights[v.name] && (c.State == nil || !slices.Contains(c.State.In, v.name)) {
			data = append(data, v.name)
		}
	}
	switch {
	case len(data) == 1:
		c.X = data[0]
	case len(data) == 0:
		g.find("inputs", Finding{"graph", "has no input: one input [batch, time, features] is wanted", ""})
	default:
		g.find("inputs", Finding{
			"graph", fmt.Sprintf("has the inputs %s: one input [batch, time, features] is wanted", strings.Join(data, ", ")),
			"leave unused ones out; name what an LSTM remembers in pdm.state as {\"inputs\":[…],\"outputs\":[…]}",
		})
	}
	if len(g.outputs) == 0 {
		g.find("outputs", Finding{"graph", "has no output", ""})
		return
	}
	c.Y = g.outputs[0].name
}

// data checks the input that holds the sequence.
func (g *graphFile) data(c *Contract, v valueInfo) {
	where := fmt.Sprintf("input %q", v.name)
	if !g.float(where, v) || !v.shaped {
		return
	}
	c.Dims = v.dims
	columns, steps := int64(c.Columns()), int64(c.Window)
	switch {
	case len(v.dims) == 2:
		if want := columns * steps; want > 0 && v.dims[1] > 0 && v.dims[1] != want {
			g.find("width", Finding{where, fmt.Sprintf("has %d values, pdm.window and pdm.features make %d × %d", v.dims[1], steps, columns), ""})
		}
	case len(v.dims) != 3:
		g.find("rank", Finding{where, fmt.Sprintf("is %s: float32 [batch, time, features] with a dynamic batch is wanted", shapeText(v.dims)), ""})
		return
	default:
		if columns > 0 && v.dims[2] > 0 && v.dims[2] != columns {
			names := "pdm.features names"
			if c.Mask {
				names = "pdm.features and pdm.mask ask for"
			}
			g.find("width", Finding{where, fmt.Sprintf("has %d columns, %s %d", v.dims[2], names, columns), ""})
		}
		if steps > 0 && v.dims[1] > 0 && v.dims[1] != steps {
			g.find("steps", Finding{where, fmt.Sprintf("has %d steps, pdm.window is %d", v.dims[1], steps), ""})
		}
	}
	g.batch(where, v.dims[0])
}

func (g *graphFile) batch(where string, dim int64) {
	if dim >= 0 {
		g.find("batch "+where, Finding{where, fmt.Sprintf("has a batch of %d: a dynamic batch is wanted", dim), fixBatch})
	}
}

// float says whether a value is a float32 tensor.
func (g *graphFile) float(where string, v valueInfo) bool {
	switch {
	case v.kind != "tensor":
		g.find("kind "+where, Finding{where, fmt.Sprintf("is a %s: a float32 tensor is wanted", v.kind), "skl2onnx: options={'zipmap': False}"})
	case v.elem != 1:
		g.find("elem "+where, Finding{where, fmt.Sprintf("is %s: float32 is wanted", elemName(v.elem)), fixFloat})
	default:
		return true
	}
	return false
}

// answer holds the declared shape of the first output against what the contract
// says it means. A dynamic dim fits: the probe sees its size.
func (g *graphFile) answer(c *Contract, v valueInfo) {
	where := fmt.Sprintf("output %q", v.name)
	if c.State != nil && slices.Contains(c.State.Out, v.name) {
		g.find("order", Finding{where, fmt.Sprintf("comes first, and pdm.state names it as memory: the first output must be the %s", c.Output), fixOutput})
		return
	}
	fits := func(v valueInfo) bool {
		return v.kind == "tensor" && v.elem == 1 && (!v.shaped || c.Answers(v.dims))
	}
	if fits(v) {
		if v.shaped && len(v.dims) > 0 {
			g.batch(where, v.dims[0])
		}
		return
	}
	for _, o := range g.outputs[1:] {
		if fits(o) && o.shaped {
			g.find("order", Finding{where, fmt.Sprintf("does not fit pdm.output %q, output %q does: it must be the first", c.Output, o.name), fixOutput})
			return
		}
	}
	if g.float(where, v) {
		g.find("answer", Finding{where, fmt.Sprintf("is %s: %s", shapeText(v.dims), c.Wanted()), ""})
	}
}

// Answers says whether the first output may have the given dims; below 1 any.
func (c Contract) Answers(dims []int64) bool {
	is := func(i int, want int) bool { return dims[i] < 1 || want == 0 || dims[i] == int64(want) }
	switch c.Output {
	case OutputRUL:
		return len(dims) == 2 && (dims[1] < 1 || dims[1] == 1 || dims[1] == 3)
	case OutputForecast:
		return len(dims) == 2 && is(1, len(c.Features))
	case OutputModes:
		return len(dims) == 2 && is(1, len(c.Modes))
	case OutputError:
		if c.Flat() && len(dims) == 2 {
			return dims[1] < 1 || len(c.Features) == 0 || dims[1]%int64(len(c.Features)) == 0
		}
		return len(dims) == 3 && is(2, len(c.Features)) && (dims[1] < 1 || c.Window == 0 || dims[1] <= int64(c.Window))
	}
	return true // pdm.output is wrong, and said to be
}

// Wanted says what Answers takes.
func (c Contract) Wanted() string {
	switch c.Output {
	case OutputRUL:
		return "rul wants [batch, 1 or 3]"
	case OutputForecast:
		return fmt.Sprintf("forecast wants [batch, %d]", len(c.Features))
	case OutputModes:
		return fmt.Sprintf("modes wants [batch, %d]", len(c.Modes))
	}
	return fmt.Sprintf("error wants [batch, time, %d]", len(c.Features))
}

// state checks what a stateful graph hands on.
func (g *graphFile) state(c *Contract) {
	s := c.State
	s.Dims = make([][2]int, len(s.In))
	for i, name := range s.In {
		in, ok := byName(g.inputs, name)
		if !ok {
			g.find("state "+name, Finding{"metadata pdm.state", fmt.Sprintf("names input %q, which the graph does not have", name), ""})
			continue
		}
		where := fmt.Sprintf("input %q", name)
		if !g.float(where, in) {
			continue
		}
		if !stateDims(in.dims) {
			g.find("dims "+name, Finding{where, fmt.Sprintf("is %s: a state is [layers × directions, batch, hidden], sizes fixed and batch dynamic", shapeText(in.dims)), ""})
			continue
		}
		s.Dims[i] = [2]int{int(in.dims[0]), int(in.dims[2])}
		if i >= len(s.Out) {
			continue
		}
		out, ok := byName(g.outputs, s.Out[i])
		switch where := fmt.Sprintf("output %q", s.Out[i]); {
		case !ok:
			g.find("state "+s.Out[i], Finding{"metadata pdm.state", fmt.Sprintf("names output %q, which the graph does not have", s.Out[i]), ""})
		case !g.float(where, out):
		case out.shaped && (len(out.dims) != 3 || out.dims[0] > 0 && out.dims[0] != in.dims[0] || out.dims[2] > 0 && out.dims[2] != in.dims[2]):
			g.find("dims "+s.Out[i], Finding{where, fmt.Sprintf("is %s, its input %q is %s: they must be alike", shapeText(out.dims), name, shapeText(in.dims)), ""})
		}
	}
}

// stateDims allows a state of at most a million values.
func stateDims(d []int64) bool {
	return len(d) == 3 && d[0] > 0 && d[0] <= 1000 && d[1] < 0 && d[2] > 0 && d[2] <= 100_000 && d[0]*d[2] <= 1_000_000
}

func byName(list []valueInfo, name string) (valueInfo, bool) {
	i := slices.IndexFunc(list, func(v valueInfo) bool { return v.name == name })
	if i < 0 {
		return valueInfo{}, false
	}
	return list[i], true
}

func shapeText(dims []int64) string {
	parts := make([]string, len(dims))
	for i, d := range dims {
		parts[i] = fmt.Sprint(d)
		if d < 0 {
			parts[i] = "?"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
