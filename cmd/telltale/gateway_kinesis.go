package main

import (
	"context"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kinesis"
)

// kinesisBackbone sends to a stream, with the asset as partition key. There are no headers, so
// a waveform goes as Protobuf, which names its channel.
type kinesisBackbone struct {
	producer *kinesis.Producer
	waves    *ingest.WaveCodec
}

// Send is backbone's.
func (o kinesisBackbone) Send(ctx context.Context, messages []ingest.Message) (map[int]error, error) {
	records := make([]kinesis.Record, len(messages))
	for i, m := range messages {
		records[i] = kinesis.Record{Asset: m.Asset, Payload: o.withoutHeaders(m)}
	}
	return rejections(o.producer.Send(ctx, records))
}

// withoutHeaders is a payload that says everything by itself; what cannot be read stays as
// it is, for the receiver to refuse.
func (o kinesisBackbone) withoutHeaders(m ingest.Message) []byte {
	if m.Channel == "" {
		return m.Payload
	}
	w, err := o.waves.Decode(asset.Waveform{}, m.Payload, m.Channel)
	if err != nil {
		return m.Payload
	}
	return ingest.AppendTelemetry(nil, asset.Reading{Asset: m.Asset, Time: ingest.Newest(w), Wave: &w})
}

// Close has nothing to close.
func (kinesisBackbone) Close() {}
