package sparkplug

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkData is a message of 20 values by their aliases.
func BenchmarkData(b *testing.B) {
	h, err := New(options())
	if err != nil {
		b.Fatal(err)
	}
	birth := tree{"seq": uint64(0), "timestamp": uint64(start.UnixMilli()), "metrics": []any{}}
	data := tree{"seq": uint64(0), "metrics": []any{}}
	for i := range 20 {
		birth["metrics"] = append(birth["metrics"].([]any), tree{"name": fmt.Sprint("metric ", i), "alias": uint64(i), "datatype": uint32(doubleKind), "double_value": 1.0})
		data["metrics"] = append(data["metrics"].([]any), tree{"alias": uint64(i), "timestamp": uint64(start.UnixMilli()), "double_value": float64(i)})
	}
	if _, _, err := h.Handle(start, "spBv1.0/farm/NBIRTH/e1", marshal(b, birth)); err != nil {
		b.Fatal(err)
	}
	var payloads [256][]byte
	for i := range payloads {
		data["seq"], data["timestamp"] = uint64(i), uint64(start.UnixMilli()+int64(i))
		payloads[i] = marshal(b, data)
	}
	b.ReportAllocs()
	b.ResetTimer()
	seq := uint8(0)
	for range b.N {
		seq++
		readings, _, err := h.Handle(start, "spBv1.0/farm/NDATA/e1", payloads[seq])
		if err != nil || len(readings) != 1 || len(readings[0].Points) != 20 {
			b.Fatalf("%d readings, %v", len(readings), err)
		}
	}
	b.ReportMetric(float64(20*b.N)/b.Elapsed().Seconds(), "points/s")
}

// BenchmarkWaveform is a second of a channel.
func BenchmarkWaveform(b *testing.B) {
	opt := options()
	opt.Bindings[1].Channels[0].RateHz = 25_600
	h, err := New(opt)
	if err != nil {
		b.Fatal(err)
	}
	handle := func(topic string, t tree) {
		if _, _, err := h.Handle(start, topic, marshal(b, t)); err != nil {
			b.Fatal(err)
		}
	}
	handle("spBv1.0/farm/NBIRTH/e1", tree{"seq": uint64(0)})
	handle("spBv1.0/farm/DBIRTH/e1/wt01", tree{"seq": uint64(1), "metrics": []any{tree{"name": "Vib/Raw", "alias": uint64(1), "datatype": uint32(int16Array), "is_null": true}}})
	var payloads [256][]byte
	for i := range payloads {
		payloads[i] = marshal(b, tree{"seq": uint64(i), "timestamp": uint64(start.UnixMilli() + int64(i)), "metrics": []any{tree{"alias": uint64(1), "bytes_value": make([]byte, 2*25_600)}}})
	}
	b.ReportAllocs()
	b.ResetTimer()
	seq, now := uint8(1), start
	for range b.N {
		seq++
		now = now.Add(time.Second)
		readings, _, err := h.Handle(now, "spBv1.0/farm/DDATA/e1/wt01", payloads[seq])
		if err != nil || len(readings) != 1 {
			b.Fatalf("%d readings, %v", len(readings), err)
		}
	}
	b.ReportMetric(25_600*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}
