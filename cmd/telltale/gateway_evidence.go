package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// evidenceRule decides which windows of an asset go out as they were: the first of each
// channel, one now and then, and one when something has changed, at most so much at once.
type evidenceRule struct {
	opt      gatewayFeatures
	channels map[string]*watched
	room     int // samples that the moment under way may still take along
}

// watched is one channel's past.
type watched struct {
	sent   time.Time
	recent map[string][]float64 // newest values by feature, oldest first
}

const (
	evidenceSamples = 256 << 10        // of one reading: as counts half a MiB, which any topic takes
	evidenceLeast   = 10 * time.Minute // between two of a channel
	evidenceEvery   = 6 * time.Hour
	evidenceChange  = 6.0
	evidencePast    = 64  // values that say what was usual
	evidenceFew     = 16  // below which nothing is
	evidenceShare   = 0.1 // of the usual: a smaller change is none
)

// evidenceNames are the features whose change is worth a look: of the level, of impacts,
// of what modulates.
func evidenceNames() []string { return []string{"rms", "kurtosis", "envelope_rms"} }

func newEvidenceRule(opt gatewayFeatures) *evidenceRule {
	opt.EvidenceEvery = cmp.Or(opt.EvidenceEvery, evidenceEvery)
	opt.EvidenceChange = cmp.Or(opt.EvidenceChange, evidenceChange)
	return &evidenceRule{opt: opt, channels: map[string]*watched{}, room: evidenceSamples}
}

// moment begins the next reading, which takes along as many samples as there is room for.
func (e *evidenceRule) moment(room int) { e.room = min(room, evidenceSamples) }

// due reports whether the window is to go out. It is asked once for each.
func (e *evidenceRule) due(w asset.Window, v features.Vector) bool {
	c := e.channels[w.Channel]
	if c == nil {
		c = &watched{recent: map[string][]float64{}}
		e.channels[w.Channel] = c
	}
	since := w.End.Sub(c.sent)
	changed := c.note(v, e.opt.EvidenceChange, since >= evidenceLeast)
	if since < e.opt.EvidenceEvery && !changed || w.Len() > e.room {
		return false
	}
	c.sent = w.End
	e.room -= w.Len()
	return true
}

// note adds the vector to what is usual, and reports, where that is asked, whether it is not.
func (c *watched) note(v features.Vector, deviations float64, ask bool) (changed bool) {
	names := evidenceNames()
	for i, f := range v.Fields {
		if !slices.Contains(names, f.Name) || math.IsNaN(v.Values[i]) {
			continue
		}
		past := c.recent[f.Name]
		if ask && len(past) >= evidenceFew {
			usual := features.Robust(past)
			changed = changed || math.Abs(v.Values[i]-usual.Median) > max(deviations*usual.MAD, evidenceShare*math.Abs(usual.Median))
		}
		if len(past) == evidencePast {
			past = slices.Delete(past, 0, 1)
		}
		c.recent[f.Name] = append(past, v.Values[i])
	}
	return changed
}

// evidenceOf is a window as a record of its own.
func evidenceOf(w asset.Window, plate asset.Nameplate) *asset.Waveform {
	out := &asset.Waveform{
		Channel: w.Channel, Start: w.Start, RateHz: w.RateHz, Quality: w.Quality, First: true, Last: true,
		Samples: slices.Clone(w.Samples), Counts: slices.Clone(w.Counts), Scale: w.Scale,
	}
	for _, c := range plate.Channels {
		if c.Name == w.Channel {
			_, out.Unit, _ = asset.Convert(0, c.Unit)
		}
	}
	return out
}
