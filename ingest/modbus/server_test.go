package modbus

import (
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goburrow "github.com/goburrow/modbus"
	foreign "github.com/simonvetter/modbus"

	"github.com/telltale-iot/telltale/asset"
)

func simulatedServer(t *testing.T) *Server {
	t.Helper()
	s, err := Serve("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestASimulatedDeviceIsReadByItsUnit(t *testing.T) {
	s := simulatedServer(t)
	s.Set(1, 0, []float32{1.5, float32(math.NaN()), -3})
	s.Set(2, 0, []float32{7, 8, 9})
	var devices []Device
	for i, id := range []asset.ID{"wt01", "wt02"} {
		devices = append(devices, Device{Asset: id, Address: s.Address(), Unit: byte(i + 1), Every: 20 * time.Millisecond, Timeout: time.Second, Registers: []Register{
			{Metric: "a", Unit: "1", Address: 0, Type: "float32"}, {Metric: "b", Unit: "1", Address: 2, Type: "float32"}, {Metric: "c", Unit: "1", Table: Input, Address: 4, Type: "float32"},
		}})
	}
	src := open(t, Options{Devices: devices})
	for id, want := range map[asset.ID]map[string]float64{"wt01": {"a": 1.5, "c": -3}, "wt02": {"a": 7, "b": 8, "c": 9}} {
		got := points(next(t, src, func(r asset.Reading) bool { return r.Asset == id }))
		if len(got) != len(want) || got["a"] != want["a"] || got["b"] != want["b"] || got["c"] != want["c"] {
			t.Errorf("%s reads %v, want %v", id, got, want)
		}
	}
}

func TestASimulatedDeviceRefusesWritesAndWhatIsNotThere(t *testing.T) {
	s := simulatedServer(t)
	s.Set(1, 0, []float32{1.5})
	c, err := foreign.NewClient(&foreign.ClientConfiguration{URL: "tcp://" + s.Address(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing is lost with it
	if err := c.SetUnitId(1); err != nil {
		t.Fatal(err)
	}
	if v, err := c.ReadFloat32(0, foreign.HOLDING_REGISTER); err != nil || v != 1.5 {
		t.Errorf("register 0 is %v, %v, want 1.5", v, err)
	}
	if err := c.WriteRegister(0, 1); err == nil {
		t.Error("a write was taken")
	}
	if _, err := c.ReadRegister(2, foreign.HOLDING_REGISTER); err == nil {
		t.Error("a register that nobody set was read")
	}
	if err := c.SetUnitId(9); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadRegister(0, foreign.HOLDING_REGISTER); err == nil {
		t.Error("a unit that is not there was read")
	}
}

// TestAForeignClientReadsASimulatedDevice has pymodbus, which .ci/protocols brings.
func TestAForeignClientReadsASimulatedDevice(t *testing.T) {
	python := os.Getenv("TELLTALE_PROTOCOLS_PYTHON")
	if python == "" {
		t.Skip("skipped: TELLTALE_PROTOCOLS_PYTHON names no Python with pymodbus")
	}
	s := simulatedServer(t)
	s.Set(3, 10, []float32{1.5, -2.25})
	_, port, _ := strings.Cut(s.Address(), ":")
	out, err := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "client.py"), port, "3", "10", "2").CombinedOutput() //nolint:gosec // the tester's own
	if err != nil || strings.TrimSpace(string(out)) != "[1.5, -2.25] write refused" {
		t.Errorf("pymodbus: %v: %s", err, out)
	}
}

// TestAPlanIsPiecedTogetherOnceAnOutage holds a device that is away to its plan: only
// what it refused is asked for anew.
func TestAPlanIsPiecedTogetherOnceAnOutage(t *testing.T) {
	d := newDevice(Device{Asset: "a", Address: "127.0.0.1:1", Every: 20 * time.Millisecond, Timeout: 50 * time.Millisecond, Registers: []Register{
		{Metric: "x", Unit: "1", Address: 0}, {Metric: "y", Unit: "1", Address: 5},
	}}.withDefaults(), func(error) {})
	whole := len(d.plan)
	d.reconsider(0, &goburrow.ModbusError{FunctionCode: 3, ExceptionCode: 2})
	if len(d.plan) != whole+1 || !d.pieced {
		t.Fatalf("plan %+v after a refusal, want a block for each register", d.plan)
	}
	d.lost(io.EOF)
	if len(d.plan) != whole || d.pieced {
		t.Errorf("plan %+v after the connection was lost, want the whole one", d.plan)
	}
	kept := &d.plan[0]
	d.lost(io.EOF)
	if &d.plan[0] != kept {
		t.Error("a plan that nothing was refused of was made again")
	}
}
