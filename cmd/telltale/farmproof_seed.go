package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/simulate"
	"github.com/telltale-iot/telltale/workorders"
)

// proofTurbine is what became of one turbine in one simulated year.
type proofTurbine struct {
	Seed     uint64       `json:"seed"`
	Asset    asset.ID     `json:"asset"`
	Fault    *proofFault  `json:"fault,omitempty"`  // of the machine
	Sensor   *proofFault  `json:"sensor,omitempty"` // of a sensor
	Alerts   []proofAlert `json:"alerts,omitempty"`
	Begin    time.Time    `json:"begin"` // end of the commissioning span
	End      time.Time    `json:"end"`
	RULRows  int          `json:"rul_rows"`   // instants between detectable and failure with P10 and P90
	RULWithn int          `json:"rul_within"` // of these, with the truth between them
	Days     []viewDay    `json:"days,omitempty"`
}

// proofFault is the truth of a fault.
type proofFault struct {
	Component  string       `json:"component"`
	Mode       asset.Mode   `json:"mode"`
	Group      string       `json:"group"`
	Law        simulate.Law `json:"law,omitempty"`
	Faint      bool         `json:"faint,omitempty"`
	What       string       `json:"what,omitempty"` // of a sensor fault: signal and kind
	Onset      time.Time    `json:"t_onset"`
	Detectable time.Time    `json:"t_detectable"`
	Failure    time.Time    `json:"t_failure"`
}

// proofAlert is an alert with the order that it asked for.
type proofAlert struct {
	Component string     `json:"component"`
	Mode      asset.Mode `json:"mode"`
	Opened    time.Time  `json:"opened"`
	Cleared   *time.Time `json:"cleared"`
	Order     *time.Time `json:"order,omitempty"` // when it was created
	Work      *time.Time `json:"work,omitempty"`  // when the order wants the work to be done
	Activity  string     `json:"activity,omitempty"`
}

// farmSource is a farm as a source of the flow.
type farmSource struct {
	farm *simulate.Farm
	next int64
}

// Next returns the farm's next reading.
func (s *farmSource) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	if err := ctx.Err(); err != nil {
		return asset.Reading{}, asset.Position{Offset: s.next}, err
	}
	r, ok := s.farm.Next()
	if !ok {
		return r, asset.Position{Offset: s.next}, io.EOF
	}
	s.next++
	return r, asset.Position{Offset: s.next}, nil
}

// Ack does nothing: the farm makes everything again.
func (s *farmSource) Ack(asset.Position) {}

// proofKeeper keeps in memory what is judged: alerts, and remaining lives against
// the truth.
type proofKeeper struct {
	mu       sync.Mutex
	alerts   map[asset.ID]map[string]asset.Alert
	turbines map[asset.ID]*proofTurbine
	days     *viewDays
}

// Keep takes a batch's alerts and risks.
func (k *proofKeeper) Keep(_ context.Context, fx pipeline.Effects) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range fx.Alerts {
		if k.alerts[a.Asset] == nil {
			k.alerts[a.Asset] = map[string]asset.Alert{}
		}
		k.alerts[a.Asset][a.ID] = a
	}
	for _, r := range fx.Risks {
		k.days.hear(r)
		t := k.turbines[r.Asset]
		f := t.Fault
		if f == nil || !r.RUL.P10.Known() || !r.RUL.P90.Known() || !sameUnit(r.Component, f.Component) || r.Time.Before(f.Detectable) || !r.Time.Before(f.Failure) {
			continue
		}
		left := f.Failure.Sub(r.Time).Hours()
		t.RULRows++
		if float64(r.RUL.P10) <= left && left <= float64(r.RUL.P90) {
			t.RULWithn++
		}
	}
	return nil
}

// sameUnit reports whether a mechanic who opens one component sees the other.
func sameUnit(a, b string) bool { return unitOf(a) == unitOf(b) }

// unitOf is the unit that a component is opened with.
func unitOf(c string) string {
	if c == "main-bearing" {
		return c
	}
	return strings.TrimSuffix(c, "-bearing")
}

