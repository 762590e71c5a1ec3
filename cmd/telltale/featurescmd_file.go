package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

// maxFileSamples bounds what is read into memory at once.
const maxFileSamples = 64 << 20

// read returns the samples of a file as its ending says.
func (f *featuresOf) read(path string) ([]float64, error) {
	ext := strings.ToLower(filepath.Ext(path))
	if ext == ".parquet" {
		return f.readRecord(path)
	}
	decode, ok := map[string]func([]byte) ([]float64, error){
		".csv": f.csv, ".txt": f.csv, ".npy": f.npy, ".wav": f.wav,
		".f32": func(b []byte) ([]float64, error) { return numbersOf(b, "<f4") },
		".i16": func(b []byte) ([]float64, error) { return numbersOf(b, "<i2") },
	}[ext]
	if !ok {
		return nil, fmt.Errorf("%w: %s: files end in .csv, .txt, .npy, .wav, .f32, .i16 or .parquet", errUsage, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > 8*maxFileSamples {
		return nil, fmt.Errorf("%s: %d bytes are too many: cut the record", path, info.Size())
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	x, err := decode(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// csv reads one number a line. A first line without numbers is a heading.
func (f *featuresOf) csv(body []byte) ([]float64, error) {
	var out []float64
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(",;\t ", r) })
		at := len(cells) - 1
		if f.column > 0 {
			at = f.column - 1
		}
		if at < 0 || at >= len(cells) {
			return nil, fmt.Errorf("line %d has %d column(s), --column asks for %d", n, len(cells), f.column)
		}
		v, err := strconv.ParseFloat(cells[at], 64)
		if err != nil {
			if len(out) == 0 && n == 1 {
				continue
			}
			return nil, fmt.Errorf("line %d, column %d: %q is not a number", n, at+1, cells[at])
		}
		out = append(out, v)
	}
	return out, lines.Err()
}

// numbersOf decodes plain numbers of a NumPy type code.
func numbersOf(b []byte, code string) ([]float64, error) {
	var order binary.ByteOrder = binary.LittleEndian
	if strings.HasPrefix(code, ">") {
		order = binary.BigEndian
	}
	size := int(code[len(code)-1] - '0')
	get, ok := map[string]func([]byte) float64{
		"f4": func(b []byte) float64 { return float64(math.Float32frombits(order.Uint32(b))) },
		"f8": func(b []byte) float64 { return math.Float64frombits(order.Uint64(b)) },
		"i1": func(b []byte) float64 { return float64(int8(b[0])) }, //nolint:gosec // the bit pattern is meant
		"u1": func(b []byte) float64 { return float64(b[0]) },
		"i2": func(b []byte) float64 { return float64(int16(order.Uint16(b))) }, //nolint:gosec // the bit pattern is meant
		"u2": func(b []byte) float64 { return float64(order.Uint16(b)) },
		"i4": func(b []byte) float64 { return float64(int32(order.Uint32(b))) }, //nolint:gosec // the bit pattern is meant
		"u4": func(b []byte) float64 { return float64(order.Uint32(b)) },
		"i8": func(b []byte) float64 { return float64(int64(order.Uint64(b))) }, //nolint:gosec // the bit pattern is meant
	}[code[1:]]
	if !ok {
		return nil, fmt.Errorf("numbers of type %q: f4, f8, i1, i2, i4, i8, u1, u2 and u4 are read", code)
	}
	if len(b)%size != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of %d-byte samples", len(b), size)
	}
	out := make([]float64, len(b)/size)
	for i := range out {
		out[i] = get(b[i*size:])
	}
	return out, nil
}

var (
	npyType    = regexp.MustCompile(`'descr':\s*'([<>|=][a-z]\d)'`)
	npyFortran = regexp.MustCompile(`'fortran_order':\s*True`)
	npyShape   = regexp.MustCompile(`'shape':\s*\((\d+),?\s*(\d*)\)`)
)

// npy takes a signal from NumPy's format.
func (f *featuresOf) npy(b []byte) ([]float64, error) {
	x, rows, columns, fortran, err := readNPY(b)
	if err != nil {
		return nil, err
	}
	if rows == 1 {
		columns = 1
	}
	return f.pick(x, columns, fortran)
}

// readNPY reads one or two dimensions of NumPy's format, versions 1 to 3 (NEP 1): row
// after row, or column after column where fortran says so.
func readNPY(b []byte) (x []float64, rows, columns int, fortran bool, err error) {
	fail := func(err error) ([]float64, int, int, bool, error) { return nil, 0, 0, false, err }
	if len(b) < 12 || string(b[:6]) != "\x93NUMPY" {
		return fail(errors.New("no NumPy file"))
	}
	at, n := 10, int(binary.LittleEndian.Uint16(b[8:]))
	if b[6] > 1 {
		at, n = 12, int(binary.LittleEndian.Uint32(b[8:]))
	}
	if n < 0 || n > len(b)-at {
		return fail(errors.New("the NumPy header is cut off"))
	}
	head := string(b[at : at+n])
	code, shape := npyType.FindStringSubmatch(head), npyShape.FindStringSubmatch(head)
	if code == nil || shape == nil {
		return fail(errors.New("one or two dimensions of plain numbers are read"))
	}
	if x, err = numbersOf(b[at+n:], code[1]); err != nil {
		return fail(err)
	}
	rows, _ = strconv.Atoi(shape[1]) // digits; one too large does not fit the data
	columns = 1
	if shape[2] != "" {
		columns, _ = strconv.Atoi(shape[2])
	}
	if rows < 0 || columns < 1 || rows > len(x) || columns > len(x)+1 || rows*columns != len(x) {
		return fail(fmt.Errorf("%d numbers do not fill the shape %s×%s", len(x), shape[1], shape[2]))
	}
	return x, rows, columns, npyFortran.MatchString(head), nil
}

// pick takes one of several interleaved columns; apart says that they follow each other instead.
func (f *featuresOf) pick(x []float64, columns int, apart bool) ([]float64, error) {
	at := max(f.column, 1) - 1
	if at >= columns {
		return nil, fmt.Errorf("%d column(s), --column asks for %d", columns, f.column)
	}
	rows := len(x) / columns
	if columns == 1 || apart {
		return x[at*rows : (at+1)*rows], nil
	}
	out := make([]float64, rows)
	for i := range out {
		out[i] = x[i*columns+at]
	}
	return out, nil
}

// wav reads RIFF/WAVE: PCM of 8 to 32 bits as shares of full scale, or float.
func (f *featuresOf) wav(b []byte) ([]float64, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, errors.New("no RIFF/WAVE file")
	}
	var format, channels, bits int
	for rest := b[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		chunk := rest[8:]
		if size < 0 || size > len(chunk) {
			size = len(chunk)
		}
		chunk = chunk[:size]
		switch {
		case id == "fmt " && size >= 16:
			format, channels = int(binary.LittleEndian.Uint16(chunk)), int(binary.LittleEndian.Uint16(chunk[2:]))
			bits = int(binary.LittleEndian.Uint16(chunk[14:]))
			if f.rate == 0 {
				f.rate = float64(binary.LittleEndian.Uint32(chunk[4:]))
			}
			if format == 0xfffe && size >= 26 { // extensible: the format is in the sub-format
				format = int(binary.LittleEndian.Uint16(chunk[24:]))
			}
		case id == "data":
			if channels < 1 {
				return nil, errors.New("the samples come before their format")
			}
			x, err := pcm(chunk, format, bits)
			if err != nil {
				return nil, err
			}
			return f.pick(x[:len(x)/channels*channels], channels, false)
		}
		rest = rest[min(len(rest), 8+size+size%2):]
	}
	return nil, errors.New("no samples inside")
}

