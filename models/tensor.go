package models

import (
	"encoding/binary"
	"fmt"
	"math"
)

// elemBits is how long an element of each data type is in raw_data
// (onnx.TensorProto.DataType); text has no fixed length.
var elemBits = map[int64]int64{
	1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
	17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}

var elemNames = map[int64]string{
	1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "text", 9: "bool", 10: "float16", 11: "float64",
	12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}

func elemName(elem int64) string {
	if s, ok := elemNames[elem]; ok {
		return s
	}
	return fmt.Sprintf("data type %d", elem)
}

// tensorFile is one TensorProto.
type tensorFile struct {
	name     string
	elem     int64
	size     int64 // elements by its dims, at most maxElements+1
	raw      []byte
	typed    int64 // elements in the typed fields
	float    []byte
	rawSeen  bool
	external bool
	location string
}

// tensor reads a TensorProto, notes what is wrong with it, and gives its name.
func (g *graphFile) tensor(b []byte) (string, error) {
	t := tensorFile{size: 1}
	if err := fields(b, t.field); err != nil {
		return t.name, err
	}
	if g.elements <= maxElements {
		g.elements += t.size
	}
	where := fmt.Sprintf("weight %q", t.name)
	switch {
	case t.external:
		g.never("external", Finding{
			where, fmt.Sprintf("lies outside the file, at %q: all weights must be in it", t.location),
			"torch.onnx.export(..., external_data=False), or onnx.save(model, FILE, save_as_external_data=False)",
		})
	case t.elem == 8:
		g.never("text", Finding{where, "holds text: models read and answer numbers", "skl2onnx: options={'zipmap': False} and labels that are numbers"})
	case t.size > maxElements:
		// told once, with the sum of all
	case elemBits[t.elem] == 0:
		g.never("type "+t.name, Finding{where, fmt.Sprintf("is of an unknown %s", elemName(t.elem)), ""})
	case !t.whole():
		g.never("length "+t.name, Finding{where, fmt.Sprintf("does not fill its dims, %d elements of %s: the file is damaged", t.size, elemName(t.elem)), "export it again"})
	case t.nan():
		g.find("nan", Finding{where, "holds NaN", "train again: a loss that diverged leaves such weights"})
	}
	return t.name, nil
}

func (t *tensorFile) grow(d uint64) {
	if d > maxElements || t.size > maxElements || t.size*int64(d) > maxElements {
		t.size = maxElements + 1
		return
	}
	t.size *= int64(d)
}

func (t *tensorFile) field(field, v uint64, sub []byte) error {
	switch field {
	case 1: // dims, packed or not
		if sub == nil {
			t.grow(v)
		}
		return varints(sub, t.grow)
	case 2:
		t.elem = int64(v)
	case 4: // float_data
		t.float = append(t.float, sub...)
		t.typed += int64(len(sub) / 4)
	case 10: // double_data
		t.typed += int64(len(sub) / 8)
	case 5, 7, 11: // int32_data, int64_data, uint64_data
		if sub == nil {
			t.typed++
		}
		return varints(sub, func(uint64) { t.typed++ })
	case 8:
		t.name = string(sub)
	case 9:
		t.raw, t.rawSeen = sub, true
	case 13: // external_data
		t.external = true
		key, value, err := readProp(sub)
		if key == "location" {
			t.location = value
		}
		return err
	case 14: // data_location
		t.external = t.external || v != 0
	}
	return nil
}

// varints reads packed numbers.
func varints(b []byte, f func(uint64)) error {
	for len(b) > 0 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return errWire
		}
		f(v)
		b = b[n:]
	}
	return nil
}

// whole says whether there is as much data as the dims ask for.
func (t *tensorFile) whole() bool {
	bits := elemBits[t.elem]
	if t.rawSeen && t.typed == 0 {
		return int64(len(t.raw)) == (t.size*bits+7)/8
	}
	switch {
	case t.elem == 14 || t.elem == 15: // two numbers each
		return t.typed == 2*t.size
	case bits < 8: // several in one byte
		return t.typed == (t.size*bits+7)/8
	}
	return t.typed == t.size
}

func (t *tensorFile) nan() bool {
	data := t.raw
	switch {
	case t.elem == 1 && !t.rawSeen:
		data = t.float
	case t.elem == 11 && t.rawSeen:
		for i := 0; i+8 <= len(data); i += 8 {
			if math.IsNaN(math.Float64frombits(binary.LittleEndian.Uint64(data[i:]))) {
				return true
			}
		}
		return false
	case t.elem != 1:
		return false
	}
	for i := 0; i+4 <= len(data); i += 4 {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(data[i:])); v != v {
			return true
		}
	}
	return false
}
