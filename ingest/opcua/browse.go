package opcua

import (
	"context"
	"slices"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// Variable is a variable that a server has.
type Variable struct {
	ID    string
	Path  []string // browse names from below the Objects folder
	Array bool
	Unit  string // as the server says it, "" when it does not
}

// Most of what Browse walks through.
const (
	browseDepth = 20
	browseNodes = 100000
)

// Browse lists the variables below the Objects folder that hold numbers, without those
// of the server itself, in the order in which the server has them. Nodes of s are not looked at.
func Browse(ctx context.Context, s Server) ([]Variable, error) {
	r := &reader{Server: s.withDefaults()}
	c, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	}()
	b := browser{c: c, seen: map[string]bool{}}
	err = b.walk(ctx, c.Node(ua.NewNumericNodeID(0, id.ObjectsFolder)), nil)
	return b.found, err
}

type browser struct {
	c     *opcua.Client
	seen  map[string]bool
	found []Variable
}

func (b *browser) walk(ctx context.Context, n *opcua.Node, path []string) error {
	if len(path) > browseDepth {
		return nil
	}
	refs, err := n.References(ctx, id.HierarchicalReferences, ua.BrowseDirectionForward, ua.NodeClassObject|ua.NodeClassVariable, true)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		key := ref.NodeID.NodeID.String()
		if b.seen[key] || len(b.seen) >= browseNodes || key == "i=2253" { // the server's own object
			continue
		}
		b.seen[key] = true
		child := b.c.Node(ref.NodeID.NodeID)
		at := append(slices.Clip(path), ref.BrowseName.Name)
		if ref.NodeClass == ua.NodeClassVariable {
			if v, ok := b.variable(ctx, child, key, at); ok {
				b.found = append(b.found, v)
			}
			continue // what hangs below a variable describes it
		}
		if err := b.walk(ctx, child, at); err != nil {
			return err
		}
	}
	return nil
}

// variable reads the type that a variable is of, which is there when its sensor is broken
// too; ok is false when that is no number.
func (b *browser) variable(ctx context.Context, n *opcua.Node, key string, path []string) (v Variable, ok bool) {
	read, err := n.Attributes(ctx, ua.AttributeIDDataType, ua.AttributeIDValueRank)
	if err != nil || len(read) != 2 || read[0].Value == nil || read[1].Value == nil {
		return v, false
	}
	kind, isID := read[0].Value.Value().(*ua.NodeID)
	rank, isRank := read[1].Value.Value().(int32)
	if !isID || !isRank || kind.Namespace() != 0 || kind.IntID() < id.Boolean || kind.IntID() > id.Double {
		return v, false
	}
	return Variable{ID: key, Path: path, Array: rank >= 0, Unit: b.unit(ctx, n)}, true
}

// unit is the display name of the variable's engineering unit (OPC 10000-8, 5.6.3).
func (b *browser) unit(ctx context.Context, n *opcua.Node) string {
	refs, err := n.References(ctx, id.HasProperty, ua.BrowseDirectionForward, ua.NodeClassVariable, true)
	if err != nil {
		return ""
	}
	for _, ref := range refs {
		if ref.BrowseName.Name != "EngineeringUnits" {
			continue
		}
		value, err := b.c.Node(ref.NodeID.NodeID).Value(ctx)
		if err != nil || value == nil {
			return ""
		}
		if x, ok := value.Value().(*ua.ExtensionObject); ok {
			if eu, ok := x.Value.(*ua.EUInformation); ok && eu.DisplayName != nil {
				return eu.DisplayName.Text
			}
		}
	}
	return ""
}
