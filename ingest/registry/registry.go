package registry

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Registry is a schema registry and what was learned from it. It is safe for concurrent use.
type Registry struct {
	c      Config
	client *sr.Client
	close  func()
	own    readers
	now    func() time.Time

	schemas  *cache[int, *schema]                    // by number
	prints   *cache[marked, *schema]                 // by fingerprint
	subjects *cache[string, map[fingerprint]*schema] // all Avro schemas of a subject
	ours     *cache[string, registered]              // by topic
}

// schema is what a writer's schema means to us.
type schema struct {
	bad   *asset.Invalid // why nothing of it is read
	kind  sr.SchemaType
	proto *protoWriter
	avro  *avroWriter
}

// readers are the schemas that are read.
type readers struct {
	proto *protoReader
	avro  *avroReader
}

// Open knows the registry; it asks it nothing yet. c must be valid.
func Open(c Config) (*Registry, error) {
	own, err := telemetryReaders()
	if err != nil {
		return nil, err
	}
	return open(c, own, time.Now)
}

func open(c Config, own readers, now func() time.Time) (*Registry, error) {
	c = c.withDefaults()
	client, idle, err := newClient(c)
	if err != nil {
		return nil, err
	}
	return &Registry{
		c: c, client: client, close: idle, own: own, now: now,
		schemas:  newCache[int, *schema](c.Schemas, now),
		prints:   newCache[marked, *schema](c.Schemas, now),
		subjects: newCache[string, map[fingerprint]*schema](c.Schemas, now),
		ours:     newCache[string, registered](c.Schemas, now),
	}, nil
}

// schema returns what the schema of a number means. The error is not a verdict: the
// registry could not be asked.
func (r *Registry) schema(ctx context.Context, id int) (*schema, error) {
	return r.schemas.get(ctx, id, func(ctx context.Context) (*schema, time.Time, error) {
		what := fmt.Sprintf("schema %d", id)
		var said struct { // as sr.Schema, which fails on a type that it does not know
			Schema     string               `json:"schema"`
			Type       string               `json:"schemaType"`
			References []sr.SchemaReference `json:"references"`
		}
		err := r.client.Do(ctx, http.MethodGet, "/schemas/ids/"+strconv.Itoa(id), nil, &said)
		if notThere(err) {
			return r.unknown("the registry knows no schema %d", id)
		}
		if err != nil {
			return nil, time.Time{}, r.c.explained(what, err)
		}
		kind, known := kinds[said.Type]
		if !known {
			return &schema{bad: refuse(BadSchema, "", "%s is of type %.20q, want PROTOBUF, AVRO or JSON", what, said.Type)}, time.Time{}, nil
		}
		s := sr.Schema{Schema: said.Schema, Type: kind, References: said.References}
		return r.read(ctx, what, s)
	})
}

var kinds = map[string]sr.SchemaType{"": sr.TypeAvro, "AVRO": sr.TypeAvro, "PROTOBUF": sr.TypeProtobuf, "JSON": sr.TypeJSON}

// unknown is a verdict that counts for a while: what is missing now may be written soon.
func (r *Registry) unknown(format string, args ...any) (*schema, time.Time, error) {
	return &schema{bad: refuse(UnknownSchema, "", format, args...)}, r.now().Add(r.c.Unknown), nil
}

// read finds out what a schema means.
func (r *Registry) read(ctx context.Context, what string, s sr.Schema) (*schema, time.Time, error) {
	if s.Schema == "" {
		return nil, time.Time{}, fmt.Errorf("schema registry: %s: the answer holds no schema", what)
	}
	refs, bad, err := r.references(ctx, what, s)
	if err != nil {
		return nil, time.Time{}, err
	}
	if bad != nil {
		var until time.Time
		if bad.Reason == UnknownSchema { // it may be written soon
			until = r.now().Add(r.c.Unknown)
		}
		return &schema{bad: bad}, until, nil
	}
	out := &schema{kind: s.Type}
	switch s.Type {
	case sr.TypeProtobuf:
		out.proto, out.bad = r.own.proto.read(ctx, what, s.Schema, refs, r.c.names())
	case sr.TypeAvro:
		out.avro, out.bad = r.own.avro.read(what, s.Schema, refs, r.c.names())
	case sr.TypeJSON: // describes JSON, which says itself what it holds
	}
	return out, time.Time{}, ctx.Err()
}

// names are the full names that are read as telemetry.
func (c Config) names() []string { return append([]string{ingest.TelemetryName}, c.Names...) }

// Close ends idle connections.
func (r *Registry) Close() { r.close() }
