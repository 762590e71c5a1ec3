package api_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/workorders"
)

// plant is a small wind farm that never changes: one turbine with a bearing
// that wears out, one that is learning, one that was never heard of.
type plant struct {
	now    time.Time
	plates []asset.Nameplate
	alert  asset.Alert
	order  workorders.Order
	fail   error // what every reader answers, when set
}

var miss = asset.Missing()

func newPlant() *plant {
	p := &plant{now: time.Date(2026, 3, 20, 14, 0, 0, 0, time.UTC)}
	for i := range 8 {
		p.plates = append(p.plates, asset.Nameplate{
			ID: asset.ID(fmt.Sprintf("WT-%02d", i+1)), Kind: "wind-turbine", Group: "north", Criticality: 3, SpeedRpm: 1500,
			Components: []asset.Component{{Name: "gearbox-hss-bearing", Type: "rolling-bearing"}, {Name: "generator-de-bearing", Type: "rolling-bearing"}, {Name: "gearbox", Type: "gearbox"}},
			Channels: []asset.Channel{
				{Name: "gearbox_acc", Kind: "acceleration", Unit: "m/s²", RateHz: 20480, Component: "gearbox-hss-bearing"},
				{Name: "generator_acc", Kind: "acceleration", Unit: "m/s²", RateHz: 20480, Component: "generator-de-bearing"},
			},
		})
	}
	opened := p.now.Add(-6 * 24 * time.Hour)
	p.alert = asset.Alert{
		ID: "0b54e3a6-54f3-5b0e-9c6e-000000000001", Asset: "WT-03", Component: "gearbox-hss-bearing", Mode: asset.Unknown, Severity: 3,
		Opened: opened, Changed: opened.Add(40 * time.Hour), Risk: 0.34, HorizonH: 2160, RUL: asset.RUL{P10: 700, P50: 1400, P90: miss},
		Evidence: []asset.Evidence{
			{Source: "rule/defect", Name: "gearbox_acc/defect_bpfo", Value: 0.412, Limit: 0.21, Weight: 2.31, Text: "Outer-race defect line stands out of the envelope spectrum, with 3 harmonics."},
			{Source: "physics/rolling-bearing-life", Name: "gearbox-hss-bearing/damage", Value: 0.71, Limit: 0.6, Weight: 1.42, Text: "Consumed bearing life after ISO 281 is 71 %."},
			{Source: "ml/autoencoder", Name: "gearbox_acc/kurtosis", Value: 6.2, Limit: miss, Weight: 0.81, Text: "Kurtosis is not what the model expects at this load."},
			{Source: "ml/autoencoder", Name: "gearbox_acc/rms", Value: 14.25, Limit: miss, Weight: 0.44, Text: "Vibration level is higher than the model expects."},
			{Source: "rule/thermal", Name: "gearbox_bearing_temp/residual", Value: 0.6, Limit: 5, Weight: -0.52, Text: "The bearing is no warmer than its load explains."},
		},
		Changes: []asset.Change{{Time: opened.Add(10 * time.Hour), What: "mode", Mode: asset.OuterRace, Severity: 3, Risk: 0.48, RUL: asset.NoRUL()}, {Time: opened.Add(40 * time.Hour), What: "severity", Mode: asset.OuterRace, Severity: 2, Risk: 0.71, RUL: asset.NoRUL()}},
	}
	p.order = workorders.Order{
		ID: "5e6b1c1e-0000-5000-8000-000000000001", Alert: p.alert.ID, Asset: "WT-03", Component: p.alert.Component, Mode: asset.OuterRace, Priority: 2,
		Title: "WT-03 gearbox HSS bearing: outer race", Text: "Outer-race defect frequency is above its limit.\nInspect the bearing by borescope and take an oil sample.\nRequired before 3 April 2026.",
		RequiredEnd: p.now.Add(14 * 24 * time.Hour), Key: workorders.KeyOf(p.alert.ID), Status: workorders.Sent, ERP: "sandbox", ERPNumber: "000010000042", Attempts: 1, Created: opened,
	}
	return p
}

func (p *plant) Nameplates() []asset.Nameplate { return p.plates }

