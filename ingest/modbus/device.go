package modbus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/goburrow/modbus"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// device is one device while it is polled, by one goroutine.
type device struct {
	Device
	handler *modbus.TCPClientHandler
	client  modbus.Client
	plan    []block
	pieced  bool      // the plan is not the first one: the device refused a part of it
	sent    []float64 // last value passed on of each register, NaN for none
	sentAt  []time.Time
	good    time.Time // of the last poll that was answered; zero before the first
	since   time.Time // when it was first asked
	why     error     // that stands between good and now
	tell    func(error)
}

func newDevice(d Device, tell func(error)) *device {
	h := modbus.NewTCPClientHandler(d.Address)
	h.Timeout, h.SlaveId, h.IdleTimeout = d.Timeout, d.Unit, 0
	x := &device{
		Device: d, handler: h, client: modbus.NewClient(h), plan: d.blocks(int(d.Spread)),
		sent: make([]float64, len(d.Registers)), sentAt: make([]time.Time, len(d.Registers)), tell: tell,
	}
	for i := range x.sent {
		x.sent[i] = math.NaN()
	}
	return x
}

// run polls at whole multiples of Every until ctx ends.
func (d *device) run(ctx context.Context, deliver func(asset.Reading) bool) {
	defer d.handler.Close() //nolint:errcheck // nothing is lost with it
	wait := ingest.Backoff{First: 200 * time.Millisecond, Last: 3 * time.Second}
	d.since = time.Now()
	for ingest.Sleep(ctx, time.Until(time.Now().Truncate(d.Every).Add(d.Every))) {
		readings, err := d.poll(time.Now())
		for ; err != nil; readings, err = d.poll(time.Now()) {
			d.lost(err)
			if !wait.Wait(ctx) {
				return
			}
		}
		wait.Reset()
		for _, r := range readings {
			if !deliver(r) {
				return
			}
		}
	}
}

// lost closes the connection, which the library would keep dead, and has everything that
// was refused over it asked for again over the next one.
func (d *device) lost(err error) {
	if d.why == nil {
		d.tell(fmt.Errorf("modbus %s: %w", d.Address, err))
	}
	d.why = err
	_ = d.handler.Close()
	if d.pieced {
		d.plan, d.pieced = d.blocks(int(d.Spread)), false
	}
}

// poll reads everything once: the reading, and before it the gap that ends with it.
func (d *device) poll(now time.Time) ([]asset.Reading, error) {
	r := asset.Reading{Asset: d.Asset, Time: now.UTC().Round(time.Millisecond)}
	for k := 0; k < len(d.plan); k++ {
		b := d.plan[k]
		answer, err := d.read(b)
		if refusal, ok := errors.AsType[*modbus.ModbusError](err); ok {
			if slices.Contains(busy, refusal.ExceptionCode) {
				return nil, err
			}
			d.reconsider(k, refusal)
			k--
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, i := range b.registers {
			d.add(&r, i, d.Registers[i].value(b, answer), now)
		}
	}
	if len(d.plan) == 0 {
		return nil, errors.New("none of the registers is there")
	}
	var out []asset.Reading
	if from := d.good; d.why != nil || !from.IsZero() && now.Sub(from) > 2*d.Every {
		if from.IsZero() {
			from = d.since
		}
		out = append(out, ingest.Gap(d.Asset, from, r.Time, "modbus "+d.Address, d.why))
	}
	d.good, d.why = now, nil
	if len(r.Points) > 0 {
		out = append(out, r)
	}
	return out, nil
}

// busy are the exceptions that pass: acknowledge, busy, and the two of a gateway.
var busy = []byte{5, 6, 10, 11}

// reconsider replaces the block k that was refused. Not every device lets itself be
// asked for registers that lie between those it has, so a block is asked for piece by
// piece, and what is refused alone is left out until the next connection.
func (d *device) reconsider(k int, refusal *modbus.ModbusError) {
	b := d.plan[k]
	var pieces []block
	if len(b.registers) > 1 {
		for _, i := range b.registers {
			r := d.Registers[i]
			pieces = append(pieces, block{r.Table, int(r.Address), r.size(), []int{i}})
		}
	} else {
		r := d.Registers[b.registers[0]]
		d.tell(fmt.Errorf("modbus %s: %s: the device refuses %s %d: %w: check the address and the table", d.Address, r.Metric, r.Table, r.Address, refusal))
	}
	d.plan, d.pieced = slices.Concat(d.plan[:k], pieces, d.plan[k+1:]), true
}

// read asks for a block and holds the answer to its length.
func (d *device) read(b block) (answer []byte, err error) {
	from, n := uint16(b.from), uint16(b.n) //nolint:gosec // bounded by Validate and blocks
	want := 2 * b.n
	switch b.table {
	case Coil:
		answer, err = d.client.ReadCoils(from, n)
	case Discrete:
		answer, err = d.client.ReadDiscreteInputs(from, n)
	case Input:
		answer, err = d.client.ReadInputRegisters(from, n)
	default:
		answer, err = d.client.ReadHoldingRegisters(from, n)
	}
	if b.table.bits() {
		want = (b.n + 7) / 8
	}
	if err == nil && len(answer) != want {
		err = fmt.Errorf("answer of %d bytes to a request for %d", len(answer), want)
	}
	return answer, err
}

// add passes a value on unless it is missing or inside its deadband.
func (d *device) add(r *asset.Reading, i int, v float64, now time.Time) {
	if math.IsNaN(v) {
		return
	}
	x := d.Registers[i]
	if x.Deadband > 0 && math.Abs(v-d.sent[i]) <= x.Deadband && now.Sub(d.sentAt[i]) < d.Refresh {
		return
	}
	d.sent[i], d.sentAt[i] = v, now
	r.Points = append(r.Points, asset.Point{Metric: x.Metric, Value: v, Unit: x.Unit, Quality: 100})
}
