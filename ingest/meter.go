package ingest

import (
	"maps"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Meter counts what a source hears and refuses, and knows since when it is silent. The
// source writes, anybody reads: it is safe for concurrent use.
type Meter struct {
	name, protocol string

	mu    sync.Mutex // guards s, clock
	s     SourceStatus
	clock Clock
}

// SourceStatus is how a source stands.
type SourceStatus struct {
	Name     string // as configured
	Protocol string
	Up       bool                   // it is connected, or its devices answer
	Since    time.Time              // of Up as it is
	Why      string                 // it is not up
	Heard    time.Time              // when something last arrived
	Messages int64                  // arrived; 0 for devices that are asked
	Bytes    int64                  // of them
	Readings int64                  // passed on to the flow
	Refused  map[asset.Reason]int64 // messages and readings, by reason
	Gaps     int64                  // spans of an asset in which nothing arrived
	Outages  int64                  // times that the connection was lost
	Queued   int                    // arrived and not taken
	Offset   asset.Number           // s: how far the senders' clocks are ahead of ours, at least
	Drift    asset.Number           // ppm, of it; missing until it is known
}

// NewMeter is of a source of this name, which is not up yet.
func NewMeter(protocol, name string) *Meter {
	return &Meter{name: name, protocol: protocol, s: SourceStatus{Name: name, Protocol: protocol, Refused: map[asset.Reason]int64{}}}
}

// Name of the source.
func (m *Meter) Name() string { return m.name }

// Up notes that the source is connected.
func (m *Meter) Up(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.s.Up {
		m.s.Up, m.s.Since, m.s.Why = true, now, ""
	}
}

// Down notes that the source lost its connection, or cannot make one.
func (m *Meter) Down(now time.Time, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.s.Up {
		m.s.Outages++
	}
	if m.s.Up || m.s.Since.IsZero() {
		m.s.Since = now
	}
	m.s.Up, m.s.Why = false, why.Error()
}

// Heard notes a message that arrived.
func (m *Meter) Heard(now time.Time, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Heard = now
	m.s.Messages++
	m.s.Bytes += int64(bytes)
}

// Passed notes a reading that is passed on to the flow.
func (m *Meter) Passed(now time.Time, r asset.Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Readings++
	if isGap(r) { // of our own making
		m.s.Gaps++
		return
	}
	m.s.Heard = now
	m.clock.Saw(now, r.Time)
}

// Refused notes what was refused.
func (m *Meter) Refused(reason asset.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Refused[reason]++
}

// Status is a copy of how the source stands; queued is the source's to say.
func (m *Meter) Status(queued int) SourceStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.s
	s.Refused, s.Queued = maps.Clone(m.s.Refused), queued
	s.Offset, s.Drift = m.clock.Offset(), m.clock.DriftPPM()
	return s
}
