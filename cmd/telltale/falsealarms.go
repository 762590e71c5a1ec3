package main

import (
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// falseAlarms is a line of false_alarms.ndjson: what one detector's limit costs on a
// healthy asset. A number that nobody can state is null; method says why.
type falseAlarms struct {
	Asset     asset.ID     `json:"asset"`
	Component string       `json:"component"`
	Detector  string       `json:"detector"`
	Method    string       `json:"method"`
	P         asset.Number `json:"p_per_evaluation"`
	PerDay    asset.Number `json:"evaluations_per_day"`
	PerYear   asset.Number `json:"false_alarms_per_asset_year"`
}

func budgetOf(id asset.ID, m *features.Monitor) []falseAlarms {
	var out []falseAlarms
	for _, b := range m.Budget() {
		out = append(out, falseAlarms{id, b.Component, b.Detector, b.Method, asset.Number(b.P), asset.Number(b.PerDay), asset.Number(b.PerYear)})
	}
	return out
}
