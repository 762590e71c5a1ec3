package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Summary is one line of the fleet: an asset as its worst component makes it.
type Summary struct {
	ID          asset.ID     `json:"id"`
	Kind        string       `json:"kind"`
	Group       string       `json:"group"`
	Criticality int          `json:"criticality"`
	State       string       `json:"state"` // learning, silent, healthy, watch (an anomaly without an alert, or an alert of severity 4), alert
	Component   string       `json:"component"`
	Mode        asset.Mode   `json:"mode"`
	Risk        asset.Number `json:"risk"`
	HorizonH    asset.Number `json:"horizon_h"`
	RUL         asset.RUL    `json:"rul_h"`
	Severity    *int         `json:"severity"` // of the open alert that matters most; null without one
	Alert       *string      `json:"alert"`    // its ID
	Alerts      int          `json:"alerts"`   // how many are open
	Learning    bool         `json:"learning"`
	Updated     *time.Time   `json:"updated"`
}

// fleet lists assets by risk, worst first.
func (s *server) fleet(r *http.Request) (any, error) {
	latest, err := s.opt.Risks.LatestRisks(r.Context())
	if err != nil {
		return nil, err
	}
	open, err := s.openAlerts(r.Context(), "")
	if err != nil {
		return nil, err
	}
	risks, alerts := byAsset(latest, open)
	out := make([]Summary, 0)
	for _, plate := range s.opt.Twins.Nameplates() {
		view, seen := s.opt.Twins.View(plate.ID)
		out = append(out, summarize(plate, view, seen, risks[plate.ID], alerts[plate.ID]))
	}
	slices.SortStableFunc(out, func(a, b Summary) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), -cmp.Compare(orZero(a.Risk), orZero(b.Risk)),
			-cmp.Compare(a.Criticality, b.Criticality), cmp.Compare(a.ID, b.ID))
	})
	return map[string]any{"assets": out}, nil
}

func byAsset(risks []asset.Risk, alerts []asset.Alert) (map[asset.ID][]asset.Risk, map[asset.ID][]asset.Alert) {
	r, a := map[asset.ID][]asset.Risk{}, map[asset.ID][]asset.Alert{}
	for _, x := range risks {
		r[x.Asset] = append(r[x.Asset], x)
	}
	for _, x := range alerts {
		a[x.Asset] = append(a[x.Asset], x)
	}
	return r, a
}

func (s *server) openAlerts(ctx context.Context, id asset.ID) ([]asset.Alert, error) {
	return s.opt.Alerts.Alerts(ctx, AlertFilter{Asset: id, OpenOnly: true, Limit: 1000})
}

// summarize lets the most severe open alert speak for an asset, and without one
// the component with the highest risk.
func summarize(plate asset.Nameplate, v View, seen bool, risks []asset.Risk, open []asset.Alert) Summary {
	out := Summary{
		ID: plate.ID, Kind: plate.Kind, Group: plate.Group, Criticality: cmp.Or(plate.Criticality, 3), State: "silent",
		Risk: asset.Missing(), HorizonH: asset.Missing(), RUL: asset.NoRUL(), Learning: v.Learning, Alerts: len(open),
	}
	if seen {
		out.State = "healthy"
		out.Updated = at(v.Time)
	}
	alert, has := worstAlert(open)
	for _, r := range risks {
		if t := r.Time.UTC(); out.Updated == nil || t.After(*out.Updated) {
			out.Updated = &t
		}
		if has && r.Component != alert.Component {
			continue
		}
		if out.Component == "" || orZero(r.Risk) > orZero(out.Risk) {
			out.Component, out.Mode, out.Risk, out.RUL = r.Component, r.Mode, r.Risk, r.RUL
			out.HorizonH = asset.Number(r.HorizonH)
		}
	}
	switch {
	case has:
		mode, severity := alert.Current()
		out.Component, out.Severity, out.Alert = alert.Component, &severity, &alert.ID
		if mode != asset.Healthy {
			out.Mode = mode
		}
		out.State = "alert"
		if severity >= 4 {
			out.State = "watch"
		}
	case v.Learning:
		out.State = "learning"
	case len(risks) > 0:
		out.State = "healthy"
		if slices.ContainsFunc(risks, func(r asset.Risk) bool { return r.Anomaly }) {
			out.State = "watch"
		}
	}
	return out
}

func worstAlert(open []asset.Alert) (asset.Alert, bool) {
	if len(open) == 0 {
		return asset.Alert{}, false
	}
	return slices.MinFunc(open, func(a, b asset.Alert) int {
		_, sa := a.Current()
		_, sb := b.Current()
		return cmp.Or(cmp.Compare(sa, sb), -cmp.Compare(orZero(a.Risk), orZero(b.Risk)), a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
	}), true
}

func urgency(s Summary) int {
	if s.Severity != nil {
		return *s.Severity
	}
	return 9
}

func orZero(n asset.Number) float64 {
	if n.Known() {
		return float64(n)
	}
	return 0
}

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
