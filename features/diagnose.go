package features

import (
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// DefectScore is what one family of defect lines of a bearing gave.
type DefectScore struct {
	Mode  asset.Mode
	DB    float64 // NaN when missing
	Found float64 // harmonics that stand out; NaN when not counted
}

// DefectScoresOf collects the families of a vector, in the order outer race,
// inner race, rolling element, cage; of a family it does not have, DB is NaN.
func DefectScoresOf(v Vector) [defectLines]DefectScore {
	var out [defectLines]DefectScore
	for i, line := range (Orders{}).families() {
		out[i] = DefectScore{Mode: line.mode, DB: math.NaN(), Found: math.NaN()}
		for j, f := range v.Fields {
			if kind, name, ok := strings.Cut(f.Name, "_"); !ok || name != line.name {
				continue
			} else if kind == "defect" {
				out[i].DB = v.Values[j]
			} else if kind == "found" {
				out[i].Found = v.Values[j]
			}
		}
	}
	return out
}

// diagnosisDB is by how much a family must lead to be e times as likely.
const diagnosisDB = 3

// raceLeadDB is by how much an element or a cage must lead a race: races fail far
// more often, and in some geometries 2×BSF lies within the slip of BPFI.
const raceLeadDB = 1

// Diagnose names the family that stands out most and weighs the others against
// it: the weight falls by e for each 3 dB less, and sums to one. With no score
// known it says nothing. It does not judge whether there is a defect at all:
// on noise some family leads too.
func Diagnose(scores [defectLines]DefectScore) (asset.Mode, map[asset.Mode]float64) {
	best := -1
	for i := range scores {
		if i >= bsf {
			scores[i].DB -= raceLeadDB
		}
	}
	for i, s := range scores {
		if !math.IsNaN(s.DB) && (best < 0 || s.DB > scores[best].DB) {
			best = i
		}
	}
	if best < 0 {
		return asset.Healthy, nil
	}
	weights, sum := map[asset.Mode]float64{}, 0.0
	for _, s := range scores {
		if !math.IsNaN(s.DB) {
			sum += math.Exp((s.DB - scores[best].DB) / diagnosisDB)
		}
	}
	for _, s := range scores {
		if !math.IsNaN(s.DB) {
			weights[s.Mode] = math.Exp((s.DB-scores[best].DB)/diagnosisDB) / sum
		}
	}
	return scores[best].Mode, weights
}
