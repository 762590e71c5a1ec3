package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// decayAt is a free decay of two vibrations at a place and an instant.
func decayAt(place, j int) float64 {
	t, u := 0.05*float64(j), float64(place+1)/6
	mode := func(hz, zeta float64) float64 {
		w := 2 * math.Pi * hz
		return math.Exp(-zeta*w*t) * math.Cos(w*math.Sqrt(1-zeta*zeta)*t)
	}
	return u*mode(0.7, 0.01) + u*u*mode(1.9, 0.02)
}

// snapshotFile writes 6 places × 300 instants in one of the formats.
func snapshotFile(t *testing.T, format string) string {
	t.Helper()
	const rows, cols = 6, 300
	path := filepath.Join(t.TempDir(), "decay.npy")
	var b []byte
	descr, fortran := "'<f8'", "False"
	head := func(version byte) {
		text := fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': (%d, %d), }\n", descr, fortran, rows, cols)
		b = append(b, "\x93NUMPY"...)
		b = append(b, version, 0)
		if version == 1 {
			b = binary.LittleEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // short
		} else {
			b = binary.LittleEndian.AppendUint32(b, uint32(len(text))) //nolint:gosec // short
		}
		b = append(b, text...)
	}
	switch format {
	case "npy 1.0, C order, f8":
		head(1)
		for i := range rows {
			for j := range cols {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(decayAt(i, j)))
			}
		}
	case "npy 2.0, Fortran order, f8":
		fortran = "True"
		head(2)
		for j := range cols {
			for i := range rows {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(decayAt(i, j)))
			}
		}
	case "npy 3.0, C order, big-endian f4":
		descr = "'>f4'"
		head(3)
		for i := range rows {
			for j := range cols {
				b = binary.BigEndian.AppendUint32(b, math.Float32bits(float32(decayAt(i, j))))
			}
		}
	case "Matrix Market array":
		path = strings.TrimSuffix(path, ".npy") + ".mtx"
		b = fmt.Appendf(b, "%%%%MatrixMarket matrix array real general\n%d %d\n", rows, cols)
		for j := range cols {
			for i := range rows {
				b = fmt.Appendf(b, "%.17g\n", decayAt(i, j))
			}
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestROMImportAndShow(t *testing.T) {
	repo := t.TempDir()
	for i, format := range []string{"npy 1.0, C order, f8", "npy 2.0, Fortran order, f8", "npy 3.0, C order, big-endian f4", "Matrix Market array"} {
		path := snapshotFile(t, format)
		code, out, errs := tell("rom", "import", path, "--dt", "0.05", "--method", "era", "--repo", repo, "--name", fmt.Sprintf("blade-%d", i))
		if code != 0 || !strings.Contains(out, fmt.Sprintf("blade-%d/wind-turbine:1", i)) {
			t.Fatalf("%s: %d %s%s", format, code, out, errs)
		}
		code, out, errs = tell("rom", "show", fmt.Sprintf("blade-%d:1", i), "--repo", repo, "--json")
		var s shownROM
		if err := json.Unmarshal([]byte(out), &s); code != 0 || err != nil {
			t.Fatalf("%s: %d %v %s%s", format, code, err, out, errs)
		}
		if m := s.ROM.Modes; len(m) != 2 || math.Abs(m[0].Hz-0.7) > 1e-3 || math.Abs(m[1].Hz-1.9) > 1e-3 || math.Abs(m[1].Zeta-0.02) > 1e-3 {
			t.Errorf("%s: %+v", format, s.ROM.Modes)
		}
	}
	// The same snapshots again are the same version, others another.
	path := snapshotFile(t, "npy 1.0, C order, f8")
	if _, out, _ := tell("rom", "import", path, "--dt", "0.05", "--method", "era", "--repo", repo, "--name", "blade-0"); !strings.Contains(out, "blade-0/wind-turbine:1") {
		t.Errorf("again: %s", out)
	}
	file := filepath.Join(t.TempDir(), "rom.json")
	code, out, errs := tell("rom", "import", path, "--dt", "0.05", "--delays", "4", "--energy", "0.999999", "--out", file)
	if code != 0 || !strings.Contains(out, "max|λ|") || !strings.Contains(out, "kept") {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	if code, shown, errs := tell("rom", "show", file); code != 0 || shown != out {
		t.Errorf("%d %s%s", code, shown, errs)
	}
}

func TestROMUsage(t *testing.T) {
	path := snapshotFile(t, "npy 1.0, C order, f8")
	for want, args := range map[string][]string{
		"--dt":     {path, "--out", "x"},
		"together": {path, "--dt", "1", "--repo", "r"},
		"--out":    {path, "--dt", "1"},
		"small":    {path, "--dt", "1", "--repo", "r", "--name", "A/B"},
		"end in":   {"main.go", "--dt", "1", "--out", "x"},
	} {
		if code, _, errs := tell(append([]string{"rom", "import"}, args...)...); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
	if code, _, errs := tell("rom", "import", path, "--dt", "1", "--method", "fem", "--out", filepath.Join(t.TempDir(), "x")); code != 1 || !strings.Contains(errs, "dmd, era or pod") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := tell("rom", "show", "nothing", "--repo", t.TempDir()); code != 1 || !strings.Contains(errs, "no such model") {
		t.Errorf("%d %s", code, errs)
	}
}
