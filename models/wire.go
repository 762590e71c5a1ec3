package models

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// graphFile is what the loader wants to know of an ONNX file before a runtime
// sees it (onnx.proto3 of ONNX 1.20; field numbers are given where they are read).
type graphFile struct {
	ir       int64
	opsets   []opset
	props    map[string]string
	inputs   []valueInfo
	outputs  []valueInfo
	weights  map[string]bool // initializers: not inputs, though old files list them as such
	nodes    int
	elements int64 // of all tensors
	unsafe   bool  // one of the findings forbids to load it
	found    []Finding
	told     map[string]bool // findings of which one is enough
}

type opset struct {
	domain  string
	version int64
}

type valueInfo struct {
	name   string
	kind   string  // "tensor", "sequence", …
	elem   int64   // of onnx.TensorProto.DataType; 1 is float32
	shaped bool    // dims are known
	dims   []int64 // -1 when dynamic
}

var errWire = errors.New("not an ONNX file")

// maxDepth bounds nested graphs (If, Loop, Scan inside each other).
const maxDepth = 8

var errDeep = fmt.Errorf("graphs nested deeper than %d", maxDepth)

// fields calls f for each field of a protobuf message: v for a number, sub for
// bytes. It allocates nothing.
func fields(b []byte, f func(field uint64, v uint64, sub []byte) error) error {
	for len(b) > 0 {
		field, v, sub, size, err := next(b)
		if err != nil {
			return err
		}
		if err := f(field, v, sub); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// next reads the first field of a message; size is how many bytes it takes.
func next(b []byte) (field, v uint64, sub []byte, size int, err error) {
	tag, at := binary.Uvarint(b)
	if at <= 0 || tag>>3 == 0 {
		return 0, 0, nil, 0, errWire
	}
	rest, n := b[at:], 0
	switch tag & 7 {
	case 0:
		if v, n = binary.Uvarint(rest); n <= 0 {
			return 0, 0, nil, 0, errWire
		}
	case 1, 5:
		n = 8
		if tag&7 == 5 {
			n = 4
		}
		if len(rest) < n {
			return 0, 0, nil, 0, errWire
		}
		sub = rest[:n]
	case 2:
		long, k := binary.Uvarint(rest)
		if k <= 0 || long > uint64(len(rest)-k) {
			return 0, 0, nil, 0, errWire
		}
		n = k + int(long)
		sub = rest[k:n]
	default:
		return 0, 0, nil, 0, errWire
	}
	return tag >> 3, v, sub, at + n, nil
}

// find notes a finding once for each key.
func (g *graphFile) find(key string, f Finding) {
	if !g.told[key] {
		g.told[key] = true
		g.found = append(g.found, f)
	}
}

// never notes a finding that forbids to load the file.
func (g *graphFile) never(key string, f Finding) {
	g.unsafe = true
	g.find(key, f)
}

// readGraph reads a ModelProto.
func readGraph(b []byte) (graphFile, error) {
	g := graphFile{props: map[string]string{}, weights: map[string]bool{}, told: map[string]bool{}}
	seen := false
	err := fields(b, func(field, v uint64, sub []byte) error {
		switch field {
		case 1: // ir_version
			g.ir = int64(v)
		case 7: // graph
			seen = true
			return g.graph(sub, 0)
		case 8: // opset_import
			o, err := readOpset(sub)
			g.opsets = append(g.opsets, o)
			return err
		case 14: // metadata_props
			key, value, err := readProp(sub)
			g.props[key] = value
			return err
		case 25: // functions
			g.never("function", Finding{
				"file", "defines operators of its own: only plain graphs are read",
				"onnx.inliner.inline_local_functions(model)",
			})
		}
		return nil
	})
	if err == nil && !seen {
		err = errWire
	}
	return g, err
}

func readOpset(b []byte) (opset, error) {
	var o opset
	err := fields(b, func(field, v uint64, sub []byte) error {
		switch field {
		case 1:
			o.domain = string(sub)
		case 2:
			o.version = int64(v)
		}
		return nil
	})
	return o, err
}

func readProp(b []byte) (key, value string, err error) {
	err = fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 1:
			key = string(sub)
		case 2:
			value = string(sub)
		}
		return nil
	})
	return key, value, err
}

