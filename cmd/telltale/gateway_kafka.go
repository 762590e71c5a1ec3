package main

import (
	"context"
	"errors"
	"maps"

	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/ingest/kinesis"
)

// closingBackbone is a backbone with a connection.
type closingBackbone interface {
	backbone
	Close()
}

// openBackbone makes the one that the configuration names; it connects when there is
// something to send. lost hears of what goes wrong meanwhile.
func openBackbone(ctx context.Context, c gatewayConfig, lost func(error)) (closingBackbone, error) {
	if c.Kinesis != nil {
		p, err := kinesis.NewProducer(ctx, kinesis.ProducerOptions{Produce: *c.Kinesis, Lost: lost})
		if err != nil {
			return nil, err
		}
		return kinesisBackbone{p, &ingest.WaveCodec{}}, nil
	}
	p, err := kafka.NewProducer(kafka.ProducerOptions{Produce: *c.Kafka, Lost: lost})
	if err != nil {
		return nil, err
	}
	return kafkaBackbone{p}, nil
}

// kafkaBackbone sends to a topic, with the asset as key.
type kafkaBackbone struct{ *kafka.Producer }

// Send is backbone's.
func (o kafkaBackbone) Send(ctx context.Context, messages []ingest.Message) (map[int]error, error) {
	records := make([]kafka.Record, len(messages))
	for i, m := range messages {
		records[i] = kafka.Record{Asset: m.Asset, Channel: m.Channel, Headers: m.Headers, Payload: m.Payload}
	}
	return rejections(o.Producer.Send(ctx, records))
}

// rejections tells records that are never taken from what passes.
func rejections(err error) (rejected map[int]error, other error) {
	if err == nil {
		return nil, nil
	}
	if r, ok := err.(*ingest.Rejected); ok { //nolint:errorlint // each part of the tree is looked at by itself
		return map[int]error{r.Index: r.Err}, nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil, err
	}
	rejected = map[int]error{}
	for _, part := range joined.Unwrap() {
		no, err := rejections(part)
		maps.Copy(rejected, no)
		other = errors.Join(other, err)
	}
	return rejected, other
}
