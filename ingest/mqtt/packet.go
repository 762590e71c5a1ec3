package mqtt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// published is a PUBLISH as it came.
type published struct {
	topic    string
	payload  []byte // of one that is too long its beginning
	id       uint16 // of QoS 1
	qos      byte
	dup      bool
	retained bool
	tooLong  int // its length in bytes, when that is more than is read
}

const (
	// longestReply is what any packet but PUBLISH may have.
	longestReply = 64 << 10
	// step is how much room a body gets before any of it has come.
	step = 64 << 10
	// sample is how much of a message that is too long is kept for a person to look at.
	sample = 4 << 10
)

// replies are what a broker sends beside PUBLISH to a client that asks for QoS 1 at most.
var replies = []byte{packets.Connack, packets.Puback, packets.Suback, packets.Unsuback, packets.Pingresp}

// readPacket reads the next packet: a published or one of the library's. Nothing is
// allocated before its length is found to be allowed; the body of a PUBLISH that is
// longer than limit is skipped.
func readPacket(in *bufio.Reader, limit int) (any, error) {
	first, err := in.ReadByte()
	if err != nil {
		return nil, err
	}
	n, err := readLength(in)
	if err != nil {
		return nil, err
	}
	head := packets.FixedHeader{MessageType: first >> 4, Dup: first&8 != 0, Qos: first >> 1 & 3, Retain: first&1 != 0, RemainingLength: n}
	if head.MessageType == packets.Publish {
		return readPublish(in, head, limit)
	}
	if !slices.Contains(replies, head.MessageType) {
		return nil, fmt.Errorf("a packet of type %d, which no broker sends", head.MessageType)
	}
	if n > longestReply {
		return nil, fmt.Errorf("a %s of %d bytes, at most %d are read", packets.PacketNames[head.MessageType], n, longestReply)
	}
	p, err := packets.NewControlPacketWithHeader(head)
	if err != nil {
		return nil, err
	}
	body, err := readBody(in, n)
	if err != nil {
		return nil, err
	}
	if err := p.Unpack(bytes.NewReader(body)); err != nil {
		return nil, fmt.Errorf("a %s that cannot be read: %w", packets.PacketNames[head.MessageType], err)
	}
	return p, nil
}

// readBody makes room as the bytes come: a length alone claims little.
func readBody(in io.Reader, n int) ([]byte, error) {
	b := make([]byte, min(n, step))
	for at := 0; ; {
		if _, err := io.ReadFull(in, b[at:]); err != nil {
			return nil, unexpected(err)
		}
		if at = len(b); at == n {
			return b, nil
		}
		b = slices.Grow(b, min(n-at, at))[:min(n, 2*at)]
	}
}

// readLength reads what follows the first byte: seven bits in a byte, four bytes at most.
func readLength(in *bufio.Reader) (n int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := in.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
	return 0, errors.New("a packet whose length has more than four bytes")
}

func readPublish(in *bufio.Reader, head packets.FixedHeader, limit int) (published, error) {
	p := published{qos: head.Qos, dup: head.Dup, retained: head.Retain}
	rest := head.RemainingLength
	part := func(n int) ([]byte, error) {
		if rest -= n; rest < 0 {
			return nil, errors.New("a PUBLISH that is shorter than its topic")
		}
		return readBody(in, n)
	}
	b, err := part(2)
	if err == nil {
		b, err = part(int(binary.BigEndian.Uint16(b)))
	}
	p.topic = string(b)
	if err == nil && p.qos > 0 {
		if b, err = part(2); err == nil {
			p.id = binary.BigEndian.Uint16(b)
		}
	}
	switch {
	case err != nil:
		return p, err
	case p.qos > 1 || p.qos == 1 && p.id == 0 || p.topic == "":
		return p, fmt.Errorf("a PUBLISH of QoS %d, id %d, to %q: no subscription of ours asks for it", p.qos, p.id, p.topic)
	case head.RemainingLength <= limit:
		p.payload, err = part(rest)
		return p, err
	}
	p.tooLong = head.RemainingLength
	over := rest - min(rest, sample)
	if p.payload, err = part(rest - over); err != nil {
		return p, err
	}
	_, err = in.Discard(over)
	return p, unexpected(err)
}

// unexpected is an end in the middle of a packet.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
