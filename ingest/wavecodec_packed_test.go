package ingest_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/ingest"
)

func noise(n int, sigma float64) []int16 {
	r := rand.New(rand.NewPCG(3, 4))
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(min(max(r.NormFloat64()*sigma, math.MinInt16), math.MaxInt16))
	}
	return out
}

func TestPackedCountsComeBack(t *testing.T) {
	slow := make([]int16, 5000)
	for i := range slow {
		slow[i] = int16(30000 * math.Sin(float64(i)/50))
	}
	jumps := make([]int16, 1000)
	for i := range jumps {
		jumps[i] = []int16{math.MinInt16, math.MaxInt16, 0, -1}[i%4]
	}
	var c ingest.WaveCodec
	for name, tc := range map[string]struct {
		counts []int16
		most   float64 // bytes of the message
	}{
		"noise":       {noise(25600, 100), 1.25 * 25600},
		"a slow sine": {slow, 1.7 * 5000},
		"extremes":    {jumps, 40 + 3 + 2*1000},
		"wide noise":  {noise(1000, 1e5), 40 + 3 + 2*1000}, // raw is smaller
		"flat":        {make([]int16, 100_000), 2*100_000/32 + 100},
		"one":         {[]int16{-7}, 40 + 3 + 2},
		"none":        {[]int16{}, 40 + 3},
		"many":        {slices.Repeat(noise(1<<16, 50), ingest.MaxWaveSamples>>16), 1.2 * ingest.MaxWaveSamples},
	} {
		t.Run(name, func(t *testing.T) {
			w := asset.Waveform{Channel: "x", Start: t0, RateHz: 25600, Unit: "g", Counts: tc.counts, Scale: 0.25, Quality: 90, Last: true}
			b := c.Encode([]byte("before"), w, 0)[len("before"):]
			if float64(len(b)) > tc.most {
				t.Errorf("%d bytes, want at most %g", len(b), tc.most)
			}
			for codec, decode := range map[string]func(asset.Waveform, []byte, string) (asset.Waveform, error){"kept": c.Decode, "made": ingest.DecodeWave} {
				got, err := decode(asset.Waveform{}, b, "x")
				if err != nil || !slices.Equal(got.Counts, w.Counts) { // quicker than by reflection
					t.Errorf("%s: %v, %d counts", codec, err, got.Len())
				}
				want := w
				got.Counts, want.Counts = nil, nil
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %+v, want %+v", codec, got, want)
				}
			}
		})
	}
}

func TestPackedSamplesAreCountsFirst(t *testing.T) {
	var c ingest.WaveCodec
	w := asset.Waveform{Channel: "x", Start: t0, RateHz: 10, Samples: make([]float32, 4000)}
	for i := range w.Samples {
		w.Samples[i] = float32(i%7) * 0.5
	}
	packed, err := c.Decode(asset.Waveform{}, c.Encode(nil, w, 0.5), "x")
	raw, rawErr := ingest.DecodeWave(asset.Waveform{}, ingest.EncodeWave(nil, w, 0.5), "x")
	if err != nil || rawErr != nil || !reflect.DeepEqual(packed, raw) {
		t.Errorf("%v, %v", err, rawErr)
	}
	if floats := c.Encode(nil, w, 0); !slices.Equal(floats, ingest.EncodeWave(nil, w, 0)) {
		t.Error("float32 are packed")
	}
}

