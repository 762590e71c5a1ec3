// Package class holds what a kind of asset computes: its windows, features,
// detectors, laws, models and limits, as configuration. One YAML file describes
// one kind; the files shipped here are embedded, a user's own replace them by kind.
package class

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/telltale-iot/telltale/asset"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Generic is the kind whose class serves assets of a kind that has none.
const Generic = "generic"

// Class is one kind's configuration.
type Class struct {
	Kind       string               `yaml:"kind"`
	Title      string               `yaml:"title"`
	Note       string               `yaml:"note,omitempty"`
	HorizonH   float64              `yaml:"horizon_h"` // of the risk
	Waveform   Waveform             `yaml:"waveform,omitempty"`
	Speed      string               `yaml:"speed_metric,omitempty"` // metric that is the shaft speed
	NominalRpm float64              `yaml:"nominal_rpm,omitempty"`  // of assets that do not declare their speed
	Load       string               `yaml:"load_metric,omitempty"`  // metric that stands for the load
	Operating  []string             `yaml:"operating,omitempty"`    // metrics that set the operating point, such as power and speed
	Regimes    Section              `yaml:"regimes,omitempty"`      // features.RegimesOptions: baselines in bins of the operating point
	Units      map[string]string    `yaml:"units,omitempty"`        // of metrics that an asset did not declare
	Ranges     map[string][]float64 `yaml:"ranges,omitempty"`       // [low, high] that is physically possible, by metric
	Features   Section              `yaml:"features,omitempty"`     // features.ExtractorOptions
	Normal     []Section            `yaml:"normal,omitempty"`       // features.NormalOptions, one for each modelled metric
	Thermal    []Section            `yaml:"thermal,omitempty"`      // features.TemperatureOptions, one for each temperature
	Phases     []string             `yaml:"phases,omitempty"`       // metrics of the currents of one machine
	Power      Section              `yaml:"power_curve,omitempty"`  // features.PowerCurveOptions
	Zones      []Zone               `yaml:"zones,omitempty"`        // rows beside those that are shipped, and before them
	Detectors  []Detector           `yaml:"detectors"`
	Laws       []Law                `yaml:"laws,omitempty"`
	Models     []Model              `yaml:"models,omitempty"`
	Fusion     Fusion               `yaml:"fusion,omitempty"`
	Alarm      Alarm                `yaml:"alarm,omitempty"`
	Orders     Orders               `yaml:"orders,omitempty"`
	Costs      []Cost               `yaml:"costs,omitempty"` // of work, the first in scope of a component counts
}

// Section holds the options of a room that class does not know; the room's own
// type gives them names, and cmd refuses what that type does not have.
type Section map[string]any

// Waveform says how records are cut.
type Waveform struct {
	WindowS   float64 `yaml:"window_s,omitempty"`  // 0: the record as it was taken
	LongestS  float64 `yaml:"longest_s,omitempty"` // of the windows of channels whose lines are slow; default 4
	Hop       float64 `yaml:"hop,omitempty"`
	MinShare  float64 `yaml:"min_share,omitempty"`
	LatenessS float64 `yaml:"lateness_s,omitempty"`
}

// Scope picks the components that an entry is made for.
type Scope struct {
	Component string `yaml:"component,omitempty"` // of this name
	Type      string `yaml:"type,omitempty"`      // of this type
	// Neither: every component.
}

// Detector is one detector of the rule view, made once for each component in scope.
type Detector struct {
	Name    string  `yaml:"name"`
	Use     string  `yaml:"use"` // a type of features.DetectorOptions
	For     Scope   `yaml:"for,omitempty"`
	Options Section `yaml:"options,omitempty"`
}

// Law is one law of the derived view, made once for each component in scope.
type Law struct {
	Name    string  `yaml:"name"`
	Use     string  `yaml:"use"` // bearing-life, thermal, heat-balance, growth, exponential, regression, crack, fatigue, ageing, archard, structure
	For     Scope   `yaml:"for,omitempty"`
	Options Section `yaml:"options,omitempty"`
}

