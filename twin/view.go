package twin

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/physics"
)

// View is a twin as it stood at one version: a copy that nobody changes.
type View struct {
	Asset       asset.ID     `json:"asset"`
	Kind        string       `json:"kind"`
	Group       string       `json:"group"`
	Criticality int          `json:"criticality"`
	State       Life         `json:"state"`
	Version     int64        `json:"version"`
	Time        time.Time    `json:"time"` // event time reached
	Learning    bool         `json:"learning"`
	SpeedRpm    asset.Number `json:"speed_rpm"`
	LoadN       asset.Number `json:"load_n"`
	Values      []Latest     `json:"values"` // by key
	Components  []Part       `json:"components"`
	History     []Entry      `json:"history"`
}

// Latest is the newest value of a feature or metric.
type Latest struct {
	Key    string       `json:"key"` // channel/feature
	Value  asset.Number `json:"value"`
	Unit   string       `json:"unit"`
	Time   time.Time    `json:"time"`
	Reason asset.Reason `json:"reason,omitempty"` // why it is missing
}

// Part is a component: the last verdict on it and what its laws say.
type Part struct {
	Component string     `json:"component"`
	Risk      *Verdict   `json:"risk"` // nil before the first
	Laws      []LawState `json:"laws"`
}

// Verdict is a fused risk as readers see it.
type Verdict struct {
	Time         time.Time              `json:"time"`
	Risk         asset.Number           `json:"risk"`
	HorizonH     float64                `json:"horizon_h"`
	Anomaly      bool                   `json:"anomaly"`
	MLScore      asset.Number           `json:"ml_score"`
	MLP          asset.Number           `json:"ml_p"`
	PhysicsScore asset.Number           `json:"physics_score"`
	RuleScore    asset.Number           `json:"rule_score"`
	RUL          asset.RUL              `json:"rul_h"`
	Mode         asset.Mode             `json:"mode"`
	Modes        map[asset.Mode]float64 `json:"modes,omitempty"`
	Evidence     []asset.Evidence       `json:"evidence"`
}

// LawState is a law's last word and the state behind it.
type LawState struct {
	Law        string             `json:"law"`
	Time       time.Time          `json:"time"`
	Score      asset.Number       `json:"score"`
	Limit      asset.Number       `json:"limit"`
	FailP      asset.Number       `json:"fail_p"`
	Abnormal   bool               `json:"abnormal"`
	Trust      float64            `json:"trust"`
	Reason     asset.Reason       `json:"reason,omitempty"`
	RUL        asset.RUL          `json:"rul_h"`
	Evidence   []asset.Evidence   `json:"evidence"`
	Quantities []physics.Quantity `json:"quantities"`
}
