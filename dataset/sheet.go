package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
)

// groupRows is the size of a row group of flat rows: fixed, so that the bytes
// of a file depend on its rows alone.
const groupRows = 1 << 17

// col is a column of a sheet.
type col struct {
	name string
	node parquet.Node
}

// The nodes that files are made of. Numbers are optional: null means missing.
func timeNode() parquet.Node         { return parquet.Timestamp(parquet.Microsecond) }
func optionalTimeNode() parquet.Node { return parquet.Optional(timeNode()) }
func numberNode() parquet.Node       { return parquet.Optional(parquet.Leaf(parquet.DoubleType)) }
func boolNode() parquet.Node         { return parquet.Leaf(parquet.BooleanType) }
func textNode() parquet.Node         { return parquet.Encoded(parquet.String(), &parquet.RLEDictionary) }

func weightsNode() parquet.Node {
	return parquet.Map(parquet.String(), parquet.Leaf(parquet.DoubleType))
}

// inOrder is a group whose columns stand as they are listed.
type inOrder struct {
	parquet.Group
	names []string
}

// Fields lists the columns in their order.
func (g inOrder) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(g.names, a.Name()) - slices.Index(g.names, b.Name())
	})
	return fields
}

// output is a file under a temporary name that is renamed into place.
type output struct {
	path string
	file *os.File
}

func newOutput(path string) (output, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return output{}, fmt.Errorf("dataset: %w", err)
	}
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return output{}, fmt.Errorf("dataset: %w", err)
	}
	return output{path, f}, nil
}

// finish ends the contents, makes the file durable and renames it into place.
func (o output) finish(end func() error) error {
	for _, step := range []func() error{end, o.file.Sync, o.file.Close} {
		if err := step(); err != nil {
			o.discard()
			return fmt.Errorf("%s: %w", o.path, err)
		}
	}
	if err := os.Rename(o.path+".tmp", o.path); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}

// discard removes what was written.
func (o output) discard() {
	_ = o.file.Close()
	_ = os.Remove(o.path + ".tmp")
}

// writerOptions are the same for every file: bytes depend on rows alone.
func writerOptions() []parquet.WriterOption {
	return []parquet.WriterOption{
		parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(groupRows), parquet.CreatedBy("telltale", "1", "1"),
	}
}

// sheet writes one Parquet file of flat rows.
type sheet struct {
	output
	pq  *parquet.GenericWriter[any]
	row parquet.Row
	col int
	err error
}

func newSheet(path string, cols []col) (*sheet, error) {
	out, err := newOutput(path)
	if err != nil {
		return nil, err
	}
	g := inOrder{Group: parquet.Group{}}
	for _, c := range cols {
		g.Group[c.name] = c.node
		g.names = append(g.names, c.name)
	}
	options := append(writerOptions(), parquet.NewSchema("rows", g))
	return &sheet{output: out, pq: parquet.NewGenericWriter[any](out.file, options...)}, nil
}

// add puts the value of the next column into the row.
func (s *sheet) add(v parquet.Value, def int) {
	s.row = append(s.row, v.Level(0, def, s.col))
	s.col++
}

func (s *sheet) time(t time.Time) { s.add(parquet.Int64Value(t.UnixMicro()), 0) }
func (s *sheet) optionalTime(t time.Time) {
	if t.IsZero() {
		s.add(parquet.NullValue(), 0)
		return
	}
	s.add(parquet.Int64Value(t.UnixMicro()), 1)
}
func (s *sheet) text(v string) { s.add(parquet.ByteArrayValue([]byte(v)), 0) }
func (s *sheet) flag(v bool)   { s.add(parquet.BooleanValue(v), 0) }

func (s *sheet) number(v asset.Number) {
	if !finite(float64(v)) {
		s.add(parquet.NullValue(), 0)
		return
	}
	s.add(parquet.DoubleValue(float64(v)), 1)
}

// weights writes a map in the order of its keys.
func (s *sheet) weights(m map[asset.Mode]float64) {
	modes := make([]asset.Mode, 0, len(m))
	for mode, w := range m {
		if finite(w) {
			modes = append(modes, mode)
		}
	}
	slices.Sort(modes)
	s.list(len(modes), 1, func(i int) parquet.Value { return parquet.ByteArrayValue([]byte(modes[i])) })
	s.list(len(modes), 1, func(i int) parquet.Value { return parquet.DoubleValue(m[modes[i]]) })
}

// list writes n values of the next column, whose definition level is def.
func (s *sheet) list(n, def int, at func(i int) parquet.Value) {
	if n == 0 {
		s.add(parquet.NullValue(), 0)
		return
	}
	for i := range n {
		s.row = append(s.row, at(i).Level(min(i, 1), def, s.col))
	}
	s.col++
}

// end writes the row. The first error stays.
func (s *sheet) end() error {
	if s.err == nil {
		if _, err := s.pq.WriteRows([]parquet.Row{s.row}); err != nil {
			s.err = err
		}
	}
	s.row, s.col = s.row[:0], 0
	if s.err != nil {
		return fmt.Errorf("%s: %w", s.path, s.err)
	}
	return nil
}

func (s *sheet) close() error {
	return s.finish(func() error {
		if s.err != nil {
			return s.err
		}
		return s.pq.Close()
	})
}
