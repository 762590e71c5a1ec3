package features

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// chunkRows is the size of an immutable chunk of the learning log.
const chunkRows = 128

// maxRows bounds the learning log: a longer span is thinned to every second row,
// as often as it takes.
const maxRows = 16384

// row is what one instant of the commissioning span brought.
type row struct {
	ns  int64
	idx []uint64 // fields
	val []float64
}

// diary is the log of the commissioning span. Only its last chunk changes.
type diary struct {
	rows   []row
	stride int // every so many instants are kept; 0 counts as 1
	skip   int // instants until the next one is
	clean  int // chunks that are saved as they are
	kept   int // chunks that the store holds
}

// add appends a row or skips it.
func (d *diary) add(r row) {
	if d.skip > 0 {
		d.skip--
		return
	}
	d.stride = max(d.stride, 1)
	d.skip = d.stride - 1
	d.clean = min(d.clean, len(d.rows)/chunkRows)
	d.rows = append(d.rows, r)
	if len(d.rows) < maxRows {
		return
	}
	for i := range len(d.rows) / 2 {
		d.rows[i] = d.rows[2*i]
	}
	d.rows = d.rows[:len(d.rows)/2]
	d.skip = d.stride - 1 // the last row went, so the next one kept is one old stride on
	d.stride *= 2
	d.clean = 0
}

// chunkName names a part.
func chunkName(i int) string { return fmt.Sprintf("learn/%04d", i) }

// save puts the chunks that changed into parts, and empty ones where the store
// holds chunks that are gone.
func (d *diary) save(parts map[string][]byte) {
	n := (len(d.rows) + chunkRows - 1) / chunkRows
	for i := d.clean; i < n; i++ {
		var c codec
		chunk := d.rows[i*chunkRows : min((i+1)*chunkRows, len(d.rows))]
		walkRows(&c, &chunk)
		parts[chunkName(i)] = c.buf
	}
	for i := n; i < d.kept; i++ {
		parts[chunkName(i)] = []byte{}
	}
	d.clean, d.kept = n, n
}

// load reads the chunks back.
func (d *diary) load(parts map[string][]byte) error {
	d.rows = nil
	for i := 0; len(parts[chunkName(i)]) > 0; i++ {
		c := codec{buf: parts[chunkName(i)], reading: true}
		var chunk []row
		walkRows(&c, &chunk)
		if c.err != nil {
			return fmt.Errorf("part %s: %w", chunkName(i), c.err)
		}
		d.rows = append(d.rows, chunk...)
		d.clean, d.kept = i+1, i+1
	}
	return nil
}

func walkRows(c *codec, rows *[]row) {
	n := c.length(len(*rows), 24)
	if c.reading {
		*rows = make([]row, n)
	}
	for i := range *rows {
		r := &(*rows)[i]
		c.i64(&r.ns)
		k := c.length(len(r.idx), 8)
		if c.reading {
			r.idx = make([]uint64, k)
		}
		for j := range r.idx {
			c.u64(&r.idx[j])
		}
		c.floats(&r.val)
	}
}

// replay is the commissioning span as the detectors would have seen it.
type replay struct {
	rows    []row
	fields  []tracked
	normals []*normal // fitted; stepped afresh in each pass
	power   *production
	op      operating // likewise
}

// columns are the fields' values in order, NaN where a row brings none.
func (r *replay) columns() [][]float64 {
	out := make([][]float64, len(r.fields))
	for i := range out {
		out[i] = slices.Repeat([]float64{math.NaN()}, len(r.rows))
	}
	for k, row := range r.rows {
		for j, f := range row.idx {
			if int(f) < len(out) {
				out[f][k] = row.val[j]
			}
		}
	}
	return out
}

// raw yields the rows as instants without residuals. The instant is reused.
func (r *replay) raw() iter.Seq[*instant] {
	return func(yield func(*instant) bool) {
		in := newInstant(r.fields)
		r.op.held = nil
		for _, row := range r.rows {
			in.reset(row.ns, r.fields)
			in.replayed = true
			for j, f := range row.idx {
				if int(f) < len(in.now) {
					in.set(int(f), row.val[j], "")
				}
			}
			in.op = r.op.step(in)
			in.score()
			if !yield(in) {
				return
			}
		}
	}
}

// instants yields the rows with residuals. The instant is reused.
func (r *replay) instants() iter.Seq[*instant] {
	return func(yield func(*instant) bool) {
		for _, n := range r.normals {
			n.state = normalState{}
		}
		for in := range r.raw() {
			for _, n := range r.normals {
				n.derive(in)
			}
			if r.power != nil {
				r.power.derive(in)
			}
			if !yield(in) {
				return
			}
		}
	}
}

func newInstant(fields []tracked) *instant {
	in := &instant{}
	in.reset(0, fields)
	return in
}

// reset empties the instant.
func (in *instant) reset(ns int64, fields []tracked) {
	in.replayed = false
	in.ns, in.time, in.fields = ns, time.Unix(0, ns).UTC(), fields
	in.now, in.z, in.raw, in.why = in.now[:0], in.z[:0], in.raw[:0], in.why[:0]
	for range fields {
		in.now = append(in.now, math.NaN())
		in.z = append(in.z, math.NaN())
		in.raw = append(in.raw, math.NaN())
		in.why = append(in.why, "")
	}
}

// set puts a value, or the reason why there is none.
func (in *instant) set(i int, v float64, why asset.Reason) {
	in.now[i], in.raw[i], in.why[i] = v, v, why
	if in.fields[i].derived {
		in.z[i] = v
	}
}

// faulty are the channels that a sensor check has hidden.
func (in *instant) faulty() (channels []string) {
	for i, f := range in.fields {
		if in.why[i] == "sensor" && !slices.Contains(channels, f.Channel) {
			channels = append(channels, f.Channel)
		}
	}
	return channels
}

// put is set for what is derived: z comes with it.
func (in *instant) put(i int, v float64, why asset.Reason) {
	if !math.IsNaN(v) {
		why = ""
	}
	if in.set(i, v, why); !in.fields[i].derived {
		in.z[i] = in.fields[i].base.z(v, in.op)
	}
}

// score fills z of what the instant brings.
func (in *instant) score() {
	for i, v := range in.now {
		if !math.IsNaN(v) && !in.fields[i].derived {
			in.z[i] = in.fields[i].base.z(v, in.op)
		}
	}
}
