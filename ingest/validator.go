// Package ingest stands between a source and the flow: it decodes what arrives,
// refuses what cannot be true, and brings the rest to canonical units. Each
// refusal has a reason that is counted; a bad point is dropped alone.
package ingest

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// Why something is refused.
const (
	UnknownAsset   asset.Reason = "unknown-asset"
	UnknownChannel asset.Reason = "unknown-channel"
	UnknownUnit    asset.Reason = "unknown-unit"
	WrongUnit      asset.Reason = "wrong-unit" // of another kind than declared
	NotFinite      asset.Reason = "not-finite"
	OutOfRange     asset.Reason = "out-of-range"
	BadQuality     asset.Reason = "bad-quality"
	BadName        asset.Reason = "bad-name"
	BadRate        asset.Reason = "bad-rate"
	BadTime        asset.Reason = "bad-time"
	Empty          asset.Reason = "empty"
	TimeBackwards  asset.Reason = "time-backwards"
	Duplicate      asset.Reason = "duplicate"
	NotAllowed     asset.Reason = "not-allowed" // the source may not speak for the asset
)

// Rules say what a metric may be. Both tables are keyed by metric.
type Rules struct {
	Units  map[string]string     // of metrics that an asset did not declare
	Ranges map[string][2]float64 // least and greatest value, in the canonical unit
}

// Options of a Validator; zero values mean the defaults given.
type Options struct {
	Rules                               // for every kind of asset
	Kinds         map[string]Rules      // for a nameplate's kind; goes before Rules
	RateTolerance float64               // share of the declared rate; default 0.01
	UnitRanges    map[string][2]float64 // by canonical unit, where no metric's range says more; default UnitRanges()
}

// Validator checks and normalises readings of known assets. What it remembers is
// the newest time of each channel and metric. It is used by one goroutine.
type Validator struct {
	opt    Options
	assets map[asset.ID]*declared
	last   map[key]int64 // ns: newest accepted point, or start of the newest accepted block
	counts map[asset.ID]count
}

// key names a series; wave tells a channel from a metric of the same name.
type key struct {
	asset asset.ID
	name  string
	wave  bool
}

// declared is a nameplate by name.
type declared struct {
	rules    Rules
	channels map[string]asset.Channel
	metrics  map[string]string // unit
}

// NewValidator knows the assets of the nameplates and no others.
func NewValidator(plates []asset.Nameplate, opt Options) *Validator {
	if opt.RateTolerance == 0 {
		opt.RateTolerance = 0.01
	}
	if opt.UnitRanges == nil {
		opt.UnitRanges = UnitRanges()
	}
	v := &Validator{opt: opt, assets: map[asset.ID]*declared{}, last: map[key]int64{}, counts: map[asset.ID]count{}}
	for _, p := range plates {
		d := &declared{rules: opt.Kinds[p.Kind], channels: map[string]asset.Channel{}, metrics: map[string]string{}}
		for _, c := range p.Channels {
			d.channels[c.Name] = c
		}
		for _, m := range p.Metrics {
			d.metrics[m.Name] = m.Unit
		}
		v.assets[p.ID] = d
	}
	return v
}

// Check returns what of r may pass, in canonical units, and one refusal for each
// part that may not. A reading of which nothing passes is blank. r is not changed.
func (v *Validator) Check(r asset.Reading) (asset.Reading, []*asset.Invalid) {
	d, ok := v.assets[r.Asset]
	if !ok {
		return asset.Reading{}, []*asset.Invalid{refuse(UnknownAsset, string(r.Asset), "no nameplate has this ID")}
	}
	if bad := checkTime(r.Asset, r.Time); bad != nil {
		return asset.Reading{}, []*asset.Invalid{bad}
	}
	var refused []*asset.Invalid
	out := asset.Reading{Asset: r.Asset, Time: r.Time}
	if r.Wave != nil {
		wave, bad := v.checkWave(d, r.Asset, *r.Wave)
		if bad != nil {
			refused = append(refused, bad)
		} else {
			out.Wave = &wave
		}
	}
	for i := range r.Features {
		f, bad := v.checkFeatures(d, r.Asset, r.Time, r.Features[i])
		refused = append(refused, bad...)
		if f != nil {
			out.Features = append(out.Features, *f)
		}
	}
	if len(r.Points) > 0 {
		out.Points = make([]asset.Point, 0, len(r.Points))
	}
	for _, p := range r.Points {
		if bad := v.checkPoint(d, r.Asset, r.Time, &p); bad != nil {
			refused = append(refused, bad)
			continue
		}
		out.Points = append(out.Points, p)
	}
	if r.Event != nil {
		if r.Event.Kind == "" {
			refused = append(refused, refuse(BadName, string(r.Asset)+" event", "no kind, want status, maintenance, inspection or part-replaced"))
		} else {
			out.Event = r.Event
		}
	}
	if lost := v.follow(r); lost != nil && out.Event == nil && !out.Blank() {
		out.Event = lost
	}
	return out, refused
}

