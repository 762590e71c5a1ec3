package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// tell runs one command line.
func tell(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

// sineFile is a sine of amplitude 2 at 100 Hz, a second of it at 8192 Hz.
func sineFile(ext string) []byte {
	x := make([]float64, 8192)
	for i := range x {
		x[i] = 2 * math.Sin(2*math.Pi*100*float64(i)/8192)
	}
	var b []byte
	for _, v := range x {
		switch ext {
		case ".csv":
			b = fmt.Appendf(b, "7;%.9g\r\n", v)
		case ".i16", ".wav":
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(v*10000)))) //nolint:gosec // the bit pattern is meant
		case ".npy":
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
		default:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
		}
	}
	switch ext {
	case ".csv":
		return append([]byte("time;a\r\n"), b...)
	case ".npy":
		head := fmt.Sprintf("%-117s\n", "{'descr': '>f8', 'fortran_order': False, 'shape': (8192,), }")
		return append(append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), 0), append([]byte(head), b...)...)
	case ".wav":
		return append(wavHead(len(b)), b...)
	}
	return b
}

func wavHead(size int) []byte {
	h := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt "), 16, 0, 0, 0, 1, 0, 1, 0)
	h = binary.LittleEndian.AppendUint32(h, 8192)
	h = binary.LittleEndian.AppendUint32(h, 16384)
	h = append(h, 2, 0, 16, 0, 'd', 'a', 't', 'a')
	return binary.LittleEndian.AppendUint32(h, uint32(size)) //nolint:gosec // small
}

func TestFeaturesOfEveryKindOfFile(t *testing.T) {
	for ext, args := range map[string][]string{
		".csv": {"--rate", "8192"}, ".npy": {"--rate", "8192"}, ".f32": {"--rate", "8192"}, ".i16": {"--rate", "8192", "--scale", "1e-4"}, ".wav": {"--scale", "3.2768"},
	} {
		t.Run(ext, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x"+ext)
			if err := os.WriteFile(path, sineFile(ext), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := tell(append([]string{"features", path, "--unit", "g", "--rpm", "6000", "--bearing", "bpfo=3.58,bpfi=5.41", "--json"}, args...)...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			var got struct{ Features []featureLine }
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatal(err)
			}
			want := map[string]float64{"rms": math.Sqrt2 * asset.StandardGravity, "kurtosis": 1.5, "harmonic_1x": math.Sqrt2 * asset.StandardGravity}
			for _, l := range got.Features {
				if v, ok := want[l.Name]; ok {
					delete(want, l.Name)
					if math.Abs(float64(l.Value)-v) > 2e-3*v {
						t.Errorf("%s is %g %s, want %g", l.Name, l.Value, l.Unit, v)
					}
				}
				if !l.Value.Known() && l.Reason == "" {
					t.Errorf("%s is missing without a reason", l.Name)
				}
			}
			if len(want) > 0 {
				t.Errorf("no %v", want)
			}
		})
	}
}

func TestFeaturesRefusesWithWhatIsAllowed(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"a.csv": "1\n2\nx\n", "a.npy": "no", "a.wav": "RIFF", "a.f32": "abc", "a.parquet": "PAR1", "b.csv": "1\n2\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		args string
		code int
		want string
	}{
		"no number":    {"a.csv --rate 1", 1, `line 3, column 1: "x" is not a number`},
		"no NumPy":     {"a.npy --rate 1", 1, "no NumPy file"},
		"no RIFF":      {"a.wav", 1, "no RIFF/WAVE file"},
		"odd bytes":    {"a.f32 --rate 1", 1, "no whole number of 4-byte samples"},
		"no Parquet":   {"a.parquet", 1, "damaged"},
		"no rate":      {"b.csv", 2, "--rate is missing"},
		"no such kind": {"b.xls --rate 1", 2, ".csv, .txt, .npy"},
		"unit":         {"b.csv --rate 1 --unit furlong", 2, "one of"},
		"bearing":      {"b.csv --rate 1 --bearing 9,8,7,0", 2, "0 < d < D"},
		"order":        {"b.csv --rate 1 --bearing bpfo=0", 2, "is not an order above 0"},
		"column":       {"b.csv --rate 1 --column 4", 1, "--column asks for 4"},
	} {
		t.Run(name, func(t *testing.T) {
			args := strings.Fields(tc.args)
			args[0] = filepath.Join(dir, args[0])
			code, _, stderr := tell(append([]string{"features"}, args...)...)
			if code != tc.code || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d: %q, want %d and %q in one line", code, stderr, tc.code, tc.want)
			}
		})
	}
}

func FuzzWaveformFile(f *testing.F) {
	for _, ext := range []string{".csv", ".npy", ".wav", ".f32", ".i16"} {
		f.Add(sineFile(ext)[:400], 0)
	}
	f.Fuzz(func(_ *testing.T, b []byte, column int) {
		o := featuresOf{column: min(max(column, 0), 9)}
		for _, decode := range []func([]byte) ([]float64, error){o.csv, o.npy, o.wav} {
			if x, err := decode(b); err == nil && len(x) > len(b) {
				panic("more samples than bytes")
			}
		}
	})
}

// TestFeaturesPageIsWhatTheProgramWrites holds docs/features.md to the schema.
func TestFeaturesPageIsWhatTheProgramWrites(t *testing.T) {
	code, want, stderr := tell("features", "--schema")
	if code != 0 {
		t.Fatal(stderr)
	}
	got, err := os.ReadFile(filepath.Join("..", "..", "docs", "features.md"))
	if err != nil || string(got) != want {
		t.Errorf("docs/features.md is not what the program writes (%v); renew it: go run ./cmd/telltale features --schema > docs/features.md", err)
	}
	code, body, stderr := tell("features", "--schema", "--json")
	var rows []map[string]string
	if err := json.Unmarshal([]byte(body), &rows); code != 0 || err != nil || len(rows) < 60 || rows[0]["name"] != "rms" || rows[0]["unit"] != "channel" {
		t.Errorf("%d, %v %s: %d rows, the first %v", code, err, stderr, len(rows), rows[:min(1, len(rows))])
	}
}