// graph reads a GraphProto; only the outermost one has inputs and outputs of interest.
func (g *graphFile) graph(b []byte, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	return fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 1: // node
			return g.node(sub, depth)
		case 5: // initializer
			name, err := g.tensor(sub)
			if depth == 0 {
				g.weights[name] = true
			}
			return err
		case 15: // sparse_initializer
			g.never("sparse", Finding{"file", "holds a sparse weight: only dense ones are read", "store it dense, as numpy_helper.from_array(w.toarray(), name)"})
		case 11, 12: // input, output
			if depth > 0 {
				return nil
			}
			v, err := readValueInfo(sub)
			if field == 11 {
				g.inputs = append(g.inputs, v)
			} else {
				g.outputs = append(g.outputs, v)
			}
			return err
		}
		return nil
	})
}

// node reads a NodeProto and what hangs on it.
func (g *graphFile) node(b []byte, depth int) error {
	g.nodes++
	name, op, domain := "", "", ""
	layout := false
	err := fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 3:
			name = string(sub)
		case 4:
			op = string(sub)
		case 7:
			domain = string(sub)
		case 5:
			one, err := g.attribute(sub, depth)
			layout = layout || one
			return err
		}
		return nil
	})
	where := "node " + op
	if name != "" {
		where = fmt.Sprintf("node %q (%s)", name, op)
	}
	if !ownDomain(domain) {
		g.never("domain "+domain, Finding{
			where, fmt.Sprintf("is of domain %s: only ai.onnx and ai.onnx.ml", domain),
			"export without custom operators, and save the model before the runtime optimises it",
		})
	}
	if layout && (op == "LSTM" || op == "GRU" || op == "RNN") {
		g.find("layout "+name, Finding{where, "has layout=1: ONNX Runtime's CPU provider runs layout=0 only", "Transpose to [time, batch, features] before it"})
	}
	return err
}

// attribute reads an AttributeProto and says whether it is layout=1.
func (g *graphFile) attribute(b []byte, depth int) (layout bool, err error) {
	name, i := "", uint64(0)
	err = fields(b, func(field, v uint64, sub []byte) error {
		switch field {
		case 1:
			name = string(sub)
		case 3:
			i = v
		case 5, 10: // t, tensors
			_, err := g.tensor(sub)
			return err
		case 6, 11: // g, graphs
			return g.graph(sub, depth+1)
		case 22, 23: // sparse_tensor, sparse_tensors
			g.never("sparse", Finding{"file", "holds a sparse weight: only dense ones are read", "store it dense"})
		}
		return nil
	})
	return name == "layout" && i == 1, err
}

// readValueInfo reads a ValueInfoProto.
func readValueInfo(b []byte) (valueInfo, error) {
	v := valueInfo{kind: "untyped value"}
	err := fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 1:
			v.name = string(sub)
		case 2: // type
			return fields(sub, func(field, _ uint64, sub []byte) error {
				kind, ok := valueKinds[field]
				if !ok {
					return nil
				}
				v.kind = kind
				if field != 1 {
					return nil
				}
				return fields(sub, v.tensorType)
			})
		}
		return nil
	})
	return v, err
}

// valueKinds are the fields of a TypeProto.
var valueKinds = map[uint64]string{1: "tensor", 4: "sequence", 5: "map", 7: "opaque value", 8: "sparse tensor", 9: "optional value"}

func (v *valueInfo) tensorType(field, n uint64, sub []byte) error {
	switch field {
	case 1:
		v.elem = int64(n)
	case 2: // shape
		v.shaped = true
		return fields(sub, func(field, _ uint64, sub []byte) error {
			if field != 1 { // dim
				return nil
			}
			dim := int64(-1)
			err := fields(sub, func(field, n uint64, _ []byte) error {
				if field == 1 {
					dim = int64(n)
				}
				return nil
			})
			v.dims = append(v.dims, dim)
			return err
		})
	}
	return nil
}
