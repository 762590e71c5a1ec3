package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Label is one line of the truth. Learning and the report's scorer read it, the
// flow never does.
type Label struct {
	Asset      asset.ID
	Component  string
	Mode       asset.Mode
	Kind       string    // failure, fault, healthy, maintenance
	Start, End time.Time // zero where the file says nothing
}

// Verdict is one line of verdicts.csv: what an engineer found behind an alert.
type Verdict struct {
	Alert   string     // its ID
	Verdict string     // confirmed, false-alarm, sensor, or another word
	Mode    asset.Mode // what was found; empty where it was as the alert said
	By      string
	At      time.Time // when it was known
	Note    string
}

// ReadVerdicts reads a file with the columns alert, verdict, mode, by, at and note.
func ReadVerdicts(path string) ([]Verdict, error) {
	var out []Verdict
	err := readCSV(path, []string{"alert", "verdict", "mode", "by", "at", "note"}, func(f []string) error {
		at, err := optionalTime(f[4])
		switch {
		case err != nil:
			return fmt.Errorf("at: %w", err)
		case at.IsZero() || f[0] == "" || f[1] == "":
			return errors.New("alert, verdict or at is empty, want all three")
		}
		out = append(out, Verdict{Alert: f[0], Verdict: f[1], Mode: asset.Mode(f[2]), By: f[3], At: at, Note: f[5]})
		return nil
	})
	return out, err
}

// Question is an instant at which a remaining life is asked for.
type Question struct {
	Asset asset.ID
	Time  time.Time
}

var labelColumns = []string{"asset", "component", "mode", "kind", "start", "end"}

// Labels reads labels.csv of a folder; a folder without one has no labels.
func Labels(dir string) ([]Label, error) { return ReadLabels(filepath.Join(dir, "labels.csv")) }

// ReadLabels reads a file of labels; one that is not there has none.
func ReadLabels(path string) ([]Label, error) {
	var out []Label
	err := readCSV(path, labelColumns, func(f []string) (err error) {
		l := Label{Asset: asset.ID(f[0]), Component: f[1], Mode: asset.Mode(f[2]), Kind: f[3]}
		if !slices.Contains([]string{"failure", "fault", "healthy", "maintenance"}, l.Kind) {
			return fmt.Errorf("kind is %q, want failure, fault, healthy or maintenance", l.Kind)
		}
		if l.Start, err = optionalTime(f[4]); err != nil {
			return fmt.Errorf("start: %w", err)
		}
		if l.End, err = optionalTime(f[5]); err != nil {
			return fmt.Errorf("end: %w", err)
		}
		out = append(out, l)
		return nil
	})
	return out, err
}

// Questions reads eval.csv of a folder; a folder without one asks nothing.
func Questions(dir string) ([]Question, error) {
	var out []Question
	err := readCSV(filepath.Join(dir, "eval.csv"), []string{"asset", "time"}, func(f []string) error {
		t, err := optionalTime(f[1])
		if err == nil && t.IsZero() {
			err = errors.New("empty, want an instant")
		}
		if err != nil {
			return fmt.Errorf("time: %w", err)
		}
		out = append(out, Question{asset.ID(f[0]), t})
		return nil
	})
	return out, err
}

// readCSV hands over the named columns of every line; a missing file has none.
func readCSV(path string, columns []string, line func(fields []string) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) == 0 {
		return fmt.Errorf("%s: empty, want a heading", path)
	}
	at := make([]int, len(columns))
	for i, c := range columns {
		if at[i] = slices.Index(rows[0], c); at[i] < 0 {
			return fmt.Errorf("%s: no column %s", path, c)
		}
	}
	fields := make([]string, len(columns))
	for n, row := range rows[1:] {
		for i, k := range at {
			fields[i] = row[k]
		}
		if err := line(fields); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n+2, err)
		}
	}
	return nil
}

func optionalTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time, want 2006-01-02T15:04:05Z", s)
}
