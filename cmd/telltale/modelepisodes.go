package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/pipeline"
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

// cut makes the sequences that a model reads, as the flow does.
func (l *labelledAsset) cut(in features.Reads) []features.Sequence {
	rows := pipeline.NewRows(in)
	var out []features.Sequence
	for _, i := range l.instants {
		s := features.Snapshot{Asset: l.id, Time: i.time, Regime: i.regime}
		var v features.Vector
		for _, key := range sortedKeys(i.values) {
			channel, name, _ := strings.Cut(key, "/")
			v.Fields = append(v.Fields, features.Field{Channel: channel, Name: name})
			v.Values = append(v.Values, i.values[key])
		}
		s.Vectors = []features.Vector{v}
		out = append(out, rows.Add(&s)...)
	}
	return out
}
