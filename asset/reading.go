package asset

import "time"

// Reading is one thing that a source delivered for one asset: a block of a
// waveform, the points of one instant, an event, or several of these that share
// their time. It is read-only from the moment it leaves ingest.
type Reading struct {
	Asset  ID
	Time   time.Time // event time: of the newest sample inside
	Seq    uint64    // the sender's count of what it sent of this asset, from 1; 0: it does not count
	Wave   *Waveform
	Points []Point
	Event  *Event

	Features []Features // of channels whose samples stay where they were taken
}

// Blank reports whether there is nothing in r.
func (r Reading) Blank() bool {
	return r.Wave == nil && len(r.Points) == 0 && r.Event == nil && len(r.Features) == 0
}

// Waveform is one contiguous block of samples of one channel. Sources cut long
// records into blocks of at most a second, so that nothing downstream has to
// look ahead; First and Last mark the borders of the record as it was taken.
type Waveform struct {
	Channel string
	Start   time.Time // of Samples[0]
	RateHz  float64
	Unit    string    // canonical (see Canonical), m/s² for accelerations
	Samples []float32 // in Unit; nil when it has Counts
	Counts  []int16   // of a converter, as it delivered them
	Scale   float64   // value of one count in Unit; of no meaning for Samples
	Quality float64   // 0–100
	First   bool      // Samples[0] opens a record
	Last    bool      // the last sample closes it
}

// Point is one scalar of one metric at the reading's time.
type Point struct {
	Metric  string // 1–100 characters
	Value   float64
	Unit    string  // canonical
	Quality float64 // 0–100
	Meta    string  // what the sender says beside it, as JSON text; empty: nothing
}

// Features are what was computed of a window of one channel before it was sent, in the
// place of its samples.
type Features struct {
	Channel  string
	Start    time.Time // of the window's first sample
	End      time.Time // of its newest
	RateHz   float64
	Samples  int     // of the window
	Quality  float64 // 0–100
	Values   []Feature
	Evidence *Waveform // the window itself; nil: it was not sent
}

// Feature is one value by its name in the schema of features.
type Feature struct {
	Name   string
	Unit   string
	Value  float64 // NaN when missing; then Reason says why
	Reason Reason
}

// Event is something that happened to the asset and was not measured.
type Event struct {
	Component string
	Kind      string // status, maintenance, inspection, part-replaced
	Code      string
	Text      string
}

// SpeedAt is one reading of the shaft speed.
type SpeedAt struct {
	Time time.Time `json:"t"`
	Rpm  float64   `json:"rpm"`
}

// Len is the number of samples.
func (w Waveform) Len() int { return max(len(w.Samples), len(w.Counts)) }

// Window is a stretch of one channel, or of all metrics at one instant, that
// features are computed from, with the operating point it was taken at.
type Window struct {
	Asset     ID
	Component string // of the channel; empty for telemetry
	Channel   string // empty for telemetry
	Kind      string // channel kind: acceleration, velocity, …
	Start     time.Time
	End       time.Time // of the newest sample
	RateHz    float64
	Unit      string
	Samples   []float32 // of the channel, in Unit; nil when it has Counts
	Counts    []int16   // of a converter, as it delivered them
	Scale     float64   // value of one count in Unit
	Points    []Point   // of the instant, when Channel is empty
	ClockPPM  float64   // drift of its sample clock beyond 100 ppm, above 0 when it is slow; 0: none is known
	SpeedRpm  Number    // shaft speed while it was taken, as measured
	Speeds    []SpeedAt // readings of it in and around the window, oldest first
	LoadN     Number
	Quality   float64   // 0–100, the least of its parts
	Given     *Features // what was computed of it before it was sent; then samples are evidence of it
}

// Len is the number of samples.
func (w Window) Len() int { return max(len(w.Samples), len(w.Counts)) }

// Seconds is the window's length.
func (w Window) Seconds() float64 {
	if w.RateHz <= 0 {
		return 0
	}
	return float64(w.Len()) / w.RateHz
}
