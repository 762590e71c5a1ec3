package models

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// DriftVerdict says what follows from a distance.
type DriftVerdict string

// The verdicts. Only values that are worth enough independent ones get another
// than DriftUnknown.
const (
	DriftUnknown DriftVerdict = "unknown" // too few independent values to tell
	DriftNone    DriftVerdict = "ok"
	DriftWatch   DriftVerdict = "watch"
	DriftAct     DriftVerdict = "act"
)

// Why a feature drifts.
const (
	DriftOfValues = "values"  // its distribution has moved
	driftMissing  = "missing" // it is not there
)

// DriftOptions are the limits of drift.
type DriftOptions struct {
	Span       time.Duration // that is judged at a time; default 7 d
	Slots      int           // values kept of a span, evenly spaced; default 512
	Watch      float64       // PSI; default 0.1
	Act        float64       // PSI; default 0.25
	P          float64       // KS has to be less probable than this, half of it at each of two spans; default 0.01
	LeastN     float64       // independent values; default 15
	MaxMissing float64       // share of missing values at which to act, half of it to watch; default 0.1
	FarmShare  float64       // of a farm's assets that drift together; default 0.3
	FarmLeast  int           // assets that drift together; default 3
}

func (o DriftOptions) withDefaults() DriftOptions {
	o.Span = cmp.Or(o.Span, 7*24*time.Hour)
	o.Slots = cmp.Or(o.Slots, 512)
	o.Watch, o.Act, o.P = cmp.Or(o.Watch, 0.1), cmp.Or(o.Act, 0.25), cmp.Or(o.P, 0.01)
	o.LeastN, o.MaxMissing = cmp.Or(o.LeastN, 15), cmp.Or(o.MaxMissing, 0.1)
	o.FarmShare, o.FarmLeast = cmp.Or(o.FarmShare, 0.3), cmp.Or(o.FarmLeast, 3)
	return o
}

// Watched is what a monitor holds one row of values against. With Regimes, only
// values of those regimes are judged, each against its own; without, all of them
// together against All: a change of the regimes' mix then looks like drift.
type Watched struct {
	Name    string
	Period  time.Duration // in which a value is to come; 0: as often as there is a row
	All     Reference
	Regimes map[string]Reference
}

// Watches are the features that the model has references of, and where each is
// among its inputs.
func (c Contract) Watches() (list []Watched, at []int) {
	for i, f := range c.Features {
		if i < len(c.Reference) && len(c.Reference[i].Quantiles) > 1 {
			list, at = append(list, Watched{Name: f.Name, Period: c.period(), All: c.Reference[i]}), append(at, i)
		}
	}
	return list, at
}

func (c Contract) period() time.Duration { return time.Duration(c.PeriodS * float64(time.Second)) }

// WatchesScore is the model's own score, held against its calibration.
func (c Contract) WatchesScore() (Watched, bool) {
	w := Watched{Name: "score", All: Reference{N: c.Calibration.N, Quantiles: c.Calibration.Quantiles}}
	for regime, k := range c.Calibration.Regimes {
		if w.Regimes == nil {
			w.Regimes = map[string]Reference{}
		}
		w.Regimes[regime] = Reference{N: k.N, Quantiles: k.Quantiles}
	}
	return w, len(w.All.Quantiles) > 1
}

// Drift is what a monitor says of one feature of one asset, in one regime where
// there are references by regime.
type Drift struct {
	Asset   asset.ID     `json:"asset"`
	Feature string       `json:"feature"`
	Regime  string       `json:"regime,omitempty"`
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	N       int          `json:"n"` // values looked at, thinned to the slots
	NEff    asset.Number `json:"n_eff"`
	PSI     asset.Number `json:"psi"`
	KS      asset.Number `json:"ks"`
	P       asset.Number `json:"p"`
	W1      asset.Number `json:"wasserstein"`
	Shift   asset.Number `json:"shift"`   // of the median, in interquartile ranges of the reference
	Missing asset.Number `json:"missing"` // share
	Verdict DriftVerdict `json:"verdict"`
	Cause   string       `json:"cause,omitempty"` // values or missing, of a watch or an act
	Text    string       `json:"text"`
}

// DriftMonitor watches the features of one asset. It keeps at most 2·Slots rows, each
// of a slot of time: a Slots-th of the span or the longest Period, whichever is longer.
// It belongs to one goroutine.
type DriftMonitor struct {
	id      asset.ID
	watched []Watched
	opt     DriftOptions
	slot    time.Duration
	times   []time.Time // at which the rows kept began, oldest first
	regimes []string
	values  []float32 // row-major; NaN is missing
}

// NewDriftMonitor watches an asset's values of what is listed.
func NewDriftMonitor(id asset.ID, watched []Watched, opt DriftOptions) *DriftMonitor {
	m := &DriftMonitor{id: id, watched: watched, opt: opt.withDefaults()}
	m.slot = m.opt.Span / time.Duration(m.opt.Slots)
	for _, w := range watched {
		m.slot = max(m.slot, w.Period)
	}
	return m
}

// Observe takes a value for each that is watched, NaN where there is none: what comes
// within a slot is one row, so that channels may end at different instants; the first
// value of each counts. Calls come in order of time, one that does not is left out. It
// panics when there are more or fewer values than are watched.
func (m *DriftMonitor) Observe(t time.Time, regime string, row []float64) {
	if len(row) != len(m.watched) {
		panic(fmt.Sprintf("models: %d values for %d watched", len(row), len(m.watched)))
	}
	if k := len(m.times); k == 0 || t.Sub(m.times[k-1]) >= m.slot {
		if k >= 2*m.opt.Slots { // old rows are dropped by halves, so that a row costs the same on average
			m.drop(k - m.opt.Slots + 1)
		}
		m.times, m.regimes = append(m.times, t), append(m.regimes, regime)
		for range row {
			m.values = append(m.values, float32(math.NaN()))
		}
	} else if t.Before(m.times[k-1]) {
		return
	}
	last := m.values[len(m.values)-len(row):]
	for j, v := range row {
		if last[j] != last[j] && !math.IsInf(v, 0) {
			last[j] = float32(v)
		}
	}
}

