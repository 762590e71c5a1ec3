package features

import (
	"fmt"
	"math"
	"strings"
)

// swapped says that a channel whose RMS and bands all moved by standard gravity
// delivers another unit than at commissioning.
func swapped(in *instant, f *tracked) string {
	if !f.wave || f.Name != "rms" || f.base.N == 0 || !f.base.Log {
		return ""
	}
	var now, before []float64
	for i := range in.fields {
		g := &in.fields[i]
		if g.Channel != f.Channel || !g.wave || g.base.N == 0 || math.IsNaN(in.raw[i]) || !leveled(g.Name) {
			continue
		}
		now, before = append(now, in.raw[i]), append(before, g.base.level(0, nil))
	}
	if factor, why := UnitSwap(now, before); why == ReasonUnitSwap && len(now) > 2 {
		return fmt.Sprintf("all bands of %s moved by the factor %.4g of standard gravity since commissioning: the unit has changed between g and m/s²", f.Channel, 1/factor)
	}
	return ""
}

// Channels are told apart by what their levels differ by at least, as a logarithm, and
// are exchanged when each fits the other's past this many times better than its own.
const (
	apartLevels  = 0.4 // half as much again
	fitsExchange = 3
)

// crossed says that two vibration channels deliver each what the other one did at
// commissioning: their cables are swapped.
func crossed(in *instant, f *tracked) string {
	if !f.wave || f.Name != "rms" || f.base.N == 0 || !f.base.Log {
		return ""
	}
	for j := range in.fields {
		g := &in.fields[j]
		if g.Channel == f.Channel || !g.wave || g.Name != "rms" || g.Unit != f.Unit {
			continue
		}
		if fitsOther(in, f.Channel, g.Channel) && fitsOther(in, g.Channel, f.Channel) {
			return fmt.Sprintf("%s shows in all its bands what %s did at commissioning, and that one what this did: their cables are swapped", f.Channel, g.Channel)
		}
	}
	return ""
}

// fitsOther reports whether the levels of a channel are those that another one had.
func fitsOther(in *instant, channel, other string) bool {
	own, cross, n := 0.0, 0.0, 0
	for i := range in.fields {
		f := &in.fields[i]
		if f.Channel != channel || !f.wave || f.base.N == 0 || !f.base.Log || math.IsNaN(in.raw[i]) || !(in.raw[i] > 0) || !leveled(f.Name) {
			continue
		}
		for j := range in.fields {
			if g := &in.fields[j]; g.Channel == other && g.wave && g.Name == f.Name && g.base.N > 0 && g.base.Log {
				own += math.Abs(math.Log(in.raw[i] / f.base.level(0, in.op)))
				cross += math.Abs(math.Log(in.raw[i] / g.base.level(0, in.op)))
				n++
			}
		}
	}
	return n > 2 && own > apartLevels*float64(n) && own > fitsExchange*cross
}

// leveled are the fields that say how loud a channel is, altogether and by band.
func leveled(name string) bool { return name == "rms" || strings.HasPrefix(name, "band_rms_") }
