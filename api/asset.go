package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Part is one component of an asset with its newest verdict.
type Part struct {
	Name     string     `json:"name"`
	Type     string     `json:"type"`
	Verdict  *Verdict   `json:"verdict"`  // null before the first
	Alert    *string    `json:"alert"`    // the open episode's ID
	Severity *int       `json:"severity"` // of that episode
	Physics  []Quantity `json:"physics"`
}

// Verdict is a risk as the API shows it.
type Verdict struct {
	Time         time.Time          `json:"time"`
	Asset        asset.ID           `json:"asset"`
	Component    string             `json:"component"`
	Risk         asset.Number       `json:"risk"`
	HorizonH     float64            `json:"horizon_h"`
	Anomaly      bool               `json:"anomaly"`
	MLScore      asset.Number       `json:"ml_score"`
	MLP          asset.Number       `json:"ml_p"`
	PhysicsScore asset.Number       `json:"physics_score"`
	RuleScore    asset.Number       `json:"rule_score"`
	RUL          asset.RUL          `json:"rul_h"`
	Mode         asset.Mode         `json:"mode"`
	Modes        map[string]float64 `json:"modes,omitempty"`
	Evidence     []asset.Evidence   `json:"evidence,omitempty"`

	Certainty asset.Certainty      `json:"certainty"`
	Sources   []asset.Contribution `json:"sources,omitempty"` // of the newest verdict: what each source said, or why nothing
}

func verdict(r asset.Risk) Verdict {
	v := Verdict{
		Time: r.Time.UTC(), Asset: r.Asset, Component: r.Component, Risk: r.Risk, HorizonH: r.HorizonH, Anomaly: r.Anomaly,
		MLScore: r.MLScore, MLP: r.MLP, PhysicsScore: r.PhysicsScore, RuleScore: r.RuleScore, RUL: r.RUL, Mode: r.Mode, Evidence: r.Evidence,
		Certainty: r.Certainty, Sources: r.Sources,
	}
	if len(r.Modes) > 0 {
		v.Modes = make(map[string]float64, len(r.Modes))
		for m, w := range r.Modes {
			v.Modes[string(m)] = w
		}
	}
	return v
}

// Detail is one asset with all that is known of it now.
type Detail struct {
	Summary
	Nameplate  asset.Nameplate `json:"nameplate"`
	Operation  string          `json:"operation"` // state of its life cycle
	SpeedRpm   asset.Number    `json:"speed_rpm"`
	LoadN      asset.Number    `json:"load_n"`
	Components []Part          `json:"components"`
	Metrics    []Quantity      `json:"metrics"` // newest value of each feature; Name is a trend key
}

func (s *server) plate(id asset.ID) (asset.Nameplate, error) {
	for _, p := range s.opt.Twins.Nameplates() {
		if p.ID == id {
			return p, nil
		}
	}
	return asset.Nameplate{}, fmt.Errorf("asset %q: %w", id, ErrNotFound)
}

