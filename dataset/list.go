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
	max      byte         // definition level of a value
	gaps     bool         // elements may be null
	page     parquet.Page // the slices below are its own until it is released
	rep, def []byte
	ints     []int32   // the values of the page: one of the three
	singles  []float32 //
	doubles  []float64 //
	n        int       // number of values
	at, v    int       // next level of the page, next value
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
	if l.v+n > l.n {
		return dst, fmt.Errorf("list of %d values, page has %d left: %w", n, l.n-l.v, io.ErrUnexpectedEOF)
	}
	k := l.v
	l.v += n
	if !keep {
		return dst, nil
	}
	dst = growTo(dst, len(def))
	if n == len(def) {
		return l.append(dst, k, n, scale), nil
	}
	for _, d := range def {
		if d == l.max {
			dst = l.append(dst, k, 1, scale)
			k++
		} else if l.gaps && d == l.max-1 {
			dst = append(dst, float32(math.NaN()))
		}
	}
	return dst, nil
}

// append adds the values [k, k+n) × scale to dst.
func (l *lists) append(dst []float32, k, n int, scale float64) []float32 {
	switch {
	case l.ints != nil:
		return scaled(dst, l.ints[k:k+n], scale)
	case l.singles != nil && scale == 1:
		return append(dst, l.singles[k:k+n]...)
	case l.singles != nil:
		return scaled(dst, l.singles[k:k+n], scale)
	default:
		return scaled(dst, l.doubles[k:k+n], scale)
	}
}

func scaled[T int32 | float32 | float64](dst []float32, src []T, scale float64) []float32 {
	for _, x := range src {
		dst = append(dst, float32(float64(x)*scale))
	}
	return dst
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
		l.drop()
		l.page = page
		if err := l.load(page); err != nil {
			return err
		}
	}
	return nil
}

func (l *lists) load(page parquet.Page) (err error) {
	l.rep, l.def = page.RepetitionLevels(), page.DefinitionLevels()
	data := page.Data()
	switch kind := page.Type().Kind(); {
	case page.Dictionary() == nil && kind == parquet.Int32:
		l.ints = data.Int32()
		l.n = len(l.ints)
	case page.Dictionary() == nil && kind == parquet.Float:
		l.singles = data.Float()
		l.n = len(l.singles)
	default:
		if l.doubles, err = floats(page, nil); err != nil {
			return err
		}
		l.n = len(l.doubles)
	}
	if len(l.rep) != len(l.def) || len(l.rep) == 0 {
		return fmt.Errorf("list page with %d and %d levels: %w", len(l.rep), len(l.def), io.ErrUnexpectedEOF)
	}
	return nil
}

// drop gives the page's memory back.
func (l *lists) drop() {
	if l.page != nil {
		parquet.Release(l.page)
	}
	l.page, l.rep, l.def, l.ints, l.singles, l.doubles = nil, nil, nil, nil, nil, nil
	l.at, l.v, l.n = 0, 0, 0
}

func (l *lists) close() {
	l.drop()
	l.pager.close()
}

// toGroup moves to the start of a row group.
func (l *lists) toGroup(group int) {
	l.close()
	l.group = group - 1
	l.done = false
}
