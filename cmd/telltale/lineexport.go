package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// lineExport writes features and risks of a store as InfluxDB line protocol.
type lineExport struct {
	db   store.Spans
	to   lineSink
	enc  lineprotocol.Encoder
	seen map[string]time.Time // newest time by series; nil: nothing comes twice
	high time.Time            // of all
	n    int                  // lines in the batch under way
}

// lineSink takes batches of whole lines. The bytes are the caller's.
type lineSink interface {
	Send(ctx context.Context, lines []byte) error
}

// Of a batch, as InfluxDB recommends.
const (
	lineBatch      = 5000
	lineBatchBytes = 1 << 20
)

// span exports what lies within [from, to].
func (x *lineExport) span(ctx context.Context, from, to time.Time) error {
	err := x.db.FramesWithin(ctx, from, to, func(f pipeline.Frame) error {
		for _, v := range f.Vectors {
			if x.fresh(fmt.Sprintf("f\x00%s\x00%s\x00%g", f.Asset, v.Channel, v.WindowS), f.Time) {
				x.feature(f, v)
			}
		}
		return x.full(ctx)
	})
	if err != nil {
		return fmt.Errorf("features: %w", err)
	}
	err = x.db.RisksWithin(ctx, from, to, func(r asset.Risk) error {
		if x.fresh("r\x00"+string(r.Asset)+"\x00"+r.Component, r.Time) {
			x.risk(r)
		}
		return x.full(ctx)
	})
	if err != nil {
		return fmt.Errorf("risks: %w", err)
	}
	return x.flush(ctx)
}

// follow exports what is within [from, now on], and what comes after it, until ctx ends. An
// asset's rows are committed in their order, assets not: each look goes back by late.
func (x *lineExport) follow(ctx context.Context, from time.Time, late, every time.Duration) error {
	x.seen = map[string]time.Time{}
	for {
		if err := x.span(ctx, from, endOfLines()); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // it was told to end
			}
			return err
		}
		if back := x.high.Add(-late); back.After(from) {
			from = back
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// endOfLines is later than every row.
func endOfLines() time.Time { return time.Unix(0, math.MaxInt64) }

// fresh reports whether this row of a series was not exported yet.
func (x *lineExport) fresh(series string, t time.Time) bool {
	if x.seen == nil {
		return true
	}
	if !t.After(x.seen[series]) {
		return false
	}
	x.seen[series] = t
	if t.After(x.high) {
		x.high = t
	}
	return true
}

// full sends the batch when it is.
func (x *lineExport) full(ctx context.Context) error {
	if x.n < lineBatch && len(x.enc.Bytes()) < lineBatchBytes {
		return x.enc.Err()
	}
	return x.flush(ctx)
}

func (x *lineExport) flush(ctx context.Context) error {
	if err := x.enc.Err(); err != nil {
		return err
	}
	if len(x.enc.Bytes()) == 0 {
		return nil
	}
	err := x.to.Send(ctx, x.enc.Bytes())
	x.enc.Reset()
	x.n = 0
	return err
}

// feature is a line for each vector; features that are missing there are left out.
func (x *lineExport) feature(f pipeline.Frame, v features.Vector) {
	x.n++
	x.enc.StartLine("telltale_feature")
	x.tag("asset", string(f.Asset))
	x.tag("channel", v.Channel)
	for i, field := range v.Fields {
		x.number(field.Name, v.Values[i])
	}
	x.number("quality", v.Quality)
	x.number("window_s", v.WindowS)
	x.enc.EndLine(f.Time)
}

func (x *lineExport) risk(r asset.Risk) {
	x.n++
	x.enc.StartLine("telltale_risk")
	x.tag("asset", string(r.Asset))
	x.tag("component", r.Component)
	x.enc.AddField("anomaly", lineprotocol.BoolValue(r.Anomaly))
	for _, q := range []struct {
		name  string
		value asset.Number
	}{
		{"risk", r.Risk},
		{"risk_low", r.Certainty.Low},
		{"risk_high", r.Certainty.High},
		{"confidence", r.Certainty.Confidence},
		{"conflict", r.Certainty.Conflict},
		{"horizon_h", asset.Number(r.HorizonH)},
		{"ml_score", r.MLScore},
		{"ml_p", r.MLP},
		{"physics_score", r.PhysicsScore},
		{"rule_score", r.RuleScore},
		{"rul_p10_h", r.RUL.P10},
		{"rul_p50_h", r.RUL.P50},
		{"rul_p90_h", r.RUL.P90},
	} {
		x.number(q.name, float64(q.value))
	}
	if text, ok := lineprotocol.StringValue(string(r.Mode)); ok && r.Mode != "" {
		x.enc.AddField("mode", text)
	}
	x.enc.EndLine(r.Time)
}

// tag leaves out what is empty, which the protocol does not know.
func (x *lineExport) tag(key, value string) {
	if value != "" {
		x.enc.AddTag(key, lineName(value))
	}
}

// number leaves out what is missing or not finite.
func (x *lineExport) number(name string, v float64) {
	if f, ok := lineprotocol.FloatValue(v); ok {
		x.enc.AddField(lineName(name), f)
	}
}

// lineName puts an underscore for what no name may hold: control characters, bytes that are
// no UTF-8, and a backslash at the end. The encoder escapes the rest.
func lineName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
	if cut, ok := strings.CutSuffix(s, `\`); ok {
		return cut + "_"
	}
	return s
}
