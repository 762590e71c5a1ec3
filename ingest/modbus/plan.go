// Package modbus polls devices over Modbus TCP. It reads and never writes: of the
// protocol's function codes only 1 to 4 are used.
package modbus

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Table is one of the four that a device has.
type Table string

// The tables, by the function code that reads them: 3, 4, 1 and 2.
const (
	Holding  Table = "holding"
	Input    Table = "input"
	Coil     Table = "coil"
	Discrete Table = "discrete"
)

// bits reports whether the table holds single bits.
func (t Table) bits() bool { return t == Coil || t == Discrete }

// most is how much of the table one request may ask for (Modbus Application
// Protocol V1.1b3, 6.1 to 6.4).
func (t Table) most() int {
	if t.bits() {
		return 2000
	}
	return 125
}

// Type is how a number lies in registers.
type Type string

// words is how many registers each type takes.
var words = map[Type]int{"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2, "int64": 4, "uint64": 4, "float64": 4}

// Order of the bytes of a number over its registers, A the most significant. Longer and
// shorter numbers follow the same rule: words first to last or last to first, bytes in
// them as the protocol has them or swapped.
type Order string

// The orders.
const (
	ABCD Order = "ABCD"
	CDAB Order = "CDAB"
	BADC Order = "BADC"
	DCBA Order = "DCBA"
)

// Register is one metric of a device. Its value is Scale × raw + Offset.
type Register struct {
	Metric   string  `yaml:"metric"`
	Unit     string  `yaml:"unit"`
	Table    Table   `yaml:"table,omitempty"`    // default holding
	Address  uint16  `yaml:"address"`            // from 0, as on the wire: 40001 of a manual is holding 0
	Type     Type    `yaml:"type,omitempty"`     // default uint16; of a bit nothing
	Order    Order   `yaml:"order,omitempty"`    // default ABCD
	Scale    float64 `yaml:"scale,omitempty"`    // default 1
	Offset   float64 `yaml:"offset,omitempty"`   // in Unit
	Deadband float64 `yaml:"deadband,omitempty"` // a change of at most this, in Unit, is not passed on
	Missing  *int64  `yaml:"missing,omitempty"`  // raw integer that means "not measured", such as -32768
}

// Device is a device with what is read of it.
type Device struct {
	Asset     asset.ID      `yaml:"asset"`
	Address   string        `yaml:"address"`           // host:port
	Unit      byte          `yaml:"unit_id,omitempty"` // of a device behind a gateway
	Every     time.Duration `yaml:"every,omitempty"`   // default 1s
	Timeout   time.Duration `yaml:"timeout,omitempty"` // of a request; default Every, at most 2s
	Refresh   time.Duration `yaml:"refresh,omitempty"` // a value inside its deadband is passed on after this; default 1m
	Spread    uint16        `yaml:"spread,omitempty"`  // registers of no interest that a request may read over; default 8
	Registers []Register    `yaml:"registers"`
}

func (d Device) withDefaults() Device {
	d.Every = cmp.Or(d.Every, time.Second)
	d.Timeout = cmp.Or(d.Timeout, min(d.Every, 2*time.Second))
	d.Refresh = cmp.Or(d.Refresh, time.Minute)
	d.Spread = cmp.Or(d.Spread, 8)
	d.Registers = slices.Clone(d.Registers)
	for i := range d.Registers {
		r := &d.Registers[i]
		r.Table, r.Order, r.Scale = cmp.Or(r.Table, Holding), cmp.Or(r.Order, ABCD), cmp.Or(r.Scale, 1)
		if !r.Table.bits() {
			r.Type = cmp.Or(r.Type, "uint16")
		}
	}
	return d
}

// Validate lists everything that is wrong, each with its place in the device.
func (d Device) Validate() error {
	d = d.withDefaults()
	var bad ingest.Checks
	check := bad.That
	host, port, err := net.SplitHostPort(d.Address)
	check(err == nil && host != "" && port != "", "address", fmt.Sprintf("%q", d.Address), "want host:port, such as 10.0.0.7:502")
	check(d.Asset != "", "asset", `""`, "want the ID of an asset")
	check(d.Every >= 10*time.Millisecond, "every", d.Every, "want at least 10ms")
	check(d.Timeout > 0 && d.Refresh > 0, "timeout and refresh", fmt.Sprint(d.Timeout, ", ", d.Refresh), "want more than 0")
	check(len(d.Registers) > 0, "registers", "an empty list", "want at least one")
	for i, r := range d.Registers {
		at := fmt.Sprintf("registers[%d].", i)
		_, _, known := asset.Convert(0, r.Unit)
		check(r.Metric != "", at+"metric", `""`, "want a name")
		check(known, at+"unit", fmt.Sprintf("%q", r.Unit), "want one of "+asset.Units())
		check(slices.Contains([]Table{Holding, Input, Coil, Discrete}, r.Table), at+"table", r.Table, "want holding, input, coil or discrete")
		check(r.Table.bits() == (r.Type == "") && (r.Type == "" || words[r.Type] > 0), at+"type", r.Type,
			"want int16, uint16, int32, uint32, float32, int64, uint64 or float64, and none for bits")
		check(slices.Contains([]Order{ABCD, CDAB, BADC, DCBA}, r.Order), at+"order", r.Order, "want ABCD, CDAB, BADC or DCBA")
		check(int(r.Address)+r.size() <= 1<<16, at+"address", r.Address, "want one whose last register is at most 65535")
		check(r.Deadband >= 0 && !math.IsInf(r.Scale, 0) && !math.IsNaN(r.Scale), at+"scale and deadband", fmt.Sprint(r.Scale, ", ", r.Deadband), "want finite numbers, deadband 0 or more")
	}
	return bad.Err()
}

// size is how many registers or bits it takes.
func (r Register) size() int {
	if r.Table.bits() {
		return 1
	}
	return words[r.Type]
}

// block is one request and the registers that its answer holds.
type block struct {
	table     Table
	from, n   int
	registers []int // indices into the device's
}

// blocks joins registers of a table that lie at most spread apart, as far as one
// request reaches.
func (d Device) blocks(spread int) []block {
	order := make([]int, len(d.Registers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := d.Registers[a], d.Registers[b]
		return cmp.Or(cmp.Compare(x.Table, y.Table), cmp.Compare(x.Address, y.Address))
	})
	var out []block
	for _, i := range order {
		r := d.Registers[i]
		from, end := int(r.Address), int(r.Address)+r.size()
		if n := len(out); n > 0 {
			b := &out[n-1]
			if b.table == r.Table && from <= b.from+b.n+spread && max(end, b.from+b.n)-b.from <= r.Table.most() {
				b.n = max(end, b.from+b.n) - b.from
				b.registers = append(b.registers, i)
				continue
			}
		}
		out = append(out, block{r.Table, from, end - from, []int{i}})
	}
	return out
}
