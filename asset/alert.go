package asset

import "time"

// Alert is an episode: one open at most for a component. What it says is as of
// Opened; what happened later is in Changes.
type Alert struct {
	ID        string     `json:"id"` // UUIDv5 of asset, component and Opened
	Asset     ID         `json:"asset"`
	Component string     `json:"component"`
	Mode      Mode       `json:"mode"`
	Severity  int        `json:"severity"` // 1 (act now) – 4 (watch)
	Opened    time.Time  `json:"opened"`
	Changed   time.Time  `json:"changed"`
	Cleared   *time.Time `json:"cleared"` // nil while open
	Risk      Number     `json:"risk"`
	HorizonH  float64    `json:"horizon_h"`
	RUL       RUL        `json:"rul_h"`
	Evidence  []Evidence `json:"evidence"`

	Certainty *Certainty     `json:"certainty,omitempty"` // as of Opened; nil where nothing is known of it
	Sources   []Contribution `json:"sources,omitempty"`   // what every source said, also those that argue against

	Group      string `json:"group,omitempty"`      // of the alert list: alerts of one cause share it
	Suppressed Reason `json:"suppressed,omitempty"` // why the alert list does not show it by itself

	Changes []Change `json:"changes,omitempty"`
}

// Change is one step in the life of an alert.
type Change struct {
	Time     time.Time `json:"time"`
	What     string    `json:"what"` // mode, severity, confirmed, cleared
	Mode     Mode      `json:"mode"`
	Severity int       `json:"severity"`
	Risk     Number    `json:"risk"`
	RUL      RUL       `json:"rul_h"`
}

// Confirmed is a change that says no more than that the signs have lasted.
const Confirmed = "confirmed"

// Current is the mode and severity after the last change.
func (a Alert) Current() (Mode, int) {
	if n := len(a.Changes); n > 0 {
		return a.Changes[n-1].Mode, a.Changes[n-1].Severity
	}
	return a.Mode, a.Severity
}
