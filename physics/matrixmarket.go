package physics

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// ErrMatrix marks text that is no matrix that can be read.
var ErrMatrix = errors.New("physics: Matrix Market")

// maxMatrix bounds what is read, in numbers.
const maxMatrix = 1 << 24

// ReadMatrixMarket reads a dense or sparse real matrix in NIST's exchange format (Boisvert,
// Pozo & Remington 1996, NISTIR 5935): array or coordinate, real or integer, general,
// symmetric or skew-symmetric.
func ReadMatrixMarket(r io.Reader) (*mat.Dense, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return nil, fmt.Errorf("%w: nothing in it", ErrMatrix)
	}
	head := strings.Fields(strings.ToLower(lines.Text()))
	if len(head) != 5 || head[0] != "%%matrixmarket" || head[1] != "matrix" {
		return nil, fmt.Errorf("%w: line 1: want %%%%MatrixMarket matrix FORMAT FIELD SYMMETRY", ErrMatrix)
	}
	m := marketMatrix{sparse: head[2] == "coordinate", symmetry: head[4]}
	switch {
	case head[2] != "array" && head[2] != "coordinate":
		return nil, fmt.Errorf("%w: format %q: array or coordinate", ErrMatrix, head[2])
	case head[3] != "real" && head[3] != "integer" && head[3] != "double":
		return nil, fmt.Errorf("%w: field %q: real or integer", ErrMatrix, head[3])
	case head[4] != "general" && head[4] != "symmetric" && head[4] != "skew-symmetric":
		return nil, fmt.Errorf("%w: symmetry %q: general, symmetric or skew-symmetric", ErrMatrix, head[4])
	}
	for n := 2; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "%") {
			continue
		}
		if err := m.line(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrMatrix, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMatrix, err)
	}
	if m.out == nil || m.seen != m.want {
		return nil, fmt.Errorf("%w: %d of %d numbers", ErrMatrix, m.seen, m.want)
	}
	return m.out, nil
}

// marketMatrix is a matrix while it is read.
type marketMatrix struct {
	sparse     bool
	symmetry   string
	out        *mat.Dense
	seen, want int
	row, col   int // of the next number of an array, column by column
}

func (m *marketMatrix) line(cells []string) error {
	if m.out == nil {
		return m.size(cells)
	}
	if m.seen == m.want {
		return fmt.Errorf("more than %d numbers", m.want)
	}
	i, j := m.row, m.col
	if m.sparse {
		if len(cells) != 3 {
			return fmt.Errorf("%d cells: want row, column, value", len(cells))
		}
		var err1, err2 error
		i, err1 = strconv.Atoi(cells[0])
		j, err2 = strconv.Atoi(cells[1])
		i, j = i-1, j-1
		rows, cols := m.out.Dims()
		if err1 != nil || err2 != nil || i < 0 || j < 0 || i >= rows || j >= cols {
			return fmt.Errorf("place %s, %s: within 1, 1 and %d, %d", cells[0], cells[1], rows, cols)
		}
		if m.symmetry != "general" && j > i {
			return fmt.Errorf("place %s, %s: a %s matrix gives its lower triangle", cells[0], cells[1], m.symmetry)
		}
	} else if len(cells) != 1 {
		return fmt.Errorf("%d cells: an array has one number a line", len(cells))
	}
	v, err := strconv.ParseFloat(cells[len(cells)-1], 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%q is no number", cells[len(cells)-1])
	}
	m.put(i, j, v)
	return nil
}

func (m *marketMatrix) put(i, j int, v float64) {
	m.seen++
	m.out.Set(i, j, v)
	switch m.symmetry {
	case "symmetric":
		m.out.Set(j, i, v)
	case "skew-symmetric":
		m.out.Set(j, i, -v)
	}
	rows, _ := m.out.Dims()
	if m.row++; m.row == rows {
		m.col++
		m.row = m.first(m.col)
	}
}

// first is the first row that an array gives of a column.
func (m *marketMatrix) first(col int) int {
	switch m.symmetry {
	case "symmetric":
		return col
	case "skew-symmetric":
		return col + 1
	}
	return 0
}

// size reads the line that gives it.
func (m *marketMatrix) size(cells []string) error {
	want := 2
	if m.sparse {
		want = 3
	}
	if len(cells) != want {
		return fmt.Errorf("%d cells: the size has %d", len(cells), want)
	}
	var n [3]int
	for i, c := range cells {
		v, err := strconv.Atoi(c)
		if err != nil || v < 0 || v > maxMatrix || i < 2 && v == 0 {
			return fmt.Errorf("size %q: 1 to %d", c, maxMatrix)
		}
		n[i] = v
	}
	if n[0] > maxMatrix/n[1] {
		return fmt.Errorf("%d×%d numbers are too many", n[0], n[1])
	}
	if m.symmetry != "general" && n[0] != n[1] {
		return fmt.Errorf("%d×%d: a %s matrix is square", n[0], n[1], m.symmetry)
	}
	switch m.want = n[2]; {
	case m.sparse:
	case m.symmetry == "symmetric":
		m.want = n[0] * (n[0] + 1) / 2
	case m.symmetry == "skew-symmetric":
		m.want = n[0] * (n[0] - 1) / 2
	default:
		m.want = n[0] * n[1]
	}
	m.out = mat.NewDense(n[0], n[1], nil)
	m.row = m.first(0)
	return nil
}