func (s *server) asset(r *http.Request) (any, error) {
	plate, err := s.plate(asset.ID(r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	all, err := s.opt.Risks.LatestRisks(r.Context())
	if err != nil {
		return nil, err
	}
	risks := slices.DeleteFunc(slices.Clone(all), func(x asset.Risk) bool { return x.Asset != plate.ID })
	open, err := s.openAlerts(r.Context(), plate.ID)
	if err != nil {
		return nil, err
	}
	view, seen := s.opt.Twins.View(plate.ID)
	d := Detail{
		Summary: summarize(plate, view, seen, risks, open), Nameplate: plate, Operation: view.State,
		SpeedRpm: asset.Missing(), LoadN: asset.Missing(), Metrics: view.Features, Components: parts(plate, view, risks, open),
	}
	if seen {
		d.SpeedRpm, d.LoadN = view.SpeedRpm, view.LoadN
	}
	if d.Metrics == nil {
		d.Metrics = []Quantity{}
	}
	return d, nil
}

// parts lists the declared components in their order, then those that only a
// verdict knows of.
func parts(plate asset.Nameplate, view View, risks []asset.Risk, open []asset.Alert) []Part {
	out := make([]Part, 0, len(plate.Components))
	for _, c := range plate.Components {
		out = append(out, Part{Name: c.Name, Type: c.Type, Physics: []Quantity{}})
	}
	find := func(name string) *Part {
		for i := range out {
			if out[i].Name == name {
				return &out[i]
			}
		}
		out = append(out, Part{Name: name, Physics: []Quantity{}})
		return &out[len(out)-1]
	}
	for _, r := range risks {
		v := verdict(r)
		find(r.Component).Verdict = &v
	}
	for _, q := range view.Physics {
		p := find(q.Component)
		p.Physics = append(p.Physics, q)
	}
	for _, a := range open {
		_, severity := a.Current()
		p := find(a.Component)
		p.Alert, p.Severity = &a.ID, &severity
	}
	return out
}

// risks answers with verdicts of an asset, thinned to at most max by keeping
// the highest of each stretch, so that a short peak is never lost.
func (s *server) risks(r *http.Request) (any, error) {
	plate, err := s.plate(asset.ID(r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	from, to, err := span(r)
	if err != nil {
		return nil, err
	}
	most, err := number(r, "max", 500, 5000)
	if err != nil {
		return nil, err
	}
	rows, err := s.opt.Risks.Risks(r.Context(), plate.ID, r.URL.Query().Get("component"), from, to, 20000)
	if err != nil {
		return nil, err
	}
	rows = thin(rows, most)
	out := make([]Verdict, len(rows))
	for i, x := range rows {
		out[i] = verdict(x)
		out[i].Evidence, out[i].Sources = nil, nil
	}
	return map[string]any{"risks": out}, nil
}

func thin(rows []asset.Risk, most int) []asset.Risk {
	if len(rows) <= most {
		return rows
	}
	last := len(rows) - 1 // the newest always stays
	out := make([]asset.Risk, 0, most)
	for b := range most - 1 {
		lo, hi := b*last/(most-1), (b+1)*last/(most-1)
		best := lo
		for i := lo; i < hi; i++ {
			if orZero(rows[i].Risk) > orZero(rows[best].Risk) {
				best = i
			}
		}
		if hi > lo {
			out = append(out, rows[best])
		}
	}
	return append(out, rows[last])
}

// maxKeys is how many series one trend request may ask for.
const maxKeys = 20

func (s *server) trend(r *http.Request) (any, error) {
	plate, err := s.plate(asset.ID(r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	keys := r.URL.Query()["key"]
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, badRequest("key", "", "give 1 to 20 keys such as key=gearbox_acc/rms; GET /api/v1/assets/"+string(plate.ID)+" lists them under metrics")
	}
	from, to, err := span(r)
	if err != nil {
		return nil, err
	}
	most, err := number(r, "max", 500, 5000)
	if err != nil {
		return nil, err
	}
	series, err := s.opt.History.Trend(r.Context(), plate.ID, keys, from, to, most)
	if err != nil {
		return nil, err
	}
	limits, err := s.limits(r, plate.ID)
	if err != nil {
		return nil, err
	}
	out := make([]Series, len(series))
	for i, x := range series {
		if l, ok := limits[x.Key]; ok && !(x.Limit.Known() && x.Limit != 0) {
			x.Limit = l
		}
		out[i] = utc(x)
	}
	return map[string]any{"series": out}, nil
}

func utc(x Series) Series {
	times := make([]time.Time, len(x.Times))
	for i, t := range x.Times {
		times[i] = t.UTC()
	}
	x.Times = times
	if x.Values == nil {
		x.Values = []asset.Number{}
	}
	return x
}

// limits are those that the open alerts of an asset were judged by.
func (s *server) limits(r *http.Request, id asset.ID) (map[string]asset.Number, error) {
	alerts, err := s.opt.Alerts.Alerts(r.Context(), AlertFilter{Asset: id, Limit: 50})
	if err != nil {
		return nil, err
	}
	out := map[string]asset.Number{}
	for _, a := range alerts { // newest first: the newest limit stays
		for _, e := range a.Evidence {
			if _, has := out[e.Name]; !has && e.Limit.Known() {
				out[e.Name] = e.Limit
			}
		}
	}
	return out, nil
}

func (s *server) spectra(r *http.Request) (any, error) {
	plate, err := s.plate(asset.ID(r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	when, err := instant(r, "at")
	if err != nil {
		return nil, err
	}
	channels := []string{r.URL.Query().Get("channel")}
	if channels[0] == "" {
		channels = nil
		for _, c := range plate.Channels {
			channels = append(channels, c.Name)
		}
	}
	out := make([]Spectrum, 0, len(channels))
	for _, c := range channels {
		list, taken, err := s.opt.History.Spectra(r.Context(), plate.ID, c, cmp.Or(when, endOfTime))
		if err != nil {
			return nil, err
		}
		for _, sp := range list {
			out = append(out, Spectrum{Time: taken.UTC(), Spectrum: sp})
		}
	}
	return map[string]any{"spectra": out}, nil
}
