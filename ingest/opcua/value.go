package opcua

import (
	"time"

	"github.com/gopcua/opcua/ua"
)

// overflow marks a value before which others were lost in the server's queue: the info
// bits of a data value, and of these the overflow bit (OPC 10000-4, 7.39.1).
const overflow = 0x480

// quality of a status: its two upper bits are good, uncertain or bad.
func quality(s ua.StatusCode) float64 {
	switch uint32(s) >> 30 {
	case 0:
		return 100
	case 1:
		return 50
	}
	return 0
}

// stamped is when a value was taken, by its source, else by the server; zero when nobody says.
func stamped(v *ua.DataValue) time.Time {
	if !v.SourceTimestamp.IsZero() {
		return v.SourceTimestamp.UTC()
	}
	return v.ServerTimestamp.UTC()
}

// number is a scalar as a float; a bool is 0 or 1.
func number(v *ua.Variant) (float64, bool) {
	if v == nil {
		return 0, false
	}
	switch x := v.Value().(type) {
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case int8:
		return float64(x), true
	case uint8:
		return float64(x), true
	case int16:
		return float64(x), true
	case uint16:
		return float64(x), true
	case int32:
		return float64(x), true
	case uint32:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	case float32:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// samples are an array as a waveform has them: either counts or numbers.
func samples(v *ua.Variant) (values []float32, counts []int16) {
	if v == nil {
		return nil, nil
	}
	switch x := v.Value().(type) {
	case []int16:
		return nil, x
	case []float32:
		return x, nil
	case []float64:
		return floats(x), nil
	case []int32:
		return floats(x), nil
	case []uint16:
		return floats(x), nil
	}
	return nil, nil
}

func floats[T float64 | int32 | uint16](x []T) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
