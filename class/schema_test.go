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

func TestSchemaRefuses(t *testing.T) {
	schema, _ := readSchema(t)
	const start = "kind: x\ntitle: y\nhorizon_h: 1\n"
	for name, file := range map[string]string{
		"no horizon":           "kind: x\ntitle: y\ndetectors: []\n",
		"an unknown field":     start + "detectors: []\nhorzion: 3\n",
		"an unknown detector":  start + "detectors: [{name: a, use: oracle}]\n",
		"an unknown option":    start + "detectors: [{name: a, use: level, options: {limmit: 3}}]\n",
		"another law's option": start + "detectors: []\nlaws: [{name: a, use: thermal, options: {fail_ratio: 3}}]\n",
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
		"normal":           {code: features.NormalOptions{}},
		"detector_options": {features.DetectorOptions{}, []string{"type", "name", "component"}},
		"bearing_life":     {code: physics.BearingOptions{}},
		"growth":           {code: physics.GrowthOptions{}},
		"thermal":          {code: physics.ThermalOptions{}},
		"regression":       {physics.RegressionOptions{}, []string{"horizonh", "fit"}},
		"crack":            {code: physics.CrackOptions{}},
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
