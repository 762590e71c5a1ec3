package asset

import "time"

// Score is one answer of one version of a model, kept to compare versions by.
type Score struct {
	Time      time.Time
	Asset     ID
	Component string
	Model     string // NAME:VERSION
	Digest    string // SHA-256 of the model file
	Inputs    string // hash of what it read, 16 hexadecimal digits
	Stage     string // production, canary, shadow
	Serves    bool   // this answer went into the risk
	Regime    string
	Score     Number
	P         Number
	Abnormal  bool
	Reason    Reason // why there is no score
}
