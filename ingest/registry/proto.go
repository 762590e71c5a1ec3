package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/telltale-iot/telltale/asset"
)

// protoReader is the message that is read.
type protoReader struct {
	message protoreflect.MessageDescriptor
}

// protoWriter is a writer's file with a verdict on each message that may be read.
type protoWriter struct {
	what     string
	file     protoreflect.FileDescriptor
	verdicts map[protoreflect.FullName]string // why it cannot be read; empty: it can
	names    []string
}

// deepestText is how deep a file may nest; the compiler calls itself as deep.
const deepestText = 100

// compile reads a Protobuf file with the files that it imports.
func compile(ctx context.Context, text string, imports []reference) (protoreflect.FileDescriptor, error) {
	const main = "the schema" // in errors
	sources := map[string]string{main: text}
	for _, r := range imports {
		if other, ok := sources[r.name]; ok && other != r.text {
			return nil, fmt.Errorf("two schemas are imported as %q", r.name)
		}
		sources[r.name] = r.text
	}
	for _, s := range sources {
		if depth := nesting(s); depth > deepestText {
			return nil, fmt.Errorf("it nests %d deep, at most %d are read", depth, deepestText)
		}
	}
	find := func(path string) (r protocompile.SearchResult, err error) {
		s, ok := sources[path]
		if !ok {
			return r, fmt.Errorf("no schema is referred to as %q", path)
		}
		if _, ok := sources[metaFile]; !ok && strings.Contains(s, metaFile) {
			r.Proto, err = withoutMeta(path, s)
			return r, err
		}
		r.Source = strings.NewReader(s)
		return r, nil
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(find)), MaxParallelism: 1}
	files, err := compiler.Compile(ctx, main)
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// nesting counts braces and brackets, those in texts and comments too.
func nesting(s string) (deepest int) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{', '[', '<', '(':
			depth++
			deepest = max(deepest, depth)
		case '}', ']', '>', ')':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}

// read holds the messages of a writer's file that bear one of the names against the one
// that is read.
func (p *protoReader) read(ctx context.Context, what, text string, imports []reference, names []string) (*protoWriter, *asset.Invalid) {
	file, err := compile(ctx, text, imports)
	if err != nil {
		return nil, refuse(BadSchema, "", "%s is no Protobuf schema: %v", what, err)
	}
	w := &protoWriter{what: what, file: file, verdicts: map[protoreflect.FullName]string{}, names: names}
	var visit func(protoreflect.MessageDescriptors)
	visit = func(all protoreflect.MessageDescriptors) {
		for i := range all.Len() {
			m := all.Get(i)
			if slices.Contains(names, string(m.FullName())) {
				w.verdicts[m.FullName()] = clash(m, p.message, "", map[pair]bool{})
			}
			visit(m.Messages())
		}
	}
	visit(file.Messages())
	return w, nil
}

// judge says why the message at the end of a way cannot be read; empty: it can.
func (w *protoWriter) judge(steps []int) string {
	all, m := w.file.Messages(), protoreflect.MessageDescriptor(nil)
	for _, i := range steps {
		if i >= all.Len() {
			return fmt.Sprintf("%s has no message at %v", w.what, steps)
		}
		m = all.Get(i)
		all = m.Messages()
	}
	why, ok := w.verdicts[m.FullName()]
	switch {
	case !ok:
		return fmt.Sprintf("%s: the message is a %s, read is %s", w.what, m.FullName(), strings.Join(w.names, " or "))
	case why != "":
		return w.what + ": " + why
	default:
		return ""
	}
}

type pair struct{ writer, reader protoreflect.FullName }

// clash says which field of r could come out as something that w did not mean; empty: none.
// Fields are matched by number. One that the writer does not have is left out, one that the
// reader does not have is passed over.
func clash(w, r protoreflect.MessageDescriptor, path string, seen map[pair]bool) string {
	if p := (pair{w.FullName(), r.FullName()}); seen[p] {
		return ""
	} else {
		seen[p] = true
	}
	for i := range r.Fields().Len() {
		rf := r.Fields().Get(i)
		wf := w.Fields().ByNumber(rf.Number())
		if wf == nil {
			continue
		}
		at := path + string(rf.Name())
		if wf.Cardinality() == protoreflect.Repeated && rf.Cardinality() != protoreflect.Repeated ||
			!slices.Contains(holds[rf.Kind()], wf.Kind()) {
			written := ""
			if wf.Name() != rf.Name() {
				written = fmt.Sprintf(" (there %s)", wf.Name())
			}
			return fmt.Sprintf("field %s, number %d%s: the writer's type is %s, read is %s", at, rf.Number(), written, kindOf(wf), kindOf(rf))
		}
		if rf.Message() != nil {
			if why := clash(wf.Message(), rf.Message(), at+".", seen); why != "" {
				return why
			}
		}
	}
	return ""
}

func kindOf(f protoreflect.FieldDescriptor) string {
	kind := f.Kind().String()
	switch {
	case f.Message() != nil:
		kind = string(f.Message().FullName())
	case f.Enum() != nil:
		kind = "enum " + string(f.Enum().FullName())
	}
	if f.Cardinality() == protoreflect.Repeated {
		return "repeated " + kind
	}
	return kind
}

// holds says for each type that is read which types it can hold every value of, as they are
// on the wire ("Updating A Message Type" of the Protobuf guide, without what it calls
// compatible and loses bits or the sign).
var holds = map[protoreflect.Kind][]protoreflect.Kind{
	protoreflect.BoolKind:     {protoreflect.BoolKind},
	protoreflect.EnumKind:     {protoreflect.EnumKind, protoreflect.BoolKind, protoreflect.Int32Kind},
	protoreflect.Int32Kind:    {protoreflect.Int32Kind, protoreflect.BoolKind, protoreflect.EnumKind},
	protoreflect.Int64Kind:    {protoreflect.Int64Kind, protoreflect.Int32Kind, protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.Uint32Kind},
	protoreflect.Uint32Kind:   {protoreflect.Uint32Kind, protoreflect.BoolKind},
	protoreflect.Uint64Kind:   {protoreflect.Uint64Kind, protoreflect.Uint32Kind, protoreflect.BoolKind},
	protoreflect.Sint32Kind:   {protoreflect.Sint32Kind},
	protoreflect.Sint64Kind:   {protoreflect.Sint64Kind, protoreflect.Sint32Kind},
	protoreflect.Fixed32Kind:  {protoreflect.Fixed32Kind},
	protoreflect.Fixed64Kind:  {protoreflect.Fixed64Kind},
	protoreflect.Sfixed32Kind: {protoreflect.Sfixed32Kind},
	protoreflect.Sfixed64Kind: {protoreflect.Sfixed64Kind},
	protoreflect.FloatKind:    {protoreflect.FloatKind},
	protoreflect.DoubleKind:   {protoreflect.DoubleKind},
	protoreflect.StringKind:   {protoreflect.StringKind, protoreflect.BytesKind}, // what is no UTF-8 is refused with its message
	protoreflect.BytesKind:    {protoreflect.BytesKind, protoreflect.StringKind},
	protoreflect.MessageKind:  {protoreflect.MessageKind},
	protoreflect.GroupKind:    {protoreflect.GroupKind},
}
