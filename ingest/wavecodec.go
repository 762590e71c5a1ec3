package ingest

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// A waveform message is little-endian: this header, the unit, the samples.
//
//	at  bytes
//	 0  4      "TTWV"
//	 4  1      version, 1
//	 5  1      samples: 1 = int16 counts (value = count × scale), 2 = float32
//	 6  1      bit 0: opens a record, bit 1: closes it; others 0
//	 7  1      quality, 0–100
//	 8  8      time of the first sample, ns since 1970 UTC, int64
//	16  8      rate in Hz, float64
//	24  8      scale, float64; 1 for float32
//	32  4      number of samples, uint32
//	36  1      length of the unit in bytes
//	37  3      0
//	40         unit in UTF-8, samples
//
// Asset and channel are named by the topic.
const (
	waveMagic   = "TTWV"
	waveVersion = 1
	waveHeader  = 40
	asCounts    = 1
	asFloats    = 2

	// MaxWaveSamples is the longest waveform message that is looked at.
	MaxWaveSamples = 4 << 20
)

// EncodeWave appends the message for w to dst. Counts are written as they are;
// samples, with scale above 0, as int16 counts of that size, clipped at its ends,
// and with 0 as float32.
func EncodeWave(dst []byte, w asset.Waveform, scale float64) []byte {
	format, flags, written := byte(asFloats), byte(0), 1.0
	switch {
	case w.Counts != nil:
		format, written = asCounts, w.Scale
	case scale > 0:
		format, written = asCounts, scale
	}
	if w.First {
		flags |= 1
	}
	if w.Last {
		flags |= 2
	}
	dst = append(dst, waveMagic...)
	dst = append(dst, waveVersion, format, flags, byte(math.Round(min(max(w.Quality, 0), 100))))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(w.Start.UnixNano()))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(w.RateHz))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(written))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.Len()))
	dst = append(dst, byte(len(w.Unit)), 0, 0, 0)
	dst = append(dst, w.Unit...)
	dst = appendCounts(dst, w.Counts)
	if format == asFloats {
		for _, s := range w.Samples {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s))
		}
		return dst
	}
	for _, s := range w.Samples {
		count := math.Round(min(max(float64(s)/scale, math.MinInt16), math.MaxInt16))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(int16(count)))
	}
	return dst
}

func appendCounts(dst []byte, counts []int16) []byte {
	dst = slices.Grow(dst, 2*len(counts))
	for _, c := range counts {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(c))
	}
	return dst
}

// decodeWave reads a waveform message of the asset and channel that m names.
func decodeWave(m Message) ([]asset.Reading, error) {
	w, err := DecodeWave(asset.Waveform{}, m.Payload, m.Channel)
	if err != nil {
		return nil, m.verdict("waveform", err)
	}
	return (&telemetry{wave: &w}).readings(m)
}

// DecodeWave reads a waveform message of a channel. Counts stay counts. Samples or
// counts are written into those of dst when they are long enough, and belong to the
// caller. The error is an *asset.Invalid; nothing is allocated before the lengths are
// found to agree.
func DecodeWave(dst asset.Waveform, b []byte, channel string) (asset.Waveform, error) {
	if len(b) < waveHeader || string(b[:4]) != waveMagic {
		return asset.Waveform{}, refuse(Undecodable, channel, "%d bytes that do not begin with %q", len(b), waveMagic)
	}
	if b[4] != waveVersion {
		return asset.Waveform{}, refuse(Undecodable, channel, "version is %d, known is %d", b[4], waveVersion)
	}
	width := 0
	switch b[5] {
	case asCounts:
		width = 2
	case asFloats:
		width = 4
	default:
		return asset.Waveform{}, refuse(Undecodable, channel, "samples are of type %d, known are 1 (int16) and 2 (float32)", b[5])
	}
	n, unit := int(binary.LittleEndian.Uint32(b[32:])), int(b[36])
	if n > MaxWaveSamples {
		return asset.Waveform{}, refuse(Oversize, channel, "%d samples, at most %d are read", n, MaxWaveSamples)
	}
	if want := waveHeader + unit + n*width; len(b) != want {
		return asset.Waveform{}, refuse(Undecodable, channel, "%d bytes, the header says %d", len(b), want)
	}
	scale := math.Float64frombits(binary.LittleEndian.Uint64(b[24:]))
	if !(math.Abs(scale) > 0) || math.IsInf(scale, 0) {
		return asset.Waveform{}, refuse(Undecodable, channel, "scale is %g, want a finite number that is not 0", scale)
	}
	w := asset.Waveform{
		Channel: channel,
		Start:   time.Unix(0, int64(binary.LittleEndian.Uint64(b[8:]))).UTC(),
		RateHz:  math.Float64frombits(binary.LittleEndian.Uint64(b[16:])),
		Unit:    string(b[waveHeader : waveHeader+unit]),
		Quality: float64(b[7]),
		First:   b[6]&1 != 0,
		Last:    b[6]&2 != 0,
	}
	body := b[waveHeader+unit:]
	if b[5] == asCounts {
		w.Counts, w.Scale = room(dst.Counts, n), scale
		decodeCounts(w.Counts, body)
		return w, nil
	}
	w.Samples = room(dst.Samples, n)
	decodeFloats(w.Samples, body, scale)
	return w, nil
}

func room[T any](s []T, n int) []T {
	if cap(s) < n || s == nil {
		return make([]T, n)
	}
	return s[:n]
}

// decodeCounts takes four at a time; body holds two bytes for each.
func decodeCounts(dst []int16, body []byte) {
	for len(dst) >= 4 && len(body) >= 8 {
		x := binary.LittleEndian.Uint64(body)
		d := dst[:4:4]
		d[0], d[1], d[2], d[3] = int16(x), int16(x>>16), int16(x>>32), int16(x>>48)
		dst, body = dst[4:], body[8:]
	}
	for i := range dst {
		dst[i] = int16(binary.LittleEndian.Uint16(body[2*i:]))
	}
}

func decodeFloats(dst []float32, body []byte, scale float64) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:]))
	}
	if scale == 1 {
		return
	}
	for i, s := range dst {
		dst[i] = float32(float64(s) * scale)
	}
}
