package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// TSA is the time-synchronous average: the mean over whole turns of y, which
// holds perRev samples a turn of the shaft of interest (McFadden 1987, MSSP
// 1:83), in the unit of y. Below 32 turns, whose count it returns, a trend
// should not rest on it. It writes into dst when dst is long enough.
func TSA[T float32 | float64](dst []float64, y []T, perRev int) (mean []float64, revs int, why asset.Reason) {
	e, why := binade(y)
	switch {
	case why != "":
		return dst[:0], 0, why
	case perRev < 1 || len(y)%perRev != 0:
		return dst[:0], 0, ReasonUndefined
	}
	revs = len(y) / perRev
	turn := make([]float64, perRev)
	mean = resize(dst, perRev)
	clear(mean)
	for r := range revs {
		scaleInto(turn, y[r*perRev:(r+1)*perRev], -e)
		for i, v := range turn {
			mean[i] += v
		}
	}
	for i := range mean {
		mean[i] /= float64(revs)
	}
	scaleInto(mean, mean, e)
	return mean, revs, ""
}

// EpicyclicPart is a wheel of a planetary stage with a fixed ring that no shaft
// of its own can be averaged for, because it passes the sensor on the ring only
// now and then.
type EpicyclicPart int

const (
	// PlanetGear is one planet.
	PlanetGear EpicyclicPart = iota
	// SunGear is the sun, seen through whichever planet passes.
	SunGear
)

// EpicyclicAverage averages a wheel of a planetary stage with a fixed ring over
// the passes of a planet under the sensor: around each pass a Hann window of four
// teeth is added where the wheel's own teeth then mesh, and the sum divided by
// that of the windows (McFadden 1991, J. Vib. Acoust. 113:45). y has perTooth
// samples a mesh, ring·perTooth a turn of the carrier, and begins with planet 0
// under the sensor; planets count against the sense of rotation. The result is
// one turn of the wheel against its mesh, teeth·perTooth samples in the unit of
// y, and the fewest windows that met at a sample. ReasonShort when a tooth never
// met the sensor. It writes into dst when dst is long enough.
func EpicyclicAverage[T float32 | float64](dst []float64, y []T, perTooth int, p asset.Planetary, part EpicyclicPart, planet int) (mean []float64, passes int, why asset.Reason) {
	e, why := binade(y)
	teeth := p.Planet
	if part == SunGear {
		teeth = p.Sun
	}
	switch {
	case why != "":
		return dst[:0], 0, why
	case perTooth < 1 || perTooth > maxPerRev || teeth < 1 || p.Ring < 1 || p.Planets < 1 || planet < 0 || planet >= p.Planets:
		return dst[:0], 0, ReasonUndefined
	case teeth > len(y) || p.Ring > len(y) || teeth > len(y)/perTooth:
		return dst[:0], 0, ReasonShort
	}
	turn, period, half := p.Ring*perTooth, teeth*perTooth, 2*perTooth
	x := make([]float64, len(y))
	scaleInto(x, y, -e)
	mean = resize(dst, period)
	clear(mean)
	weights, met := make([]float64, period), make([]int, period)
	for q := range p.Planets {
		offset := 0 // of the wheel's teeth under planet q
		if part == PlanetGear && q != planet {
			continue
		}
		if part == SunGear {
			offset = -int(math.Round(float64(p.Sun) * float64(q) / float64(p.Planets) * float64(perTooth)))
		}
		for n := 0; ; n++ {
			centre := n*turn - int(math.Round(float64(q)/float64(p.Planets)*float64(turn)))
			if centre-half >= len(x) {
				break
			}
			for j := max(-half, -centre); j < min(half, len(x)-centre); j++ {
				w := (1 + math.Cos(math.Pi*float64(j)/float64(half))) / 2
				if w < 1e-12 {
					continue
				}
				i := ((centre+j+offset)%period + period) % period
				mean[i] += w * x[centre+j]
				weights[i] += w
				met[i]++
			}
		}
	}
	passes = met[0]
	for i := range mean {
		if !(weights[i] > 0.25) { // a window's far flank is no measurement
			return dst[:0], 0, ReasonShort
		}
		passes = min(passes, met[i])
		mean[i] /= weights[i]
	}
	scaleInto(mean, mean, e)
	return mean, passes, ""
}
