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
//	 5  1      samples: 1 = int16 counts (value = count × scale), 2 = float32, 3 = packed counts
//	 6  1      bit 0: opens a record, bit 1: closes it; others 0
//	 7  1      quality, 0–100
//	 8  8      time of the first sample, ns since 1970 UTC, int64
//	16  8      rate in Hz, float64
//	24  8      scale, float64; 1 for float32
//	32  4      number of samples, uint32
//	36  1      length of the unit in bytes
//	37  1      order of the differences of packed counts, 0 or 1; else 0
//	38  2      0
//	40         unit in UTF-8, samples (packed: see WaveCodec)
//
// Asset and channel are named by the topic.
const (
	waveMagic   = "TTWV"
	waveVersion = 1
	waveHeader  = 40
	asCounts    = 1
	asFloats    = 2
	asPacked    = 3

	// MaxWaveSamples is the longest waveform message that is looked at.
	MaxWaveSamples = 4 << 20
)

// EncodeWave appends the message for w to dst. Counts are written as they are;
// samples, with scale above 0, as int16 counts of that size, clipped at its ends,
// and with 0 as float32.
func EncodeWave(dst []byte, w asset.Waveform, scale float64) []byte {
	switch {
	case w.Counts != nil:
		return appendCounts(appendWaveHeader(dst, w, asCounts, 0, w.Scale), w.Counts)
	case scale > 0:
		dst = slices.Grow(appendWaveHeader(dst, w, asCounts, 0, scale), 2*len(w.Samples))
		for _, s := range w.Samples {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(toCount(s, scale)))
		}
		return dst
	}
	dst = slices.Grow(appendWaveHeader(dst, w, asFloats, 0, 1), 4*len(w.Samples))
	for _, s := range w.Samples {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s))
	}
	return dst
}

// toCount is the count nearest to s.
func toCount(s float32, scale float64) int16 {
	return int16(math.Round(min(max(float64(s)/scale, math.MinInt16), math.MaxInt16)))
}

func appendWaveHeader(dst []byte, w asset.Waveform, format, order byte, scale float64) []byte {
	flags := byte(0)
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
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(scale))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.Len()))
	dst = append(dst, byte(len(w.Unit)), order, 0, 0)
	return append(dst, w.Unit...)
}

func appendCounts(dst []byte, counts []int16) []byte {
	dst = slices.Grow(dst, 2*len(counts))
	for _, c := range counts {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(c))
	}
	return dst
}

// DecodeWave reads a waveform message of a channel. Counts stay counts. Samples or
// counts are written into those of dst when they are long enough, its unit is used again
// when it is the same, and all belongs to the caller. The error is an *asset.Invalid; nothing is allocated before the lengths are
// found to agree. Where packed ones come again and again use WaveCodec, which keeps what
// unpacking needs.
func DecodeWave(dst asset.Waveform, b []byte, channel string) (asset.Waveform, error) {
	return decodeWave(dst, b, channel, nil)
}

func decodeWave(dst asset.Waveform, b []byte, channel string, c *WaveCodec) (asset.Waveform, error) {
	n, unit, bad := checkLengths(b, channel)
	if bad != nil {
		return asset.Waveform{}, bad
	}
	scale := math.Float64frombits(binary.LittleEndian.Uint64(b[24:]))
	if !(math.Abs(scale) > 0) || math.IsInf(scale, 0) {
		return asset.Waveform{}, refuse(Undecodable, channel, "scale is %g, want a finite number that is not 0", scale)
	}
	w := asset.Waveform{
		Channel: channel,
		Start:   time.Unix(0, int64(binary.LittleEndian.Uint64(b[8:]))).UTC(),
		RateHz:  math.Float64frombits(binary.LittleEndian.Uint64(b[16:])),
		Unit:    dst.Unit,
		Quality: float64(b[7]),
		First:   b[6]&1 != 0,
		Last:    b[6]&2 != 0,
	}
	body := b[waveHeader+unit:]
	if s := b[waveHeader : waveHeader+unit]; string(s) != w.Unit {
		w.Unit = string(s)
	}
	switch b[5] {
	case asFloats:
		w.Samples = room(dst.Samples, n)
		decodeFloats(w.Samples, body, scale)
		return w, nil
	case asCounts:
		w.Counts, w.Scale = room(dst.Counts, n), scale
		decodeCounts(w.Counts, body)
		return w, nil
	}
	if c == nil {
		c = new(WaveCodec)
		defer c.close()
	}
	w.Scale = scale
	if w.Counts, bad = c.unpack(dst.Counts, body, n, b[37], channel); bad != nil {
		return asset.Waveform{}, bad
	}
	return w, nil
}

// checkLengths returns the number of samples and the length of the unit, once they agree
// with the length of the message.
func checkLengths(b []byte, channel string) (n, unit int, bad *asset.Invalid) {
	if len(b) < waveHeader || string(b[:4]) != waveMagic {
		return 0, 0, refuse(Undecodable, channel, "%d bytes that do not begin with %q", len(b), waveMagic)
	}
	if b[4] != waveVersion {
		return 0, 0, refuse(Undecodable, channel, "version is %d, known is %d", b[4], waveVersion)
	}
	n, unit = int(binary.LittleEndian.Uint32(b[32:])), int(b[36])
	if n > MaxWaveSamples {
		return 0, 0, refuse(Oversize, channel, "%d samples, at most %d are read", n, MaxWaveSamples)
	}
	want := waveHeader + unit
	switch b[5] {
	case asCounts:
		want += 2 * n
	case asFloats:
		want += 4 * n
	case asPacked:
		if len(b) < want || 2*n > mostPacked*len(b) {
			return 0, 0, refuse(Undecodable, channel, "%d bytes cannot hold the %d samples of the header", len(b), n)
		}
		return n, unit, nil
	default:
		return 0, 0, refuse(Undecodable, channel, "samples are of type %d, known are 1 (int16), 2 (float32) and 3 (packed int16)", b[5])
	}
	if len(b) != want {
		return 0, 0, refuse(Undecodable, channel, "%d bytes, the header says %d", len(b), want)
	}
	return n, unit, nil
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
