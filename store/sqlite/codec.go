package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// errBlob marks a row that this program did not write, or that was damaged.
var errBlob = errors.New("damaged row")

func appendFloats(dst []byte, values []float64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

func floats(b []byte) ([]float64, error) {
	if len(b)%8 != 0 {
		return nil, fmt.Errorf("%w: %d bytes are no float64s", errBlob, len(b))
	}
	values := make([]float64, len(b)/8)
	for i := range values {
		values[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return values, nil
}

func appendFloat32s(dst []byte, values []float32) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

func float32s(b []byte) ([]float32, error) {
	if len(b)%4 != 0 {
		return nil, fmt.Errorf("%w: %d bytes are no float32s", errBlob, len(b))
	}
	values := make([]float32, len(b)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return values, nil
}

// reasonSeparator cannot be part of a reason, which is a short word.
const reasonSeparator = "\x1f"

func joinReasons(reasons []asset.Reason) any {
	if len(reasons) == 0 {
		return nil
	}
	var b strings.Builder
	for i, r := range reasons {
		if i > 0 {
			b.WriteString(reasonSeparator)
		}
		b.WriteString(string(r))
	}
	return b.String()
}

func splitReasons(s sql.NullString) []asset.Reason {
	if !s.Valid {
		return nil
	}
	parts := strings.Split(s.String, reasonSeparator)
	reasons := make([]asset.Reason, len(parts))
	for i, p := range parts {
		reasons[i] = asset.Reason(p)
	}
	return reasons
}

// finite is v for the database, where what is not finite is missing.
func finite(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}

func number(v sql.NullFloat64) asset.Number {
	if !v.Valid {
		return asset.Missing()
	}
	return asset.Number(v.Float64)
}

// modesJSON leaves out weights that are not numbers: they would make JSON fail,
// and a batch that cannot be kept stops its shard.
func modesJSON(modes map[asset.Mode]float64) (any, error) {
	if len(modes) == 0 {
		return nil, nil
	}
	clean := make(map[asset.Mode]float64, len(modes))
	for m, w := range modes {
		if !math.IsNaN(w) && !math.IsInf(w, 0) {
			clean[m] = w
		}
	}
	b, err := json.Marshal(clean)
	return string(b), err
}

func listJSON[T any](list []T) (any, error) {
	if len(list) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

// decode reads optional JSON into v.
func decode(s sql.NullString, v any) error {
	if !s.Valid {
		return nil
	}
	if err := json.Unmarshal([]byte(s.String), v); err != nil {
		return fmt.Errorf("%w: %w", errBlob, err)
	}
	return nil
}

// schemas remembers which lists of fields the file holds already.
type schemas struct {
	known map[string][]schema // by channel, last used first; at most maxKnown each
}

// schema is one list of fields of one channel.
type schema struct {
	id     int64
	fields []features.Field
}

const maxKnown = 64

func newSchemas() *schemas { return &schemas{known: map[string][]schema{}} }

func (s *schemas) forget() { clear(s.known) }

// find returns the id of the fields when the file is known to hold them.
func (s *schemas) find(channel string, fields []features.Field) (int64, bool) {
	list := s.known[channel]
	for i := range list {
		if slices.Equal(list[i].fields, fields) {
			list[0], list[i] = list[i], list[0]
			return list[0].id, true
		}
	}
	return 0, false
}

func (s *schemas) add(channel string, id int64, fields []features.Field) {
	list := s.known[channel]
	if len(list) >= maxKnown {
		list = list[:maxKnown-1]
	}
	s.known[channel] = slices.Insert(list, 0, schema{id: id, fields: slices.Clone(fields)})
}

// schemaID is the first 63 bits of the SHA-256 of all that names the fields.
func schemaID(channel string, fields []features.Field) int64 {
	h := sha256.New()
	write := func(parts ...string) {
		for _, p := range parts {
			h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(p)))) //nolint:gosec // names are short
			h.Write([]byte(p))
		}
	}
	write(features.Version, channel)
	for _, f := range fields {
		write(f.Channel, f.Name, f.Unit)
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1) //nolint:gosec // 63 bits fit
}