func (p *plant) View(id asset.ID) (api.View, bool) {
	if id == "WT-08" {
		return api.View{}, false
	}
	v := api.View{Time: p.now, State: "active", Learning: id == "WT-07", SpeedRpm: 1487, LoadN: miss}
	for _, n := range []struct {
		key, unit string
		v, limit  asset.Number
	}{{"gearbox_acc/rms", "m/s²", 14.25, miss}, {"gearbox_acc/kurtosis", "1", 6.2, miss}, {"gearbox_acc/defect_bpfo", "m/s²", 0.412, 0.21}, {"generator_acc/rms", "m/s²", 6.1, miss}, {"gearbox_bearing_temp/value", "°C", 63.4, 80}, {"gearbox_bearing_temp/residual", "K", 0.6, 5}, {"power/value", "kW", 1834, miss}} {
		v.Features = append(v.Features, api.Quantity{Name: n.key, Value: n.v, Limit: n.limit, Unit: n.unit, Time: p.now})
	}
	v.Physics = []api.Quantity{
		{Component: "gearbox-hss-bearing", Source: "rolling-bearing-life", Name: "damage", Value: 0.71, Limit: 1, Unit: "1", Text: "71 % of the bearing's life is consumed; the last month took 9 %."},
		{Component: "gearbox-hss-bearing", Source: "rolling-bearing-life", Name: "modified rating life", Value: 61200, Limit: miss, Unit: "h", Text: "ISO 281 life at the load seen so far."},
		{Component: "generator-de-bearing", Source: "thermal-network", Name: "friction heat", Value: 0.42, Limit: 0.9, Unit: "kW"},
	}
	return v, true
}

// risk of a component i hours before now.
func (p *plant) risk(id asset.ID, component string, ago float64) asset.Risk {
	k := float64(len(component)+int(id[4])) + ago
	r := asset.Risk{
		Time: p.now.Add(-time.Duration(ago * float64(time.Hour))), Asset: id, Component: component, HorizonH: 2160, Risk: asset.Number(0.03 + 0.01*math.Sin(k/9)),
		MLScore: 0.4, MLP: 0.5, PhysicsScore: 0.1, RuleScore: 0.2, RUL: asset.RUL{P10: 9000, P50: miss, P90: miss},
	}
	if id == "WT-03" && component == "gearbox-hss-bearing" {
		r.Risk = asset.Number(0.03 + 0.68/(1+math.Exp((ago-130)/30)) + 0.01*math.Sin(k))
		r.RUL, r.Mode, r.Anomaly = asset.RUL{P10: 310, P50: 640, P90: 1500}, asset.OuterRace, ago < 150
		r.Modes = map[asset.Mode]float64{asset.OuterRace: 0.8, asset.Wear: 0.1}
		r.Evidence = p.alert.Evidence
	}
	if id == "WT-05" && component == "gearbox" {
		r.Risk, r.Mode, r.Anomaly = 0.21, asset.GearTooth, true
	}
	return r
}

func (p *plant) LatestRisks(context.Context) ([]asset.Risk, error) {
	var out []asset.Risk
	for _, n := range p.plates[:6] {
		for _, c := range n.Components {
			out = append(out, p.risk(n.ID, c.Name, 0))
		}
	}
	return out, p.fail
}

func (p *plant) Risks(_ context.Context, id asset.ID, component string, from, _ time.Time, _ int) ([]asset.Risk, error) {
	var out []asset.Risk
	for ago := 720.0; ago >= 0; ago -= 4 {
		for _, c := range p.plates[0].Components {
			if r := p.risk(id, c.Name, ago); (component == "" || component == c.Name) && !r.Time.Before(from) && id < "WT-07" {
				out = append(out, r)
			}
		}
	}
	return out, p.fail
}

func (p *plant) Trend(_ context.Context, _ asset.ID, keys []string, from, _ time.Time, _ int) ([]api.Series, error) {
	var out []api.Series
	for _, key := range keys {
		s := api.Series{Key: key, Unit: "m/s²", Limit: miss}
		for ago := 720.0; ago >= 0; ago -= 3 {
			t := p.now.Add(-time.Duration(ago) * time.Hour)
			if t.Before(from) {
				continue
			}
			s.Times = append(s.Times, t)
			v := asset.Number(0.12 + 0.3*math.Exp(-ago/120) + 0.02*math.Sin(ago*1.7) + 0.01*math.Cos(ago*5))
			if ago > 400 && ago < 420 {
				v = miss
			}
			s.Values = append(s.Values, v)
		}
		out = append(out, s)
	}
	return out, p.fail
}

