package main

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/pipeline"
)

// farmDrift is why the learned view of an asset is held.
const farmDrift asset.Reason = "farm-drift"

// driftEvery is the event time between two looks at the drift of the inputs.
const driftEvery = 6 * time.Hour

// driftWatch follows the inputs of the models in production, by asset, and says which
// machines of a farm drift together. Shards feed it at the same time.
type driftWatch struct {
	w   *works
	mu  sync.Mutex
	of  map[models.Key]*watchedModel
	at  time.Time // event time of the last look
	now []string  // what is held and why, for people
}

// watchedModel is the version in production of a class and component.
type watchedModel struct {
	digest   string
	watched  []models.Watched
	inputs   [][2]string // channel and feature of each
	monitors map[asset.ID]*models.DriftMonitor
	score    []models.Watched // its own score, where it has a calibration
	scores   map[asset.ID]*models.DriftMonitor
}

func newDriftWatch(w *works) *driftWatch {
	return &driftWatch{w: w, of: map[models.Key]*watchedModel{}}
}

// follow begins anew where another version is in production.
func (d *driftWatch) follow(k models.Key, c models.Contract) {
	if m := d.of[k]; m != nil && m.digest == c.Digest {
		return
	}
	m := &watchedModel{digest: c.Digest, monitors: map[asset.ID]*models.DriftMonitor{}, scores: map[asset.ID]*models.DriftMonitor{}}
	if w, ok := c.WatchesScore(); ok {
		m.score = append(m.score, w)
	}
	watched, at := c.Watches()
	m.watched = watched
	for _, i := range at {
		channel, name, _ := strings.Cut(c.Features[i].Name, "/")
		m.inputs = append(m.inputs, [2]string{channel, name})
	}
	d.of[k] = m
}

// observe feeds the monitors with the features and scores that were committed.
func (d *driftWatch) observe(fx pipeline.Effects) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.of) == 0 {
		return
	}
	for i := range fx.Frames {
		f := &fx.Frames[i]
		kind, components := d.w.parts(f.Asset)
		for _, c := range components {
			if m := d.of[models.Key{Class: kind, Component: c}]; m != nil && len(m.watched) > 0 {
				m.observe(f)
			}
		}
	}
	for i := range fx.Scores {
		s := &fx.Scores[i]
		kind, _ := d.w.parts(s.Asset)
		m := d.of[models.Key{Class: kind, Component: s.Component}]
		if m != nil && m.digest == s.Digest && len(m.score) > 0 && s.Score.Known() {
			watch(m.scores, s.Asset, m.score).Observe(s.Time, s.Regime, []float64{float64(s.Score)})
		}
	}
}

// watch is the monitor of an asset, made when there is none.
func watch(of map[asset.ID]*models.DriftMonitor, id asset.ID, watched []models.Watched) *models.DriftMonitor {
	if of[id] == nil {
		of[id] = models.NewDriftMonitor(id, watched, models.DriftOptions{})
	}
	return of[id]
}

func (m *watchedModel) observe(f *pipeline.Frame) {
	s := features.Snapshot{Vectors: f.Vectors}
	row, some := make([]float64, len(m.inputs)), false
	for i, in := range m.inputs {
		row[i] = s.Value(in[0], in[1])
		some = some || row[i] == row[i]
	}
	if !some {
		return // an instant of other channels
	}
	watch(m.monitors, f.Asset, m.watched).Observe(f.Time, "", row)
}

// begin follows what is in production now, and says whether it is time for a look.
func (d *driftWatch) begin(u *inUse, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, l := range u.live {
		if c, ok := l.Contract(); ok {
			d.follow(k, c)
		}
	}
	if now.Sub(d.at) < driftEvery {
		return false
	}
	d.at = now
	return true
}

// apply holds the learned view of the assets that drift with their farm. One caller
// at a time.
func (d *driftWatch) apply(u *inUse, log *slog.Logger, now time.Time) {
	if !d.begin(u, now) {
		return
	}
	var said []string
	for k, l := range u.live {
		held := map[asset.ID]asset.Reason{}
		for farm, found := range d.together(k, now) {
			for _, f := range found {
				if f.Cause != models.DriftOfValues {
					continue // a machine that stands still gives nothing: no answer is counted where it lacks
				}
				said = append(said, strings.TrimPrefix(farm+": ", ": ")+f.Text)
				for _, id := range f.Assets {
					held[id] = farmDrift
				}
			}
		}
		l.Hold(held)
	}
	slices.Sort(said)
	said = slices.Compact(said)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, text := range said {
		if !slices.Contains(d.now, text) {
			log.Warn("learned view held", "why", text)
		}
	}
	d.now = said
}

// together finds what drifts alike, farm by farm. Shards that have something to feed
// wait for the report of one asset at most.
func (d *driftWatch) together(k models.Key, now time.Time) map[string][]models.FarmDrift {
	reports := map[string][]models.Drift{}
	for _, id := range d.w.ids {
		farm := d.w.plates[id].Group
		reports[farm] = append(reports[farm], d.report(k, id, now)...)
	}
	out := map[string][]models.FarmDrift{}
	for farm, r := range reports {
		if found := models.CommonDrift(r, models.DriftOptions{}); len(found) > 0 {
			out[farm] = found
		}
	}
	return out
}

// report is what an asset's inputs and scores look like now.
func (d *driftWatch) report(k models.Key, id asset.ID, now time.Time) (out []models.Drift) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.of[k]
	if m == nil {
		return nil
	}
	for _, of := range []map[asset.ID]*models.DriftMonitor{m.monitors, m.scores} {
		if one := of[id]; one != nil {
			out = append(out, one.Report(now)...)
		}
	}
	return out
}

// notes are what a reader of the page has to know.
func (d *driftWatch) notes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]string, 0, len(d.now))
	for _, text := range d.now {
		out = append(out, "The learned view is not heard: "+text+".")
	}
	return out
}
