package ingest

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/telltale-iot/telltale/asset"
)

// DecodeProtobuf reads a message telltale.v1.Telemetry (see TelemetryProto) from b; m says
// what is known of it beside. As in any reader of proto3 the last of a scalar wins, parts
// of a message in a message are merged, lists are taken packed or not, and unknown fields
// are passed; but a known field of another wire type is refused, because a value would be
// read as 0. The error is an *asset.Invalid.
func DecodeProtobuf(b []byte, m Message) ([]asset.Reading, error) {
	return decodeProtobuf(nil, b, m)
}

func decodeProtobuf(n *names, b []byte, m Message) ([]asset.Reading, error) {
	if len(b) > MaxProtobufBytes {
		return nil, refuse(Oversize, m.where(), "%d bytes of Protobuf, at most %d are read", len(b), MaxProtobufBytes)
	}
	d := protoTelemetry{names: n}
	if err := d.survey(b); err != nil {
		return nil, m.verdict("Protobuf of telltale.v1.Telemetry", err)
	}
	if err := d.message(b); err != nil {
		return nil, m.verdict("Protobuf of telltale.v1.Telemetry", err)
	}
	m.Payload = b
	return d.readings(m)
}

// protoTelemetry reads a message in two passes: one counts, one fills what was made for
// that many.
type protoTelemetry struct {
	telemetry
	names    *names
	nPoints  int
	nCounts  int
	nFloats  int
	nValues  int // of features
	nWindows int // that they are of
	waves    protoWave
}

// survey counts points and samples.
func (d *protoTelemetry) survey(b []byte) error {
	w := wire{b: b}
	for w.next() {
		switch {
		case w.num == 5:
			d.nPoints++
		case w.num == 10:
			d.nWindows++
		case w.num == 7 && w.typ == protowire.BytesType:
			if err := d.surveyWave(w.bytes()); err != nil {
				return err
			}
		}
	}
	if d.nPoints > MaxPoints {
		return &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("%d points in a message, at most %d are read", d.nPoints, MaxPoints)}
	}
	if d.nWindows > MaxFeatured {
		return &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("features of %d windows in a message, at most %d are read", d.nWindows, MaxFeatured)}
	}
	if n := max(d.nCounts, d.nFloats); n > MaxWaveSamples {
		return &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("%d samples, at most %d are read", n, MaxWaveSamples)}
	}
	return w.err
}

func (d *protoTelemetry) surveyWave(b []byte) error {
	w := wire{b: b}
	for w.next() {
		packed := w.typ == protowire.BytesType
		switch {
		case w.num == 9 && packed:
			for _, c := range w.bytes() {
				if c < 0x80 { // ends a varint
					d.nCounts++
				}
			}
		case w.num == 9:
			d.nCounts++
		case w.num == 10 && packed:
			d.nCounts = max(d.nCounts, (w.to-w.from)/2)
		case w.num == 11 && packed:
			d.nFloats += len(w.bytes()) / 4
		case w.num == 11:
			d.nFloats++
		}
	}
	return w.err
}

func (d *protoTelemetry) message(b []byte) error {
	if d.nPoints > 0 {
		d.points = make([]asset.Point, 0, d.nPoints)
	}
	if d.nWindows > 0 {
		d.features = make([]asset.Features, 0, d.nWindows)
	}
	w := wire{b: b}
	for w.next() {
		switch w.num {
		case 2:
			d.asset = asset.ID(d.names.of(w.text()))
		case 3:
			d.time = w.time()
		case 5:
			w.failed(d.point(w.message()))
		case 6:
			w.failed(d.incident(w.message()))
		case 7:
			w.failed(d.waves.merge(w.message(), d))
		case 8:
			w.failed(d.hit(w.message()))
		case 9:
			d.seq = w.varint()
		case 10:
			w.failed(d.given(w.message()))
		}
	}
	if w.err != nil {
		return w.err
	}
	return d.waves.finish(d)
}

func (d *protoTelemetry) point(b []byte) error {
	p := asset.Point{Quality: 100}
	var meta []byte
	w := wire{b: b}
	for w.next() {
		switch w.num {
		case 1:
			p.Metric = d.names.of(w.text())
		case 2:
			p.Value = w.double()
		case 3:
			p.Unit = d.names.of(w.text())
		case 4:
			p.Quality = w.double()
		case 5:
			meta = w.text()
		}
	}
	if len(meta) > 0 && w.err == nil {
		p.Meta, w.err = metadata(meta)
	}
	d.points = append(d.points, p)
	return w.err
}

// metadata checks a point's JSON text and leaves its white space out.
func metadata(b []byte) (string, error) {
	if len(b) > MaxMetaBytes {
		return "", &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("%d bytes of metadata of a point, at most %d are read", len(b), MaxMetaBytes)}
	}
	s := scanner{b: b}
	s.skip()
	if err := s.end(); err != nil {
		return "", fmt.Errorf("metadata of a point is no JSON: %w", err)
	}
	return compact(b), nil
}

