package main

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/spool"
)

// Headers of a gateway's messages.
const (
	channelHeader = "channel"
	typeHeader    = "content-type"
	timeHeader    = "time" // of the newest sample or point inside, RFC 3339
	gapHeader     = "gap"  // the message says what is missing

	typeProtobuf = "application/x-protobuf; messageType=telltale.v1.Telemetry"
	typeWave     = "application/vnd.telltale.wave"
)

// packer turns readings into records.
type packer struct{ waves ingest.WaveCodec }

// record is a reading on its way: a waveform by itself as a packed one, which is the
// smallest, anything else, or with a count of its sender, as Protobuf, which holds all of it.
func (c *packer) record(r asset.Reading) spool.Record {
	out := spool.Record{Key: string(r.Asset), Time: r.Time, Headers: []spool.Header{{Name: timeHeader, Value: r.Time.UTC().Format(time.RFC3339Nano)}}}
	if r.Event != nil && r.Event.Kind == ingest.GapEvent {
		out.Headers = append(out.Headers, spool.Header{Name: gapHeader, Value: "true"})
	}
	if r.Wave != nil && len(r.Points) == 0 && r.Event == nil && r.Seq == 0 && len(r.Features) == 0 {
		out.Payload = c.waves.Encode(nil, *r.Wave, 0)
		out.Headers = append(out.Headers, spool.Header{Name: typeHeader, Value: typeWave}, spool.Header{Name: channelHeader, Value: r.Wave.Channel})
		return out
	}
	out.Payload = ingest.AppendTelemetry(nil, r)
	out.Headers = append(out.Headers, spool.Header{Name: typeHeader, Value: typeProtobuf})
	return out
}

// message is a record as it goes out.
func message(r spool.Record) ingest.Message {
	m := ingest.Message{Asset: asset.ID(r.Key), Headers: make(map[string]string, len(r.Headers)), Payload: r.Payload}
	for _, h := range r.Headers {
		m.Headers[h.Name] = h.Value
	}
	m.Channel = m.Headers[channelHeader]
	delete(m.Headers, channelHeader)
	return m
}

// gapMessage tells a loss; a bound that is not known is the other one.
func gapMessage(id asset.ID, from, to time.Time, why error) ingest.Message {
	switch {
	case from.IsZero() && to.IsZero():
		from, to = time.Now().UTC(), time.Now().UTC()
	case from.IsZero():
		from = to
	case to.IsZero():
		to = from
	}
	return message((&packer{}).record(ingest.Gap(id, from, to, "gateway", why)))
}
