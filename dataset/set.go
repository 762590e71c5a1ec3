// Package dataset reads and writes a folder of recorded machines: nameplates in
// dataset.yaml, waveforms, telemetry and events in Parquet, the truth in
// labels.csv. Replay turns a folder into a source of readings in event time, so
// that history runs through the very stages that live data runs through.
//
// Values pass as they are written: nothing is converted but counts × scale, and
// nothing is judged but what a file must be to be read at all.
package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/goccy/go-yaml"

	"github.com/telltale-iot/telltale/asset"
)

// Why a row or a file is refused.
const (
	DamagedFile   asset.Reason = "damaged-file"   // truncated, corrupt, or not Parquet
	TimeBackwards asset.Reason = "time-backwards" // earlier than the row before it of the same asset
	NoTime        asset.Reason = "no-time"        // null time
)

// Set is a dataset folder whose files were opened once and found readable.
type Set struct {
	Dir     string
	Name    string
	Title   string
	Note    string
	Assets  []asset.Nameplate
	Damaged []*asset.Invalid // files that were left out

	waves, telemetry, events []*table
}

// plate is the layout of dataset.yaml.
type plate struct {
	Name     string            `yaml:"name"`
	Title    string            `yaml:"title,omitempty"`
	Note     string            `yaml:"note,omitempty"`
	Kind     string            `yaml:"kind,omitempty"`
	Learning *asset.Learning   `yaml:"learning,omitempty"`
	Assets   []asset.Nameplate `yaml:"assets"`
}

// Open reads dataset.yaml and the schema of every Parquet file. A damaged file
// is left out and listed in Damaged; a missing or mistyped column is an error.
func Open(dir string) (*Set, error) {
	s, err := readPlate(dir)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		folder string
		want   []want
		into   *[]*table
	}{
		{"waveforms", waveColumns, &s.waves},
		{"telemetry", telemetryColumns, &s.telemetry},
		{"events", eventColumns, &s.events},
	} {
		if *part.into, err = s.tables(part.folder, part.want); err != nil {
			return nil, err
		}
	}
	if len(s.waves)+len(s.telemetry)+len(s.Damaged) == 0 {
		return nil, fmt.Errorf("dataset %s: no waveforms/*.parquet and no telemetry/*.parquet", dir)
	}
	return s, nil
}

func readPlate(dir string) (*Set, error) {
	path := filepath.Join(dir, "dataset.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("dataset %s: no dataset.yaml: not a dataset folder", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	var p plate
	if err := yaml.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%s: %s", path, oneLine(err))
	}
	if len(p.Assets) == 0 {
		return nil, fmt.Errorf("%s: assets: empty, want at least one asset", path)
	}
	seen := map[asset.ID]bool{}
	for i := range p.Assets {
		a := &p.Assets[i]
		if n := len([]rune(string(a.ID))); n < 1 || n > 100 {
			return nil, fmt.Errorf("%s: assets[%d].id: %d characters, want 1–100", path, i, n)
		}
		if seen[a.ID] {
			return nil, fmt.Errorf("%s: assets[%d].id: %q is declared twice", path, i, a.ID)
		}
		seen[a.ID] = true
		if a.Kind == "" {
			a.Kind = p.Kind
		}
		if a.Learning == nil && p.Learning != nil {
			own := *p.Learning
			a.Learning = &own
		}
	}
	return &Set{Dir: dir, Name: p.Name, Title: p.Title, Note: p.Note, Assets: p.Assets}, nil
}

// tables checks every Parquet file of a folder, in the order of their names.
func (s *Set) tables(folder string, want []want) ([]*table, error) {
	paths, err := filepath.Glob(filepath.Join(s.Dir, folder, "*.parquet"))
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", s.Dir, err)
	}
	sort.Strings(paths)
	var out []*table
	for _, path := range paths {
		t := &table{path: path, name: folder + "/" + filepath.Base(path)}
		err := t.check(want)
		var broken *damage
		switch {
		case errors.As(err, &broken):
			s.Damaged = append(s.Damaged, t.refusal(err))
		case err != nil:
			return nil, err
		default:
			out = append(out, t)
		}
	}
	return out, nil
}
