package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// EdgeOptions of an Edge; zero values mean the defaults given.
type EdgeOptions struct {
	Meter    *Meter              // that notes what passes and what does not
	Answers  bool                // a reading says that the source is up: it does not note that by itself
	Allows   func(asset.ID) bool // which assets the source may speak for; nil: any
	MaxAhead time.Duration       // a reading stamped later than this from now is refused; default 5 minutes
	MaxPast  time.Duration       // one that is older than this is; default 365 days
	Since    time.Time           // of a source that keeps nothing: up to where the flow had come when it began; what lies between is a gap
	Now      func() time.Time    // default time.Now
	Refused  func(DeadLetter)    // takes what is held back; nil: it is counted alone
}

func (o EdgeOptions) withDefaults() EdgeOptions {
	if o.Allows == nil {
		o.Allows = func(asset.ID) bool { return true }
	}
	if o.MaxAhead == 0 {
		o.MaxAhead = 5 * time.Minute
	}
	if o.MaxPast == 0 {
		o.MaxPast = 365 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Refused == nil {
		o.Refused = func(DeadLetter) {}
	}
	return o
}

// Edge is where a live source meets the flow. What can only be judged there is judged
// there, because the flow knows no clock but that of the events: whether a stamp can be
// true now, and whether the source may speak for the asset. A sender whose clock is wrong
// moves nobody's time but loses its own readings, which are kept as dead letters.
type Edge struct {
	Source
	opt   EdgeOptions
	heard map[asset.ID]bool // since the start
	held  *arrival          // comes after the gap that was told
}

// NewEdge stands before s.
func NewEdge(s Source, opt EdgeOptions) *Edge {
	return &Edge{Source: s, opt: opt.withDefaults(), heard: map[asset.ID]bool{}}
}

// Next returns the next reading that may pass.
func (e *Edge) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	if h := e.held; h != nil {
		e.held = nil
		return e.pass(h.reading, h.at)
	}
	for {
		r, p, err := e.Source.Next(ctx)
		if err != nil {
			return r, p, err
		}
		now := e.opt.Now()
		if bad := e.judge(r, now); bad != nil {
			e.opt.Meter.Refused(bad.Reason)
			e.opt.Refused(letterOf(r, e.opt.Meter.Name(), now, bad))
			continue
		}
		if e.away(r) {
			e.held = &arrival{reading: r, at: p}
			p.Offset--
			return e.pass(Gap(r.Asset, e.opt.Since, r.Time, e.opt.Meter.Name(), errAway), p)
		}
		return e.pass(r, p)
	}
}

func (e *Edge) pass(r asset.Reading, p asset.Position) (asset.Reading, asset.Position, error) {
	now := e.opt.Now()
	if e.opt.Answers && !isGap(r) {
		e.opt.Meter.Up(now)
	}
	e.opt.Meter.Passed(now, r)
	return r, p, nil
}

// errAway is why there are no readings of the time before a start.
var errAway = errors.New("the service did not run, and its source keeps nothing")

// away reports whether r is the first of its asset after a stop that cost readings.
func (e *Edge) away(r asset.Reading) bool {
	if e.opt.Since.IsZero() || e.heard[r.Asset] {
		return false
	}
	e.heard[r.Asset] = true
	return r.Time.Sub(e.opt.Since) > shortStop
}

// shortStop is a stop that is not told: it is within what a source takes to speak.
const shortStop = 5 * time.Second

func (e *Edge) judge(r asset.Reading, now time.Time) *asset.Invalid {
	if !e.opt.Allows(r.Asset) {
		return refuse(NotAllowed, string(r.Asset), "%s may not speak for this asset: allow it under the source's assets", e.opt.Meter.Name())
	}
	if ahead := r.Time.Sub(now); ahead > e.opt.MaxAhead {
		return refuse(BadTime, string(r.Asset), "time is %s, %s ahead of now, at most %s is allowed: check the clock of the sender", r.Time.UTC().Format(time.RFC3339), ahead.Round(time.Second), e.opt.MaxAhead)
	}
	if past := now.Sub(r.Time); past > e.opt.MaxPast {
		return refuse(BadTime, string(r.Asset), "time is %s, more than %s ago: check the clock of the sender", r.Time.UTC().Format(time.RFC3339), e.opt.MaxPast)
	}
	return nil
}

// letterOf is a reading as a dead letter, in the form in which it can be sent again.
func letterOf(r asset.Reading, source string, now time.Time, bad *asset.Invalid) DeadLetter {
	m := Message{Headers: map[string]string{"asset": string(r.Asset)}}
	switch {
	case len(r.Features) > 0:
		m.Payload = AppendTelemetry(nil, r)
		return m.Letter(source, now, bad)
	case r.Wave != nil:
		m.Headers["channel"] = r.Wave.Channel
		m.Payload = EncodeWave(nil, *r.Wave, 0)
		return m.Letter(source, now, bad)
	}
	if b, err := EncodeTelemetry(r); err == nil { // always so: it holds numbers and strings
		m.Payload = b
	}
	return m.Letter(source, now, bad)
}
