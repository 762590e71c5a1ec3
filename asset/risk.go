package asset

import "time"

// Risk is the fused verdict for one component at one instant.
type Risk struct {
	Time         time.Time
	Asset        ID
	Component    string
	Risk         Number // probability of failure within HorizonH, 0–1; missing while learning
	Certainty    Certainty
	HorizonH     float64
	Anomaly      bool // the verdict for this instant, not latched
	MLScore      Number
	MLP          Number
	PhysicsScore Number
	RuleScore    Number
	LLR          ViewLLR
	RUL          RUL
	Mode         Mode
	Modes        map[Mode]float64
	Evidence     []Evidence
	Sources      []Contribution // every source of the component, also those that said nothing
}

// Certainty says how far a risk is to be believed. Everything is missing with the risk.
type Certainty struct {
	Low        Number `json:"risk_low"` // the least and the greatest risk when any one source is left out
	High       Number `json:"risk_high"`
	Confidence Number `json:"confidence"` // 0–1: how complete, valid and unanimous the sources are
	Conflict   Number `json:"conflict"`   // 0–1: mass on contradictions between the views (Dempster 1967)
}

// Unsure is the certainty of a risk that is missing.
func Unsure() Certainty { return Certainty{Missing(), Missing(), Missing(), Missing()} }

// ConflictLimit is the Conflict above which evidence counts as contradictory.
const ConflictLimit = 0.7

// Conflicting reports whether the views contradict each other.
func (c Certainty) Conflicting() bool { return c.Conflict.Known() && c.Conflict > ConflictLimit }

// ViewLLR is the log likelihood ratio of "fails within the horizon" that each view
// came to; missing where a view is silent.
type ViewLLR struct {
	ML      Number
	Physics Number
	Rule    Number
}

// Views are the three in the order learned, derived, ruled.
func (l ViewLLR) Views() [3]Number { return [3]Number{l.ML, l.Physics, l.Rule} }

// NoLLR is what no view has said.
func NoLLR() ViewLLR { return ViewLLR{Missing(), Missing(), Missing()} }

// Contribution is what one source brought into a verdict, or why it brought nothing.
type Contribution struct {
	Source string  `json:"source"` // ml, physics or rule, with the source's name: "rule/defect"
	Group  Group   `json:"group,omitempty"`
	Value  Number  `json:"value"` // its score
	Limit  Number  `json:"limit"` // on the scale of Value
	LLR    Number  `json:"llr"`   // log likelihood ratio, capped, aged and trusted; negative argues against a failure
	AgeH   float64 `json:"age_h"`
	Trust  float64 `json:"trust"`
	Weight Number  `json:"weight"`           // how far it moved the log odds: 0 where a correlated source said more
	Share  Number  `json:"share"`            // of all that moved them, either way
	Reason Reason  `json:"reason,omitempty"` // why it is silent
}