// yearOf is one farm's year.
func yearOf(seed uint64, turbines int) simulate.Options {
	opt := simulate.Options{
		Turbines: turbines, Seed: seed, Duration: 365 * 24 * time.Hour, WaveEvery: 6 * time.Hour, WaveSeconds: 1,
		Extended: true, Learning: asset.Learning{DurationS: yearLearning.Seconds()},
	}
	opt.Faults = simulate.YearScenario(opt)
	return opt
}

// proofModels is where a proof's learned view comes from; without a repository there is none.
type proofModels struct {
	repo    *models.Repository
	library string
}

// works is the farm with the shipped classes, and with what the repository has in production.
func (m proofModels) works(ctx context.Context, farm *simulate.Farm) (*works, func(), error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, nil, err
	}
	w := newWorks(classes, farm.Nameplates())
	if w.learned, err = useLearned(ctx, m.repo, w.plates, classes); err != nil {
		return nil, nil, err
	}
	use, err := w.useModels(ctx, inUse{repo: m.repo, library: m.library, stages: inProduction, log: slog.Default()})
	if err != nil {
		return nil, nil, err
	}
	if err := w.check(); err != nil {
		use.Close()
		return nil, nil, err
	}
	return w, use.Close, nil
}

// proveFarm sends a farm through the flow.
func proveFarm(ctx context.Context, opt simulate.Options, m proofModels) ([]proofTurbine, error) {
	farm, err := simulate.New(opt)
	if err != nil {
		return nil, err
	}
	w, closeModels, err := m.works(ctx, farm)
	if err != nil {
		return nil, err
	}
	defer closeModels()
	k := &proofKeeper{alerts: map[asset.ID]map[string]asset.Alert{}, turbines: proofTruth(w, farm, opt), days: newViewDays(w)}
	shard, err := pipeline.NewShard(0, 0, 0, w.plant(), w.scorer, func(asset.ID) (map[string][]byte, error) { return nil, nil })
	if err != nil {
		return nil, err
	}
	flow := pipeline.Flow{Source: &farmSource{farm: farm}, Keeper: k, Shards: []*pipeline.Shard{shard}, Batch: pipeline.Batch{Span: 24 * time.Hour}}
	if err := flow.Run(ctx); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return k.results(w), nil
}

// proofTruth is what is known of each turbine before the run.
func proofTruth(w *works, farm *simulate.Farm, opt simulate.Options) map[asset.ID]*proofTurbine {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	out := map[asset.ID]*proofTurbine{}
	for i, id := range w.ids {
		t := &proofTurbine{Seed: opt.Seed, Asset: id, Begin: start.Add(time.Duration(opt.Learning.DurationS * float64(time.Second))), End: start.Add(opt.Duration)}
		for _, x := range opt.Faults {
			if x.Turbine != i {
				continue
			}
			f := &proofFault{Component: x.Component, Mode: x.Mode, Law: x.Growth.Law, Faint: x.Strength > 0, Onset: x.Onset, Failure: x.Failure}
			if x.Mode == asset.SensorFault {
				f.What, t.Sensor = x.Signal+" "+string(x.Sensor), f
			} else {
				f.Group, t.Fault = simulate.Group(x.Component, x.Mode), f
			}
		}
		out[id] = t
	}
	for _, l := range farm.Labels() {
		if t := out[l.Asset]; t.Fault != nil && l.Kind == "failure" && l.Mode == t.Fault.Mode {
			t.Fault.Detectable = l.Detectable
		}
	}
	return out
}

// results are the turbines with their alerts, in order.
func (k *proofKeeper) results(w *works) []proofTurbine {
	var out []proofTurbine
	for _, id := range w.ids {
		t := k.turbines[id]
		for _, a := range k.alerts[id] {
			mode, _ := a.Current()
			p := proofAlert{Component: a.Component, Mode: mode, Opened: a.Opened, Cleared: a.Cleared}
			if o, ok := w.order(a); ok {
				p.planned(o)
			}
			t.Alerts = append(t.Alerts, p)
		}
		sortAlerts(t.Alerts)
		t.Days = k.days.of(*t)
		out = append(out, *t)
	}
	return out
}

func (p *proofAlert) planned(o workorders.Order) {
	p.Order, p.Work, p.Activity = &o.Created, &o.RequiredEnd, string(o.Activity)
	if o.Window != nil {
		p.Work = &o.Window.Start
	}
}
