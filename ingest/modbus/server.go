package modbus

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"

	simulated "github.com/simonvetter/modbus"
)

// MaxUnits is how many devices one address can answer for.
const MaxUnits = 247

// Server answers for simulated devices, one to a unit ID, so that a source can be tried
// without a machine. Its registers are read with function codes 3 and 4 alike; what nobody
// set is refused, as is every write. It is safe for concurrent use.
type Server struct {
	server  *simulated.ModbusServer
	address string

	mu    sync.Mutex // guards units
	units map[byte]map[uint16]uint16
}

// Serve listens on host:port.
func Serve(address string) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("modbus server: %w", err)
	}
	if port == "0" { // the library does not tell which one it got
		l, err := net.Listen("tcp", address) //nolint:noctx // only to learn a free port
		if err != nil {
			return nil, fmt.Errorf("modbus server: %w", err)
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		_ = l.Close()
	}
	s := &Server{address: net.JoinHostPort(host, port), units: map[byte]map[uint16]uint16{}}
	s.server, err = simulated.NewServer(&simulated.ServerConfiguration{
		URL: "tcp://" + s.address, Timeout: 5 * time.Minute, MaxClients: 4 * MaxUnits,
		Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}, handler{s})
	if err == nil {
		err = s.server.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("modbus server on %s: %w", s.address, err)
	}
	return s, nil
}

// Address is where it listens.
func (s *Server) Address() string { return s.address }

// Set puts numbers into a unit's registers as float32 in the order ABCD, the first at
// register from, all at once: no answer has a part of them. NaN stands for not measured.
func (s *Server) Set(unit byte, from uint16, values []float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.units[unit]
	if u == nil {
		u = map[uint16]uint16{}
		s.units[unit] = u
	}
	for i, v := range values {
		bits := math.Float32bits(v)
		at := from + uint16(2*i)                        //nolint:gosec // wraps as addresses do
		u[at], u[at+1] = uint16(bits>>16), uint16(bits) //nolint:gosec // its halves
	}
}

// Close ends the listening and cuts every connection.
func (s *Server) Close() error {
	if err := s.server.Stop(); err != nil {
		return fmt.Errorf("modbus server on %s: %w", s.address, err)
	}
	return nil
}

// handler is what the library asks.
type handler struct{ s *Server }

func (h handler) registers(unit byte, from, n uint16) ([]uint16, error) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	u := h.s.units[unit]
	if u == nil {
		return nil, simulated.ErrGWTargetFailedToRespond
	}
	out := make([]uint16, n)
	for i := range out {
		v, ok := u[from+uint16(i)] //nolint:gosec // the library holds both to the table's end
		if !ok {
			return nil, simulated.ErrIllegalDataAddress
		}
		out[i] = v
	}
	return out, nil
}

// HandleHoldingRegisters answers function code 3 and refuses writes.
func (h handler) HandleHoldingRegisters(r *simulated.HoldingRegistersRequest) ([]uint16, error) {
	if r.IsWrite {
		return nil, simulated.ErrIllegalFunction
	}
	return h.registers(r.UnitId, r.Addr, r.Quantity)
}

// HandleInputRegisters answers function code 4.
func (h handler) HandleInputRegisters(r *simulated.InputRegistersRequest) ([]uint16, error) {
	return h.registers(r.UnitId, r.Addr, r.Quantity)
}

// HandleCoils refuses: there are none.
func (handler) HandleCoils(*simulated.CoilsRequest) ([]bool, error) {
	return nil, simulated.ErrIllegalFunction
}

// HandleDiscreteInputs refuses: there are none.
func (handler) HandleDiscreteInputs(*simulated.DiscreteInputsRequest) ([]bool, error) {
	return nil, simulated.ErrIllegalFunction
}