// Model names a learned model of the repository for the components in scope.
type Model struct {
	Name     string `yaml:"name"`
	For      Scope  `yaml:"for,omitempty"`
	Required bool   `yaml:"required,omitempty"` // refuse to start without it
}

// Fusion weighs the views; see pipeline.FusionOptions.
type Fusion struct {
	Prior       float64 `yaml:"prior,omitempty"`
	CapML       float64 `yaml:"cap_ml,omitempty"`
	CapPhysics  float64 `yaml:"cap_physics,omitempty"`
	CapRule     float64 `yaml:"cap_rule,omitempty"`
	HalfLifeH   float64 `yaml:"half_life_h,omitempty"`
	AnomalyRisk float64 `yaml:"anomaly_risk,omitempty"`

	HalfLives map[string]float64 `yaml:"half_lives_h,omitempty"`      // by group of signals; others have half_life_h
	Weights   map[string]float64 `yaml:"weights,omitempty"`           // by group; default 1
	Groups    map[string]string  `yaml:"groups,omitempty"`            // of a source, channel or metric, over what its kind or unit says
	Modes     bool               `yaml:"independent_modes,omitempty"` // one probability for each failure mode, joined by noisy-OR
	Leak      float64            `yaml:"leak,omitempty"`              // probability of a failure that no mode explains, with independent_modes
}

// Alarm turns risk over time into alerts; see pipeline.AlarmOptions.
type Alarm struct {
	On     float64 `yaml:"on,omitempty"`
	Off    float64 `yaml:"off,omitempty"`
	M      int     `yaml:"m,omitempty"`
	N      int     `yaml:"n,omitempty"`
	DwellH float64 `yaml:"dwell_h,omitempty"`
	Rise   int     `yaml:"rise,omitempty"`

	ConfirmH float64 `yaml:"confirm_h,omitempty"` // with it, a mild alert gets an order only once it is confirmed
}

// Set is the classes in force, by kind.
type Set map[string]Class

// Shipped returns the classes that come with the program.
func Shipped() (Set, error) {
	set := Set{}
	return set, set.read(shipped, "shipped")
}

// Add reads a folder of class files over the ones that are there.
func (s Set) Add(fsys fs.FS) error { return s.read(fsys, ".") }

func (s Set) read(fsys fs.FS, dir string) error {
	names, err := fs.Glob(fsys, path.Join(dir, "*.yaml"))
	if err != nil {
		return fmt.Errorf("classes: %w", err)
	}
	slices.Sort(names)
	var bad []error
	for _, name := range names {
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return fmt.Errorf("class %s: %w", name, err)
		}
		c, err := Parse(body)
		if err != nil {
			bad = append(bad, fmt.Errorf("class %s: %w", path.Base(name), err))
			continue
		}
		s[c.Kind] = c
	}
	return errors.Join(bad...)
}

// Parse reads one class file and validates it. The error names each field.
func Parse(body []byte) (Class, error) {
	var c Class
	if err := yaml.UnmarshalWithOptions(body, &c, yaml.Strict()); err != nil {
		return Class{}, err
	}
	return c, c.Validate()
}

// Of returns the class for a kind, or the generic one.
func (s Set) Of(kind string) Class {
	if c, ok := s[kind]; ok {
		return c
	}
	return s[Generic]
}

