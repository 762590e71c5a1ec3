package mqtt

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func encoded(tb testing.TB, p packets.ControlPacket) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func publish(topic string, id uint16, payload []byte) *packets.PublishPacket {
	return &packets.PublishPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Publish, Qos: min(byte(id), 1)}, TopicName: topic, MessageID: id, Payload: payload}
}

// What is longer than allowed is skipped but for its beginning, and the stream goes on.
func TestLongMessageIsNotRead(t *testing.T) {
	stream := encoded(t, publish("a/b", 7, bytes.Repeat([]byte("x"), 1<<20)))
	n := len(stream)
	stream = append(stream, encoded(t, publish("c", 8, []byte("short")))...)
	in := bufio.NewReader(bytes.NewReader(stream))
	if _, err := readPacket(bufio.NewReader(bytes.NewReader(stream)), 1<<21); err != nil {
		t.Fatal(err)
	}
	got, err := readPacket(in, 1<<16)
	p, ok := got.(published)
	if err != nil || !ok || p.topic != "a/b" || p.id != 7 || len(p.payload) != sample || p.tooLong != n-4 {
		t.Errorf("%v: topic %q, id %d, %d bytes kept, %d long; want a/b, 7, %d, %d", err, p.topic, p.id, len(p.payload), p.tooLong, sample, n-4)
	}
	got, err = readPacket(in, 1<<16)
	if p, ok := got.(published); err != nil || !ok || p.id != 8 || string(p.payload) != "short" || p.tooLong != 0 {
		t.Errorf("after it came %+v, %v", got, err)
	}
}

func TestPacketsThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes string
		want  string
	}{
		"nothing":                 {"", "EOF"},
		"half a packet":           {"\x30\x05\x00\x01a", "unexpected EOF"},
		"a length of five bytes":  {"\x30\xff\xff\xff\xff\x01", "four bytes"},
		"a long acknowledgement":  {"\x40\xff\xff\x7f", "at most 65536 are read"},
		"a type that is none":     {"\x00\x00", "a packet of type 0, which no broker sends"},
		"shorter than its topic":  {"\x30\x03\x00\x05a", "shorter than its topic"},
		"no topic":                {"\x30\x02\x00\x00", "no subscription"},
		"QoS 2":                   {"\x34\x05\x00\x01a\x00\x01", "no subscription"},
		"QoS 1 without an ID":     {"\x32\x05\x00\x01a\x00\x00", "no subscription"},
		"an answer without codes": {"\x20\x01\x00", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := readPacket(bufio.NewReader(strings.NewReader(tc.bytes)), 1<<10)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%+v, %v, want %q", p, err, tc.want)
			}
		})
	}
}

// No bytes make the reader panic, hang or take more memory than its limits.
func FuzzPackets(f *testing.F) {
	f.Add(encoded(f, publish("a/b", 7, []byte("payload"))))
	f.Add(encoded(f, &packets.SubackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Suback}, MessageID: 1, ReturnCodes: []byte{0, 1, 0x80}}))
	f.Add(encoded(f, &packets.ConnackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Connack}, SessionPresent: true}))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bufio.NewReader(bytes.NewReader(b))
		for range len(b) + 1 {
			got, err := readPacket(in, 1<<10)
			if err != nil {
				return
			}
			if p, ok := got.(published); ok && (len(p.payload) > sample || p.tooLong == 0 && len(p.payload) > 1<<10 || len(p.payload) > len(b)) {
				t.Fatalf("%d bytes kept of %d", len(p.payload), len(b))
			}
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Fatalf("%d packets in %d bytes, and more", len(b)+1, len(b))
		}
	})
}
