package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/twin"
)

// works is what a run knows beside its readings: who is watched, by which class,
// with which models and what was learned before.
type works struct {
	classes   class.Set
	plates    map[asset.ID]asset.Nameplate
	ids       []asset.ID      // in the order they were declared
	baselines *baselines      // nil: every asset learns its own
	learned   *learned        // nil: nothing was learned from history
	use       *inUse          // nil: no learned view was asked for
	scorer    pipeline.Scorer // nil: no learned view
}

func newWorks(classes class.Set, plates []asset.Nameplate) *works {
	w := &works{classes: classes, plates: map[asset.ID]asset.Nameplate{}}
	for _, p := range plates {
		w.plates[p.ID] = p
		w.ids = append(w.ids, p.ID)
	}
	return w
}

// check builds every line once, so that a configuration that cannot work is
// refused before the first reading, with every error.
func (w *works) check() error {
	var bad []error
	space := features.NewWorkspace()
	for _, id := range w.ids {
		if _, err := w.line(w.plates[id], space); err != nil {
			bad = append(bad, err)
			if len(bad) == 10 {
				bad = append(bad, errors.New("and more"))
				break
			}
		}
	}
	return errors.Join(bad...)
}

// plant is a shard's way to its lines, which share the memory that features are
// computed in; check has proved that they can be built.
func (w *works) plant() pipeline.Plant {
	space := features.NewWorkspace()
	return func(id asset.ID) (*pipeline.Line, bool) {
		plate, ok := w.plates[id]
		if !ok {
			return nil, false
		}
		l, err := w.line(plate, space)
		return l, err == nil
	}
}

// line reads the class into the options of each room.
func (w *works) line(plate asset.Nameplate, space *features.Workspace) (*pipeline.Line, error) {
	c := w.classes.Of(plate.Kind)
	fail := func(err error) (*pipeline.Line, error) {
		return nil, fmt.Errorf("class %s: %w", c.Kind, err)
	}
	extractor, err := newExtractor(c, plate, space)
	if err != nil {
		return fail(err)
	}
	monitor, err := w.monitor(c, plate)
	if err != nil {
		return fail(err)
	}
	laws, err := w.laws(c, plate)
	if err != nil {
		return fail(err)
	}
	tw := twin.New(plate, laws)
	if states := w.baselines.laws(plate); len(states) > 0 {
		if err := tw.Load(states); err != nil {
			return fail(err)
		}
	}
	return &pipeline.Line{
		Plate:     plate,
		Window:    windows(c, plate),
		Checker:   ingest.NewValidator([]asset.Nameplate{plate}, limits(c)),
		Extractor: extractor,
		Monitor:   monitor,
		Twin:      tw,
		Fusion:    w.fusion(c, plate),
		Alarm:     alarmOptions(c),
	}, nil
}

// lawGroups are the groups of laws whose evidence names no signal.
var lawGroups = map[string]asset.Group{
	"bearing-life": asset.GroupUsage, "fatigue": asset.GroupUsage, "ageing": asset.GroupUsage, "archard": asset.GroupUsage,
	"thermal": asset.GroupThermal, "structure": asset.GroupVibration,
}

// fusionOptions reads how the class weighs its sources.
func fusionOptions(c class.Class) pipeline.FusionOptions {
	f := c.Fusion
	o := pipeline.FusionOptions{
		HorizonH: c.HorizonH, Prior: f.Prior, CapML: f.CapML, CapPhysics: f.CapPhysics, CapRule: f.CapRule,
		HalfLifeH: f.HalfLifeH, AnomalyRisk: f.AnomalyRisk, Modes: f.Modes, Leak: f.Leak,
		HalfLives: map[asset.Group]float64{}, Weights: map[asset.Group]float64{}, Groups: map[string]asset.Group{},
	}
	for g, h := range f.HalfLives {
		o.HalfLives[asset.Group(g)] = h
	}
	for g, w := range f.Weights {
		o.Weights[asset.Group(g)] = w
	}
	maps.Copy(o.Groups, lawGroups)
	for name, g := range f.Groups {
		o.Groups[name] = asset.Group(g)
	}
	return o
}

// fusion is what the class says, under what was learned.
func (w *works) fusion(c class.Class, plate asset.Nameplate) pipeline.FusionOptions {
	o := fusionOptions(c)
	p, ok := w.learned.of(c, plate)
	o.LivesSeen = ok && len(p.Growth)+len(p.Regressions) > 0
	if ok && p.Calibration != nil {
		p.Calibration.into(&o)
	}
	return o
}

func alarmOptions(c class.Class) pipeline.AlarmOptions {
	a := c.Alarm
	return pipeline.AlarmOptions{On: a.On, Off: a.Off, M: a.M, N: a.N, DwellH: a.DwellH, Rise: a.Rise, ConfirmH: a.ConfirmH}
}

