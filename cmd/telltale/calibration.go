package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
)

// calibrationLearn is what labelled history and the verdicts of engineers tell of the
// fused log likelihood ratio. Method is "expert" where that is too little: then the
// class's own weights stand.
type calibrationLearn struct {
	Method  string                  `json:"method"`
	Why     string                  `json:"why,omitempty"` // the method was chosen
	Events  int                     `json:"events"`        // labelled failures, faults and confirmed alerts
	Assets  int                     `json:"assets"`
	Rows    int                     `json:"rows"`
	Base    float64                 `json:"base_rate"` // share of the rows' weight that is failing
	Weights map[asset.Group]float64 `json:"weights,omitempty"`
	Curve   pipeline.Curve          `json:"curve,omitzero"` // from the summed log likelihood ratio to the one that history bears out
	Quality map[string]quality      `json:"cross_validated,omitempty"`
}

// quality is that of one method on assets that it was not fitted on.
type quality struct {
	Brier   float64 `json:"brier"`
	LogLoss float64 `json:"log_loss"`
	ECE     float64 `json:"ece"`
	AUC     float64 `json:"auc"`
}

// byHand is the method where history tells too little.
const byHand = "expert"

// into puts what was learned into the options. Weights that the class gives by hand stand.
func (c *calibrationLearn) into(o *pipeline.FusionOptions) {
	for g, w := range c.Weights {
		if _, given := o.Weights[g]; !given {
			o.Weights[g] = w
		}
	}
	o.Curve = c.Curve
}

// method says how the risks of a run were calibrated, by class where they differ.
func (j *viewJudge) method() string {
	var all []string
	for _, id := range j.w.ids {
		plate := j.w.plates[id]
		m := byHand
		if p, ok := j.w.learned.of(j.w.classes.Of(plate.Kind), plate); ok && p.Calibration != nil {
			m = p.Calibration.Method
		}
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	slices.Sort(all)
	return cmp.Or(strings.Join(all, ", "), byHand)
}
