package dataset

import (
	"container/heap"
	"io"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var waveColumns = []want{
	{name: "time", holds: instant},
	{name: "asset", holds: text},
	{name: "channel", holds: text},
	{name: "rate_hz", holds: number},
	{name: "unit", holds: text},
	{name: "quality", holds: number},
	{name: "samples", holds: numbers, or: "counts"},
	{name: "counts", holds: numbers, or: "samples"},
	{name: "scale", holds: number, or: "samples"},
}

// waveSlackUs lets channels of a file lie apart a little and still be read in
// one pass.
const waveSlackUs = 1_000_000

// record is a row of a waveform file without its samples.
type record struct {
	start                int64 // µs
	row                  int64
	rate, quality        float64
	asset, channel, unit int32
	file, lane           int32
}

// waves merges the records of all waveform files. The index keeps every row but
// its samples; those are read when the merge gets there, and let go of block by
// block.
type waves struct {
	ix      *index
	tables  []*table
	lanes   [][]*lane // by file
	readers map[*lane]*waveReader
	records []record // in order of start
	next    int
	open    blocks
}

func indexWaves(ix *index, tables []*table) *waves {
	w := &waves{ix: ix, tables: tables, lanes: make([][]*lane, len(tables)), readers: map[*lane]*waveReader{}}
	for i, t := range tables {
		before := len(w.records)
		l := &lanes{table: t, slack: waveSlackUs}
		refused := len(ix.refused)
		if err := guard(func() error { return w.indexFile(i, t, l) }); err != nil {
			w.records, ix.refused = w.records[:before], ix.refused[:refused]
			ix.damaged = append(ix.damaged, t.refusal(err))
			continue
		}
		w.lanes[i] = l.all
	}
	slices.SortFunc(w.records, func(a, b record) int { return w.key(&a, a.start).compare(w.key(&b, b.start)) })
	return w
}

func (w *waves) key(r *record, at int64) key {
	return key{at, w.ix.names.list[r.asset], waveKind, w.ix.names.list[r.channel], int(r.file), r.row}
}

func (w *waves) indexFile(file int, t *table, l *lanes) error {
	if err := t.open(); err != nil {
		return err
	}
	defer t.close()
	n := w.ix.names
	cols := []*column{
		t.column("time", instant, n), t.column("asset", text, n), t.column("channel", text, n), t.column("rate_hz", number, n),
		t.column("unit", text, n), t.column("quality", number, n),
	}
	defer closeAll(cols)
	last := map[int32]int64{}
	keys := map[[2]int32]int32{}
	for row := range t.pq.NumRows() {
		for _, c := range cols {
			if err := c.fill(); err != nil {
				return noEOF(err)
			}
		}
		at := func(c *column) int { c.at++; return c.at - 1 }
		r := record{start: cols[0].times[at(cols[0])], row: row, file: int32(file)}
		r.asset, r.channel = cols[1].texts[at(cols[1])], cols[2].texts[at(cols[2])]
		r.rate, r.unit = cols[3].nums[at(cols[3])], cols[4].texts[at(cols[4])]
		r.quality = cols[5].nums[at(cols[5])]
		pair := [2]int32{r.asset, r.channel}
		k, ok := keys[pair]
		if !ok {
			k = int32(len(keys))
			keys[pair] = k
		}
		if !w.ix.admit(t, row, r.start, r.asset, last, k) {
			continue
		}
		r.lane = int32(l.add(row, r.start))
		w.records = append(w.records, r)
	}
	return nil
}

// noEOF marks the end of a column before the end of the file.
func noEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // pager returns io.EOF itself
		return io.ErrUnexpectedEOF
	}
	return err
}

func closeAll(cols []*column) {
	for _, c := range cols {
		if c != nil {
			c.close()
		}
	}
}

// block is an open record, at its next block.
type block struct {
	rec     *record
	key     key // of the block
	samples []float32
	total   int // samples of the record
	from    int // first sample of the block
	per     int // samples a block
}