func TestUnpackingIsBounded(t *testing.T) {
	var c ingest.WaveCodec
	good := c.Encode(nil, asset.Waveform{Start: t0, RateHz: 1, Counts: noise(1000, 30), Scale: 1}, 0)
	if good[5] != 3 {
		t.Fatal("it is not packed")
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	bomb := w.EncodeAll(make([]byte, 200_000), nil)
	for name, tc := range map[string]struct {
		harm func(b []byte) []byte
		want string
	}{
		"more samples than bytes can hold": {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[32:], 4<<20); return b }, "undecodable: 977 bytes cannot hold the 4194304 samples of the header"},
		"more samples than are read":       {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[32:], 5<<20); return b }, "oversize: 5242880 samples, at most 4194304 are read"},
		"more samples than it packs":       {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[32:], 1001); return b }, "undecodable: packed counts do not say that they are 2002 bytes, as the header does"},
		"it packs more than it says":       {func(b []byte) []byte { return append(b[:40], bomb...) }, "undecodable: "},
		"a second frame":                   {func(b []byte) []byte { return append(b, bomb...) }, "undecodable: packed counts: decompressed size exceeds configured limit"},
		"cut off":                          {func(b []byte) []byte { return b[:len(b)-5] }, "undecodable: packed counts: unexpected EOF"},
		"an unknown order":                 {func(b []byte) []byte { b[37] = 2; return b }, "undecodable: differences are of order 2, known are 0 and 1"},
		"nothing":                          {func(b []byte) []byte { return b[:40] }, "undecodable: 40 bytes cannot hold the 1000 samples of the header"},
		"no zstd":                          {func(b []byte) []byte { b[40] = 0; return b }, "undecodable: packed counts: invalid input: magic number mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Decode(asset.Waveform{}, tc.harm(slices.Clone(good)), "x")
			var bad *asset.Invalid
			if !errors.As(err, &bad) || !strings.HasPrefix(string(bad.Reason)+": "+bad.Text, tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestCodecIsSafeForConcurrentUse(t *testing.T) {
	var c ingest.WaveCodec
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			w := asset.Waveform{Channel: "x", Start: t0, RateHz: 25600, Counts: noise(3000+i, 100), Scale: 1}
			for range 20 {
				if got, err := c.Decode(asset.Waveform{}, c.Encode(nil, w, 0), "x"); err != nil || !reflect.DeepEqual(got, w) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
}

// Bearings as they were measured, in counts of 16 bits over ±50 g.
func TestPackedBearings(t *testing.T) {
	dir := os.Getenv("TELLTALE_DATA")
	if dir == "" {
		t.Skip("TELLTALE_DATA is not set")
	}
	for name, most := range map[string]float64{"femto": 0.98, "mfpt": 1.16, "hit_sm_spectraquest": 0.34} {
		t.Run(name, func(t *testing.T) {
			set, err := dataset.Open(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			replay, err := set.Replay(dataset.ReplayOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer replay.Close()
			var c ingest.WaveCodec
			var bytes, samples int
			for samples < 2_000_000 {
				r, _, err := replay.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if r.Wave == nil {
					continue
				}
				b := c.Encode(nil, *r.Wave, 50*9.80665/math.MaxInt16)
				got, err := c.Decode(asset.Waveform{}, b, r.Wave.Channel)
				want, _ := ingest.DecodeWave(asset.Waveform{}, ingest.EncodeWave(nil, *r.Wave, 50*9.80665/math.MaxInt16), r.Wave.Channel)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("does not come back: %v", err)
				}
				bytes, samples = bytes+len(b), samples+got.Len()
			}
			per := float64(bytes) / float64(samples)
			t.Logf("%.3f bytes a sample over %d samples", per, samples)
			if samples == 0 || per > most {
				t.Errorf("%.3f bytes a sample over %d samples, want at most %g", per, samples, most)
			}
		})
	}
}

func BenchmarkPackedWave(b *testing.B) {
	w := asset.Waveform{RateHz: 25600, Unit: "g", Counts: noise(25600, 100), Scale: 1}
	var c ingest.WaveCodec
	msg := c.Encode(nil, w, 0)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 1<<20)
		for b.Loop() {
			dst = c.Encode(dst[:0], w, 0)
		}
		b.ReportMetric(float64(b.N)*25600/b.Elapsed().Seconds()/1e6, "Msamples/s")
		b.ReportMetric(float64(len(msg))/25600, "bytes/sample")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		dst := asset.Waveform{Counts: make([]int16, 25600)}
		for b.Loop() {
			if _, err := c.Decode(dst, msg, "x"); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*25600/b.Elapsed().Seconds()/1e6, "Msamples/s")
	})
}

// A block may say more than its frame; that costs no memory.
func TestABlockBeyondItsFrameCostsNothing(t *testing.T) {
	b, err := hex.DecodeString("545457560103015a0080905833a2b8170000000000000040000000000000e03f2c010000010000006728b52ffd405d5801d25e09bb2a86a8e3d949ddbce945aa412b9f615e84a07d920fdd62b1c753fe7c89dd72eabc30c0a8af906009df518544500f85dbcfc0188d0a0601541b022c2f2606")
	if err != nil {
		t.Fatal(err)
	}
	var c ingest.WaveCodec
	decode := func() uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := c.Decode(asset.Waveform{}, b, "x"); err == nil || !strings.Contains(err.Error(), "packed counts") {
			t.Fatalf("read as %v", err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	least := decode()
	for range 5 { // others of the process allocate, too
		least = min(least, decode())
	}
	if least > 8<<10 {
		t.Errorf("%d bytes allocated for a message of %d", least, len(b))
	}
}