func (p *plant) Spectra(_ context.Context, _ asset.ID, channel string, at time.Time) ([]features.Spectrum, time.Time, error) {
	bins, f := make([]float32, 500), 88.4
	for i := range bins {
		x := float64(i)
		bins[i] = float32(0.02 + 0.008*math.Abs(math.Sin(x*x*0.7)))
		for h := 1.0; h <= 4; h++ {
			bins[i] += float32(0.4 / h * math.Exp(-(x-h*f)*(x-h*f)/3))
		}
	}
	if at.After(p.now) {
		at = p.now
	}
	return []features.Spectrum{{Channel: channel, Kind: "envelope", Unit: "m/s²", StepHz: 1, Bins: bins, Marks: []features.Mark{{Name: "BPFO 1×", Hz: f}, {Name: "BPFO 2×", Hz: 2 * f}, {Name: "BPFO 3×", Hz: 3 * f}, {Name: "BPFI 1×", Hz: 131.2}, {Name: "shaft", Hz: 24.8}}}}, at, p.fail
}

func (p *plant) Alerts(_ context.Context, f api.AlertFilter) ([]asset.Alert, error) {
	if f.Asset != "" && f.Asset != p.alert.Asset {
		return nil, p.fail
	}
	return []asset.Alert{p.alert}, p.fail
}

func (p *plant) Alert(_ context.Context, id string) (asset.Alert, error) {
	if id != p.alert.ID {
		return asset.Alert{}, fmt.Errorf("alert %q: %w", id, api.ErrNotFound)
	}
	return p.alert, p.fail
}

func (p *plant) Orders(_ context.Context, f api.OrderFilter) ([]workorders.Order, error) {
	if f.Alert != "" && f.Alert != p.alert.ID {
		return nil, p.fail
	}
	return []workorders.Order{p.order}, p.fail
}

func (p *plant) Order(_ context.Context, id string) (workorders.Order, error) {
	if id != p.order.ID {
		return workorders.Order{}, fmt.Errorf("order %q: %w", id, api.ErrNotFound)
	}
	return p.order, p.fail
}

func (p *plant) Counts(context.Context) (map[string]int64, error) {
	return map[string]int64{"readings": 120000, "refused/bad-unit": 3}, p.fail
}

func (p *plant) Events(_ context.Context, id asset.ID, _ int) ([]api.Event, error) {
	return []api.Event{{Asset: cmp(id, "WT-03"), Time: p.now.Add(-500 * time.Hour), Kind: "maintenance", Text: "gearbox oil changed"}, {Asset: cmp(id, "WT-03"), Time: p.now.Add(-720 * time.Hour), Kind: "commissioned", Text: "from shipped baselines"}}, p.fail
}

func cmp(id, def asset.ID) asset.ID {
	if id == "" {
		return def
	}
	return id
}

func (p *plant) status() api.Status {
	return api.Status{EventTime: p.now, Speed: 3600, Version: "test", Notes: []string{"Commissioned from shipped baselines.", "Waveforms are thinned to one each hour of plant time."}}
}

func (p *plant) options() api.Options {
	return api.Options{Twins: p, Risks: p, History: p, Alerts: p, Orders: p, Journal: p, Status: p.status, Hub: api.NewHub(api.HubOptions{})}
}

// TestServeFake serves the fake plant with the page in TELLTALE_PAGE at
// TELLTALE_FAKE until the file TELLTALE_FAKE_STOP is there: for work on the page.
func TestServeFake(t *testing.T) {
	addr, stop := os.Getenv("TELLTALE_FAKE"), os.Getenv("TELLTALE_FAKE_STOP")
	if addr == "" || stop == "" {
		t.Skip("TELLTALE_FAKE and TELLTALE_FAKE_STOP are not set")
	}
	p := newPlant()
	opt := p.options()
	opt.Page = http.FileServer(http.Dir(filepath.Clean(os.Getenv("TELLTALE_PAGE"))))
	opt.Mounts = map[string]http.Handler{"/erp/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("sandbox ERP")) })}
	srv := api.NewServer(addr, api.New(opt))
	done := make(chan error, 1)
	go func() { done <- srv.ListenAndServe() }()
	for {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Second):
			opt.Hub.Publish(api.StatusMessage(p.status()))
			opt.Hub.Publish(api.RiskMessage(p.risk("WT-03", "gearbox-hss-bearing", 0)))
		}
		if _, err := os.Stat(stop); err == nil {
			opt.Hub.Close()
			_ = srv.Shutdown(t.Context())
			return
		}
	}
}
