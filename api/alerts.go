package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
)

// AlertView is an episode with what it is now and what it led to.
type AlertView struct {
	asset.Alert
	Current Current `json:"current"`
}

// Current is the mode and severity after the last change.
type Current struct {
	Mode     asset.Mode `json:"mode"`
	Severity int        `json:"severity"`
	Open     bool       `json:"open"`
}

// AlertDetail is an episode with everything a person needs to check it.
type AlertDetail struct {
	AlertView
	Now    *Verdict           `json:"now"` // newest verdict of the component
	Orders []workorders.Order `json:"orders"`
	Views  Views              `json:"views"`
}

// Views sorts an alert's evidence by the view that it comes from. Against holds
// what speaks for a healthy machine: evidence of negative weight.
type Views struct {
	Trends   []TrendRef       `json:"trends"`   // features among the evidence, with their limits
	Spectrum *SpectrumRef     `json:"spectrum"` // null when no channel is named
	ML       []asset.Evidence `json:"ml"`
	Physics  []asset.Evidence `json:"physics"`
	Rules    []asset.Evidence `json:"rules"`
	Against  []asset.Evidence `json:"against"`
	State    []Quantity       `json:"state"` // what the laws know of the component now
}

// TrendRef names a series of the alert's asset.
type TrendRef struct {
	Key   string       `json:"key"`
	Limit asset.Number `json:"limit"`
	Unit  string       `json:"unit"`
}

// SpectrumRef names the spectra of a channel at an instant.
type SpectrumRef struct {
	Channel string    `json:"channel"`
	At      time.Time `json:"at"`
}

func alertView(a asset.Alert) AlertView {
	mode, severity := a.Current()
	a.Opened, a.Changed = a.Opened.UTC(), a.Changed.UTC()
	if a.Evidence == nil {
		a.Evidence = []asset.Evidence{}
	}
	return AlertView{Alert: a, Current: Current{Mode: mode, Severity: severity, Open: a.Cleared == nil}}
}

func (s *server) alerts(r *http.Request) (any, error) {
	limit, err := number(r, "limit", 200, 1000)
	if err != nil {
		return nil, err
	}
	state, err := choice(r, "state", "open", "all")
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	list, err := s.opt.Alerts.Alerts(r.Context(), AlertFilter{
		Asset: asset.ID(q.Get("asset")), Component: q.Get("component"), OpenOnly: state == "open", Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	out := make([]AlertView, len(list))
	for i, a := range list {
		out[i] = alertView(a)
	}
	return map[string]any{"alerts": out}, nil
}

func (s *server) alert(r *http.Request) (any, error) {
	a, err := s.opt.Alerts.Alert(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	orders, err := s.opt.Orders.Orders(r.Context(), OrderFilter{Alert: a.ID, Limit: 100})
	if err != nil {
		return nil, err
	}
	latest, err := s.opt.Risks.LatestRisks(r.Context())
	if err != nil {
		return nil, err
	}
	view, _ := s.opt.Twins.View(a.Asset)
	plate, _ := s.plate(a.Asset) // an asset that is gone still has its alerts
	out := AlertDetail{AlertView: alertView(a), Orders: noNil(orders), Views: views(a, plate, view)}
	for _, x := range latest {
		if x.Asset == a.Asset && x.Component == a.Component {
			v := verdict(x)
			out.Now = &v
		}
	}
	return out, nil
}

// views sorts the evidence of an alert and finds what to draw for it.
func views(a asset.Alert, plate asset.Nameplate, view View) Views {
	v := Views{
		Trends: []TrendRef{}, ML: []asset.Evidence{}, Physics: []asset.Evidence{}, Rules: []asset.Evidence{},
		Against: []asset.Evidence{}, State: []Quantity{},
	}
	units := make(map[string]string, len(view.Features))
	for _, q := range view.Features {
		units[q.Name] = q.Unit
	}
	for _, e := range a.Evidence {
		switch {
		case e.Weight.Known() && e.Weight < 0:
			v.Against = append(v.Against, e)
		case strings.HasPrefix(e.Source, string(asset.Learned)):
			v.ML = append(v.ML, e)
		case strings.HasPrefix(e.Source, string(asset.Derived)):
			v.Physics = append(v.Physics, e)
		default:
			v.Rules = append(v.Rules, e)
		}
		unit, drawn := units[e.Name]
		if drawn && !slices.ContainsFunc(v.Trends, func(t TrendRef) bool { return t.Key == e.Name }) {
			v.Trends = append(v.Trends, TrendRef{Key: e.Name, Limit: ruleLimit(e), Unit: unit})
		}
	}
	// Series with a limit first; otherwise the order of the evidence.
	slices.SortStableFunc(v.Trends, func(x, y TrendRef) int { return boolInt(y.Limit.Known()) - boolInt(x.Limit.Known()) })
	if len(v.Trends) > 8 {
		v.Trends = v.Trends[:8]
	}
	v.Spectrum = spectrumOf(a, plate)
	for _, q := range view.Physics {
		if q.Component == a.Component {
			v.State = append(v.State, q)
		}
	}
	return v
}

// ruleLimit is a limit on the feature's own scale: that of a rule. A model's or
// a law's limit is on the scale of its score.
func ruleLimit(e asset.Evidence) asset.Number {
	if strings.HasPrefix(e.Source, string(asset.Ruled)) {
		return e.Limit
	}
	return asset.Missing()
}

// spectrumOf names the sampled channel that the evidence rests on, or else the
// first one that watches the component.
func spectrumOf(a asset.Alert, plate asset.Nameplate) *SpectrumRef {
	for _, e := range a.Evidence {
		channel, _, _ := strings.Cut(e.Name, "/")
		for _, c := range plate.Channels {
			if c.Name == channel {
				return &SpectrumRef{Channel: c.Name, At: a.Opened.UTC()}
			}
		}
	}
	for _, c := range plate.Channels {
		if c.Component == a.Component {
			return &SpectrumRef{Channel: c.Name, At: a.Opened.UTC()}
		}
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func noNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *server) orders(r *http.Request) (any, error) {
	limit, err := number(r, "limit", 200, 1000)
	if err != nil {
		return nil, err
	}
	status, err := choice(r, "status", string(workorders.Open), string(workorders.Sent), string(workorders.Parked), string(workorders.Completed))
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	list, err := s.opt.Orders.Orders(r.Context(), OrderFilter{
		Asset: asset.ID(q.Get("asset")), Alert: q.Get("alert"), Status: workorders.Status(status), Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"orders": noNil(list)}, nil
}

func (s *server) order(r *http.Request) (any, error) {
	return s.opt.Orders.Order(r.Context(), r.PathValue("id"))
}

func (s *server) events(r *http.Request) (any, error) {
	limit, err := number(r, "limit", 100, 1000)
	if err != nil {
		return nil, err
	}
	list, err := s.opt.Journal.Events(r.Context(), asset.ID(r.URL.Query().Get("asset")), limit)
	if err != nil {
		return nil, err
	}
	return map[string]any{"events": noNil(list)}, nil
}
