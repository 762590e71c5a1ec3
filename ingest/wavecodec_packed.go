package ingest

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/telltale-iot/telltale/asset"
)

// WaveCodec packs counts. Vibration is noise to a compressor that looks for repeats, but
// its counts are small most of the time: each count, or its difference to the one before
// where those are smaller, is folded so that small ones of both signs are small numbers
// (0, −1, 1, −2 … become 0, 1, 2, 3 …), the low bytes of all go before the high bytes of
// all, and zstd (RFC 8878) finds the high ones nearly all alike. On bearings measured at
// 25.6 to 51.2 kHz that leaves 0.3 to 1.1 bytes of the 2 of a sample.
//
// The zero value is ready. It keeps what packing and unpacking need, which is made at the
// first use, and is safe for concurrent use.
type WaveCodec struct {
	writing, reading sync.Once
	writer           *zstd.Encoder
	reader           *zstd.Decoder

	mu     sync.Mutex
	planes [][]byte // that are free; kept, since the smallest message needs the room of a block
}

// What is kept of planes: as many as a few goroutines use, none of a very long record.
const (
	mostPlanes = 8
	mostPlane  = 1 << 20
)

// mostPacked is how many bytes of counts one byte of a message may stand for, so that a
// small message cannot ask for much memory. A dead channel, which would pack better, is
// filled up with a frame that decompressors skip.
const mostPacked = 32

// mostBlock is what one block of zstd may hold (RFC 8878). The decompressor looks at the
// size of its frame only after a block, for which there has to be room.
const mostBlock = 128 << 10

// skippable begins a frame that decompressors skip; its length follows.
const skippable = 0x184D2A50

// level is where more work stops to pay, on the bearings above: "better" saves 0.4 to 2 %
// of the bytes for 12 to 40 % of the speed, "best" 1 to 9 % for three quarters of it and more;
// "fastest" takes 1 to 2 % more bytes for a tenth more speed.
const level = zstd.SpeedDefault

// Encode is EncodeWave with the counts packed, when that makes them fewer bytes.
func (c *WaveCodec) Encode(dst []byte, w asset.Waveform, scale float64) []byte {
	if w.Counts == nil && scale > 0 {
		w.Counts, w.Scale = make([]int16, len(w.Samples)), scale
		for i, s := range w.Samples {
			w.Counts[i] = toCount(s, scale)
		}
		w.Samples = nil
	}
	if w.Counts == nil {
		return EncodeWave(dst, w, scale)
	}
	c.writing.Do(func() {
		var err error
		c.writer, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic("ingest: " + err.Error()) // the options are constants
		}
	})
	planes := c.plane(2 * len(w.Counts))
	defer c.free(planes)
	order := orderOf(w.Counts)
	fold(planes, w.Counts, order)
	at := len(dst)
	dst = appendWaveHeader(dst, w, asPacked, order, w.Scale)
	dst = c.writer.EncodeAll(planes, dst)
	if lacking := (2*len(w.Counts)+mostPacked-1)/mostPacked - (len(dst) - at); lacking > 0 {
		dst = binary.LittleEndian.AppendUint32(dst, skippable)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(lacking))
		dst = append(dst, make([]byte, lacking)...)
	}
	if len(dst)-at >= waveHeader+len(w.Unit)+2*len(w.Counts) {
		return EncodeWave(dst[:at], w, 0)
	}
	return dst
}

// Decode is DecodeWave without its preparation for packed counts.
func (c *WaveCodec) Decode(dst asset.Waveform, b []byte, channel string) (asset.Waveform, error) {
	return decodeWave(dst, b, channel, c)
}

func (c *WaveCodec) unpack(dst []int16, body []byte, n int, order byte, channel string) ([]int16, *asset.Invalid) {
	if order > 1 {
		return nil, refuse(Undecodable, channel, "differences are of order %d, known are 0 and 1", order)
	}
	var h zstd.Header
	if err := h.Decode(body); err != nil {
		return nil, refuse(Undecodable, channel, "packed counts: %v", err)
	}
	if h.Skippable || !h.HasFCS || h.FrameContentSize != uint64(2*n) {
		return nil, refuse(Undecodable, channel, "packed counts do not say that they are %d bytes, as the header does", 2*n)
	}
	c.reading.Do(func() {
		var err error
		c.reader, err = zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(2*MaxWaveSamples), zstd.WithDecoderMaxWindow(2*MaxWaveSamples))
		if err != nil {
			panic("ingest: " + err.Error()) // the options are constants
		}
	})
	planes := c.plane(2*n + mostBlock)
	defer c.free(planes)
	out, err := c.reader.DecodeAll(body, planes[:0])
	if err != nil {
		return nil, refuse(Undecodable, channel, "packed counts: %v", err)
	}
	if len(out) != 2*n {
		return nil, refuse(Undecodable, channel, "packed counts are %d bytes, want %d", len(out), 2*n)
	}
	dst = room(dst, n)
	unfold(dst, out, order)
	return dst, nil
}

// plane is memory of n bytes, to be given to free.
func (c *WaveCodec) plane(n int) (p []byte) {
	c.mu.Lock()
	if last := len(c.planes) - 1; last >= 0 {
		p, c.planes = c.planes[last], c.planes[:last]
	}
	c.mu.Unlock()
	return room(p, n)
}

func (c *WaveCodec) free(p []byte) {
	if cap(p) > mostPlane {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.planes) < mostPlanes {
		c.planes = append(c.planes, p)
	}
}

func (c *WaveCodec) close() {
	if c.reader != nil {
		c.reader.Close()
	}
}

// orderOf is 1 where differences are smaller than the counts themselves.
func orderOf(counts []int16) byte {
	var itself, difference int64
	last := int16(0)
	for _, x := range counts {
		d := x - last
		itself += int64(x ^ x>>15) // |x|, less 1 below 0
		difference += int64(d ^ d>>15)
		last = x
	}
	if difference < itself {
		return 1
	}
	return 0
}

// fold writes the low bytes of all counts and then the high ones; planes has two for each.
func fold(planes []byte, counts []int16, order byte) {
	low, high := planes[:len(counts)], planes[len(counts):2*len(counts)]
	keep := -int16(order) // all bits or none
	last := int16(0)
	for i, x := range counts {
		d := x - last&keep
		last = x
		u := uint16(d<<1) ^ uint16(d>>15)
		low[i], high[i] = byte(u), byte(u>>8)
	}
}

// unfold is the way back.
func unfold(counts []int16, planes []byte, order byte) {
	low, high := planes[:len(counts)], planes[len(counts):2*len(counts)]
	keep := -int16(order)
	last := int16(0)
	for i := range counts {
		u := uint16(low[i]) | uint16(high[i])<<8
		last = last&keep + (int16(u>>1) ^ -int16(u&1))
		counts[i] = last
	}
}