func (d *protoTelemetry) incident(b []byte) error {
	if d.event == nil {
		d.event = &asset.Event{}
	}
	w := wire{b: b}
	for w.next() {
		switch w.num {
		case 1:
			d.event.Component = string(w.text())
		case 2:
			d.event.Kind = string(w.text())
		case 3:
			d.event.Code = string(w.text())
		case 4:
			d.event.Text = string(w.text())
		}
	}
	return w.err
}

func (d *protoTelemetry) hit(b []byte) error {
	var h hit
	w := wire{b: b}
	for w.next() {
		switch w.num {
		case 1:
			h.channel = d.names.of(w.text())
		case 2:
			h.time = w.time()
		case 3:
			h.amplitudeDB = w.double()
		case 4:
			h.durationUs = w.double()
		case 5:
			h.riseUs = w.double()
		case 6:
			h.counts = float64(uint32(w.varint()))
		case 7:
			h.energy = w.double()
		}
	}
	if w.err != nil {
		return w.err
	}
	return d.hits.add(h)
}

// protoWave is a waveform of which parts have been read.
type protoWave struct {
	wave          asset.Waveform
	channel, unit []byte
	le            []byte
	counted       bool // counts were there
	floated       bool
	any           bool
}

// merge reads a part of the waveform.
func (p *protoWave) merge(b []byte, d *protoTelemetry) error {
	if !p.any {
		p.any, p.wave.Quality = true, 100
	}
	w := wire{b: b}
	for w.next() {
		switch w.num {
		case 1:
			p.channel = w.text()
		case 2:
			p.wave.Start = time.Unix(0, int64(w.fixed64())).UTC()
		case 3:
			p.wave.RateHz = w.double()
		case 4:
			p.unit = w.text()
		case 5:
			p.wave.Quality = w.double()
		case 6:
			p.wave.First = w.varint() != 0
		case 7:
			p.wave.Last = w.varint() != 0
		case 8:
			p.wave.Scale = w.double()
		case 9:
			if p.wave.Counts == nil {
				p.wave.Counts = make([]int16, 0, d.nCounts)
			}
			p.counted = true
			p.counts(&w)
		case 10:
			p.le = w.message()
		case 11:
			if p.wave.Samples == nil {
				p.wave.Samples = make([]float32, 0, d.nFloats)
			}
			p.floated = true
			p.floats(&w)
		}
	}
	return w.err
}

// counts reads field 9, packed or not.
func (p *protoWave) counts(w *wire) {
	if w.typ != protowire.BytesType {
		p.count(w.varint(), w)
		return
	}
	for b := w.bytes(); len(b) > 0 && w.err == nil; {
		v, n := uint64(b[0]), 1
		if v >= 0x80 {
			if v, n = protowire.ConsumeVarint(b); n < 0 {
				w.failed(protowire.ParseError(n))
				return
			}
		}
		p.count(v, w)
		b = b[n:]
	}
}

func (p *protoWave) count(v uint64, w *wire) {
	c := int32(uint32(v)>>1) ^ -int32(v&1) //nolint:gosec // sint32: the low 32 bits, as zigzag
	if c != int32(int16(c)) {
		w.failed(fmt.Errorf("a count is %d, want -32768 to 32767", c))
		return
	}
	p.wave.Counts = append(p.wave.Counts, int16(c))
}

// floats reads field 11, packed or not.
func (p *protoWave) floats(w *wire) {
	switch {
	case w.typ == protowire.Fixed32Type:
		p.wave.Samples = append(p.wave.Samples, math.Float32frombits(uint32(w.bits)))
	case !w.is(protowire.BytesType):
	case len(w.bytes())%4 != 0:
		w.failed(fmt.Errorf("packed samples are %d bytes, want a multiple of 4", len(w.bytes())))
	default:
		for b := w.bytes(); len(b) > 0; b = b[4:] {
			p.wave.Samples = append(p.wave.Samples, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	}
}

// finish makes the waveform whole.
func (p *protoWave) finish(d *protoTelemetry) error {
	if !p.any {
		return nil
	}
	ways := 0
	for _, said := range []bool{p.counted, p.floated, len(p.le) > 0} {
		if said {
			ways++
		}
	}
	if ways != 1 {
		return fmt.Errorf("a waveform says its samples in %d ways, want one of counts, counts_le and samples", ways)
	}
	if len(p.le)%2 != 0 {
		return fmt.Errorf("counts_le is %d bytes, want a multiple of 2", len(p.le))
	}
	if len(p.le) > 0 {
		p.wave.Counts = make([]int16, len(p.le)/2)
		decodeCounts(p.wave.Counts, p.le)
	}
	if p.floated {
		p.wave.Scale = 0
	} else if s := p.wave.Scale; !(math.Abs(s) > 0) || math.IsInf(s, 0) {
		return fmt.Errorf("scale is %g, want a finite number that is not 0", s)
	}
	p.wave.Channel, p.wave.Unit = d.names.of(p.channel), d.names.of(p.unit)
	d.wave = &p.wave
	return nil
}
