package dataset

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
)

// table is one Parquet file. Its handle is shared by the cursors that read it
// and closed with the last of them.
type table struct {
	path, name string
	users      int
	file       *os.File
	pq         *parquet.File
}

// damage marks a file whose bytes cannot be read.
type damage struct{ err error }

func (d *damage) Error() string { return d.err.Error() }
func (d *damage) Unwrap() error { return d.err }

// want names a column that a file must have and what it must hold.
type want struct {
	name     string
	holds    columnType
	or       string // another column that will do instead
	optional bool
}

// columnType says what a column holds, whatever its physical type.
type columnType string

const (
	instant columnType = "timestamp"
	text    columnType = "string"
	number  columnType = "number"
	numbers columnType = "list of numbers"
)

func (t *table) open() error {
	if t.users++; t.users > 1 {
		return nil
	}
	err := guard(func() error {
		f, err := os.Open(t.path)
		if err != nil {
			return err
		}
		t.file = f
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := footerFits(f, info.Size()); err != nil {
			return err
		}
		t.pq, err = parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
		return err
	})
	if err != nil {
		t.close()
	}
	return err
}

// footerFits checks the length that the last eight bytes give the footer: the
// library would take its memory before it finds out.
func footerFits(f io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < 12 {
		return fmt.Errorf("%d bytes: %w", size, io.ErrUnexpectedEOF)
	}
	if _, err := f.ReadAt(tail[:], size-8); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:4])); string(tail[4:]) != "PAR1" || n > size-12 {
		return fmt.Errorf("ends without a footer: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

func (t *table) close() {
	if t.users--; t.users > 0 {
		return
	}
	if t.file != nil {
		_ = t.file.Close() // read only
	}
	t.file, t.pq = nil, nil
}

func (t *table) refusal(err error) *asset.Invalid {
	return &asset.Invalid{Reason: DamagedFile, Where: t.name, Text: "not readable as Parquet: " + oneLine(err) + "; its rows are left out, fetch the file again"}
}

// check opens the file and compares its schema with what is wanted.
func (t *table) check(columns []want) error {
	if err := t.open(); err != nil {
		return &damage{err}
	}
	defer t.close()
	for _, c := range columns {
		leaf, ok := t.leaf(c.name)
		if !ok && c.or != "" {
			if _, other := t.leaf(c.or); other {
				continue
			}
			return fmt.Errorf("%s: no column %s (or %s)", t.name, c.name, c.or)
		}
		if !ok && !c.optional {
			return fmt.Errorf("%s: no column %s", t.name, c.name)
		}
		if ok && !fits(leaf, c.holds) {
			return fmt.Errorf("%s: column %s is %s, want a %s", t.name, c.name, leaf.Node.Type(), c.holds)
		}
	}
	return nil
}

// leaf finds the column of that name, or the elements of the list of that name.
func (t *table) leaf(name string) (parquet.LeafColumn, bool) {
	for _, path := range t.pq.Schema().Columns() {
		if path[0] == name {
			return t.pq.Schema().Lookup(path...)
		}
	}
	return parquet.LeafColumn{}, false
}

func fits(leaf parquet.LeafColumn, want columnType) bool {
	kind := leaf.Node.Type().Kind()
	logical := leaf.Node.Type().LogicalType()
	numeric := kind == parquet.Int32 || kind == parquet.Int64 || kind == parquet.Float || kind == parquet.Double
	switch want {
	case instant:
		return kind == parquet.Int64 && logical != nil && leaf.MaxRepetitionLevel == 0 && ticks(leaf) > 0
	case text:
		return kind == parquet.ByteArray && leaf.MaxRepetitionLevel == 0
	case number:
		return numeric && leaf.MaxRepetitionLevel == 0
	default:
		return numeric && leaf.MaxRepetitionLevel == 1
	}
}

// ticks is how many units of a timestamp column make a second; 0 when it is none.
func ticks(leaf parquet.LeafColumn) int64 {
	return ticksOf(leaf.Node.Type().String())
}

func ticksOf(typeName string) int64 {
	switch {
	case !strings.HasPrefix(typeName, "TIMESTAMP"):
		return 0
	case strings.Contains(typeName, "MILLIS"):
		return 1e3
	case strings.Contains(typeName, "NANOS"):
		return 1e9
	default:
		return 1e6
	}
}

// guard turns a panic over corrupt bytes into an error.
func guard(read func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", io.ErrUnexpectedEOF, p)
		}
	}()
	return read()
}

// oneLine is the first line of an error that may quote its source.
func oneLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return line
}
