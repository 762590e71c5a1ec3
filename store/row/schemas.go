package row

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/telltale-iot/telltale/features"
)

// Schemas remembers which lists of fields a database holds already. It has one owner.
type Schemas struct {
	known map[string][]schema // by channel, last used first; at most maxKnown each
}

// schema is one list of fields of one channel.
type schema struct {
	id     int64
	fields []features.Field
}

const maxKnown = 64

// NewSchemas knows none.
func NewSchemas() *Schemas { return &Schemas{known: map[string][]schema{}} }

// Forget knows none again.
func (s *Schemas) Forget() { clear(s.known) }

// Find returns the id of the fields when the database is known to hold them.
func (s *Schemas) Find(channel string, fields []features.Field) (int64, bool) {
	list := s.known[channel]
	for i := range list {
		if slices.Equal(list[i].fields, fields) {
			list[0], list[i] = list[i], list[0]
			return list[0].id, true
		}
	}
	return 0, false
}

// Add notes that the database holds the fields under id.
func (s *Schemas) Add(channel string, id int64, fields []features.Field) {
	list := s.known[channel]
	if len(list) >= maxKnown {
		list = list[:maxKnown-1]
	}
	s.known[channel] = slices.Insert(list, 0, schema{id: id, fields: slices.Clone(fields)})
}

// SchemaID is the number of all that names the fields.
func SchemaID(channel string, fields []features.Field) int64 {
	parts := make([]string, 0, 2+3*len(fields))
	parts = append(parts, features.Version, channel)
	for _, f := range fields {
		parts = append(parts, f.Channel, f.Name, f.Unit)
	}
	return ID(parts...)
}

// ID is the first 63 bits of the SHA-256 of the parts, each with its length.
func ID(parts ...string) int64 {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(p)))) //nolint:gosec // names are short
		h.Write([]byte(p))
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1) //nolint:gosec // 63 bits fit
}

// Fields reads a list of fields from its JSON.
func Fields(text []byte) ([]features.Field, error) {
	var list []features.Field
	err := Decode(text, &list)
	return list, err
}

// FieldsJSON is what Fields reads.
func FieldsJSON(fields []features.Field) ([]byte, error) { return json.Marshal(fields) }
