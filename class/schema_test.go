package class_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
)

func TestSchemaHoldsWhatIsShipped(t *testing.T) {
	schema, _ := readSchema(t)
	files, err := filepath.Glob("shipped/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no shipped class: %v", err)
	}
	for _, name := range append(files, filepath.Join("..", "deploy", "examples", "telltale.yaml")) {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document(t, string(body))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// everything is a class that asks for all that is off by default.
const everything = `
kind: x
title: y
horizon_h: 1
operating: [power]
regimes: {speed: speed, power: power, rated_rpm: 15, rated_kw: 2000, min_samples: 20, min_days: 2, adapt: true}
thermal:
  - {metric: oil, kind: gearbox-oil, optional: true}
  - {metric: bearing, warn_c: 70, alarm_c: 85, gradient_s: 120}
phases: [i1, i2, i3]
power_curve: {power: power, wind: wind, ambient: ambient, min_samples: 10, optional: true}
orders: {lead_h: 48, wind_mean_mps: 7, mean_power_kw: 700, price_eur_mwh: 80}
costs:
  - {for: {type: gearbox}, source: own books, failure_keur: 300, planned_keur: 40, crane: true, life_scale_h: 60000, life_shape: 3}
zones:
  - {name: own, source: agreed with the maker, quantity: velocity_rms, low_hz: 10, high_hz: 1000, ab: 1, bc: 2, cd: 3}
detectors:
  - {name: jump, use: page-hinkley, options: {fields: ["oil/residual_z"], p: 0.0001, drift: 0.5, hold: 0.2, side: high}}
  - {name: regime, use: bocpd, options: {fields: ["power/power_residual_z"], recent: 30, limit: 0.9}}
  - {name: tail, use: spot, options: {fields: ["*/rms"], p: 0.00001}}
  - {name: mean, use: ewma, options: {fields: ["phases/unbalance"], smooth: 0.1}}
  - {name: sum, use: cusum, options: {fields: ["oil/gradient"]}}
  - {name: zone, use: zone, options: {zones: own, period_h: 24, power: power, speed: speed, rated_kw: 2000}}
`

func TestSchemaAcceptsEverything(t *testing.T) {
	schema, _ := readSchema(t)
	if err := schema.Validate(document(t, everything)); err != nil {
		t.Error(err)
	}
	c, err := class.Parse([]byte(everything))
	if err != nil || len(c.Thermal) != 2 || len(c.Zones) != 1 || c.Zones[0].BC != 2 {
		t.Errorf("%v: %+v", err, c)
	}
	bad := strings.Replace(everything, "bc: 2", "bc: 0.5", 1)
	if _, err := class.Parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), "zones[0]") {
		t.Errorf("boundaries that fall: %v", err)
	}
}

func TestShippedZones(t *testing.T) {
	rows, err := class.Zones()
	if err != nil || len(rows) != 13 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	_, defs := readSchema(t)
	for _, z := range rows {
		if len(defs["zone"].Properties) == 0 || z.Source == "" {
			t.Errorf("%+v", z)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema, _ := readSchema(t)
	const start = "kind: x\ntitle: y\nhorizon_h: 1\n"
	for name, file := range map[string]string{
		"no horizon":           "kind: x\ntitle: y\ndetectors: []\n",
		"an unknown field":     start + "detectors: []\nhorzion: 3\n",
		"an unknown detector":  start + "detectors: [{name: a, use: oracle}]\n",
		"an unknown option":    start + "detectors: [{name: a, use: level, options: {limmit: 3}}]\n",
		"another law's option": start + "detectors: []\nlaws: [{name: a, use: thermal, options: {fail_ratio: 3}}]\n",
		"a zone of no source":  start + "detectors: []\nzones: [{name: a, quantity: velocity_rms, low_hz: 1, high_hz: 2, bc: 1, cd: 2}]\n",
		"one phase":            start + "detectors: []\nphases: [i1]\n",
		"a kind of heat":       start + "detectors: []\nthermal: [{metric: t, kind: brake}]\n",
		"a curve of no wind":   start + "detectors: []\npower_curve: {power: p}\n",
		"a cost of no source":  start + "detectors: []\ncosts: [{failure_keur: 3, planned_keur: 1}]\n",
		"a failure for free":   start + "detectors: []\ncosts: [{source: me, failure_keur: 0, planned_keur: 1}]\n",
		"an empty range":       start + "detectors: []\nranges: {t: [1]}\n",
		"no broker":            "data: d\nassets: [{id: a, kind: generic, components: [{name: b}]}]\nsource: {}\n",
		"no asset":             "data: d\nassets: []\nsource: {mqtt: {url: tcp://a:1, client_id: c}}\n",
		"an ERP nowhere":       "data: d\nassets: [{id: a, kind: generic, components: [{name: b}]}]\nsource: {mqtt: {url: tcp://a:1, client_id: c}}\nerp: {kind: sap}\n",
		"a rate of nothing":    "data: d\nassets: [{id: a, kind: generic, components: [{name: b}], channels: [{name: v, kind: velocity, unit: mm/s, rate_hz: 0}]}]\nsource: {mqtt: {url: tcp://a:1, client_id: c}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if schema.Validate(document(t, file)) == nil {
				t.Errorf("accepted:\n%s", file)
			}
		})
	}
}