func pcm(b []byte, format, bits int) ([]float64, error) {
	code := map[[2]int]string{{1, 8}: "|u1", {1, 16}: "<i2", {1, 32}: "<i4", {3, 32}: "<f4", {3, 64}: "<f8"}[[2]int{format, bits}]
	if format == 1 && bits == 24 {
		wide := make([]byte, 0, len(b)/3*4)
		for i := 0; i+3 <= len(b); i += 3 {
			wide = append(wide, 0, b[i], b[i+1], b[i+2])
		}
		b, bits, code = wide, 32, "<i4"
	}
	if code == "" {
		return nil, fmt.Errorf("format %d with %d bits: PCM of 8, 16, 24 or 32 bits and float of 32 or 64 bits are read", format, bits)
	}
	x, err := numbersOf(b[:len(b)/(bits/8)*(bits/8)], code)
	if err != nil || format == 3 {
		return x, err
	}
	for i := range x {
		if bits == 8 {
			x[i] -= 128
		}
		x[i] = math.Ldexp(x[i], 1-bits)
	}
	return x, nil
}

// readRecord lets dataset read a waveforms file, alone in a folder of its own,
// with the nameplates of the folder that it lies in.
func (f *featuresOf) readRecord(path string) ([]float64, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(full); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "telltale-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system clears what is left there
	if err := os.Mkdir(filepath.Join(dir, "waveforms"), 0o700); err != nil {
		return nil, err
	}
	if err := os.Symlink(full, filepath.Join(dir, "waveforms", "one.parquet")); err != nil {
		return nil, err
	}
	plates, err := os.ReadFile(filepath.Join(filepath.Dir(full), "..", "dataset.yaml"))
	if err != nil {
		plates = []byte("name: file\nassets: [{id: file, kind: generic, components: [{name: file}]}]\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "dataset.yaml"), plates, 0o600); err != nil {
		return nil, err
	}
	set, err := dataset.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: not a waveforms file of a dataset: %w", path, err)
	}
	x, err := f.find(set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// find puts the wanted record together from its blocks.
func (f *featuresOf) find(set *dataset.Set) ([]float64, error) {
	if len(set.Damaged) > 0 {
		return nil, set.Damaged[0]
	}
	replay, err := set.Replay(dataset.ReplayOptions{})
	if err != nil {
		return nil, err
	}
	defer replay.Close()
	seen := 0
	var x []float64
	var from string
	for {
		r, _, err := replay.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: --record %d: there are %d of that asset and channel", errUsage, f.record, seen)
		}
		if err != nil {
			return nil, err
		}
		w := r.Wave
		if w == nil || f.assetID != "" && string(r.Asset) != f.assetID || f.channel != "" && w.Channel != f.channel {
			continue
		}
		key := string(r.Asset) + "/" + w.Channel
		if w.First {
			if seen++; seen == f.record {
				from = key
				f.describe(set, r)
			}
		}
		if from != key || seen < f.record {
			continue
		}
		for _, v := range w.Samples {
			x = append(x, float64(v))
		}
		if w.Last {
			return x, nil
		}
	}
}

// describe takes over what the record and its nameplate say; flags go before.
func (f *featuresOf) describe(set *dataset.Set, r asset.Reading) {
	f.recordName = fmt.Sprintf("%s %s %s", r.Asset, r.Wave.Channel, r.Wave.Start.UTC().Format("2006-01-02T15:04:05.999999Z"))
	if f.rate == 0 {
		f.rate = r.Wave.RateHz
	}
	if f.unit == "" {
		f.unit = r.Wave.Unit
	}
	for _, p := range set.Assets {
		if p.ID != r.Asset {
			continue
		}
		f.plate = p
		if len(p.Components) > 0 {
			f.component = p.Components[0].Name
		}
		for _, c := range p.Channels {
			if c.Name == r.Wave.Channel && c.Component != "" {
				f.component = c.Component
			}
		}
	}
}
