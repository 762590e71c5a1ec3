package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go"
)

// lists reads the rows of a list column as float64, one after another. Pages
// need not end where rows end.
type lists struct {
	pager
	max      byte // definition level of a value
	gaps     bool // elements may be null
	rep, def []byte
	vals     []float64
	at, v    int // next level of the page, next value
	fresh    bool
	done     bool
}

func (t *table) lists(name string) *lists {
	leaf, ok := t.leaf(name)
	if !ok {
		return nil
	}
	return &lists{pager: pager{table: t, leaf: leaf.ColumnIndex, group: -1}, max: byte(leaf.MaxDefinitionLevel), gaps: leaf.Node.Optional()}
}

// row appends the next row's values × scale to dst; a null element becomes NaN
// and a null list nothing. With keep false the row is passed over.
func (l *lists) row(dst []float32, scale float64, keep bool) ([]float32, error) {
	if err := l.fill(); err != nil {
		return dst, err
	}
	l.fresh = false
	for first := true; ; first = false {
		end := len(l.rep)
		skip := 0
		if first {
			skip = 1
		}
		if i := bytes.IndexByte(l.rep[l.at+skip:], 0); i >= 0 {
			end = l.at + skip + i
		}
		var err error
		if dst, err = l.take(dst, end, scale, keep); err != nil {
			return dst, err
		}
		if end < len(l.rep) {
			return dst, nil
		}
		err = l.fill()
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil || l.fresh || l.rep[l.at] == 0 {
			return dst, err
		}
	}
}

// take consumes the levels up to end.
func (l *lists) take(dst []float32, end int, scale float64, keep bool) ([]float32, error) {
	def := l.def[l.at:end]
	l.at = end
	n := bytes.Count(def, []byte{l.max})
	if l.v+n > len(l.vals) {
		return dst, fmt.Errorf("list of %d values, page has %d left: %w", n, len(l.vals)-l.v, io.ErrUnexpectedEOF)
	}
	vals := l.vals[l.v : l.v+n]
	l.v += n
	if !keep {
		return dst, nil
	}
	if n == len(def) {
		dst = growTo(dst, n)
		for _, x := range vals {
			dst = append(dst, float32(x*scale))
		}
		return dst, nil
	}
	k := 0
	for _, d := range def {
		if d == l.max {
			dst = append(dst, float32(vals[k]*scale))
			k++
		} else if l.gaps && d == l.max-1 {
			dst = append(dst, float32(math.NaN()))
		}
	}
	return dst, nil
}

func growTo(dst []float32, n int) []float32 {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	bigger := make([]float32, len(dst), len(dst)+n)
	copy(bigger, dst)
	return bigger
}

// fill makes sure that a level is at hand; fresh is set when it opens a row group.
func (l *lists) fill() error {
	for l.at >= len(l.rep) {
		if l.done {
			return io.EOF
		}
		page, fresh, err := l.next()
		if err != nil {
			l.done = errors.Is(err, io.EOF)
			return err
		}
		l.fresh = fresh
		l.rep = append(l.rep[:0], page.RepetitionLevels()...)
		l.def = append(l.def[:0], page.DefinitionLevels()...)
		l.at, l.v = 0, 0
		l.vals, err = floats(page, l.vals)
		parquet.Release(page)
		if err == nil && (len(l.rep) != len(l.def) || len(l.rep) == 0) {
			err = fmt.Errorf("list page with %d and %d levels: %w", len(l.rep), len(l.def), io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// toGroup moves to the start of a row group.
func (l *lists) toGroup(group int) {
	l.close()
	l.group = group - 1
	l.rep, l.def, l.vals = l.rep[:0], l.def[:0], l.vals[:0]
	l.at, l.v, l.done = 0, 0, false
}
