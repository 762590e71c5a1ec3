package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
)

// A hole in the data longer than this ends a span: of health at once, since nobody
// knows what came between; a fault goes on, for it does not heal.
const (
	healthyHole = 24 * time.Hour
	faultHole   = 7 * 24 * time.Hour
)

// labelledAsset is what is known of one asset, in order of time.
type labelledAsset struct {
	id       asset.ID
	instants []*instant
	at       map[int64]*instant
}

// instant holds the features of one moment.
type instant struct {
	time   time.Time
	values map[string]float64
	regime string
	label  string // of its rows: a fault when one is; what it is when all say the same; else empty
	mode   asset.Mode
}

// readLabelled reads the labelled features that either model reads, by asset.
func readLabelled(dir string, contracts ...models.Contract) (map[asset.ID]*labelledAsset, error) {
	wanted := map[string]bool{}
	for _, c := range contracts {
		for _, f := range c.Features {
			wanted[f.Name] = true
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil {
		return nil, fmt.Errorf("episodes: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("episodes: %s holds no .parquet file: want a folder that model export-training wrote", dir)
	}
	assets, component := map[asset.ID]*labelledAsset{}, contracts[0].Component
	for _, path := range files {
		err := dataset.EachTraining(path, func(r dataset.TrainingRow) error {
			if key := r.Channel + "/" + r.Feature; wanted[key] && (component == "" || r.Component == "" || r.Component == component) {
				l := assets[r.Asset]
				if l == nil {
					l = &labelledAsset{id: r.Asset, at: map[int64]*instant{}}
					assets[r.Asset] = l
				}
				l.add(key, r)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(assets) == 0 {
		return nil, fmt.Errorf("episodes: %s has none of the features that the models read, such as %s", dir, contracts[0].Features[0].Name)
	}
	for _, l := range assets {
		l.sort()
	}
	return assets, nil
}

func (l *labelledAsset) add(key string, r dataset.TrainingRow) {
	i := l.instant(r.Time)
	if len(i.values) == 0 {
		i.regime, i.label, i.mode = r.Regime, r.Label, r.Mode
	}
	i.values[key] = float64(r.Value)
	switch {
	case i.label == r.Label || i.label == labelFault:
	case r.Label == labelFault:
		i.label, i.mode = labelFault, r.Mode
	default:
		i.label = ""
	}
}

// instant is the one at t, which is made when it is not there.
func (l *labelledAsset) instant(t time.Time) *instant {
	i := l.at[t.UnixNano()]
	if i == nil {
		i = &instant{time: t, values: map[string]float64{}}
		l.at[t.UnixNano()] = i
		l.instants = append(l.instants, i)
	}
	return i
}

func (l *labelledAsset) sort() {
	slices.SortFunc(l.instants, func(a, b *instant) int { return a.time.Compare(b.time) })
}

// episodes are the spans of one label.
func (l *labelledAsset) episodes(component string) []models.Episode {
	var out []models.Episode
	var last *instant
	for _, i := range l.instants {
		if i.label == labelHealthy || i.label == labelFault {
			hole := healthyHole
			if i.label == labelFault {
				hole = faultHole
			}
			if last == nil || last.label != i.label || i.time.Sub(last.time) > hole {
				out = append(out, models.Episode{Asset: l.id, Component: component, From: i.time, Fault: i.label == labelFault, Mode: i.mode})
			}
			out[len(out)-1].To = i.time
		}
		last = i
	}
	return out
}

// gridRow is what a period gives: values in the order of the model's inputs.
type gridRow struct {
	began, ended time.Time
	values       []float64
	counts       []int
	regime       string
	fresh        bool // a gap of more than three periods lies before it
}

// grid puts the instants into rows, as the flow does: a row takes what comes within
// half a period of its beginning, or within the whole where something is aggregated.
func (l *labelledAsset) grid(in features.Reads) []*gridRow {
	ends := 0.5 * in.PeriodS
	if slices.ContainsFunc(in.Inputs, func(i features.Input) bool { return i.Agg != "" && i.Agg != "last" }) {
		ends = 0.99 * in.PeriodS
	}
	var out []*gridRow
	for _, i := range l.instants {
		row := &gridRow{began: i.time, values: make([]float64, len(in.Inputs)), counts: make([]int, len(in.Inputs))}
		if len(out) > 0 {
			last := out[len(out)-1]
			if i.time.Sub(last.began).Seconds() < ends {
				row = last
			}
			row.fresh = row != last && in.PeriodS > 0 && i.time.Sub(last.began).Seconds() > 3.5*in.PeriodS
		}
		some := false
		for k, input := range in.Inputs {
			if v, ok := i.values[input.Name]; ok && !math.IsNaN(v) {
				row.add(k, v, input.Agg)
				some = true
			}
		}
		if !some {
			continue
		}
		row.ended, row.regime = i.time, i.regime
		if len(out) == 0 || out[len(out)-1] != row {
			out = append(out, row)
		}
	}
	return out
}

func (r *gridRow) add(k int, v float64, agg string) {
	r.counts[k]++
	switch n := float64(r.counts[k]); {
	case n == 1:
		r.values[k] = v
	case agg == "mean":
		r.values[k] += (v - r.values[k]) / n
	case agg == "min":
		r.values[k] = math.Min(r.values[k], v)
	case agg == "max":
		r.values[k] = math.Max(r.values[k], v)
	default:
		r.values[k] = v
	}
}

// cut makes the sequences that a model reads.
func (l *labelledAsset) cut(in features.Reads) []features.Sequence {
	var out []features.Sequence
	var rows []float32
	var memory *features.Memory
	if in.Carries {
		memory = &features.Memory{}
	}
	width, since, fresh := len(in.Inputs), 0, false
	for _, row := range l.grid(in) {
		if row.fresh {
			rows, since, fresh = nil, 0, in.Carries
		}
		for k, v := range row.values {
			if row.counts[k] == 0 {
				v = math.NaN()
			}
			rows = append(rows, float32(v))
		}
		if over := len(rows) - in.Steps*width; over > 0 {
			rows = append(rows[:0:0], rows[over:]...)
		}
		if since++; len(rows) < in.Steps*width || since < in.Stride {
			continue
		}
		out = append(out, features.Sequence{
			Asset: l.id, Component: in.Component, Reads: in.Key(), Time: row.ended, Steps: in.Steps, Width: width,
			Values: slices.Clone(rows), Regime: row.regime, Memory: memory, Fresh: fresh,
		})
		since = 0
		if in.Carries {
			rows, fresh = nil, false
		}
	}
	return out
}
