package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/avro"

	"github.com/telltale-iot/telltale/asset"
)

// avroReader is the record that is read.
type avroReader struct {
	schema    *avro.Schema
	identity  *avroWriter // a writer who has the same schema
	scratches sync.Pool   // of *scratch
}

// avroWriter is a writer's schema, resolved into the one that is read.
type avroWriter struct {
	print       fingerprint
	resolved    *avro.Schema // nil where why says why there is none
	why         string
	sampleBytes int // fewest that a sample of a waveform takes
	scratches   *sync.Pool
}

// fingerprint is CRC-64-AVRO over a schema's canonical form, as single-object encoding has it.
type fingerprint [8]byte

func fingerprintOf(s *avro.Schema) fingerprint {
	var f fingerprint
	h := avro.NewRabin()
	_, _ = h.Write(s.Canonical()) // a hash takes everything
	binary.LittleEndian.PutUint64(f[:], h.Sum64())
	return f
}

// read resolves a writer's schema into the one that is read.
func (a *avroReader) read(what, text string, refs []reference, names []string) (*avroWriter, *asset.Invalid) {
	var types avro.SchemaCache
	for _, r := range refs {
		if _, err := types.Parse(r.text); err != nil {
			return nil, refuse(BadSchema, "", "%s refers to %s, which is no Avro schema: %v", what, r.name, err)
		}
	}
	writer, err := types.Parse(text)
	if err != nil {
		return nil, refuse(BadSchema, "", "%s is no Avro schema: %v", what, err)
	}
	root := writer.Root()
	w := &avroWriter{print: fingerprintOf(writer), sampleBytes: sampleBytes(root), scratches: &a.scratches}
	if name := fullName(root); root.Type != "record" || !slices.Contains(names, name) {
		w.why = fmt.Sprintf("%s is of %s %s, read is record %s", what, root.Type, name, strings.Join(names, " or "))
		return w, nil
	}
	if w.resolved, err = a.resolve(writer); err != nil {
		w.why = what + ": " + err.Error()
	}
	return w, nil
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// sampleBytes is 4 for a writer of floats, and 1 for one whose integers are read as floats.
func sampleBytes(telemetry *avro.SchemaNode) int {
	named := naming{}
	named.learn(telemetry)
	inside := func(n *avro.SchemaNode, field string) *avro.SchemaNode {
		for i := range n.Fields {
			if n.Fields[i].Name == field {
				return named.of(&n.Fields[i].Type)
			}
		}
		return &avro.SchemaNode{}
	}
	wave := inside(telemetry, "wave")
	branches := wave.Branches
	if len(branches) == 0 {
		branches = []avro.SchemaNode{*wave}
	}
	for i := range branches {
		if s := inside(named.of(&branches[i]), "samples"); s.Items != nil && s.Items.Type == "float" {
			return 4
		}
	}
	return 1
}

// resolve reads what a writer wrote as a reader has it.
func (a *avroReader) resolve(writer *avro.Schema) (*avro.Schema, error) {
	resolved, err := avro.Resolve(writer, a.schema)
	var bad *avro.CompatibilityError
	switch {
	case errors.As(err, &bad) && bad.WriterType == "":
		return nil, fmt.Errorf("field %s: %s", bad.Path, bad.Detail)
	case bad != nil:
		return nil, fmt.Errorf("field %s: the writer's type is %s, read is %s: %s", bad.Path, bad.WriterType, bad.ReaderType, bad.Detail)
	case err != nil:
		return nil, err
	}
	reads, writes := naming{}, naming{}
	r, w := a.schema.Root(), writer.Root()
	reads.learn(r)
	writes.learn(w)
	if why := (units{reads, writes, map[[2]*avro.SchemaNode]bool{}}).clash(r, w, ""); why != "" {
		return nil, errors.New(why)
	}
	return resolved, nil
}

// naming is the definition of each named type, since a schema spells it out only once.
type naming map[string]*avro.SchemaNode

func (n naming) learn(s *avro.SchemaNode) {
	if s == nil {
		return
	}
	if s.Name != "" {
		n[fullName(s)] = s
	}
	for i := range s.Fields {
		n.learn(&s.Fields[i].Type)
	}
	for i := range s.Branches {
		n.learn(&s.Branches[i])
	}
	n.learn(s.Items)
	n.learn(s.Values)
}

func (n naming) of(s *avro.SchemaNode) *avro.SchemaNode {
	if d, ok := n[s.Type]; ok && s.Name == "" {
		return d
	}
	return s
}

// units compares logical types, which Avro's resolution does not look at: it reads a writer's
// milliseconds as nanoseconds.
type units struct {
	reads, writes naming
	seen          map[[2]*avro.SchemaNode]bool
}

// clash names a field whose logical type is another one there; r and w are resolvable.
func (u units) clash(r, w *avro.SchemaNode, path string) string {
	r, w = u.reads.of(r), u.writes.of(w)
	if k := [2]*avro.SchemaNode{r, w}; u.seen[k] {
		return ""
	} else {
		u.seen[k] = true
	}
	if r.LogicalType != "" && w.LogicalType != "" && r.LogicalType != w.LogicalType {
		return fmt.Sprintf("field %s: the writer's unit is %s, read is %s", path, w.LogicalType, r.LogicalType)
	}
	for i := range w.Branches {
		if why := u.clash(r, &w.Branches[i], path); why != "" {
			return why
		}
	}
	if len(w.Branches) > 0 {
		return ""
	}
	for i := range r.Branches {
		if b := u.reads.of(&r.Branches[i]); b.Type == w.Type {
			return u.clash(b, w, path)
		}
	}
	switch {
	case r.Items != nil && w.Items != nil:
		return u.clash(r.Items, w.Items, path)
	case r.Values != nil && w.Values != nil:
		return u.clash(r.Values, w.Values, path)
	}
	for i := range r.Fields {
		rf := &r.Fields[i]
		for j := range w.Fields {
			wf := &w.Fields[j]
			if wf.Name != rf.Name && !slices.Contains(rf.Aliases, wf.Name) {
				continue
			}
			if why := u.clash(&rf.Type, &wf.Type, strings.TrimPrefix(path+"."+rf.Name, ".")); why != "" {
				return why
			}
		}
	}
	return ""
}
