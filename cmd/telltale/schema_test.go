package main

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestTheExampleConfigurationIsValid(t *testing.T) {
	c, err := readConfig(filepath.Join("..", "..", "deploy", "examples", "telltale.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Assets) != 2 || len(c.Assets[1].Metrics) == 0 || c.ERP.SAP.Equipment["WTG-01"] == "" {
		t.Errorf("read as %+v", c)
	}
}

// TestSchemaNamesTheFieldsOfTheConfiguration compares names at every level.
func TestSchemaNamesTheFieldsOfTheConfiguration(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("..", "..", "class", "telltale.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]node `json:"$defs"`
	}
	if err := json.Unmarshal(body, &schema); err != nil {
		t.Fatal(err)
	}
	schema.Defs["configuration"].compare(t, "configuration", reflect.TypeFor[config]())
}

// node is what the test reads of a schema.
type node struct {
	Properties map[string]node `json:"properties"`
	Items      *node           `json:"items"`
}

func (n node) compare(t *testing.T, at string, code reflect.Type) {
	t.Helper()
	var got, want []string
	for name := range n.Properties {
		got = append(got, name)
	}
	var look func(code reflect.Type)
	look = func(code reflect.Type) {
		for f := range code.Fields() {
			name, how, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			kind, list := f.Type, ""
			if kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			if kind.Kind() == reflect.Slice {
				kind, list = kind.Elem(), "[]"
			}
			if how == "inline" {
				look(kind)
			}
			if name == "" {
				continue
			}
			want = append(want, name)
			if kind.Kind() != reflect.Struct || strings.HasSuffix(at+"."+name, ".assets") {
				continue // the assets are $defs/asset
			}
			of := n.Properties[name]
			if list != "" {
				of = *cmp.Or(of.Items, &node{})
			}
			of.compare(t, at+"."+name+list, kind)
		}
	}
	look(code)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: schema has %v, code has %v", at, got, want)
	}
}
