package opcua

import (
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/telltale-iot/telltale/asset"
)

// space is a simulator's nodes, by their ID as text.
type space struct{ nodes map[string]*simNode }

// simNode is one of them.
type simNode struct {
	id      *ua.NodeID
	name    string
	class   ua.NodeClass
	kind    uint32 // its type definition
	data    uint32 // data type of a variable
	array   bool
	current *ua.DataValue        // of a variable; nil before the first
	live    func() *ua.DataValue // of one that is asked each time
	refs    []*ua.ReferenceDescription
}

func newSpace(status func() *ua.ServerStatusDataType) *space {
	s := &space{nodes: map[string]*simNode{}}
	object := func(n, kind uint32, name string) *simNode {
		return s.put(&simNode{id: ua.NewNumericNodeID(0, n), name: name, class: ua.NodeClassObject, kind: kind})
	}
	property := func(n, data uint32, name string, array bool, value func() any) *simNode {
		return s.put(&simNode{
			id: ua.NewNumericNodeID(0, n), name: name, class: ua.NodeClassVariable, kind: id.PropertyType, data: data, array: array,
			live: func() *ua.DataValue { return valueNow(value()) },
		})
	}
	root, objects := object(id.RootFolder, id.FolderType, "Root"), object(id.ObjectsFolder, id.FolderType, "Objects")
	server := object(id.Server, id.ServerType, "Server")
	root.refer(id.Organizes, objects)
	objects.refer(id.Organizes, server)
	server.refer(id.HasProperty, property(id.Server_NamespaceArray, id.String, "NamespaceArray", true, func() any { return namespaces() }))
	server.refer(id.HasProperty, property(id.Server_ServerArray, id.String, "ServerArray", true, func() any { return []string{simulatorURI} }))
	state := property(id.Server_ServerStatus, id.ServerStatusDataType, "ServerStatus", false, func() any { return ua.NewExtensionObject(status()) })
	server.refer(id.HasComponent, state)
	state.refer(id.HasComponent, property(id.Server_ServerStatus_CurrentTime, id.UtcTime, "CurrentTime", false, func() any { return time.Now().UTC() }))
	state.refer(id.HasComponent, property(id.Server_ServerStatus_State, id.ServerState, "State", false, func() any { return int32(ua.ServerStateRunning) }))
	return s
}

func valueNow(x any) *ua.DataValue {
	now := time.Now()
	v := &ua.DataValue{Value: ua.MustVariant(x), SourceTimestamp: now, ServerTimestamp: now}
	v.UpdateMask()
	return v
}

func (s *space) put(n *simNode) *simNode {
	s.nodes[n.id.String()] = n
	return n
}

// add has a node as a variable below the object of its asset.
func (s *space) add(n Node) error {
	node, err := ua.ParseNodeID(n.ID)
	if err != nil {
		return err
	}
	if s.nodes[node.String()] != nil {
		return errors.New("is there already")
	}
	objects := s.nodes[ua.NewNumericNodeID(0, id.ObjectsFolder).String()]
	key := ua.NewStringNodeID(2, string(n.Asset))
	parent := s.nodes[key.String()]
	if parent == nil {
		parent = s.put(&simNode{id: key, name: string(n.Asset), class: ua.NodeClassObject, kind: id.BaseObjectType})
		objects.refer(id.Organizes, parent)
	}
	v := &simNode{id: node, name: n.Metric, class: ua.NodeClassVariable, kind: id.BaseDataVariableType, data: id.Double}
	if n.Channel != "" {
		v.name, v.data, v.array = n.Channel, id.Int16, true
	}
	parent.refer(id.HasComponent, s.put(v))
	unit := &ua.EUInformation{NamespaceURI: "http://www.opcfoundation.org/UA/units/un/cefact", UnitID: -1, DisplayName: ua.NewLocalizedText(n.Unit), Description: ua.NewLocalizedText(n.Unit)}
	v.refer(id.HasProperty, s.put(&simNode{
		id: ua.NewStringNodeID(2, node.StringID()+".EngineeringUnits"), name: "EngineeringUnits", class: ua.NodeClassVariable, kind: id.PropertyType, data: id.EUInformation,
		live: func() *ua.DataValue { return valueNow(ua.NewExtensionObject(unit)) },
	}))
	return nil
}

// qualified is a node's browse name.
func (n *simNode) qualified() *ua.QualifiedName {
	return &ua.QualifiedName{NamespaceIndex: n.id.Namespace(), Name: n.name}
}

// refer adds a reference to another node.
func (n *simNode) refer(kind uint32, to *simNode) {
	n.refs = append(n.refs, &ua.ReferenceDescription{
		ReferenceTypeID: ua.NewNumericNodeID(0, kind), IsForward: true, NodeID: ua.NewExpandedNodeID(to.id, "", 0), BrowseName: to.qualified(),
		DisplayName: ua.NewLocalizedText(to.name), NodeClass: to.class, TypeDefinition: ua.NewNumericExpandedNodeID(0, to.kind),
	})
}

