package models

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// graphFile is what the loader wants to know of an ONNX file before a runtime
// sees it (onnx.proto3 of ONNX 1.16; field numbers are given where they are read).
type graphFile struct {
	ir       int64
	opsets   []opset
	props    map[string]string
	inputs   []valueInfo
	outputs  []valueInfo
	weights  map[string]bool // initializers: not inputs, though old files list them as such
	domains  map[string]bool // of all nodes
	nodes    int
	elements int64 // of all tensors
	external bool  // some tensor's data lies outside the file
}

type opset struct {
	domain  string
	version int64
}

type valueInfo struct {
	name string
	elem int64   // 1 is float32
	dims []int64 // -1 when dynamic
}

var errWire = errors.New("not an ONNX file")

// maxDepth bounds nested graphs (If, Loop, Scan inside each other).
const maxDepth = 8

// fields calls f for each field of a protobuf message: v for a number, sub for
// bytes. It allocates nothing.
func fields(b []byte, f func(field uint64, v uint64, sub []byte) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return errWire
		}
		b = b[n:]
		var v uint64
		var sub []byte
		switch tag & 7 {
		case 0:
			if v, n = binary.Uvarint(b); n <= 0 {
				return errWire
			}
			b = b[n:]
		case 1, 5:
			size := 8
			if tag&7 == 5 {
				size = 4
			}
			if len(b) < size {
				return errWire
			}
			b = b[size:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errWire
			}
			sub, b = b[n:n+int(size)], b[n+int(size):]
		default:
			return errWire
		}
		if err := f(tag>>3, v, sub); err != nil {
			return err
		}
	}
	return nil
}

// readGraph reads a ModelProto.
func readGraph(b []byte) (graphFile, error) {
	g := graphFile{props: map[string]string{}, weights: map[string]bool{}, domains: map[string]bool{}}
	seen := false
	err := fields(b, func(field, v uint64, sub []byte) error {
		switch field {
		case 1: // ir_version
			g.ir = int64(v)
		case 7: // graph
			seen = true
			return g.graph(sub, 0)
		case 8: // opset_import
			var o opset
			err := fields(sub, func(field, v uint64, sub []byte) error {
				switch field {
				case 1:
					o.domain = string(sub)
				case 2:
					o.version = int64(v)
				}
				return nil
			})
			g.opsets = append(g.opsets, o)
			return err
		case 14: // metadata_props
			return g.prop(sub)
		case 25: // functions
			return fields(sub, func(field, _ uint64, sub []byte) error {
				if field == 7 {
					return g.node(sub, 1)
				}
				return nil
			})
		}
		return nil
	})
	if err == nil && !seen {
		err = errWire
	}
	return g, err
}

func (g *graphFile) prop(b []byte) error {
	var key, value string
	err := fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 1:
			key = string(sub)
		case 2:
			value = string(sub)
		}
		return nil
	})
	g.props[key] = value
	return err
}

// graph reads a GraphProto; only the outermost one has inputs and outputs of interest.
func (g *graphFile) graph(b []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("graphs nested deeper than %d", maxDepth)
	}
	return fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 1: // node
			return g.node(sub, depth)
		case 5: // initializer
			return g.tensor(sub)
		case 15: // sparse_initializer
			return fields(sub, func(field, _ uint64, sub []byte) error {
				if field == 1 || field == 2 {
					return g.tensor(sub)
				}
				return nil
			})
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

func (g *graphFile) node(b []byte, depth int) error {
	g.nodes++
	domain := ""
	err := fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 7:
			domain = string(sub)
		case 5: // attribute
			return fields(sub, func(field, _ uint64, sub []byte) error {
				switch field {
				case 5, 10: // t, tensors
					return g.tensor(sub)
				case 6, 11: // g, graphs
					return g.graph(sub, depth+1)
				}
				return nil
			})
		}
		return nil
	})
	g.domains[domain] = true
	return err
}

func (g *graphFile) tensor(b []byte) error {
	size := int64(1)
	grow := func(d uint64) {
		if d > maxElements || size > maxElements {
			size = maxElements + 1
			return
		}
		size *= int64(d)
	}
	err := fields(b, func(field, v uint64, sub []byte) error {
		switch field {
		case 1: // dims, packed or not
			if sub == nil {
				grow(v)
			}
			for len(sub) > 0 {
				d, n := binary.Uvarint(sub)
				if n <= 0 {
					return errWire
				}
				grow(d)
				sub = sub[n:]
			}
		case 8: // name
			g.weights[string(sub)] = true
		case 13: // external_data
			g.external = true
		case 14: // data_location
			g.external = g.external || v != 0
		}
		return nil
	})
	if g.elements <= maxElements {
		g.elements += size
	}
	return err
}

// readValueInfo reads a ValueInfoProto with a tensor type.
func readValueInfo(b []byte) (valueInfo, error) {
	var v valueInfo
	err := fields(b, func(field, _ uint64, sub []byte) error {
		switch field {
		case 1:
			v.name = string(sub)
		case 2: // type
			return fields(sub, func(field, _ uint64, sub []byte) error {
				if field != 1 { // tensor_type
					return nil
				}
				return fields(sub, v.tensorType)
			})
		}
		return nil
	})
	return v, err
}

func (v *valueInfo) tensorType(field, n uint64, sub []byte) error {
	switch field {
	case 1:
		v.elem = int64(n)
	case 2: // shape
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