func (b *block) end() int { return min(b.from+b.per, b.total) }

// offsetNs is when sample i was taken, after the first.
func (b *block) offsetNs(i int) int64 {
	if b.per >= b.total && !validSpan(b.rec.rate, b.total) {
		return 0
	}
	return int64(math.Round(float64(i) / b.rec.rate * 1e9))
}

// validSpan reports whether the rate makes a record of n samples that a clock
// can follow: a nonsensical rate is left to the validator, as one block.
func validSpan(rate float64, n int) bool {
	const year = 366 * 86400
	return rate > 0 && !math.IsInf(rate, 0) && float64(n)/rate < year
}

func (w *waves) peek() (key, error) {
	for w.next < len(w.records) && (len(w.open) == 0 || w.records[w.next].start <= w.open[0].key.time) {
		r := &w.records[w.next]
		w.next++
		samples, n, err := w.read(r)
		if err != nil {
			continue // the file was refused, and with it the rest of its rows
		}
		b := &block{rec: r, samples: samples, total: n, per: n}
		if validSpan(r.rate, n) {
			b.per = max(1, int(math.Floor(r.rate)))
		}
		w.stamp(b)
		heap.Push(&w.open, b)
	}
	if len(w.open) == 0 {
		return key{}, io.EOF
	}
	return w.open[0].key, nil
}

// stamp sets the key of the block that begins at b.from.
func (w *waves) stamp(b *block) {
	b.key = w.key(b.rec, b.rec.start+(b.offsetNs(max(0, b.end()-1))+500)/1000)
}

func (w *waves) take(keep bool) asset.Reading {
	b := w.open[0]
	var out asset.Reading
	if keep {
		r, n := b.rec, w.ix.names.list
		out = asset.Reading{Asset: asset.ID(n[r.asset]), Time: time.UnixMicro(b.key.time).UTC(), Wave: &asset.Waveform{
			Channel: n[r.channel], Start: time.UnixMicro(r.start).UTC().Add(time.Duration(b.offsetNs(b.from))), RateHz: r.rate, Unit: n[r.unit],
			Samples: b.samples[b.from:b.end():b.end()], Quality: known(r.quality, 100), First: b.from == 0, Last: b.end() == b.total,
		}}
	}
	b.from = b.end()
	if b.from >= b.total {
		heap.Pop(&w.open)
		return out
	}
	w.stamp(b)
	heap.Fix(&w.open, 0)
	return out
}

// known is v, or the stated value where the file says nothing.
func known(v, otherwise float64) float64 {
	if math.IsNaN(v) {
		return otherwise
	}
	return v
}

func (w *waves) close() {
	for _, r := range w.readers {
		r.close()
	}
	w.readers, w.records, w.open = nil, nil, nil
	w.next = 0
}

// blocks is a heap: the block that is delivered next on top.
type blocks []*block

func (h blocks) Len() int           { return len(h) }
func (h blocks) Less(i, j int) bool { return h[i].key.compare(h[j].key) < 0 }
func (h blocks) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *blocks) Push(x any)        { *h = append(*h, x.(*block)) }
func (h *blocks) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return b
}

// read returns the samples of a record.
func (w *waves) read(r *record) ([]float32, int, error) {
	l := w.lanes[r.file][r.lane]
	reader := w.readers[l]
	if reader == nil {
		reader = newWaveReader(l)
		w.readers[l] = reader
	}
	if reader.broken {
		return nil, 0, io.ErrUnexpectedEOF
	}
	var samples []float32
	err := guard(func() (err error) {
		samples, err = reader.fetch(r)
		return err
	})
	if err != nil {
		reader.close()
		reader.broken = true
		w.ix.damaged = append(w.ix.damaged, w.tables[r.file].refusal(err))
	}
	return samples, len(samples), err
}
