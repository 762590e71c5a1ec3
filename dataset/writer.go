package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
)

// Record is one waveform as a recorder takes it: value = count × Scale.
type Record struct {
	Asset   asset.ID
	Channel string
	Start   time.Time // of the first sample
	RateHz  float64
	Unit    string
	Quality float64
	Counts  []int32
	Scale   float64
}

// Writer writes a dataset folder: waveforms in one file for each asset,
// telemetry and events in one file each. Rows of an asset come in order of
// time. Nothing appears under its name before Close.
type Writer struct {
	dir               string
	plate             plate
	order             []asset.ID // of the wave files
	waves             map[asset.ID]*waveSheet
	telemetry, events *sheet
}

// waveRow is a row of a waveform file.
type waveRow struct {
	Time    int64   `parquet:"time,timestamp(microsecond)"`
	Asset   string  `parquet:"asset,dict"`
	Channel string  `parquet:"channel,dict"`
	RateHz  float64 `parquet:"rate_hz"`
	Unit    string  `parquet:"unit,dict"`
	Quality float64 `parquet:"quality"`
	Scale   float64 `parquet:"scale"`
	Counts  []int32 `parquet:"counts,list" parquet-element:",delta"`
}

// waveSheet writes records; it cuts row groups by their samples, so that memory
// stays bounded.
type waveSheet struct {
	output
	pq      *parquet.GenericWriter[waveRow]
	samples int
}

// groupSamples is how many samples fill a row group of waveforms.
const groupSamples = 4 << 20

// NewWriter begins a folder with the nameplates of s; its other fields name it.
func NewWriter(dir string, s Set) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return &Writer{
		dir: dir, waves: map[asset.ID]*waveSheet{},
		plate: plate{Name: s.Name, Title: s.Title, Note: s.Note, Assets: s.Assets},
	}, nil
}

// Wave adds a record; its numbers are finite.
func (w *Writer) Wave(r Record) error {
	if !finite(r.RateHz) || !finite(r.Quality) || !finite(r.Scale) {
		return fmt.Errorf("dataset %s: %s/%s: rate %g, quality %g, scale %g, want finite numbers", w.dir, r.Asset, r.Channel, r.RateHz, r.Quality, r.Scale)
	}
	s, err := w.waveSheet(r.Asset)
	if err != nil {
		return err
	}
	_, err = s.pq.Write([]waveRow{{r.Start.UnixMicro(), string(r.Asset), r.Channel, r.RateHz, r.Unit, r.Quality, r.Scale, r.Counts}})
	if s.samples += len(r.Counts); err == nil && s.samples >= groupSamples {
		s.samples = 0
		err = s.pq.Flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

func (w *Writer) waveSheet(id asset.ID) (*waveSheet, error) {
	if s, ok := w.waves[id]; ok {
		return s, nil
	}
	out, err := newOutput(filepath.Join(w.dir, "waveforms", url.PathEscape(string(id))+".parquet"))
	if err != nil {
		return nil, err
	}
	w.waves[id] = &waveSheet{output: out, pq: parquet.NewGenericWriter[waveRow](out.file, writerOptions()...)}
	w.order = append(w.order, id)
	return w.waves[id], nil
}

// Points adds the points of one instant; a value that is not finite is null.
func (w *Writer) Points(id asset.ID, t time.Time, points []asset.Point) (err error) {
	if w.telemetry == nil {
		w.telemetry, err = newSheet(filepath.Join(w.dir, "telemetry", "telemetry.parquet"), []col{
			{"time", timeNode()},
			{"asset", textNode()},
			{"metric", textNode()},
			{"value", numberNode()},
			{"unit", textNode()},
			{"quality", numberNode()},
		})
		if err != nil {
			return err
		}
	}
	s := w.telemetry
	for _, p := range points {
		s.time(t)
		s.text(string(id))
		s.text(p.Metric)
		s.number(asset.Number(p.Value))
		s.text(p.Unit)
		s.number(asset.Number(p.Quality))
		if err := s.end(); err != nil {
			return err
		}
	}
	return nil
}

// Event adds an event.
func (w *Writer) Event(id asset.ID, t time.Time, e asset.Event) (err error) {
	if w.events == nil {
		w.events, err = newSheet(filepath.Join(w.dir, "events", "events.parquet"), []col{
			{"time", timeNode()},
			{"asset", textNode()},
			{"component", textNode()},
			{"kind", textNode()},
			{"code", textNode()},
			{"text", textNode()},
		})
		if err != nil {
			return err
		}
	}
	s := w.events
	s.time(t)
	s.text(string(id))
	for _, v := range []string{e.Component, e.Kind, e.Code, e.Text} {
		s.text(v)
	}
	return s.end()
}

// Close finishes the files and adds the truth, the nameplates and the README.
func (w *Writer) Close(labels []Label, readme string) error {
	var failed []error
	for _, id := range w.order {
		failed = append(failed, w.waves[id].finish(w.waves[id].pq.Close))
	}
	for _, s := range w.flat() {
		failed = append(failed, s.close())
	}
	text, err := yaml.Marshal(w.plate)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	failed = append(failed, writeLabels(filepath.Join(w.dir, "labels.csv"), labels),
		os.WriteFile(filepath.Join(w.dir, "README.md"), []byte(readme), 0o644),
		os.WriteFile(filepath.Join(w.dir, "dataset.yaml"), text, 0o644))
	return errors.Join(failed...)
}

// Discard drops the unfinished files instead of Close.
func (w *Writer) Discard() {
	for _, id := range w.order {
		w.waves[id].discard()
	}
	for _, s := range w.flat() {
		s.discard()
	}
}

// flat lists the open files of flat rows.
func (w *Writer) flat() (open []*sheet) {
	for _, s := range []*sheet{w.telemetry, w.events} {
		if s != nil {
			open = append(open, s)
		}
	}
	return open
}

func writeLabels(path string, labels []Label) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	c := csv.NewWriter(f)
	rows := [][]string{labelColumns}
	for _, l := range labels {
		rows = append(rows, []string{string(l.Asset), l.Component, string(l.Mode), l.Kind, writtenTime(l.Start), writtenTime(l.End)})
	}
	if err := errors.Join(c.WriteAll(rows), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writtenTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
