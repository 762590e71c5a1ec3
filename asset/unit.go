package asset

import (
	"math"
	"sort"
	"strings"
)

// StandardGravity in m/s² (CGPM 1901): one "g".
const StandardGravity = 9.80665

// unit converts to its canonical spelling: canonical = value·factor + offset.
type unit struct {
	canonical      string
	factor, offset float64
}

// units is the vocabulary. UCUM codes (case sensitive, such as Cel, /min, [psi]) stand
// beside the spellings that people use.
var units = map[string]unit{
	"1": {"1", 1, 0}, "": {"1", 1, 0}, "%": {"%", 1, 0}, "[ppm]": {"1", 1e-6, 0}, "ppm": {"1", 1e-6, 0},
	"m/s²": {"m/s²", 1, 0}, "m/s2": {"m/s²", 1, 0}, "g": {"m/s²", StandardGravity, 0}, "[g]": {"m/s²", StandardGravity, 0},
	"m[g]": {"m/s²", StandardGravity / 1000, 0}, "mg": {"m/s²", StandardGravity / 1000, 0}, "mm/s2": {"m/s²", 1e-3, 0}, "mm/s²": {"m/s²", 1e-3, 0},
	"mm/s": {"mm/s", 1, 0}, "m/s": {"m/s", 1, 0}, "km/h": {"m/s", 1 / 3.6, 0}, "[in_i]/s": {"mm/s", 25.4, 0}, "in/s": {"mm/s", 25.4, 0},
	"um": {"µm", 1, 0}, "µm": {"µm", 1, 0}, "mm": {"µm", 1000, 0}, "m": {"µm", 1e6, 0}, "[mil_i]": {"µm", 25.4, 0}, "mil": {"µm", 25.4, 0},
	"°C": {"°C", 1, 0}, "Cel": {"°C", 1, 0}, "degC": {"°C", 1, 0}, "K": {"°C", 1, -273.15},
	"°F": {"°C", 5.0 / 9, -160.0 / 9}, "[degF]": {"°C", 5.0 / 9, -160.0 / 9},
	"rpm": {"rpm", 1, 0}, "/min": {"rpm", 1, 0}, "{rpm}": {"rpm", 1, 0}, "rad/s": {"rpm", 30 / math.Pi, 0}, "Hz": {"Hz", 1, 0}, "kHz": {"Hz", 1e3, 0},
	"kW": {"kW", 1, 0}, "W": {"kW", 1e-3, 0}, "MW": {"kW", 1e3, 0},
	"A": {"A", 1, 0}, "mA": {"A", 1e-3, 0}, "V": {"V", 1, 0}, "mV": {"V", 1e-3, 0}, "kV": {"V", 1e3, 0},
	"N": {"N", 1, 0}, "kN": {"N", 1e3, 0}, "N·m": {"N·m", 1, 0}, "N.m": {"N·m", 1, 0}, "kN·m": {"N·m", 1e3, 0}, "kN.m": {"N·m", 1e3, 0},
	"bar": {"bar", 1, 0}, "mbar": {"bar", 1e-3, 0}, "kPa": {"bar", 0.01, 0}, "Pa": {"bar", 1e-5, 0}, "MPa": {"bar", 10, 0},
	"[psi]": {"bar", poundPerSquareInch, 0}, "psi": {"bar", poundPerSquareInch, 0},
	"L/min": {"L/min", 1, 0}, "l/min": {"L/min", 1, 0}, "L/h": {"L/min", 1.0 / 60, 0}, "m3/h": {"L/min", 1000.0 / 60, 0}, "m³/h": {"L/min", 1000.0 / 60, 0},
	"°": {"°", 1, 0}, "deg": {"°", 1, 0}, "rad": {"°", 180 / math.Pi, 0},
	"h": {"h", 1, 0}, "d": {"h", 24, 0}, "s": {"s", 1, 0}, "ms": {"s", 1e-3, 0}, "us": {"s", 1e-6, 0}, "µs": {"s", 1e-6, 0}, "min": {"s", 60, 0},
	"dB": {"dB", 1, 0}, "µV": {"µV", 1, 0}, "uV": {"µV", 1, 0},
}

// poundPerSquareInch in bar: 0.45359237 kg · 9.80665 m/s² / (25.4 mm)² (NIST SP 811, B.8).
const poundPerSquareInch = 0.45359237 * StandardGravity / (0.0254 * 0.0254) / 1e5

// Convert brings a value to the canonical unit of its kind. ok is false for a
// unit that is not in the vocabulary.
func Convert(value float64, from string) (canonical float64, unit string, ok bool) {
	u, ok := units[from]
	if !ok {
		return value, "", false
	}
	return value*u.factor + u.offset, u.canonical, true
}

// Units lists the vocabulary, for messages that say what is allowed.
func Units() string {
	all := make([]string, 0, len(units))
	for name := range units {
		if name != "" {
			all = append(all, name)
		}
	}
	sort.Strings(all)
	return strings.Join(all, ", ")
}
