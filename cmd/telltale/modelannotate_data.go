package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
)

// calibrationSet holds the sequences that a model is calibrated on, in order of time for
// each asset.
type calibrationSet struct {
	path   string
	sha256 string
	steps  int
	list   []features.Sequence
}

// readWindows cuts a file of features into windows that do not overlap, or takes
// NumPy's as they are. A forecaster's have one row more.
func readWindows(path string, s *modelSpec) (calibrationSet, error) {
	body, err := os.ReadFile(path) //nolint:gosec // the caller's file
	if err != nil {
		return calibrationSet{}, err
	}
	w := calibrationSet{path: path, sha256: digestOf(body), steps: s.Window}
	if s.Output == models.OutputForecast {
		w.steps++
	}
	if strings.HasSuffix(strings.ToLower(path), ".npy") {
		err = w.npy(body, len(s.Features))
	} else {
		err = w.cut(s)
	}
	if err == nil && len(w.list) == 0 {
		err = errors.New("holds no window")
	}
	if err != nil {
		return w, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

var npyShape3 = regexp.MustCompile(`'shape':\s*\((\d+),\s*(\d+),\s*(\d+)\)`)

func (w *calibrationSet) npy(b []byte, width int) error {
	if len(b) < 12 || string(b[:6]) != "\x93NUMPY" {
		return errors.New("no NumPy file")
	}
	at, n := 10, int(binary.LittleEndian.Uint16(b[8:]))
	if b[6] > 1 {
		at, n = 12, int(binary.LittleEndian.Uint32(b[8:]))
	}
	if n < 0 || n > len(b)-at {
		return errors.New("the NumPy header is cut off")
	}
	head := string(b[at : at+n])
	code, shape := npyType.FindStringSubmatch(head), npyShape3.FindStringSubmatch(head)
	if code == nil || shape == nil || npyFortran.MatchString(head) {
		return fmt.Errorf("windows [n, %d, %d] of plain numbers, in C order, are wanted", w.steps, width)
	}
	x, err := numbersOf(b[at+n:], code[1])
	if err != nil {
		return err
	}
	if shape[2] != strconv.Itoa(w.steps) || shape[3] != strconv.Itoa(width) || len(x)%(w.steps*width) != 0 || strconv.Itoa(len(x)/(w.steps*width)) != shape[1] {
		return fmt.Errorf("windows [%s, %s, %s] of %d numbers: [n, %d, %d] are wanted", shape[1], shape[2], shape[3], len(x), w.steps, width)
	}
	for i := range len(x) / (w.steps * width) {
		w.add(asset.ID("window "+strconv.Itoa(i)), time.Time{}, width, x[i*w.steps*width:(i+1)*w.steps*width])
	}
	return nil
}

func (w *calibrationSet) add(id asset.ID, at time.Time, width int, values []float64) {
	q := features.Sequence{Asset: id, Time: at, Steps: w.steps, Width: width, Values: make([]float32, len(values)), Memory: &features.Memory{}}
	for i, v := range values {
		q.Values[i] = float32(v)
	}
	w.list = append(w.list, q)
}

// cut takes every window of a file's rows that does not overlap the one before, as
// the flow cuts them. Holes stay, at most a tenth: the scorer fills them as it does
// in service.
func (w *calibrationSet) cut(s *modelSpec) error {
	reads := features.Reads{Steps: w.steps, Stride: s.Window, PeriodS: s.PeriodS, Carries: s.State != nil}
	wanted := map[string]bool{}
	for _, f := range s.Features {
		wanted[f.Name] = true
		reads.Inputs = append(reads.Inputs, features.Input{Name: f.Name, Unit: f.Unit, Agg: f.Agg})
	}
	assets := map[asset.ID]*labelledAsset{}
	err := w.rows(func(r dataset.FeatureRow, regime string) error {
		key := r.Channel + "/" + r.Feature
		if !wanted[key] || !r.Value.Known() || r.Quality < goodQuality {
			return nil
		}
		of := assets[r.Asset]
		if of == nil {
			of = &labelledAsset{id: r.Asset, at: map[int64]*instant{}}
			assets[r.Asset] = of
		}
		i := of.instant(r.Time)
		i.values[key], i.regime = float64(r.Value), regime
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range sortedKeys(assets) {
		assets[id].sort()
		for _, q := range assets[id].cut(reads) {
			holes := 0
			for _, v := range q.Values {
				if missing32(v) {
					holes++
				}
			}
			if holes*10 <= len(q.Values) {
				w.list = append(w.list, q)
			}
		}
	}
	return nil
}

// rows calls f for each row of the file with its regime, where it is a training
// export, of which what is healthy is taken.
func (w *calibrationSet) rows(f func(r dataset.FeatureRow, regime string) error) error {
	some := false
	if strings.EqualFold(filepath.Ext(w.path), ".parquet") {
		err := dataset.EachTraining(w.path, func(r dataset.TrainingRow) error {
			some = true
			if r.Label != labelHealthy {
				return nil
			}
			return f(r.FeatureRow, r.Regime)
		})
		if err == nil || some {
			return err
		}
	}
	return dataset.ReadFeatures(w.path, func(r dataset.FeatureRow) error { return f(r, "") })
}

// span is the time that the windows cover, as pdm.training_window has it.
func (w *calibrationSet) span() string {
	first, last := w.list[0].Time, w.list[0].Time
	for _, q := range w.list {
		if q.Time.Before(first) {
			first = q.Time
		}
		if q.Time.After(last) {
			last = q.Time
		}
	}
	if first.IsZero() {
		return "unknown"
	}
	return first.Format(time.RFC3339) + "/" + last.Format(time.RFC3339)
}

// columns are the values of each feature, sorted, without holes.
func (w *calibrationSet) columns() [][]float64 {
	out := make([][]float64, w.list[0].Width)
	for _, q := range w.list {
		for i, v := range q.Values {
			if !missing32(v) {
				out[i%q.Width] = append(out[i%q.Width], float64(v))
			}
		}
	}
	for _, c := range out {
		slices.Sort(c)
	}
	return out
}

// reference is the distribution of each feature, worth one value a window.
func (w *calibrationSet) reference() []models.Reference {
	var out []models.Reference
	for _, c := range w.columns() {
		if len(c) == 0 {
			return []models.Reference{}
		}
		out = append(out, models.Reference{N: len(w.list), Quantiles: quantiles(c, 41)})
	}
	return out
}

// deviations are the standard deviations of the features; 1 where one stands still.
func (w *calibrationSet) deviations() []float64 {
	var out []float64
	for _, c := range w.columns() {
		mean, square := 0.0, 0.0
		for _, v := range c {
			mean += v / float64(len(c))
		}
		for _, v := range c {
			square += (v - mean) * (v - mean) / float64(len(c))
		}
		sd := math.Sqrt(square)
		if !(sd > 1e-12) {
			sd = 1
		}
		out = append(out, sd)
	}
	return out
}

// quantiles are n evenly spaced ones of sorted values, from the least to the
// greatest, linear between neighbours (Hyndman and Fan 1996, type 7).
func quantiles(sorted []float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		at := float64(i) / float64(n-1) * float64(len(sorted)-1)
		lo := int(at)
		hi := min(lo+1, len(sorted)-1)
		out[i] = sorted[lo] + (at-float64(lo))*(sorted[hi]-sorted[lo])
	}
	return out
}
