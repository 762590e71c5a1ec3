package asset

import (
	"encoding/json"
	"time"
)

// Mode is a failure mode; the empty mode means healthy, or nothing to say.
type Mode string

// The modes of the vocabulary (ISO 13372 terms where it has them).
const (
	Healthy        Mode = ""
	InnerRace      Mode = "inner-race"
	OuterRace      Mode = "outer-race"
	RollingElement Mode = "rolling-element"
	Cage           Mode = "cage"
	Crack          Mode = "crack"
	Wear           Mode = "wear"
	Imbalance      Mode = "imbalance"
	Misalignment   Mode = "misalignment"
	Looseness      Mode = "looseness"
	GearTooth      Mode = "gear-tooth"
	Lubrication    Mode = "lubrication"
	Overheating    Mode = "overheating"
	Icing          Mode = "icing"
	Electrical     Mode = "electrical"
	SensorFault    Mode = "sensor"
	Unknown        Mode = "unknown"
)

// View is one of the three independent ways in which a component is judged.
type View string

// The views. Within one, sources that judge by the same group of signals are
// correlated: fusion lets the strongest of them speak and never adds them up.
const (
	Learned View = "ml"      // a trained model
	Derived View = "physics" // a physical law
	Ruled   View = "rule"    // a limit, a zone, a statistical detector
)

// Group is a kind of signal. Sources of one view that judge by different groups
// are independent enough to add up.
type Group string

// The groups. What reads several is mixed, and so correlated with each of them.
const (
	GroupVibration  Group = "vibration"
	GroupAcoustic   Group = "acoustic"
	GroupThermal    Group = "thermal"
	GroupElectrical Group = "electrical"
	GroupOil        Group = "oil"
	GroupStrain     Group = "strain"
	GroupProcess    Group = "process"
	GroupUsage      Group = "usage" // consumed life, from load and speed
	GroupMixed      Group = "mixed"
)

// Groups are all of them.
func Groups() []Group {
	return []Group{GroupVibration, GroupAcoustic, GroupThermal, GroupElectrical, GroupOil, GroupStrain, GroupProcess, GroupUsage, GroupMixed}
}

// Assessment is what one source says of one component at one instant.
type Assessment struct {
	Component string
	View      View
	Source    string    // name of the detector, law or model
	Group     Group     // of signals that it judges by; empty: fusion tells it from the evidence
	Time      time.Time // of the newest sample used
	Score     Number    // higher is worse; the source's own scale
	Limit     Number    // at which the source speaks up, on the scale of Score
	P         Number    // probability of a score this high on a healthy machine
	FailP     Number    // probability of failure within the horizon, where the source knows one
	Abnormal  bool      // the source's own unlatched verdict for this instant
	Trust     float64   // 0 (ignore) – 1: validity of the source here and now
	RUL       RUL
	Modes     map[Mode]float64 // candidate modes and weights, sum ≤ 1; empty for none, nil when it cannot tell
	Sure      float64          // how far Modes are believed, 0–1; 0: as far as Score has come to Limit
	Evidence  []Evidence
	Digest    string // of the model or parameter set
	Reason    Reason // why Trust is 0
}

// SoonH is the hours that RUL.Soon looks ahead.
const SoonH = 48

// RUL is the distribution of the remaining useful life: quantiles in hours with
// P10 ≤ P50 ≤ P90, missing where they lie beyond the horizon, and the probability
// of a failure within SoonH, missing when nothing supports one.
type RUL struct {
	P10  Number `json:"p10"`
	P50  Number `json:"p50"`
	P90  Number `json:"p90"`
	Soon Number `json:"fail_48h"`
}

// NoRUL is a remaining useful life that nobody knows.
func NoRUL() RUL { return RUL{Missing(), Missing(), Missing(), Missing()} }

// UnmarshalJSON leaves missing what the text does not have.
func (r *RUL) UnmarshalJSON(b []byte) error {
	type fields RUL // without this method
	f := fields(NoRUL())
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*r = RUL(f)
	return nil
}

// Evidence is one fact that a person can check.
type Evidence struct {
	Source string `json:"source"` // ml, physics or rule, with the source's name: "rule/defect"
	Name   string `json:"name"`   // channel/feature or state
	Value  Number `json:"value"`
	Limit  Number `json:"limit"`
	Weight Number `json:"weight"` // share of the log odds
	Text   string `json:"text"`
}
