package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/telltale-iot/telltale/ingest"
)

func TestConfigurationNamesEveryWrongField(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := `
brokers: [broker1:9092, "broker2"]
tls: {ca: /nowhere.pem}
sasl: {mechanism: gssapi, user: "", password_file: /nowhere}
topics: [telemetry, "no topic", dead]
group: ""
assets: [WT01, ""]
start: now
dead_letter: dead
max_bytes: 10
`
	var c Consume
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	err := c.Validate()
	for _, want := range []string{
		`brokers[1]: "broker2" is not allowed: want host:port`, "tls.ca: ", `sasl.mechanism: "gssapi" is not allowed: want one of plain`, "sasl.user: ", "sasl.password_file: ",
		`topics[1]: "no topic" is not allowed`, `topics[2]: "dead" is not allowed: want another topic than dead_letter`, "group: ", "assets: ", `start: "now" is not allowed: want earliest or latest`, "max_bytes: 10 ",
	} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("the error does not begin a line with %q:\n%v", want, err)
		}
	}
	good := Consume{Cluster: Cluster{Brokers: []string{"[::1]:9092"}, TLS: &ingest.TLS{}, SASL: &SASL{"plain", "u", password}}, Topics: []string{"a.b-c_D"}, Group: "g"}
	if err := good.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	good.TLS = nil
	if err := good.Validate(); err == nil || !strings.Contains(err.Error(), "want tls with it") {
		t.Errorf("a password in the clear: %v", err)
	}
	p := Produce{Cluster: Cluster{Brokers: []string{"b:1"}}, Topic: "..", Partitions: -1, BatchBytes: 1, Compression: "gzip"}
	for _, want := range []string{"topic: ", "partitions: -1 ", "batch_bytes: 1 ", `compression: "gzip" is not allowed: want one of none, lz4, zstd`} {
		if err := p.Validate(); err == nil || !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("the error does not begin a line with %q:\n%v", want, err)
		}
	}
	if err := (Produce{Cluster: Cluster{Brokers: []string{"b:1"}}, Topic: "t"}).Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}
