package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/asset"
)

// What a schema with all that it refers to may take.
const (
	maxSchemaBytes = 1 << 20
	maxReferences  = 64
)

// reference is a schema under the name by which others refer to it.
type reference struct{ name, text string }

type version struct {
	subject string
	number  int
}

// gathering collects what a schema refers to.
type gathering struct {
	r     *Registry
	what  string
	kind  sr.SchemaType
	bytes int
	state map[version]bool // false: on the way to where we are, true: collected
	refs  []reference      // those that others rest on first
}

// references are all schemas that s refers to, those that others rest on first; or a verdict
// on the schema.
func (r *Registry) references(ctx context.Context, what string, s sr.Schema) ([]reference, *asset.Invalid, error) {
	g := &gathering{r: r, what: what, kind: s.Type, state: map[version]bool{}}
	err := g.visit(ctx, s)
	if bad, ok := errors.AsType[*asset.Invalid](err); ok {
		return nil, bad, nil
	}
	return g.refs, nil, err
}

func (g *gathering) visit(ctx context.Context, s sr.Schema) error {
	if g.bytes += len(s.Schema); g.bytes > maxSchemaBytes {
		return refuse(BadSchema, "", "%s has %d bytes with its references, at most %d are read", g.what, g.bytes, maxSchemaBytes)
	}
	for _, ref := range s.References {
		v := version{ref.Subject, ref.Version}
		collected, seen := g.state[v]
		switch {
		case seen && !collected:
			return refuse(BadSchema, "", "%s: the reference to %s, version %d, leads back to itself", g.what, v.subject, v.number)
		case collected:
			continue
		case len(g.state) >= maxReferences:
			return refuse(BadSchema, "", "%s has more than %d references", g.what, maxReferences)
		}
		g.state[v] = false
		next, err := g.fetch(ctx, v)
		if err != nil {
			return err
		}
		if err := g.visit(ctx, next); err != nil {
			return err
		}
		g.state[v] = true
		g.refs = append(g.refs, reference{ref.Name, next.Schema})
	}
	return nil
}

func (g *gathering) fetch(ctx context.Context, v version) (sr.Schema, error) {
	got, err := g.r.client.SchemaByVersion(ctx, v.subject, v.number)
	switch {
	case notThere(err):
		return sr.Schema{}, refuse(UnknownSchema, "", "%s refers to %s, version %d, which the registry does not have", g.what, v.subject, v.number)
	case err != nil:
		return sr.Schema{}, g.r.c.explained(fmt.Sprintf("%s: %s, version %d", g.what, v.subject, v.number), err)
	case got.Type != g.kind:
		return sr.Schema{}, refuse(BadSchema, "", "%s is of type %s and refers to %s, version %d, of type %s", g.what, g.kind, v.subject, v.number, got.Type)
	}
	return got.Schema, nil
}
