package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Orders are a bearing's defect frequencies as multiples of the shaft's, for a
// turning inner and a fixed outer ring. NaN where neither order nor geometry is given.
type Orders struct {
	FTF  float64 // cage
	BPFO float64 // outer race
	BPFI float64 // inner race
	BSF  float64 // one rolling element's spin; a defect on it strikes twice a turn
}

// OrdersOf returns the orders that the nameplate gives, and the others from the
// geometry (n elements of diameter d on pitch D, contact angle φ, γ = d/D·cos φ;
// Randall & Antoni 2011, MSSP 25:485):
//
//	FTF = ½(1−γ)   BPFO = n/2(1−γ)   BPFI = n/2(1+γ)   BSF = D/2d(1−γ²)
func OrdersOf(b asset.Bearing) Orders {
	nan := math.NaN()
	o := Orders{nan, nan, nan, nan}
	n, d, pitch := float64(b.RollingElements), b.ElementDiameterMM, b.PitchDiameterMM
	if d > 0 && pitch > d {
		g := d / pitch * math.Cos(b.ContactAngleDeg*math.Pi/180)
		o.FTF = (1 - g) / 2
		o.BSF = pitch / (2 * d) * (1 - g*g)
		if n > 0 {
			o.BPFO, o.BPFI = n/2*(1-g), n/2*(1+g)
		}
	}
	for _, given := range []struct {
		value float64
		to    *float64
	}{{b.FTFOrder, &o.FTF}, {b.BPFOOrder, &o.BPFO}, {b.BPFIOrder, &o.BPFI}, {b.BSFOrder, &o.BSF}} {
		if given.value > 0 && !math.IsInf(given.value, 0) {
			*given.to = given.value
		}
	}
	return o
}

// defectLine is one kind of defect: how often it strikes, and what surrounds it.
type defectLine struct {
	name     string // of the feature: bpfo
	mark     string // in a spectrum: BPFO
	mode     asset.Mode
	order    float64 // strikes per turn of the shaft
	sideband float64 // order of the modulation; 0 for none
}

const (
	bpfo = iota
	bpfi
	bsf
	ftf
	defectLines
)

// families lists what a bearing can show, in a fixed order. The rolling element
// strikes both races, so its line is 2×BSF; the load zone modulates the inner
// race with the shaft and the element with the cage.
func (o Orders) families() [defectLines]defectLine {
	return [...]defectLine{
		bpfo: {"bpfo", "BPFO", asset.OuterRace, o.BPFO, 0},
		bpfi: {"bpfi", "BPFI", asset.InnerRace, o.BPFI, 1},
		bsf:  {"bsf", "2×BSF", asset.RollingElement, 2 * o.BSF, o.FTF},
		ftf:  {"ftf", "FTF", asset.Cage, o.FTF, 0},
	}
}
