package registry

import (
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// metaFile is built into Confluent's registry, which writes its options into schemas that
// are tagged and hands it out under no number. They say nothing about bytes on the wire.
const (
	metaFile    = "confluent/meta.proto"
	metaOptions = "confluent."
)

// withoutMeta is a file without Confluent's options and their import.
func withoutMeta(name, text string) (*descriptorpb.FileDescriptorProto, error) {
	handler := reporter.NewHandler(nil)
	tree, err := parser.Parse(name, strings.NewReader(text), handler)
	if err != nil {
		return nil, err
	}
	result, err := parser.ResultFromAST(tree, true, handler)
	if err != nil {
		return nil, err
	}
	file := result.FileDescriptorProto()
	if gone := slices.Index(file.GetDependency(), metaFile); gone >= 0 {
		file.Dependency = slices.Delete(file.GetDependency(), gone, gone+1)
		file.PublicDependency = renumbered(file.GetPublicDependency(), gone)
		file.WeakDependency = renumbered(file.GetWeakDependency(), gone)
	}
	dropMeta(file.ProtoReflect())
	return file, nil
}

// renumbered are places in a list after one of its elements went.
func renumbered(places []int32, gone int) (out []int32) {
	for _, p := range places {
		switch {
		case int(p) < gone:
			out = append(out, p)
		case int(p) > gone:
			out = append(out, p-1)
		}
	}
	return out
}

// dropMeta takes Confluent's options out of m and what is inside it.
func dropMeta(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.Message().FullName() == "google.protobuf.UninterpretedOption":
			kept := m.NewField(f).List()
			for i := range v.List().Len() {
				if o, ok := v.List().Get(i).Message().Interface().(*descriptorpb.UninterpretedOption); !ok || !isMeta(o) {
					kept.Append(v.List().Get(i))
				}
			}
			m.Set(f, protoreflect.ValueOfList(kept))
		case f.IsList():
			for i := range v.List().Len() {
				dropMeta(v.List().Get(i).Message())
			}
		default:
			dropMeta(v.Message())
		}
		return true
	})
}

func isMeta(o *descriptorpb.UninterpretedOption) bool {
	if len(o.GetName()) == 0 {
		return false
	}
	first := o.GetName()[0]
	return first.GetIsExtension() && strings.HasPrefix(strings.TrimPrefix(first.GetNamePart(), "."), metaOptions)
}