// TestSchemaNamesTheFieldsOfTheCode compares names, so that neither side can
// gain or lose one alone.
func TestSchemaNamesTheFieldsOfTheCode(t *testing.T) {
	_, defs := readSchema(t)
	for name, tc := range map[string]struct {
		code    any
		without []string // fields that cmd fills in by itself
	}{
		"class":            {code: class.Class{}},
		"detector":         {code: class.Detector{}},
		"law":              {code: class.Law{}},
		"model":            {code: class.Model{}},
		"scope":            {code: class.Scope{}},
		"asset":            {code: asset.Nameplate{}},
		"bearing":          {code: asset.Bearing{}},
		"features":         {code: features.ExtractorOptions{}},
		"acoustic":         {code: features.AcousticOptions{}},
		"current":          {code: features.CurrentOptions{}},
		"modal":            {code: features.ModalOptions{}},
		"normal":           {code: features.NormalOptions{}},
		"temperature":      {code: features.TemperatureOptions{}},
		"power_curve":      {code: features.PowerCurveOptions{}},
		"regimes":          {code: features.RegimesOptions{}},
		"zone":             {code: class.Zone{}},
		"orders":           {code: class.Orders{}},
		"cost":             {code: class.Cost{}},
		"detector_options": {features.DetectorOptions{}, []string{"type", "name", "component"}},
		"bearing_life":     {code: physics.BearingOptions{}},
		"growth":           {code: physics.GrowthOptions{}},
		"thermal":          {code: physics.ThermalOptions{}},
		"regression":       {physics.RegressionOptions{}, []string{"horizonh", "fit"}},
		"crack":            {code: physics.CrackOptions{}},
		"crack_prior":      {code: physics.CrackPrior{}},
		"fatigue":          {code: physics.FatigueOptions{}},
		"ageing":           {code: physics.AgeingOptions{}},
		"archard":          {code: physics.ArchardOptions{}},
		"exponential":      {code: physics.ExponentialOptions{}},
		"heat_balance":     {code: physics.HeatBalanceOptions{}},
		"structure":        {physics.StructureOptions{}, []string{"siblings", "romhz", "romdamping"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got, want []string
			for property := range defs[name].Properties {
				got = append(got, strings.ReplaceAll(property, "_", ""))
			}
			for f := range reflect.TypeOf(tc.code).Fields() {
				key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
				if key == "" {
					key = strings.ToLower(f.Name)
				}
				if !slices.Contains(tc.without, key) {
					want = append(want, strings.ReplaceAll(key, "_", ""))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("schema has %v\ncode has   %v", got, want)
			}
		})
	}
}

// definition is what the tests read of an entry of $defs.
type definition struct {
	Properties map[string]any `json:"properties"`
}

func readSchema(t *testing.T) (*jsonschema.Schema, map[string]definition) {
	t.Helper()
	const name = "telltale.schema.json"
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var defs struct {
		Defs map[string]definition `json:"$defs"`
	}
	if err := json.Unmarshal(body, &defs); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema, defs.Defs
}

// document is a YAML file as the validator wants it.
func document(t *testing.T, file string) any {
	t.Helper()
	body, err := yaml.YAMLToJSON([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