// speedMetric is the class's; where it names none that the asset declares, a metric in
// rpm that is alone can only be the shaft's. A class whose reference is a shaft among
// others does not guess.
func speedMetric(c class.Class, plate asset.Nameplate) string {
	var turning []string
	for _, m := range plate.Metrics {
		if m.Name == c.Speed {
			return c.Speed
		}
		if _, unit, ok := asset.Convert(0, m.Unit); ok && unit == "rpm" {
			turning = append(turning, m.Name)
		}
	}
	if len(turning) == 1 && (c.Speed == "" || c.Kind == class.Generic) {
		return turning[0]
	}
	return c.Speed
}

// Windows of blades, towers and nacelles: ten minutes, as VDI 3834-1 judges them, or so many
// samples; a shorter record is one window.
const (
	structureS       = 600
	structureSamples = 1 << 20
)

// windows are as long as the class says, and longer where a channel's slowest line
// would else not be told apart.
func windows(c class.Class, plate asset.Nameplate) pipeline.WindowOptions {
	longer := map[string]float64{}
	for _, ch := range plate.Channels {
		if s := features.WindowSeconds(plate, ch, c.NominalRpm, c.Waveform.WindowS, cmp.Or(c.Waveform.LongestS, 4)); s > c.Waveform.WindowS {
			longer[ch.Name] = s
		}
		if s := math.Floor(min(structureS, structureSamples/ch.RateHz)); features.Structural(plate, ch) && c.Waveform.WindowS > 0 && s > c.Waveform.WindowS {
			longer[ch.Name] = s
		}
	}
	return pipeline.WindowOptions{
		Longer:  longer,
		Seconds: c.Waveform.WindowS, Hop: c.Waveform.Hop, MinShare: c.Waveform.MinShare, Lateness: c.Waveform.LatenessS,
		Speed: speedMetric(c, plate), Load: c.Load,
	}
}

func newExtractor(c class.Class, plate asset.Nameplate, space *features.Workspace) (*features.WaveExtractor, error) {
	opt, err := options[features.ExtractorOptions]("features", c.Features)
	if err != nil {
		return nil, err
	}
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	return features.NewExtractor(opt, plate, space), nil
}

// monitor makes the rule view, commissioned when a baseline is at hand.
func (w *works) monitor(c class.Class, plate asset.Nameplate) (*features.Monitor, error) {
	var opt features.MonitorOptions
	for i, s := range c.Normal {
		n, err := options[features.NormalOptions](fmt.Sprintf("normal[%d]", i), s)
		if err != nil {
			return nil, err
		}
		opt.Normal = append(opt.Normal, n)
	}
	for _, d := range c.Detectors {
		o, err := options[features.DetectorOptions]("detector "+d.Name, d.Options)
		if err != nil {
			return nil, err
		}
		o.Type, o.Name = d.Use, d.Name
		if d.For == (class.Scope{}) {
			opt.Detectors = append(opt.Detectors, o)
			continue
		}
		for _, part := range d.For.Components(plate) {
			o.Component = part.Name
			opt.Detectors = append(opt.Detectors, o)
		}
	}
	if err := derived(c, &opt); err != nil {
		return nil, err
	}
	opt.Operating = c.Operating
	opt.Baseline = w.baselines.of(plate)
	return features.NewMonitor(opt, plate)
}

// derived reads what the monitor computes beside its detectors, and the tables they
// judge by.
func derived(c class.Class, opt *features.MonitorOptions) (err error) {
	for i, s := range c.Thermal {
		t, err := options[features.TemperatureOptions](fmt.Sprintf("thermal[%d]", i), s)
		if err != nil {
			return err
		}
		opt.Temperatures = append(opt.Temperatures, t)
	}
	if opt.PowerCurve, err = options[features.PowerCurveOptions]("power_curve", c.Power); err != nil {
		return err
	}
	if opt.Regimes, err = options[features.RegimesOptions]("regimes", c.Regimes); err != nil {
		return err
	}
	opt.Phases = c.Phases
	zones, err := class.Zones()
	if err != nil {
		return err
	}
	for _, z := range append(zones, c.Zones...) {
		opt.Zones = append(opt.Zones, features.ZoneTable(z))
	}
	return nil
}

// limits are what the class says may come in.
func limits(c class.Class) ingest.Options {
	o := ingest.Options{Rules: ingest.Rules{Units: c.Units, Ranges: map[string][2]float64{}}}
	for name, r := range c.Ranges {
		o.Ranges[name] = [2]float64{r[0], r[1]}
	}
	return o
}
