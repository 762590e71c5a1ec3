package kafka

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// BenchmarkBacklog reads what waits in Apache Kafka: points in JSON, compressed with zstd, and
// waveforms of a second at 25.6 kHz. The peak is of the heap, sampled.
func BenchmarkBacklog(b *testing.B) {
	if apache == nil {
		b.Skip("skipped: TELLTALE_KAFKA names no folder with Apache Kafka")
	}
	wave := Record{Asset: "a", Channel: "x", Payload: ingest.EncodeWave(nil, asset.Waveform{Start: t0, RateHz: 25600, Unit: "m/s²", Samples: make([]float32, 25600), Quality: 100}, 0.001)}
	for name, record := range map[string]Record{"points": reading("a", 1), "waves": wave} {
		b.Run(name, func(b *testing.B) {
			topic := "bench-" + name + time.Now().Format("150405.000")
			create(b, apache.plain(), topic)
			p, err := NewProducer(ProducerOptions{Produce: Produce{Cluster: apache.plain(), Topic: topic, Compression: "zstd"}})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			some := make([]Record, min(b.N, 1000))
			for i := range some {
				some[i] = record
			}
			begun := time.Now()
			for left := b.N; left > 0; left -= len(some) {
				if err := p.Send(b.Context(), some[:min(left, len(some))]); err != nil {
					b.Fatal(err)
				}
			}
			sent := float64(b.N) / time.Since(begun).Seconds()
			s, err := Open(b.Context(), Options{Consume: Consume{Cluster: apache.plain(), Topics: []string{topic}, Group: topic}, Decoder: &decoder{}})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if _, _, err := s.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
			var peak uint64
			b.ResetTimer()
			for i := range b.N - 1 {
				_, pos, err := s.Next(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				if i%100 == 0 {
					s.Ack(pos)
				}
				if i%5000 == 0 {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapInuse)
				}
			}
			b.ReportMetric(sent, "sent/s")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "read/s")
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		})
	}
}
