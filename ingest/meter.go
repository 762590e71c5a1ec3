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
	Name     string                 `json:"name"` // as configured
	Protocol string                 `json:"protocol"`
	Up       bool                   `json:"up"`                // connected, as far as one can tell
	Since    time.Time              `json:"since,omitzero"`    // of Up as it is
	Why      string                 `json:"why,omitempty"`     // it is not up
	Heard    time.Time              `json:"heard,omitzero"`    // when something last arrived
	Messages int64                  `json:"messages"`          // arrived
	Bytes    int64                  `json:"bytes"`             // of them
	Refused  map[asset.Reason]int64 `json:"refused,omitempty"` // messages, by reason
	Gaps     int64                  `json:"gaps"`              // spans of an asset in which nothing arrived
	Outages  int64                  `json:"outages"`           // times that the connection was lost
	Queued   int                    `json:"queued"`            // arrived and not taken
	Offset   asset.Number           `json:"clock_offset_s"`    // how far the senders' clocks are ahead of ours, at least
	Drift    asset.Number           `json:"clock_drift_ppm"`   // of it; null until it is known
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

// Heard notes a message; stamp is the sender's time of its newest part, zero when it
// has none that the clock may be told by.
func (m *Meter) Heard(now, stamp time.Time, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Heard = now
	m.s.Messages++
	m.s.Bytes += int64(bytes)
	if !stamp.IsZero() {
		m.clock.Saw(now, stamp)
	}
}

// Refused notes a dead letter.
func (m *Meter) Refused(reason asset.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Refused[reason]++
}

// Gap notes a span without readings.
func (m *Meter) Gap() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Gaps++
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
