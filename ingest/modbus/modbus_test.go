package modbus

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	server "github.com/simonvetter/modbus"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// machine is a device with registers at 100 to 119 of holding, 7 to 8 of input, and a
// coil 3; a request that touches anything else is refused.
type machine struct {
	mu      sync.Mutex
	holding map[uint16]uint16
	input   map[uint16]uint16
	writes  int
	asked   int
}

func (m *machine) registers(of map[uint16]uint16, addr, n uint16) ([]uint16, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	out := make([]uint16, n)
	for i := range n {
		v, ok := of[addr+i]
		if !ok {
			return nil, server.ErrIllegalDataAddress
		}
		out[i] = v
	}
	return out, nil
}

func (m *machine) HandleHoldingRegisters(r *server.HoldingRegistersRequest) ([]uint16, error) {
	if r.IsWrite {
		m.writes++
		return nil, server.ErrIllegalFunction
	}
	return m.registers(m.holding, r.Addr, r.Quantity)
}

func (m *machine) HandleInputRegisters(r *server.InputRegistersRequest) ([]uint16, error) {
	return m.registers(m.input, r.Addr, r.Quantity)
}

func (m *machine) HandleCoils(r *server.CoilsRequest) ([]bool, error) {
	if r.Addr != 3 || r.Quantity != 1 || r.IsWrite {
		return nil, server.ErrIllegalDataAddress
	}
	return []bool{true}, nil
}

func (*machine) HandleDiscreteInputs(*server.DiscreteInputsRequest) ([]bool, error) {
	return nil, server.ErrIllegalFunction
}

