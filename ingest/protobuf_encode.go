package ingest

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/telltale-iot/telltale/asset"
)

// AppendTelemetry appends r as a message telltale.v1.Telemetry (see TelemetryProto), which
// DecodeProtobuf reads back. Samples that are counts stay counts.
func AppendTelemetry(dst []byte, r asset.Reading) []byte {
	dst = appendText(dst, 2, string(r.Asset))
	if !r.Time.IsZero() {
		dst = appendFixed64(dst, 3, uint64(r.Time.UnixNano()))
	}
	for i := range r.Points {
		at := len(dst)
		dst = appendPoint(dst, &r.Points[i])
		dst = enclose(dst, at, 5)
	}
	if e := r.Event; e != nil {
		at := len(dst)
		dst = appendText(dst, 1, e.Component)
		dst = appendText(dst, 2, e.Kind)
		dst = appendText(dst, 3, e.Code)
		dst = appendText(dst, 4, e.Text)
		dst = enclose(dst, at, 6)
	}
	if r.Wave != nil {
		at := len(dst)
		dst = appendWave(dst, r.Wave)
		dst = enclose(dst, at, 7)
	}
	dst = appendVarint(dst, 9, r.Seq)
	for i := range r.Features {
		at := len(dst)
		dst = appendFeatures(dst, &r.Features[i])
		dst = enclose(dst, at, 10)
	}
	return dst
}

func appendFeatures(dst []byte, f *asset.Features) []byte {
	dst = appendText(dst, 1, f.Channel)
	dst = appendFixed64(dst, 2, uint64(f.Start.UnixNano()))
	dst = appendFixed64(dst, 3, uint64(f.End.UnixNano()))
	dst = appendFixed64(dst, 4, math.Float64bits(f.RateHz))
	dst = appendVarint(dst, 5, uint64(f.Samples)) //nolint:gosec // not negative
	dst = appendQuality(dst, 6, f.Quality)
	for i := range f.Values {
		at := len(dst)
		dst = appendText(dst, 1, f.Values[i].Name)
		dst = appendText(dst, 2, f.Values[i].Unit)
		dst = appendFixed64(dst, 3, math.Float64bits(f.Values[i].Value))
		dst = appendText(dst, 4, string(f.Values[i].Reason))
		dst = enclose(dst, at, 7)
	}
	if f.Evidence != nil {
		at := len(dst)
		dst = appendWave(dst, f.Evidence)
		dst = enclose(dst, at, 8)
	}
	return dst
}

func appendPoint(dst []byte, p *asset.Point) []byte {
	dst = appendText(dst, 1, p.Metric)
	dst = appendFixed64(dst, 2, math.Float64bits(p.Value))
	dst = appendText(dst, 3, p.Unit)
	dst = appendQuality(dst, 4, p.Quality)
	return appendText(dst, 5, p.Meta)
}

func appendWave(dst []byte, w *asset.Waveform) []byte {
	dst = appendText(dst, 1, w.Channel)
	dst = appendFixed64(dst, 2, uint64(w.Start.UnixNano()))
	dst = appendFixed64(dst, 3, math.Float64bits(w.RateHz))
	dst = appendText(dst, 4, w.Unit)
	dst = appendQuality(dst, 5, w.Quality)
	dst = appendVarint(dst, 6, protowire.EncodeBool(w.First))
	dst = appendVarint(dst, 7, protowire.EncodeBool(w.Last))
	if w.Counts != nil {
		dst = appendFixed64(dst, 8, math.Float64bits(w.Scale))
		dst = protowire.AppendTag(dst, 10, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(2*len(w.Counts)))
		return appendCounts(dst, w.Counts)
	}
	dst = protowire.AppendTag(dst, 11, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(4*len(w.Samples)))
	for _, s := range w.Samples {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s))
	}
	return dst
}

func appendText(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, num, protowire.BytesType), s)
}

func appendFixed64(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), v)
}

func appendVarint(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), v)
}

// appendQuality leaves out what is assumed anyway; 0 is said.
func appendQuality(dst []byte, num protowire.Number, q float64) []byte {
	if q == 100 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), math.Float64bits(q))
}

// enclose makes what lies in dst from at on the message in a field.
func enclose(dst []byte, at int, num protowire.Number) []byte {
	n := len(dst) - at
	head := protowire.SizeTag(num) + protowire.SizeVarint(uint64(n))
	for range head {
		dst = append(dst, 0)
	}
	copy(dst[at+head:], dst[at:at+n])
	protowire.AppendVarint(protowire.AppendTag(dst[:at], num, protowire.BytesType), uint64(n))
	return dst
}
