package dataset

import (
	"io"
	"math"
)

// waveReader reads the samples of one lane, forwards. Rows that it passes while
// it looks for another one wait in ahead: as many as lie within the slack.
type waveReader struct {
	lane            *lane
	opened, broken  bool
	scale           *column // nil when the file has no counts
	counts, samples *lists  // nil when the file has none
	at              int64   // row that the columns stand before
	span            int
	next            int64 // row to read next
	ahead           map[int64][]float32
}

func newWaveReader(l *lane) *waveReader {
	return &waveReader{lane: l, ahead: map[int64][]float32{}, next: l.spans[0].from}
}

// fetch returns the samples of a row of the lane, once.
func (w *waveReader) fetch(r *record) ([]float32, error) {
	if !w.opened {
		t := w.lane.table
		if err := t.open(); err != nil {
			return nil, err
		}
		w.opened = true
		w.counts, w.samples = t.lists("counts"), t.lists("samples")
		if w.counts != nil {
			w.scale = t.column("scale", number, nil)
		}
	}
	for {
		if found, ok := w.ahead[r.row]; ok {
			delete(w.ahead, r.row)
			if w.span >= len(w.lane.spans) && len(w.ahead) == 0 {
				w.close()
			}
			return found, nil
		}
		if err := w.skip(); err != nil {
			return nil, err
		}
		row, err := w.read()
		if err != nil {
			return nil, noEOF(err)
		}
		w.ahead[w.next] = row
		w.at, w.next = w.next+1, w.next+1
		if w.next >= w.lane.spans[w.span].to {
			if w.span++; w.span < len(w.lane.spans) {
				w.next = w.lane.spans[w.span].from
			}
		}
	}
}

// skip brings all columns to the row to read next.
func (w *waveReader) skip() error {
	if w.next == w.at {
		return nil
	}
	if w.scale != nil {
		if err := w.scale.skip(w.next, w.next-w.at); err != nil {
			return noEOF(err)
		}
	}
	for _, l := range []*lists{w.counts, w.samples} {
		if l == nil {
			continue
		}
		if err := l.skip(w.at, w.next); err != nil {
			return noEOF(err)
		}
	}
	w.at = w.next
	return nil
}

// read takes one row: counts × scale where there are counts, else samples.
func (w *waveReader) read() (out []float32, err error) {
	if w.counts != nil {
		if err = w.scale.fill(); err != nil {
			return nil, err
		}
		scale := w.scale.nums[w.scale.at]
		w.scale.at++
		if out, err = w.counts.row(nil, scale, true); err != nil {
			return nil, err
		}
	}
	if w.samples != nil {
		return w.samples.row(out, 1, len(out) == 0)
	}
	return out, nil
}

func (w *waveReader) close() {
	if !w.opened {
		return
	}
	w.opened = false
	for _, l := range []*lists{w.counts, w.samples} {
		if l != nil {
			l.close()
		}
	}
	if w.scale != nil {
		w.scale.close()
	}
	w.counts, w.samples, w.scale, w.ahead = nil, nil, nil, nil
	w.lane.table.close()
}

// skip moves from row to row of the file. Only a page index tells where in a
// row group a row begins; without one the rows between are read over.
func (l *lists) skip(at, to int64) error {
	var first int64
	groups := l.table.pq.RowGroups()
	g := 0
	for ; g < len(groups) && to >= first+groups[g].NumRows(); g++ {
		first += groups[g].NumRows()
	}
	if g == len(groups) {
		return io.ErrUnexpectedEOF
	}
	if first > at || at > to {
		l.toGroup(g)
		at = first
	}
	const near = 64
	if index, err := groups[g].ColumnChunks()[l.leaf].OffsetIndex(); err == nil && index != nil && to-at > near {
		l.toGroup(g)
		if err := l.seek(to); err != nil {
			return err
		}
		return nil
	}
	for ; at < to; at++ {
		if _, err := l.row(nil, math.NaN(), false); err != nil {
			return err
		}
	}
	return nil
}
