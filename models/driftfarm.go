package models

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// FarmDrift is a feature that moved alike on many assets at once. A fault strikes
// one machine: what strikes many is weather, a sensor's software or the flow.
type FarmDrift struct {
	Feature string     `json:"feature"`
	Cause   string     `json:"cause"`          // values or missing
	Side    string     `json:"side,omitempty"` // up or down, of the medians
	Assets  []asset.ID `json:"assets"`         // that drift together
	Of      int        `json:"of"`             // assets that could be judged
	Text    string     `json:"text"`
}

// CommonDrift looks for features that drift together on FarmShare of a farm's
// assets and on FarmLeast of them. The reports are those of one farm at one
// instant; assets about which nothing could be said do not count, nor does a share of
// missing values at which there is only to watch.
func CommonDrift(reports []Drift, opt DriftOptions) []FarmDrift {
	opt = opt.withDefaults()
	type way struct{ feature, cause, side string }
	judged, together := map[string][]asset.ID{}, map[way][]asset.ID{}
	for _, d := range reports {
		if d.Verdict == DriftUnknown {
			continue
		}
		judged[d.Feature] = append(judged[d.Feature], d.Asset)
		if d.Cause == "" || d.Cause == driftMissing && d.Verdict != DriftAct {
			continue
		}
		w := way{feature: d.Feature, cause: d.Cause}
		switch shift := float64(d.Shift); {
		case d.Cause == driftMissing:
		case shift > 0:
			w.side = "up"
		case shift < 0:
			w.side = "down"
		}
		together[w] = append(together[w], d.Asset)
	}
	var out []FarmDrift
	for w, ids := range together {
		f := FarmDrift{Feature: w.feature, Cause: w.cause, Side: w.side, Assets: distinct(ids), Of: len(distinct(judged[w.feature]))}
		if len(f.Assets) < opt.FarmLeast || float64(len(f.Assets)) < opt.FarmShare*float64(f.Of) {
			continue
		}
		what := "has moved " + w.side
		if w.cause == driftMissing {
			what = "is missing"
		}
		f.Text = fmt.Sprintf("%s %s on %d of %d assets together: environment or software, not a fault", w.feature, strings.TrimSpace(what), len(f.Assets), f.Of)
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b FarmDrift) int {
		return cmp.Or(cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Side, b.Side))
	})
	return out
}

// distinct are the IDs in order, an asset of several regimes once.
func distinct(ids []asset.ID) []asset.ID {
	sorted := slices.Sorted(slices.Values(ids))
	return slices.Compact(sorted)
}