// attribute reads one attribute of a node.
func (n *simNode) attribute(a ua.AttributeID) *ua.DataValue {
	if n == nil {
		return bad(ua.StatusBadNodeIDUnknown)
	}
	variable := n.class == ua.NodeClassVariable
	switch {
	case a == ua.AttributeIDNodeID:
		return valueNow(n.id)
	case a == ua.AttributeIDNodeClass:
		return valueNow(int32(n.class))
	case a == ua.AttributeIDBrowseName:
		return valueNow(n.qualified())
	case a == ua.AttributeIDDisplayName, a == ua.AttributeIDDescription:
		return valueNow(ua.NewLocalizedText(n.name))
	case a == ua.AttributeIDEventNotifier && !variable:
		return valueNow(byte(0))
	case a == ua.AttributeIDDataType && variable:
		return valueNow(ua.NewNumericNodeID(0, n.data))
	case a == ua.AttributeIDValueRank && variable:
		if n.array {
			return valueNow(int32(1))
		}
		return valueNow(int32(-1))
	case (a == ua.AttributeIDAccessLevel || a == ua.AttributeIDUserAccessLevel) && variable:
		return valueNow(byte(ua.AccessLevelTypeCurrentRead))
	case a == ua.AttributeIDHistorizing && variable:
		return valueNow(false)
	case a == ua.AttributeIDValue && n.live != nil:
		return n.live()
	case a == ua.AttributeIDValue && n.current != nil:
		return n.current
	case a == ua.AttributeIDValue && variable:
		return bad(ua.StatusBadWaitingForInitialData)
	}
	return bad(ua.StatusBadAttributeIDInvalid)
}

func bad(status ua.StatusCode) *ua.DataValue {
	v := &ua.DataValue{Status: status, ServerTimestamp: time.Now()}
	v.UpdateMask()
	return v
}

// browse lists the references of a node that are asked for.
func (s *space) browse(b *ua.BrowseDescription) *ua.BrowseResult {
	n := s.nodes[b.NodeID.String()]
	if n == nil {
		return &ua.BrowseResult{StatusCode: ua.StatusBadNodeIDUnknown}
	}
	var out []*ua.ReferenceDescription
	if b.BrowseDirection != ua.BrowseDirectionInverse {
		all := append([]*ua.ReferenceDescription{{
			ReferenceTypeID: ua.NewNumericNodeID(0, id.HasTypeDefinition), IsForward: true, NodeID: ua.NewNumericExpandedNodeID(0, n.kind), TypeDefinition: ua.NewTwoByteExpandedNodeID(0),
			BrowseName: &ua.QualifiedName{Name: fmt.Sprint(n.kind)}, DisplayName: ua.NewLocalizedText(fmt.Sprint(n.kind)), NodeClass: n.class << 3, // an object's type, a variable's
		}}, n.refs...)
		for _, r := range all {
			if isA(r.ReferenceTypeID.IntID(), b) && (b.NodeClassMask == 0 || b.NodeClassMask&uint32(r.NodeClass) != 0) {
				out = append(out, r)
			}
		}
	}
	return &ua.BrowseResult{References: out}
}

// isA reports whether a type of reference is asked for.
func isA(kind uint32, b *ua.BrowseDescription) bool {
	if b.ReferenceTypeID == nil || b.ReferenceTypeID.IntID() == 0 {
		return true
	}
	above := map[uint32]uint32{ // OPC 10000-5, 11
		id.HasProperty: id.Aggregates, id.HasComponent: id.Aggregates, id.Aggregates: id.HasChild, id.HasChild: id.HierarchicalReferences, id.Organizes: id.HierarchicalReferences,
		id.HierarchicalReferences: id.References, id.HasTypeDefinition: id.NonHierarchicalReferences, id.NonHierarchicalReferences: id.References,
	}
	for at := kind; at != 0; at = above[at] {
		if at == b.ReferenceTypeID.IntID() {
			return true
		}
		if !b.IncludeSubtypes {
			break
		}
	}
	return false
}

// SimulatedNodes are the variables that a simulator has for a nameplate, as a source reads
// them: its metrics, and its channels as counts of that scale.
func SimulatedNodes(p asset.Nameplate, scale float64) []Node {
	var out []Node
	for _, m := range p.Metrics {
		out = append(out, Node{ID: SimulatedID(p.ID, m.Name), Asset: p.ID, Metric: m.Name, Unit: m.Unit})
	}
	for _, c := range p.Channels {
		out = append(out, Node{ID: SimulatedID(p.ID, c.Name), Asset: p.ID, Channel: c.Name, RateHz: c.RateHz, Scale: scale, Unit: c.Unit})
	}
	return out
}
