package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someAssets = `data: d
assets:
  - {id: wt01, kind: wind-turbine, components: [{name: gearbox, type: gearbox}]}
`

func TestSourcesAreCheckedWithTheirLine(t *testing.T) {
	for want, source := range map[string]string{
		"conf.yaml:4: source: is empty":                     "source: {}\n",
		"conf.yaml:5: source.mqtt.url: \"broker\"":          "source:\n  mqtt: {url: broker, client_id: x}\n",
		"conf.yaml:6: source.modbus[0].asset: \"wt02\"":     "source:\n  modbus:\n    - {asset: wt02, address: \"h:502\", registers: [{metric: x, unit: kW, address: 1}]}\n",
		"source.modbus[0].address: \"h\" is not allowed":    "source:\n  modbus:\n    - {asset: wt01, address: h, registers: [{metric: x, unit: kW, address: 1}]}\n",
		"source.modbus[0].registers[0].unit: \"smoot\" is ": "source:\n  modbus:\n    - {asset: wt01, address: \"h:502\", registers: [{metric: x, unit: smoot, address: 1}]}\n",
		"source.opcua[0].nodes[0].asset: \"wt9\"":           "source:\n  opcua:\n    - {endpoint: \"opc.tcp://h:1\", security: None/None, nodes: [{node: \"i=1\", asset: wt9, metric: x, unit: kW}]}\n",
		"source.opcua[0].trust: an empty list":              "source:\n  opcua:\n    - {endpoint: \"opc.tcp://h:1\", nodes: [{node: \"i=1\", asset: wt01, metric: x, unit: kW}]}\n",
	} {
		path := filepath.Join(t.TempDir(), "conf.yaml")
		if err := os.WriteFile(path, []byte(someAssets+source), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readConfig(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %q", source, err, want)
		}
	}
}
