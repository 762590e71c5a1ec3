package ingest

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// spanTolerance is how much of a window's length its border times may be off.
const spanTolerance = 0.1

// checkFeatures checks what a gateway computed of a window; its evidence alone may be refused.
func (v *Validator) checkFeatures(d *declared, id asset.ID, at time.Time, f asset.Features) (*asset.Features, []*asset.Invalid) {
	bad := v.soundFeatures(d, id, at, &f)
	if bad == nil {
		bad = v.advance(key{id, f.Channel + "/features", true}, string(id)+"/"+f.Channel, f.End)
	}
	if bad != nil {
		return nil, []*asset.Invalid{bad}
	}
	if f.Evidence == nil {
		return &f, nil
	}
	wave, bad := v.soundWave(d, id, *f.Evidence)
	if bad == nil && (wave.Channel != f.Channel || wave.Len() != f.Samples) {
		bad = refuse(Undecodable, string(id)+"/"+f.Channel, "evidence is %d samples of channel %q, want the %d of %q that the features are of", wave.Len(), wave.Channel, f.Samples, f.Channel)
	}
	if bad != nil {
		f.Evidence = nil
		return &f, []*asset.Invalid{bad}
	}
	f.Evidence = &wave
	return &f, nil
}

func (v *Validator) soundFeatures(d *declared, id asset.ID, at time.Time, f *asset.Features) *asset.Invalid {
	where := string(id) + "/" + f.Channel
	c, ok := d.channels[f.Channel]
	switch {
	case !ok:
		return refuse(UnknownChannel, where, "the nameplate has no such channel")
	case f.Samples < 1 || len(f.Values) == 0:
		return refuse(Empty, where, "%d features of %d samples", len(f.Values), f.Samples)
	}
	if bad := v.checkRate(where, c, f.RateHz); bad != nil {
		return bad
	}
	if bad := checkQuality(where, f.Quality); bad != nil {
		return bad
	}
	for _, t := range []time.Time{f.Start, f.End} {
		if bad := checkTime(id, t); bad != nil {
			return bad
		}
	}
	long, said := float64(f.Samples-1)/f.RateHz, f.End.Sub(f.Start).Seconds()
	switch {
	case math.Abs(long-said) > spanTolerance*long+0.01:
		return refuse(BadTime, where, "%d samples at %g Hz last %.3g s, the window's times are %.3g s apart", f.Samples, f.RateHz, long, said)
	case f.End.Sub(at) > 10*time.Millisecond:
		return refuse(BadTime, where, "the window ends at %s, after the reading's time", f.End.UTC().Format(time.RFC3339Nano))
	}
	return v.checkValues(where, c, f.Values)
}

// checkValues holds values in the channel's own unit to what it can be.
func (v *Validator) checkValues(where string, c asset.Channel, values []asset.Feature) *asset.Invalid {
	_, unit, _ := asset.Convert(0, c.Unit)
	limits, limited := v.opt.UnitRanges[unit]
	for i := range values {
		x := &values[i]
		switch n := utf8.RuneCountInString(x.Name); {
		case n < 1 || n > 100 || !utf8.ValidString(x.Name):
			return refuse(BadName, where, "a feature's name has %d characters, want 1–100 of UTF-8", n)
		case math.IsInf(x.Value, 0):
			return refuse(NotFinite, where+"/"+x.Name, "value is %v, want a finite number", x.Value)
		case limited && x.Unit == unit && (x.Value < limits[0] || x.Value > limits[1]):
			return refuse(OutOfRange, where+"/"+x.Name, "value is %g %s, possible is %g to %g", x.Value, unit, limits[0], limits[1])
		}
	}
	return nil
}

// checkNames refuses names that nobody can mean.
func checkNames(f *asset.Features, m Message) *asset.Invalid {
	long := len(f.Channel)
	for i := range f.Values {
		long = max(long, len(f.Values[i].Name), len(f.Values[i].Unit), len(f.Values[i].Reason))
	}
	if e := f.Evidence; e != nil {
		long = max(long, len(e.Channel), len(e.Unit))
	}
	if long > MaxNameBytes {
		return refuse(Undecodable, m.where(), "a name or unit of a feature is %d bytes long, want at most 100 characters", long)
	}
	return nil
}
