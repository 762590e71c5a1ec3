package postgres

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/row"
)

// table is one whose rows come with COPY, in partitions by time.
type table struct {
	name    string
	columns []string
	key     int // so many of them, from the first: rows with the same are one
}

var (
	frameTable    = &table{"frame", []string{"asset", "channel", "time", "window_s", "schema", "start", "quality", "vals", "reasons"}, 5}
	spectrumTable = &table{"spectrum", []string{"asset", "channel", "kind", "time", "unit", "step_hz", "bins", "marks"}, 4}
	riskTable     = &table{"risk", riskColumns, 3}
	scoreTable    = &table{"score", []string{"model", "time", "asset", "component", "inputs", "stage", "serves", "regime", "score", "p", "abnormal", "reason"}, 4}
)

var riskColumns = []string{
	"asset", "component", "time", "risk", "horizon_h", "anomaly", "ml_score", "ml_p", "physics_score", "rule_score",
	"rul_p10_h", "rul_p50_h", "rul_p90_h", "p_fail_48h", "mode", "modes", "evidence",
	"risk_low", "risk_high", "confidence", "conflict", "ml_llr", "physics_llr", "rule_llr",
}

// copySQL loads rows that are new.
func (t *table) copySQL(into string) string {
	return "COPY " + into + " (" + strings.Join(t.columns, ", ") + ") FROM STDIN (FORMAT binary)"
}

// mergeSQL moves the rows of a temporary table over those that are there; of two that
// are one the later stays.
func (t *table) mergeSQL(from string) string {
	columns, key := strings.Join(t.columns, ", "), strings.Join(t.columns[:t.key], ", ")
	return "INSERT INTO " + t.name + " (" + columns + ") SELECT DISTINCT ON (" + key + ") " + columns + " FROM " + from +
		" ORDER BY " + key + ", nr DESC ON CONFLICT (" + key + ") DO UPDATE SET " + t.replaced()
}

// replaced sets every column to what the refused row has.
func (t *table) replaced() string {
	var set []string
	for _, c := range t.columns[t.key:] {
		set = append(set, c+" = excluded."+c)
	}
	return strings.Join(set, ", ")
}

// loads are the rows of a batch that come with COPY, and what they refer to.
type loads struct {
	tables  []*copier // with a row at least
	known   func(*features.Vector) (int64, bool)
	schemas map[int64]*features.Vector // that are not known to be there
	models  map[int64]*asset.Score
	weeks   []int64
}

// load encodes a batch. What cannot be kept is refused here, before the database is asked.
func load(fx *pipeline.Effects, known func(*features.Vector) (int64, bool)) (*loads, error) {
	l := &loads{known: known, schemas: map[int64]*features.Vector{}, models: map[int64]*asset.Score{}}
	frames, spectra, risks, scores := newCopier(frameTable), newCopier(spectrumTable), newCopier(riskTable), newCopier(scoreTable)
	for i := range fx.Frames {
		f := &fx.Frames[i]
		for j := range f.Vectors {
			if err := l.vector(frames, f, &f.Vectors[j]); err != nil {
				return nil, fmt.Errorf("frame of asset %s: %w", f.Asset, err)
			}
		}
		for j := range f.Spectra {
			if err := spectra.spectrum(f, &f.Spectra[j]); err != nil {
				return nil, fmt.Errorf("frame of asset %s: %w", f.Asset, err)
			}
		}
		l.week(f.Time)
	}
	for i := range fx.Risks {
		if err := risks.risk(&fx.Risks[i]); err != nil {
			return nil, fmt.Errorf("risk of asset %s, %s: %w", fx.Risks[i].Asset, fx.Risks[i].Component, err)
		}
		l.week(fx.Risks[i].Time)
	}
	for i := range fx.Scores {
		l.score(scores, &fx.Scores[i])
		l.week(fx.Scores[i].Time)
	}
	for _, c := range []*copier{frames, spectra, risks, scores} {
		if c.rows > 0 {
			l.tables = append(l.tables, c)
		}
	}
	return l, nil
}

// weekNs is the span of a partition, as the function make_partitions has it.
const weekNs = int64(7 * 24 * time.Hour)

func (l *loads) week(t time.Time) {
	const monday = 4 * int64(24*time.Hour)
	at := t.UnixNano() - monday
	start := at - (at%weekNs+weekNs)%weekNs + monday
	if !slices.Contains(l.weeks, start) {
		l.weeks = append(l.weeks, start)
	}
}

func (l *loads) vector(c *copier, f *pipeline.Frame, v *features.Vector) error {
	if len(v.Values) != len(v.Fields) {
		return fmt.Errorf("channel %s: %d values for %d fields", v.Channel, len(v.Values), len(v.Fields))
	}
	id := l.schema(v)
	c.row()
	c.text(string(f.Asset))
	c.text(v.Channel)
	c.integer(f.Time.UnixNano())
	c.float(v.WindowS)
	c.integer(id)
	c.instant(v.Start)
	c.number(v.Quality)
	c.floats(v.Values)
	c.reasons(v.Reasons)
	return nil
}

// schema is the number of a vector's fields.
func (l *loads) schema(v *features.Vector) int64 {
	if id, ok := l.known(v); ok {
		return id
	}
	id := row.SchemaID(v.Channel, v.Fields)
	l.schemas[id] = v
	return id
}

func (c *copier) spectrum(f *pipeline.Frame, sp *features.Spectrum) error {
	marks, err := row.List(row.Marks(sp.Marks))
	if err != nil {
		return err
	}
	c.row()
	c.text(string(f.Asset))
	c.text(sp.Channel)
	c.text(sp.Kind)
	c.integer(f.Time.UnixNano())
	c.text(sp.Unit)
	c.number(sp.StepHz)
	c.float32s(sp.Bins)
	c.json(marks)
	return nil
}

func (c *copier) risk(r *asset.Risk) error {
	modes, err := row.Modes(r.Modes)
	if err != nil {
		return err
	}
	evidence, err := row.List(r.Evidence)
	if err != nil {
		return err
	}
	c.row()
	c.text(string(r.Asset))
	c.text(r.Component)
	c.integer(r.Time.UnixNano())
	c.numbers(r.Risk, asset.Number(r.HorizonH))
	c.boolean(r.Anomaly)
	c.numbers(r.MLScore, r.MLP, r.PhysicsScore, r.RuleScore, r.RUL.P10, r.RUL.P50, r.RUL.P90, r.RUL.Soon)
	c.text(string(r.Mode))
	c.json(modes)
	c.json(evidence)
	c.numbers(r.Certainty.Low, r.Certainty.High, r.Certainty.Confidence, r.Certainty.Conflict, r.LLR.ML, r.LLR.Physics, r.LLR.Rule)
	return nil
}

func (l *loads) score(c *copier, r *asset.Score) {
	id := row.ID(r.Digest, r.Model)
	l.models[id] = r
	c.row()
	c.integer(id)
	c.integer(r.Time.UnixNano())
	c.text(string(r.Asset))
	c.text(r.Component)
	c.text(r.Inputs)
	c.text(r.Stage)
	c.boolean(r.Serves)
	c.text(r.Regime)
	c.numbers(r.Score, r.P)
	c.boolean(r.Abnormal)
	c.text(string(r.Reason))
}
