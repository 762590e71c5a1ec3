package sparkplug

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

const (
	namespace  = "spBv1.0"
	stateTopic = namespace + "/STATE/"
)

// verb is what a message is about.
type verb string

// The verbs: those with N are of an edge node itself, those with D of a device of it.
const (
	nodeBirth     verb = "NBIRTH"
	nodeDeath     verb = "NDEATH"
	nodeData      verb = "NDATA"
	nodeCommand   verb = "NCMD"
	deviceBirth   verb = "DBIRTH"
	deviceDeath   verb = "DDEATH"
	deviceData    verb = "DDATA"
	deviceCommand verb = "DCMD"
)

// heard are the verbs that a host application listens to.
var heard = []verb{nodeBirth, nodeDeath, nodeData, deviceBirth, deviceDeath, deviceData}

// nodeID names an edge node; the two parts together are unique in a plant.
type nodeID struct{ group, edge string }

func (n nodeID) String() string { return n.group + "/" + n.edge }

// address is a topic, taken apart.
type address struct {
	nodeID
	verb   verb
	device string // empty: the node itself
}

func (a address) topic() string {
	t := namespace + "/" + a.group + "/" + string(a.verb) + "/" + a.edge
	if a.device != "" {
		t += "/" + a.device
	}
	return t
}

// parse takes the topic of an edge node's message apart. Names are compared as they are
// written, capitals and all.
func parse(topic string) (address, error) {
	refuse := func(format string, args ...any) (address, error) {
		return address{}, &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: fmt.Sprintf(format, args...)}
	}
	parts := strings.Split(topic, "/")
	if parts[0] != namespace || len(parts) < 4 || len(parts) > 5 {
		return refuse("want a topic %s/GROUP/VERB/EDGE or %s/GROUP/VERB/EDGE/DEVICE", namespace, namespace)
	}
	a := address{nodeID: nodeID{parts[1], parts[3]}, verb: verb(parts[2])}
	if len(parts) == 5 {
		a.device = parts[4]
	}
	for _, name := range append(parts[1:2:2], parts[3:]...) {
		if !goodName(name) {
			return refuse("%q names no group, edge node or device: want a name without / + # that is not empty", name)
		}
	}
	switch a.verb {
	case nodeBirth, nodeDeath, nodeData, nodeCommand:
		if a.device != "" {
			return refuse("%s is of an edge node and names a device", a.verb)
		}
	case deviceBirth, deviceDeath, deviceData, deviceCommand:
		if a.device == "" {
			return refuse("%s is of a device and names none", a.verb)
		}
	default:
		return refuse("%q is no verb of Sparkplug B", a.verb)
	}
	return a, nil
}

// goodName reports whether a name can be one level of a topic.
func goodName(name string) bool {
	return name != "" && len(name) <= maxNameBytes && utf8.ValidString(name) && !strings.ContainsAny(name, "/+#\x00")
}