// serve starts a server that is not ours; stop ends it and cuts its connections.
func serve(t *testing.T, address string, m *machine) (stop func()) {
	t.Helper()
	s, err := server.NewServer(&server.ServerConfiguration{URL: "tcp://" + address, Timeout: time.Minute, Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { _ = s.Stop() })
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only to learn a port
	return l.Addr().String()
}

func open(t *testing.T, opt Options) *Source {
	t.Helper()
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// next waits for a reading that holds.
func next(t *testing.T, s *Source, holds func(asset.Reading) bool) asset.Reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	for {
		r, _, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if holds(r) {
			return r
		}
	}
}

func points(r asset.Reading) map[string]float64 {
	out := map[string]float64{}
	for _, p := range r.Points {
		out[p.Metric] = p.Value
	}
	return out
}

func TestEveryTypeAndOrderIsRead(t *testing.T) {
	pi := math.Float32bits(math.Pi)
	e := math.Float64bits(-math.E)
	m := &machine{
		holding: map[uint16]uint16{
			100: 0xFF38, 101: 65000, // int16 −200, uint16
			102: uint16(pi >> 16), 103: uint16(pi), 104: uint16(pi), 105: uint16(pi >> 16), // ABCD, CDAB
			106: swap(uint16(pi >> 16)), 107: swap(uint16(pi)), // BADC
			108: swap(uint16(pi)), 109: swap(uint16(pi >> 16)), // DCBA
			110: uint16(e >> 48), 111: uint16(e >> 32), 112: uint16(e >> 16), 113: uint16(e),
			114: 0xFFFF, 115: 0xFFFE, // int32 −2
			116: 0x8000, // int16: not measured
		},
		input: map[uint16]uint16{7: 0x0001, 8: 0x0002},
	}
	missing := int64(-32768)
	address := freeAddress(t)
	defer serve(t, address, m)()
	s := open(t, Options{Devices: []Device{{Asset: "wt01", Address: address, Unit: 1, Every: 20 * time.Millisecond, Timeout: time.Second, Registers: []Register{
		{Metric: "oil", Unit: "°C", Address: 100, Type: "int16", Scale: 0.1, Offset: 5},
		{Metric: "power", Unit: "kW", Address: 101},
		{Metric: "abcd", Unit: "1", Address: 102, Type: "float32"},
		{Metric: "cdab", Unit: "1", Address: 104, Type: "float32", Order: CDAB},
		{Metric: "badc", Unit: "1", Address: 106, Type: "float32", Order: BADC},
		{Metric: "dcba", Unit: "1", Address: 108, Type: "float32", Order: DCBA},
		{Metric: "double", Unit: "1", Address: 110, Type: "float64"},
		{Metric: "int32", Unit: "1", Address: 114, Type: "int32"},
		{Metric: "absent", Unit: "°C", Address: 116, Type: "int16", Missing: &missing},
		{Metric: "count", Unit: "1", Table: Input, Address: 7, Type: "uint32"},
		{Metric: "running", Unit: "1", Table: Coil, Address: 3},
	}}}})
	got := points(next(t, s, func(r asset.Reading) bool { return len(r.Points) > 0 }))
	for metric, want := range map[string]float64{
		"oil": -15, "power": 65000, "abcd": float64(float32(math.Pi)), "cdab": float64(float32(math.Pi)), "badc": float64(float32(math.Pi)),
		"dcba": float64(float32(math.Pi)), "double": -math.E, "int32": -2, "count": 65538, "running": 1,
	} {
		if v, ok := got[metric]; !ok || math.Abs(v-want) > 1e-12 {
			t.Errorf("%s = %v, want %v", metric, v, want)
		}
	}
	if v, ok := got["absent"]; ok {
		t.Errorf("a value that was not measured is %v", v)
	}
	if m.writes != 0 {
		t.Errorf("%d writes to a device", m.writes)
	}
}

func swap(w uint16) uint16 { return w<<8 | w>>8 }

func TestNeighboursAreReadAtOnceAndHolesLeftOut(t *testing.T) {
	m := &machine{holding: map[uint16]uint16{100: 1, 105: 2, 110: 3}} // the holes are refused
	address := freeAddress(t)
	defer serve(t, address, m)()
	var mu sync.Mutex
	var told []string
	s := open(t, Options{
		Devices: []Device{{Asset: "a", Address: address, Every: 20 * time.Millisecond, Timeout: time.Second, Registers: []Register{
			{Metric: "x", Unit: "1", Address: 100}, {Metric: "y", Unit: "1", Address: 105}, {Metric: "gone", Unit: "1", Address: 107},
		}}},
		Lost: func(err error) { mu.Lock(); told = append(told, err.Error()); mu.Unlock() },
	})
	for range 3 {
		if got := points(next(t, s, func(r asset.Reading) bool { return len(r.Points) > 0 })); got["x"] != 1 || got["y"] != 2 || len(got) != 2 {
			t.Errorf("read %v, want x and y", got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 1 || !strings.Contains(told[0], "gone: the device refuses holding 107") {
		t.Errorf("told %q, want the register that is not there, once", told)
	}
}

func TestBlocksStayWithinARequest(t *testing.T) {
	d := Device{Asset: "a", Address: "h:1"}
	for a := range 300 {
		d.Registers = append(d.Registers, Register{Metric: "m", Unit: "1", Address: uint16(a), Type: "float32"}) // overlapping
	}
	d.Registers = append(d.Registers, Register{Metric: "far", Unit: "1", Address: 65535}, Register{Metric: "bit", Unit: "1", Table: Discrete, Address: 0})
	d = d.withDefaults()
	seen := 0
	for _, b := range d.blocks(8) {
		if b.n < 1 || b.n > b.table.most() || b.from+b.n > 1<<16 {
			t.Errorf("block %+v", b)
		}
		for _, i := range b.registers {
			r := d.Registers[i]
			if int(r.Address) < b.from || int(r.Address)+r.size() > b.from+b.n || r.Table != b.table {
				t.Errorf("register %+v lies outside of block %+v", r, b)
			}
			seen++
		}
	}
	if seen != len(d.Registers) {
		t.Errorf("%d of %d registers are read", seen, len(d.Registers))
	}
}

func TestAServerThatComesBackIsReadAgainWithTheGapRecorded(t *testing.T) {
	m := &machine{holding: map[uint16]uint16{100: 7}}
	address := freeAddress(t)
	stop := serve(t, address, m)
	s := open(t, Options{Devices: []Device{{Asset: "a", Address: address, Every: 20 * time.Millisecond, Timeout: 200 * time.Millisecond, Registers: []Register{{Metric: "x", Unit: "1", Address: 100}}}}})
	data := func(r asset.Reading) bool { return len(r.Points) > 0 }
	before := next(t, s, data).Time
	for range 3 {
		stop()
		time.Sleep(400 * time.Millisecond)
		stop = serve(t, address, m)
		gap := next(t, s, func(r asset.Reading) bool { return r.Event != nil })
		if gap.Event.Kind != ingest.GapEvent || gap.Asset != "a" || !strings.Contains(gap.Event.Text, "nothing from") || !gap.Time.After(before.Add(300*time.Millisecond)) {
			t.Errorf("gap %+v %+v, last reading %s", gap, gap.Event, before)
		}
		if after := next(t, s, data); after.Time.Before(gap.Time) {
			t.Errorf("a reading of %s behind a gap that ends at %s", after.Time, gap.Time)
		} else {
			before = after.Time
		}
	}
	stop()
}

// TestAHalfOpenConnectionIsLeft has a peer that accepts and says nothing, as one does
// whose machine went away without a word.
func TestAHalfOpenConnectionIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	accepted := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	told := make(chan error, 100)
	s := open(t, Options{
		Devices: []Device{{Asset: "a", Address: address, Every: 20 * time.Millisecond, Timeout: 100 * time.Millisecond, Registers: []Register{{Metric: "x", Unit: "1", Address: 100}}}},
		Lost:    func(err error) { told <- err },
	})
	var timeout net.Error
	if err := <-told; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("told %v, want a timeout", err)
	}
	<-accepted
	<-accepted // a new connection, not the dead one
	_ = l.Close()
	for c := range accepted {
		_ = c.Close()
	}
	defer serve(t, address, &machine{holding: map[uint16]uint16{100: 7}})()
	if gap := next(t, s, func(asset.Reading) bool { return true }); gap.Event == nil {
		t.Errorf("first came %+v, want the gap", gap)
	}
	next(t, s, func(r asset.Reading) bool { return len(r.Points) > 0 })
}

func TestADeadbandHoldsBackForAWhile(t *testing.T) {
	d := newDevice(Device{Asset: "a", Address: "h:1", Registers: []Register{{Metric: "x", Unit: "1", Deadband: 2}}}.withDefaults(), nil)
	now := time.Unix(1e9, 0)
	var passed []float64
	for i, v := range []float64{10, 11, 12, 12.5, 13, 10, math.NaN(), 10} {
		var r asset.Reading
		d.add(&r, 0, v, now.Add(time.Duration(i)*10*time.Second))
		for _, p := range r.Points {
			passed = append(passed, p.Value)
		}
	}
	if want := []float64{10, 12.5, 10}; len(passed) != 3 || passed[0] != want[0] || passed[1] != want[1] || passed[2] != want[2] {
		t.Errorf("passed %v, want %v", passed, want)
	}
	var r asset.Reading
	d.add(&r, 0, 10, now.Add(50*time.Second+d.Refresh))
	if len(r.Points) != 1 {
		t.Error("a value that stays is never told again")
	}
}

func TestBadPlansSayWhatIsWrong(t *testing.T) {
	good := Register{Metric: "x", Unit: "°C", Address: 1}
	for want, d := range map[string]Device{
		"address:":           {Asset: "a", Address: "10.0.0.7", Registers: []Register{good}},
		"asset:":             {Address: "h:1", Registers: []Register{good}},
		"registers: an":      {Asset: "a", Address: "h:1"},
		"registers[0].unit":  {Asset: "a", Address: "h:1", Registers: []Register{{Metric: "x", Unit: "smoot"}}},
		"registers[0].type":  {Asset: "a", Address: "h:1", Registers: []Register{{Metric: "x", Unit: "1", Type: "int24"}}},
		"registers[0].table": {Asset: "a", Address: "h:1", Registers: []Register{{Metric: "x", Unit: "1", Table: "write"}}},
		"registers[0].order": {Asset: "a", Address: "h:1", Registers: []Register{{Metric: "x", Unit: "1", Order: "DABC"}}},
		"is at most 65535":   {Asset: "a", Address: "h:1", Registers: []Register{{Metric: "x", Unit: "1", Address: 65535, Type: "int32"}}},
		"every:":             {Asset: "a", Address: "h:1", Every: time.Millisecond, Registers: []Register{good}},
	} {
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about %q", d, err, want)
		}
	}
	if err := (Device{Asset: "a", Address: "h:1", Registers: []Register{good}}).Validate(); err != nil {
		t.Error(err)
	}
}