func refuse(reason asset.Reason, where, format string, args ...any) *asset.Invalid {
	return &asset.Invalid{Reason: reason, Where: where, Text: fmt.Sprintf(format, args...)}
}

// checkTime refuses what no nanosecond count can hold.
func checkTime(id asset.ID, t time.Time) *asset.Invalid {
	if y := t.Year(); y < 1970 || y > 2200 {
		return refuse(BadTime, string(id), "time is %s, want a year from 1970 to 2200", t.UTC().Format(time.RFC3339))
	}
	return nil
}

func (v *Validator) checkPoint(d *declared, id asset.ID, t time.Time, p *asset.Point) *asset.Invalid {
	if n := utf8.RuneCountInString(p.Metric); n < 1 || n > 100 || !utf8.ValidString(p.Metric) {
		return refuse(BadName, string(id), "a metric's name has %d characters, want 1–100 of UTF-8", n)
	}
	where := string(id) + "/" + p.Metric
	if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
		return refuse(NotFinite, where, "value is %v, want a finite number", p.Value)
	}
	if bad := checkQuality(where, p.Quality); bad != nil {
		return bad
	}
	value, unit, ok := asset.Convert(p.Value, p.Unit)
	if !ok {
		return refuse(UnknownUnit, where, "unit is %q, want one of %s", p.Unit, asset.Units())
	}
	if bad := v.checkUnit(d, where, p.Metric, unit); bad != nil {
		return bad
	}
	if bad := v.checkRange(d, where, p.Metric, value, unit); bad != nil {
		return bad
	}
	if bad := v.advance(key{id, p.Metric, false}, where, t); bad != nil {
		return bad
	}
	p.Value, p.Unit = value, unit
	return nil
}

// checkUnit holds a metric to the unit that the nameplate, the kind or the
// general table gives it; a metric that none of them knows may have any unit.
func (v *Validator) checkUnit(d *declared, where, metric, unit string) *asset.Invalid {
	want, ok := d.metrics[metric]
	if !ok {
		want, ok = d.rules.Units[metric]
	}
	if !ok {
		want, ok = v.opt.Units[metric]
	}
	if !ok {
		return nil
	}
	return sameKind(where, want, unit)
}

func sameKind(where, want, unit string) *asset.Invalid {
	_, canonical, ok := asset.Convert(0, want)
	if !ok {
		return refuse(UnknownUnit, where, "the declared unit is %q, want one of %s", want, asset.Units())
	}
	if canonical != unit {
		return refuse(WrongUnit, where, "unit is of the kind %q, declared is %q", unit, want)
	}
	return nil
}

func (v *Validator) checkRange(d *declared, where, metric string, value float64, unit string) *asset.Invalid {
	limits, ok := d.rules.Ranges[metric]
	if !ok {
		limits, ok = v.opt.Ranges[metric]
	}
	if !ok {
		limits, ok = v.opt.UnitRanges[unit]
	}
	if math.IsInf(value, 0) || ok && (value < limits[0] || value > limits[1]) {
		return refuse(OutOfRange, where, "value is %g %s, possible is %g to %g", value, unit, limits[0], limits[1])
	}
	return nil
}

func checkQuality(where string, q float64) *asset.Invalid {
	if !(q >= 0 && q <= 100) { // NaN too
		return refuse(BadQuality, where, "quality is %g, want 0–100", q)
	}
	return nil
}

// advance moves a series on; it refuses a time that was there or is past.
func (v *Validator) advance(k key, where string, t time.Time) *asset.Invalid {
	last, seen := v.last[k]
	now := t.UnixNano()
	if seen && now <= last {
		if now == last {
			return refuse(Duplicate, where, "there is one at %s already", t.UTC().Format(time.RFC3339Nano))
		}
		return refuse(TimeBackwards, where, "time is %s, earlier than the newest at %s", t.UTC().Format(time.RFC3339Nano), time.Unix(0, last).UTC().Format(time.RFC3339Nano))
	}
	v.last[k] = now
	return nil
}
