package spool

import (
	"fmt"
	"path/filepath"
	"testing"
)

// BenchmarkAppend is with a sync for each append, on the disk that holds TMPDIR.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ records, bytes int }{{1, 300}, {100, 300}, {1000, 300}, {20, 51200}} {
		b.Run(fmt.Sprintf("%dx%dB", c.records, c.bytes), func(b *testing.B) {
			s, err := Open(Options{Dir: filepath.Join(b.TempDir(), "spool"), MaxBytes: 1 << 40, SegmentBytes: 64 << 20})
			if err != nil {
				b.Fatal(err)
			}
			batch := make([]Record, c.records)
			for i := range batch {
				batch[i] = Record{Key: "WTG-01", Time: t0, Headers: []Header{{"content-type", "application/x-protobuf"}}, Payload: make([]byte, c.bytes)}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Append(batch...); err != nil {
					b.Fatal(err)
				}
			}
			report(b, b.N*c.records, c.bytes)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkDrain reads what there is and moves the cursor for good after each batch.
func BenchmarkDrain(b *testing.B) {
	for _, bytes := range []int{300, 51200} {
		b.Run(fmt.Sprintf("%dB", bytes), func(b *testing.B) {
			s, err := Open(Options{Dir: filepath.Join(b.TempDir(), "spool"), MaxBytes: 1 << 40, SegmentBytes: 64 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close() //nolint:errcheck // a benchmark's
			batch := make([]Record, max(20, 1<<20/bytes))
			for i := range batch {
				batch[i] = Record{Key: "WTG-01", Time: t0, Payload: make([]byte, bytes)}
			}
			for range 32 {
				if err := s.Append(batch...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if s.Status().Records == 0 {
					b.StopTimer()
					for range 32 {
						if err := s.Append(batch...); err != nil {
							b.Fatal(err)
						}
					}
					b.StartTimer()
				}
				x, err := s.Next(b.Context(), Limit{})
				if err != nil {
					b.Fatal(err)
				}
				n += len(x.Records)
				if err := s.Done(x.End); err != nil {
					b.Fatal(err)
				}
			}
			report(b, n, bytes)
		})
	}
}

func report(b *testing.B, records, bytes int) {
	b.Helper()
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(records)/seconds, "records/s")
	b.ReportMetric(float64(records)*float64(bytes)/1e6/seconds, "MB/s")
}