// Validate names every field with a value that is not allowed.
func (c Class) Validate() error {
	var bad []error
	check := func(ok bool, field string, value any, allowed string) {
		if !ok {
			bad = append(bad, fmt.Errorf("%s: %v is not allowed: %s", field, value, allowed))
		}
	}
	check(c.Kind != "", "kind", `""`, "a name")
	check(c.HorizonH > 0, "horizon_h", c.HorizonH, "hours above 0")
	check(c.Waveform.WindowS >= 0, "waveform.window_s", c.Waveform.WindowS, "seconds, 0 for the whole record")
	check(c.Waveform.Hop >= 0 && c.Waveform.Hop <= 1, "waveform.hop", c.Waveform.Hop, "a share in (0, 1]")
	check(c.Fusion.Prior >= 0 && c.Fusion.Prior < 1, "fusion.prior", c.Fusion.Prior, "a probability below 1")
	check(c.Fusion.Leak >= 0 && c.Fusion.Leak < 1, "fusion.leak", c.Fusion.Leak, "a probability below 1")
	c.Fusion.check(check)
	check(c.Alarm.Rise >= 0, "alarm.rise", c.Alarm.Rise, "evaluations in a row, 0 for the default")
	check(c.Alarm.ConfirmH >= 0 && c.Alarm.ConfirmH <= longestH, "alarm.confirm_h", c.Alarm.ConfirmH, "hours, 0 for none")
	check(c.Alarm.On >= 0 && c.Alarm.On < 1, "alarm.on", c.Alarm.On, "a probability below 1")
	check(c.Alarm.M <= c.Alarm.N, "alarm.m", c.Alarm.M, "at most alarm.n")
	check(c.Orders.MaxSeverity >= 0 && c.Orders.MaxSeverity <= 4, "orders.max_severity", c.Orders.MaxSeverity, "1 to 4")
	bad = append(bad, c.Orders.validate()...)
	for i, cost := range c.Costs {
		bad = append(bad, cost.validate(fmt.Sprintf("costs[%d]", i))...)
	}
	for name, u := range c.Units {
		_, _, ok := asset.Convert(0, u)
		check(ok, "units."+name, u, "one of "+asset.Units())
	}
	for name, r := range c.Ranges {
		check(len(r) == 2 && r[0] < r[1], "ranges."+name, r, "[low, high]")
	}
	for i, z := range c.Zones {
		check(z.ok(), fmt.Sprintf("zones[%d]", i), z, "name, source, quantity velocity_rms or acceleration_rms, a band, and boundaries that rise")
	}
	for i, d := range c.Detectors {
		check(d.Name != "" && !strings.ContainsAny(d.Name, "/ "), fmt.Sprintf("detectors[%d].name", i), d.Name, "a word")
		check(d.Use != "", fmt.Sprintf("detectors[%d].use", i), d.Use, "a detector's type")
	}
	for i, l := range c.Laws {
		check(l.Name != "" && !strings.ContainsAny(l.Name, "/ "), fmt.Sprintf("laws[%d].name", i), l.Name, "a word")
		check(l.Use != "", fmt.Sprintf("laws[%d].use", i), l.Use, "a law's type")
	}
	return errors.Join(bad...)
}

// check holds the groups to the vocabulary.
func (f Fusion) check(check func(ok bool, field string, value any, allowed string)) {
	allowed := fmt.Sprint("one of ", asset.Groups())
	known := func(g string) bool { return slices.Contains(asset.Groups(), asset.Group(g)) }
	for _, g := range sortedNames(f.HalfLives) {
		check(known(g), "fusion.half_lives_h", g, allowed)
		check(f.HalfLives[g] > 0, "fusion.half_lives_h."+g, f.HalfLives[g], "hours above 0")
	}
	for _, g := range sortedNames(f.Weights) {
		check(known(g), "fusion.weights", g, allowed)
		check(f.Weights[g] >= 0, "fusion.weights."+g, f.Weights[g], "0 or more")
	}
	for _, name := range sortedNames(f.Groups) {
		check(known(f.Groups[name]), "fusion.groups."+name, f.Groups[name], allowed)
	}
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// Components returns those of a nameplate that the scope picks.
func (s Scope) Components(plate asset.Nameplate) []asset.Component {
	var out []asset.Component
	for _, c := range plate.Components {
		if s.holds(c) {
			out = append(out, c)
		}
	}
	return out
}

func (s Scope) holds(c asset.Component) bool {
	return (s.Component == "" || s.Component == c.Name) && (s.Type == "" || s.Type == c.Type)
}
