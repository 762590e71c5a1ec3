package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRolesAreNamed(t *testing.T) {
	for name, want := range map[string]string{
		"":     `role: "" is not allowed: want all, gateway, process or serve`,
		"edge": `role: "edge" is not allowed: want all, gateway, process or serve`,
	} {
		if _, err := roleNamed(name); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("role %q gives %v, want %s", name, err, want)
		}
	}
	for _, name := range []string{"all", "gateway", "process", "serve"} {
		if r, err := roleNamed(name); err != nil || r.name != name {
			t.Errorf("role %s gives %v, %v", name, r.name, err)
		}
	}
}

func TestGatewayConfiguration(t *testing.T) {
	const source = "source:\n  mqtt: {url: \"tcp://b:1883\", client_id: x}\n"
	read := func(gateway string) (*config, error) {
		path := filepath.Join(t.TempDir(), "conf.yaml")
		if err := os.WriteFile(path, []byte(someAssets+source+gateway), 0o600); err != nil {
			t.Fatal(err)
		}
		return readConfig(path)
	}
	for gateway, want := range map[string]string{
		"gateway: {max_bytes: 10MiB}\n":                                `conf.yaml:6: gateway.max_bytes: 10485760 is not allowed: want at least 64MiB`,
		"gateway: {max_bytes: 10 elephants}\n":                         `"10 elephants" is not allowed: want bytes, as in 10GiB`,
		"gateway: {max_bytes: -3GiB}\n":                                `"-3GiB" is not allowed`,
		"gateway: {max_age: 3s}\n":                                     `gateway.max_age: 3s is not allowed: want at least 1m`,
		"gateway:\n  drain: 1h\n":                                      `conf.yaml:7: gateway.drain: 1h0m0s is not allowed: want 0 to 10m`,
		"gateway:\n  kafka:\n    brokers: [x]\n    topic: t\n":         `conf.yaml:8: gateway.kafka.brokers[0]: "x" is not allowed`,
		"gateway:\n  kafka:\n    brokers: [\"x:1\"]\n    topic: a b\n": `gateway.kafka.topic: "a b" is not allowed`,
		"gateway:\n  kinesis: {stream: s, region: eu-west-1}\n  kafka:\n    brokers: [\"x:1\"]\n    topic: t\n": `gateway.kinesis: a stream beside a topic is not allowed: want one of them`,
		"gateway:\n  kinesis: {stream: a/b, region: eu-west-1}\n":                                               `gateway.kinesis.stream: "a/b" is not allowed`,
		"gateway: {features: {evidence_every: 3s}}\n":                                                           `gateway.features.evidence_every: 3s is not allowed: want 1m to 720h`,
		"gateway: {features: {evidence_change: 1}}\n":                                                           `gateway.features.evidence_change: 1 is not allowed: want 3 to 1000 robust deviations`,
		"gateway: {kafak: 1}\n": `unknown field "kafak"`,
	} {
		if _, err := read(gateway); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %s", gateway, err, want)
		}
	}
	for text, want := range map[string]byteSize{"100000000": 100000000, "1.5GiB": 3 << 29, "500MB": 500000000, `"2 TiB"`: 2 << 40, "70000 kB": 70000000} {
		if c, err := read("gateway: {max_bytes: " + text + "}\n"); err != nil || c.Gateway.MaxBytes != want {
			t.Errorf("%s is read as %v, %v; want %d", text, c, err, want)
		}
	}
	c, err := read("")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.checkGateway(); err == nil || !strings.Contains(err.Error(), "gateway: is empty: want kafka or kinesis") {
		t.Errorf("without a cluster: %v", err)
	}
	if c, err = readConfig(filepath.Join("..", "..", "deploy", "examples", "gateway.yaml")); err != nil || c.checkGateway() != nil || c.Gateway.MaxBytes != 20<<30 {
		t.Errorf("the example: %v", err)
	}
}
