package mqtt

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/telltale-iot/telltale/ingest/ingesttest"
)

// TestMutations tries what a broker sends, damaged.
func TestMutations(t *testing.T) {
	corpus := [][]byte{
		encoded(t, publish("a/b", 7, []byte("payload"))),
		encoded(t, &packets.SubackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Suback}, MessageID: 1, ReturnCodes: []byte{0, 1, 0x80}}),
		encoded(t, &packets.ConnackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Connack}, SessionPresent: true}),
		encoded(t, &packets.PingrespPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Pingresp}}),
	}
	in := bufio.NewReader(nil)
	ingesttest.Mutate(t, ingesttest.Decoder{Corpus: corpus, Decode: func(b []byte) {
		in.Reset(bytes.NewReader(b))
		got, err := readPacket(in, 1<<10)
		if p, ok := got.(published); err == nil && ok && len(p.payload) > len(b) {
			panic("more payload than there are bytes")
		}
	}}, ingesttest.Options{Floor: 128 << 10}) // room for the first 64 KiB of a body
}
