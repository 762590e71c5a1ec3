package sqlite

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store/row"
)

func appendFloats(dst []byte, values []float64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

func floats(b []byte) ([]float64, error) {
	if len(b)%8 != 0 {
		return nil, fmt.Errorf("%w: %d bytes are no float64s", row.ErrDamaged, len(b))
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
		return nil, fmt.Errorf("%w: %d bytes are no float32s", row.ErrDamaged, len(b))
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
	if row.Finite(v) {
		return v
	}
	return nil
}

func number(v sql.NullFloat64) asset.Number {
	if !v.Valid {
		return asset.Missing()
	}
	return asset.Number(v.Float64)
}

// text is optional JSON for the database.
func text(b []byte, err error) (any, error) {
	if b == nil || err != nil {
		return nil, err
	}
	return string(b), nil
}

// decode reads optional JSON into v.
func decode(s sql.NullString, v any) error {
	if !s.Valid {
		return nil
	}
	return row.Decode([]byte(s.String), v)
}