func (m *DriftMonitor) drop(n int) {
	m.times = slices.Delete(m.times, 0, n)
	m.regimes = slices.Delete(m.regimes, 0, n)
	m.values = slices.Delete(m.values, 0, n*len(m.watched))
}

// Report judges the span that ends at now, for each feature in the order in which
// they were listed and for each of its regimes in order of name.
func (m *DriftMonitor) Report(now time.Time) []Drift {
	from, to := 0, len(m.times)
	for from < to && !m.times[from].After(now.Add(-m.opt.Span)) {
		from++
	}
	for to > from && m.times[to-1].After(now) {
		to--
	}
	var out []Drift
	for j, w := range m.watched {
		if len(w.Regimes) == 0 {
			out = append(out, m.judge(j, "", w.All, from, to))
			continue
		}
		regimes := make([]string, 0, len(w.Regimes))
		for r := range w.Regimes {
			regimes = append(regimes, r)
		}
		slices.Sort(regimes)
		for _, r := range regimes {
			out = append(out, m.judge(j, r, w.Regimes[r], from, to))
		}
	}
	return out
}

// judge looks at the j-th value of the rows in [from, to), of one regime unless it
// is empty: at the whole span, and at its newest quarter, where a change shows
// sooner. The worse verdict counts.
func (m *DriftMonitor) judge(j int, regime string, r Reference, from, to int) Drift {
	d := Drift{Asset: m.id, Feature: m.watched[j].Name, Regime: regime, Missing: asset.Missing()}
	var x []float64
	rows, recent := 0, 0
	for i := from; i < to; i++ {
		if regime != "" && m.regimes[i] != regime {
			continue
		}
		if rows == 0 {
			d.From = m.times[i]
		}
		rows, d.To = rows+1, m.times[i]
		if v := float64(m.values[i*len(m.watched)+j]); !math.IsNaN(v) {
			if !m.times[i].After(m.times[to-1].Add(-m.opt.Span / 4)) {
				recent = len(x) + 1
			}
			x = append(x, v)
		}
	}
	if rows > 0 {
		d.Missing = asset.Number(float64(rows-len(x)) / float64(rows))
	}
	whole := d
	whole.hold(r, x, EffectiveN(x))
	whole.conclude(rows, m.opt)
	if recent == 0 || recent == len(x) || whole.Verdict == DriftAct || whole.Cause == driftMissing {
		return whole
	}
	// A step within the span looks like a strong autocorrelation. The values before
	// the newest quarter are free of a step that is as young as that.
	before, newest := x[:recent], x[recent:]
	share := min(EffectiveN(before)/float64(len(before)), EffectiveN(newest)/float64(len(newest)))
	d.From = d.To.Add(-m.opt.Span / 4)
	d.hold(r, newest, share*float64(len(newest)))
	d.conclude(rows, m.opt)
	if d.Cause == "" || d.Verdict == whole.Verdict {
		return whole
	}
	return d
}

// hold compares x, in order of time, with the reference.
func (d *Drift) hold(r Reference, x []float64, nEff float64) {
	at := r.Compare(x, nEff)
	d.N, d.NEff, d.PSI, d.KS = len(x), asset.Number(nEff), asset.Number(at.PSI), asset.Number(at.KS)
	d.P, d.W1, d.Shift = asset.Number(at.P), asset.Number(at.W1), asset.Missing()
	if len(x) == 0 || len(r.Quantiles) < 2 {
		return
	}
	if spread := quantileOf(r.Quantiles, 0.75) - quantileOf(r.Quantiles, 0.25); spread > 0 {
		median := quantileOf(slices.Sorted(slices.Values(x)), 0.5)
		d.Shift = asset.Number((median - quantileOf(r.Quantiles, 0.5)) / spread)
	}
}

// conclude sets the verdict. A PSI alone concludes nothing: between few values
// that hang together it is large by chance.
func (d *Drift) conclude(rows int, o DriftOptions) {
	d.Verdict = DriftUnknown
	switch {
	case rows >= 20 && float64(d.Missing) > o.MaxMissing/2:
		d.Verdict, d.Cause = DriftWatch, driftMissing
		if float64(d.Missing) > o.MaxMissing {
			d.Verdict = DriftAct
		}
		d.Text = fmt.Sprintf("%s is missing in %.0f %% of %d rows", d.Feature, 100*float64(d.Missing), rows)
	case float64(d.NEff) < o.LeastN || !d.P.Known():
		d.Text = fmt.Sprintf("%d values of %s are worth %.1f independent ones: at least %g are needed to tell", d.N, d.Feature, float64(d.NEff), o.LeastN)
	case float64(d.P) >= o.P/2 || float64(d.PSI) < o.Watch:
		d.Verdict = DriftNone
		d.Text = fmt.Sprintf("%s is as in training (PSI %.2f, KS p %.2g)", d.Feature, float64(d.PSI), float64(d.P))
	default:
		d.Verdict, d.Cause = DriftWatch, DriftOfValues
		if float64(d.PSI) >= o.Act {
			d.Verdict = DriftAct
		}
		d.Text = fmt.Sprintf("%s is not as in training: PSI %.2f, KS p %.2g, its median %+.2g interquartile ranges off",
			d.Feature, float64(d.PSI), float64(d.P), float64(d.Shift))
	}
}
