//go:build accept

package main

import (
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

// faults are the labelled spans of known fault.
func (r result) faults(id asset.ID) (out []span) {
	for _, l := range r.labels {
		if l.Asset == id && l.Kind == "fault" {
			out = append(out, span{l.Start, l.End})
		}
	}
	return out
}

// pool is the instants of all assets of a set.
type pool []judged

// pooled holds what was said at every instant against the truth. A series made to
// learn from, without anomaly, is left out.
func (r result) pooled(truth func(asset.ID) []span) pool {
	var out pool
	for _, p := range r.set.Assets {
		times := r.rows[p.ID]
		if p.ID == "anomaly-free" {
			continue
		}
		if len(p.Channels) > 0 {
			times = nil
			for _, x := range r.risks[p.ID] {
				times = append(times, x.Time)
			}
		}
		spans := truth(p.ID)
		for _, j := range r.at(p.ID, times) {
			j.faulty = slices.ContainsFunc(spans, func(s span) bool { return !j.at.Before(s.from) && !j.at.After(s.to) })
			out = append(out, j)
		}
	}
	return out
}

func (p pool) counts() (tp, fp, fn, tn float64) {
	for _, j := range p {
		switch {
		case j.faulty && j.said.Anomaly:
			tp++
		case j.said.Anomaly:
			fp++
		case j.faulty:
			fn++
		default:
			tn++
		}
	}
	return tp, fp, fn, tn
}

func (p pool) f1() float64 {
	tp, fp, fn, _ := p.counts()
	return 2 * tp / (2*tp + fp + fn)
}

// far is the share of healthy instants that were called abnormal, in percent.
func (p pool) far() float64 {
	_, fp, _, tn := p.counts()
	return 100 * fp / (fp + tn)
}

func (p pool) auc(of func(asset.Risk) asset.Number) float64 {
	truth, score := make([]bool, len(p)), make([]float64, len(p))
	for i, j := range p {
		truth[i], score[i] = j.faulty, float64(of(j.said))
	}
	return float64(auc(truth, score))
}

func horizonOf(rows []asset.Risk) time.Duration {
	if len(rows) == 0 {
		return 0
	}
	return time.Duration(rows[0].HorizonH * float64(time.Hour))
}

// named counts the records whose last diagnosis is the labelled one, and the healthy
// ones among them.
func (r result) named() (right, of, unnamed int) {
	for _, p := range r.set.Assets {
		i := slices.IndexFunc(r.labels, func(l dataset.Label) bool { return l.Asset == p.ID })
		want, got := r.labels[i].Mode, asset.Mode("no verdict")
		if r.labels[i].Kind == "healthy" {
			want = asset.Healthy
		}
		for _, x := range r.risks[p.ID] {
			if x.Component == r.labels[i].Component {
				got = x.Mode
			}
		}
		if of++; got == want {
			right++
			if want == asset.Healthy {
				unnamed++
			}
		}
	}
	return right, of, unnamed
}

// rowsAUC is the AUC of the risk over all rows, faulty records against healthy ones.
func (r result) rowsAUC() float64 {
	var truth []bool
	var score []float64
	for _, l := range r.labels {
		for _, x := range r.risks[l.Asset] {
			truth, score = append(truth, l.Kind != "healthy"), append(score, float64(x.Risk))
		}
	}
	return float64(auc(truth, score))
}

// phm is the PHM 2012 score of the remaining lives at the instants of eval.csv
// (Nectoux et al. 2012): early answers lose less than late ones; none is an error of 100 %.
func (r result) phm(t *testing.T) (score, wrong float64) {
	t.Helper()
	var n float64
	ends := r.recorded(t)
	for _, row := range sheet(t, filepath.Join(r.dir, "eval.csv")) {
		id, at := asset.ID(row["asset"]), when(t, row["time"])
		left := ends[id].to.Sub(at).Hours()
		e := 100.0
		if p := r.at(id, []time.Time{at})[0].said.RUL.P50; p.Known() {
			e = 100 * (left - float64(p)) / left
		}
		if e <= 0 {
			score += math.Exp(-math.Log(0.5) * e / 5)
		} else {
			score += math.Exp(math.Log(0.5) * e / 20)
		}
		wrong += math.Abs(e)
		n++
	}
	return score / n, wrong / n
}

// recorded is from when to when each asset was recorded.
func (r result) recorded(t *testing.T) map[asset.ID]span {
	t.Helper()
	out := map[asset.ID]span{}
	for id, at := range instantsIn(t, filepath.Join(r.dir, "waveforms")) {
		out[id] = span{at[0], at[len(at)-1]}
	}
	return out
}

// leads are the median of the minutes from the first alert that stood in the second
// half of a life to its end (0 for none), the alerts opened per hour of first halves,
// and the lives without an alert. Those that blame a sensor do not count.
func (r result) leads(t *testing.T) (median, perH, missed float64) {
	t.Helper()
	var leads []float64
	var early, hours float64
	for id, life := range r.recorded(t) {
		half := life.from.Add(life.to.Sub(life.from) / 2)
		hours += half.Sub(life.from).Hours()
		first := time.Time{}
		for _, a := range r.alerts {
			if a.Asset != id || a.Mode == asset.SensorFault {
				continue
			}
			at := a.Opened
			if at.Before(half) {
				early++
				if a.Cleared != nil && a.Cleared.Before(half) {
					continue
				}
				at = half
			}
			if first.IsZero() || at.Before(first) {
				first = at
			}
		}
		if first.IsZero() {
			missed++
			leads = append(leads, 0)
			continue
		}
		leads = append(leads, life.to.Sub(first).Minutes())
	}
	slices.Sort(leads)
	n := len(leads)
	return (leads[(n-1)/2] + leads[n/2]) / 2, early / hours, missed
}

// cappedRMSE is the root mean square error of the remaining life at the instants of
// eval.csv, truth and answer capped at 125; none counts as the cap.
func (r result) cappedRMSE(t *testing.T) float64 {
	t.Helper()
	var sum, n float64
	for _, row := range sheet(t, filepath.Join(r.dir, "eval.csv")) {
		id, at := asset.ID(row["asset"]), when(t, row["time"])
		i := slices.IndexFunc(r.labels, func(l dataset.Label) bool { return l.Asset == id && l.Kind == "failure" })
		said := 125.0
		if p := r.at(id, []time.Time{at})[0].said.RUL.P50; p.Known() {
			said = math.Min(said, float64(p))
		}
		e := said - math.Min(125, r.labels[i].End.Sub(at).Hours())
		sum, n = sum+e*e, n+1
	}
	return math.Sqrt(sum / n)
}

// nab is the standard score of a series (Lavin & Ahmad 2015: the onsets of the verdict
// after the probation, by where they lie in or after the labelled windows) and its
// onsets outside of them; NaN for a series without anomaly.
func (r result) nab(t *testing.T, id asset.ID) (score float64, episodes int) {
	t.Helper()
	rows := r.rows[id]
	said := r.at(id, rows)
	type window struct{ lo, hi int }
	var windows []window
	for _, s := range r.faults(id) {
		lo, _ := slices.BinarySearchFunc(rows, s.from, time.Time.Compare)
		hi, _ := slices.BinarySearchFunc(rows, s.to.Add(time.Nanosecond), time.Time.Compare)
		windows = append(windows, window{lo, hi - 1})
	}
	best, lost := map[int]float64{}, 0.0
	for k := min(int(0.15*float64(len(rows))), 750); k < len(rows); k++ {
		in := slices.IndexFunc(windows, func(w window) bool { return w.lo <= k && k <= w.hi })
		opens := in >= 0 && windows[in].lo == k
		if !said[k].said.Anomaly || k > 0 && said[k-1].said.Anomaly && !opens { // one that stands counts as a window opens
			continue
		}
		if in >= 0 {
			w := windows[in]
			v := nabWeight(-float64(w.hi-k+1)/float64(w.hi-w.lo+1)) / (2/(1+math.Exp(-5)) - 1)
			if b, ok := best[in]; !ok || v > b {
				best[in] = v
			}
			continue
		}
		weight := -1.0
		for _, w := range windows {
			if w.hi < k {
				weight = nabWeight(float64(k-w.hi) / float64(w.hi-w.lo))
			}
		}
		lost += 0.11 * weight
		episodes++
	}
	n := float64(len(windows))
	raw := lost
	for i := range windows {
		if b, ok := best[i]; ok {
			raw += b
		} else {
			raw--
		}
	}
	return 100 * (raw + n) / (2 * n), episodes
}

func nabWeight(x float64) float64 {
	if x > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*x)) - 1
}
