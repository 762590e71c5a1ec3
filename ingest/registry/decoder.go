package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Next reads what lies behind the header, and messages that have none. Both methods refuse
// a message by an *asset.Invalid.
type Next interface {
	ingest.Decoder
	// DecodeProtobuf reads b as a telltale.v1.Telemetry; it keeps nothing of it.
	DecodeProtobuf(b []byte, m ingest.Message) ([]asset.Reading, error)
}

// Decoder reads messages by the schemas of a registry. It is safe for concurrent use where
// its next one is.
type Decoder struct {
	r    *Registry
	next Next
}

var (
	_ ingest.Decoder = (*Decoder)(nil)
	_ Next           = (*ingest.Payloads)(nil)
)

// Decoder stands before next.
func (r *Registry) Decoder(next Next) *Decoder { return &Decoder{r, next} }

// Decode reads a message. An error that is no *asset.Invalid means that the registry could
// not be asked about a schema that is not known yet; messages of known ones are read on.
func (d *Decoder) Decode(ctx context.Context, m ingest.Message) ([]asset.Reading, error) {
	b := m.Payload
	switch {
	case len(b) > 0 && b[0] == magic:
		return d.numbered(ctx, m)
	case len(b) >= singleBytes && b[0] == single0 && b[1] == single1:
		return d.single(ctx, m)
	default:
		return d.next.Decode(ctx, m)
	}
}

// numbered reads a message with the number of its schema.
func (d *Decoder) numbered(ctx context.Context, m ingest.Message) ([]asset.Reading, error) {
	at := where(m)
	id, body, bad := number(m.Payload, at)
	if bad != nil {
		return nil, bad
	}
	s, err := d.r.schema(ctx, id)
	if err != nil {
		return nil, err
	}
	if s.bad != nil {
		return nil, s.refusal(at)
	}
	switch s.kind {
	case sr.TypeProtobuf:
		steps, body, bad := way(body, at)
		if bad != nil {
			return nil, bad
		}
		if why := s.proto.judge(steps); why != "" {
			return nil, refuse(SchemaMismatch, at, "%s", why)
		}
		return d.next.DecodeProtobuf(body, m)
	case sr.TypeAvro:
		return d.avro(s.avro, body, m)
	default:
		m.Payload = body
		return d.next.Decode(ctx, m)
	}
}

func (d *Decoder) avro(w *avroWriter, body []byte, m ingest.Message) ([]asset.Reading, error) {
	if w.resolved == nil {
		return nil, refuse(SchemaMismatch, where(m), "%s", w.why)
	}
	return w.transcode(body, where(m), func(b []byte) ([]asset.Reading, error) { return d.next.DecodeProtobuf(b, m) })
}

// single reads a message in Avro's single-object encoding.
func (d *Decoder) single(ctx context.Context, m ingest.Message) ([]asset.Reading, error) {
	f, body, err := avro.SingleObjectFingerprint(m.Payload)
	if err != nil {
		return nil, refuse(ingest.Undecodable, where(m), "%v", err)
	}
	s, err := d.r.printed(ctx, marked{d.r.c.subject(m.Topic), f})
	if err != nil {
		return nil, err
	}
	if s.bad != nil {
		return nil, s.refusal(where(m))
	}
	return d.avro(s.avro, body, m)
}

// refusal is the verdict on the schema as one on a message.
func (s *schema) refusal(where string) *asset.Invalid {
	bad := *s.bad
	bad.Where = where
	return &bad
}

// where names a message in a refusal.
func where(m ingest.Message) string {
	switch {
	case m.Asset != "" && m.Channel != "":
		return string(m.Asset) + "/" + m.Channel
	case m.Asset != "":
		return string(m.Asset)
	case m.Topic != "":
		return m.Topic
	default:
		return "message"
	}
}

// marked names a schema by its fingerprint; the subject says where to look for it.
type marked struct {
	subject string
	print   fingerprint
}

// maxVersions is how many of a subject's schemas are looked at for a fingerprint, the newest first.
const maxVersions = 100

// printed finds the schema of a fingerprint: ours, or one of the subject's.
func (r *Registry) printed(ctx context.Context, p marked) (*schema, error) {
	if own := r.own.avro.identity; p.print == own.print {
		return &schema{kind: sr.TypeAvro, avro: own}, nil
	}
	return r.prints.get(ctx, p, func(ctx context.Context) (*schema, time.Time, error) {
		all, err := r.subjects.get(ctx, p.subject, func(ctx context.Context) (map[fingerprint]*schema, time.Time, error) {
			return r.versions(ctx, p.subject)
		})
		if err != nil {
			return nil, time.Time{}, err
		}
		if s, ok := all[p.print]; ok {
			return s, time.Time{}, nil
		}
		return r.unknown("the registry has no Avro schema of fingerprint %x under %s", p.print, p.subject)
	})
}

// versions are the Avro schemas of a subject; a new one is seen after Unknown.
func (r *Registry) versions(ctx context.Context, subject string) (map[fingerprint]*schema, time.Time, error) {
	until := r.now().Add(r.c.Unknown)
	all := map[fingerprint]*schema{}
	numbers, err := r.client.SubjectVersions(ctx, subject)
	if notThere(err) {
		return all, until, nil
	}
	if err != nil {
		return nil, time.Time{}, r.c.explained("versions of "+subject, err)
	}
	for i := len(numbers) - 1; i >= max(0, len(numbers)-maxVersions); i-- {
		what := fmt.Sprintf("%s, version %d", subject, numbers[i])
		got, err := r.client.SchemaByVersion(ctx, subject, numbers[i])
		if notThere(err) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, time.Time{}, r.c.explained(what, err)
		}
		if got.Type != sr.TypeAvro {
			continue
		}
		s, _, err := r.read(ctx, what, got.Schema)
		if err != nil {
			return nil, time.Time{}, err
		}
		if s.avro != nil {
			if _, newer := all[s.avro.print]; !newer {
				all[s.avro.print] = s
			}
		}
	}
	return all, until, nil
}

// telemetryReaders are the schemas that ingest hands out.
func telemetryReaders() (readers, error) {
	return newReaders(ingest.TelemetryProto(), ingest.TelemetryAvro())
}

func newReaders(proto, record string) (readers, error) {
	file, err := compile(context.Background(), proto, nil)
	if err != nil {
		return readers{}, fmt.Errorf("schema registry: our own Protobuf schema: %w", err)
	}
	message := file.Messages().ByName("Telemetry")
	if message == nil {
		return readers{}, errors.New("schema registry: our own Protobuf schema has no Telemetry")
	}
	s, err := avro.Parse(record)
	if err != nil {
		return readers{}, fmt.Errorf("schema registry: our own Avro schema: %w", err)
	}
	own := &avroReader{schema: s}
	own.identity = &avroWriter{print: fingerprintOf(s), resolved: s, sampleBytes: sampleBytes(s.Root()), scratches: &own.scratches}
	return readers{&protoReader{message}, own}, nil
}
