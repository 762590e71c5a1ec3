package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/ingest/kinesis"
	"github.com/telltale-iot/telltale/ingest/modbus"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/ingest/opcua"
	"github.com/telltale-iot/telltale/ingest/registry"
	"github.com/telltale-iot/telltale/ingest/sparkplug"
)

// config is the file that "telltale run" works by. Its JSON Schema is
// class/telltale.schema.json.
type config struct {
	Data    string            `yaml:"data"`              // folder of the journal, the repository and the embedded store
	Listen  string            `yaml:"listen,omitempty"`  // address of page and API; default 127.0.0.1:8080
	Classes string            `yaml:"classes,omitempty"` // folder of class files that replace shipped ones
	Assets  []asset.Nameplate `yaml:"assets"`
	Source  sourceConfig      `yaml:"source"`
	Models  modelsConfig      `yaml:"models,omitempty"`
	ERP     erpConfig         `yaml:"erp,omitempty"`
	Store   storeConfig       `yaml:"store,omitempty"`
	API     apiConfig         `yaml:"api,omitempty"`
	Shards  int               `yaml:"shards,omitempty"` // default 2; changing it needs an empty store
	Base    string            `yaml:"baseline,omitempty"`
	Gateway gatewayConfig     `yaml:"gateway,omitempty"` // for --role gateway
	path    string
	body    []byte // of the file, for the lines of its errors
}

// sourceConfig says where readings come from; several sources are read side by side.
type sourceConfig struct {
	MQTT   *mqtt.Config    `yaml:"mqtt,omitempty"`
	Modbus []modbus.Device `yaml:"modbus,omitempty"`
	OPCUA  []opcua.Server  `yaml:"opcua,omitempty"`

	Sparkplug *sparkplugConfig `yaml:"sparkplug,omitempty"`
	Kafka     *kafka.Consume   `yaml:"kafka,omitempty"`
	Kinesis   *kinesis.Consume `yaml:"kinesis,omitempty"`
	Registry  *registry.Config `yaml:"schema_registry,omitempty"` // of messages that name their schema

	MaxAhead time.Duration `yaml:"max_ahead,omitempty"` // a stamp may be later than now by this; default 5m
	MaxPast  time.Duration `yaml:"max_past,omitempty"`  // or earlier by this; default 8760h
	Silence  time.Duration `yaml:"silence,omitempty"`   // of a source that is reported; default 1m
}

// sparkplugConfig is a host application of Sparkplug B with the broker that it listens to.
type sparkplugConfig struct {
	Broker            mqtt.Config `yaml:"broker"`
	sparkplug.Options `yaml:",inline"`
}

// empty reports whether nothing is read at all.
func (c sourceConfig) empty() bool {
	return c.MQTT == nil && c.Sparkplug == nil && c.Kafka == nil && c.Kinesis == nil && len(c.Modbus) == 0 && len(c.OPCUA) == 0
}

// apiConfig says who may change something by the API.
type apiConfig struct {
	TokenFile string `yaml:"token_file,omitempty"` // what a change has to bring; none: only this machine may, while listen is its loopback
}

// erpConfig names one ERP; kind none leaves orders in the outbox.
type erpConfig struct {
	Kind         string        `yaml:"kind,omitempty"` // none (default), sandbox, sap
	URL          string        `yaml:"url,omitempty"`
	User         string        `yaml:"user,omitempty"`
	PasswordFile string        `yaml:"password_file,omitempty"`
	HoldUnknown  time.Duration `yaml:"hold_unknown,omitempty"` // longest run time of a request at the ERP's gateway
	SAP          sapConfig     `yaml:"sap,omitempty"`
}

type sapConfig struct {
	NotificationType string            `yaml:"notification_type,omitempty"`
	PlanningPlant    string            `yaml:"planning_plant,omitempty"`
	PlannerGroup     string            `yaml:"planner_group,omitempty"`
	Equipment        map[string]string `yaml:"equipment,omitempty"` // by asset, or asset/component
}

// readConfig reads and validates a file; the error lists everything that is
// wrong, each with its line.
func readConfig(path string) (*config, error) {
	c, err := readPartConfig(path)
	if err != nil {
		return nil, err
	}
	return c, c.validate(c.body)
}

// readPartConfig reads a file of which only some sections are wanted: what is
// there has to be known, the rest may be missing.
func readPartConfig(path string) (*config, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c := &config{path: path, body: body}
	if err := yaml.UnmarshalWithOptions(body, c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, false))
	}
	return c, nil
}

// validate names each field with a value that is not allowed, and its line.
func (c *config) validate(body []byte) error {
	var bad []error
	check := func(ok bool, field string, value any, allowed string) {
		if !ok {
			bad = append(bad, fmt.Errorf("%s:%d: %s: %v is not allowed: %s", c.path, lineOf(body, field), field, quoted(value), allowed))
		}
	}
	check(c.Data != "", "data", c.Data, "a folder")
	check(len(c.Assets) > 0, "assets", "an empty list", "at least one asset")
	check(c.Shards >= 0 && c.Shards <= 64, "shards", c.Shards, "1 to 64")
	seen := map[asset.ID]bool{}
	for i, a := range c.Assets {
		at := fmt.Sprintf("assets[%d]", i)
		check(a.ID != "" && len(a.ID) <= 100, at+".id", a.ID, "1 to 100 characters")
		check(!seen[a.ID], at+".id", a.ID, "an ID that is not used twice")
		check(a.Kind != "", at+".kind", a.Kind, "a kind, such as wind-turbine")
		check(len(a.Components) > 0, at+".components", "an empty list", "at least one component")
		seen[a.ID] = true
		for j, ch := range a.Channels {
			_, _, ok := asset.Convert(0, ch.Unit)
			check(ok, fmt.Sprintf("%s.channels[%d].unit", at, j), ch.Unit, "one of "+asset.Units())
			check(ch.RateHz > 0, fmt.Sprintf("%s.channels[%d].rate_hz", at, j), ch.RateHz, "above 0")
		}
		for j, m := range a.Metrics {
			_, _, ok := asset.Convert(0, m.Unit)
			check(ok, fmt.Sprintf("%s.metrics[%d].unit", at, j), m.Unit, "one of "+asset.Units())
			check(m.Name != "" && len(m.Name) <= 100, fmt.Sprintf("%s.metrics[%d].name", at, j), m.Name, "1 to 100 characters")
		}
	}
	check(c.Models.PollS >= 0 && c.Models.PollS <= 86400, "models.poll_s", c.Models.PollS, "0 to 86400 seconds")
	bad = append(bad, c.validateSources(seen)...)
	bad = append(bad, c.under("gateway", c.Gateway.Validate())...)
	bad = append(bad, c.under("store", c.Store.Validate())...)
	switch c.ERP.Kind {
	case "", "none":
	case "sandbox", "sap":
		u, err := url.Parse(c.ERP.URL)
		check(err == nil && u.Host != "", "erp.url", c.ERP.URL, "an address such as https://erp.example.org")
	default:
		check(false, "erp.kind", c.ERP.Kind, "none, sandbox, sap")
	}
	return errors.Join(bad...)
}

// validateSources names what is wrong with the sources of the given assets.
func (c *config) validateSources(assets map[asset.ID]bool) (bad []error) {
	refuse := func(field, text string) {
		bad = append(bad, fmt.Errorf("%s:%d: %s: %s", c.path, lineOf(c.body, field), field, text))
	}
	if c.Source.empty() {
		refuse("source", "is empty: want mqtt, sparkplug, kafka, kinesis, modbus, opcua or several of them")
	}
	atLeast := func(field string, d time.Duration) {
		if d < 0 || d > 0 && d < time.Second {
			refuse("source."+field, fmt.Sprintf("%s is not allowed: want at least 1s", d))
		}
	}
	atLeast("max_ahead", c.Source.MaxAhead)
	atLeast("max_past", c.Source.MaxPast)
	atLeast("silence", c.Source.Silence)
	known := func(at string, id asset.ID) {
		if !assets[id] {
			refuse(at+".asset", fmt.Sprintf("%q is not allowed: want the ID of one of the assets above", id))
		}
	}
	if c.Source.MQTT != nil {
		bad = append(bad, c.under("source.mqtt", c.Source.MQTT.Validate())...)
	}
	if p := c.Source.Sparkplug; p != nil {
		bad = append(bad, c.under("source.sparkplug.broker", p.Broker.Validate())...)
		bad = append(bad, c.under("source.sparkplug", p.Validate())...)
		for k, b := range p.Bindings {
			known(fmt.Sprintf("source.sparkplug.bindings[%d]", k), b.Asset)
		}
	}
	if c.Source.Kafka != nil {
		bad = append(bad, c.under("source.kafka", c.Source.Kafka.Validate())...)
	}
	if c.Source.Kinesis != nil {
		bad = append(bad, c.under("source.kinesis", c.Source.Kinesis.Validate())...)
	}
	if c.Source.Registry != nil {
		bad = append(bad, c.under("source.schema_registry", c.Source.Registry.Validate())...)
	}
	for i, d := range c.Source.Modbus {
		at := fmt.Sprintf("source.modbus[%d]", i)
		known(at, d.Asset)
		bad = append(bad, c.under(at, d.Validate())...)
	}
	for i, s := range c.Source.OPCUA {
		at := fmt.Sprintf("source.opcua[%d]", i)
		for k, n := range s.Nodes {
			known(fmt.Sprintf("%s.nodes[%d]", at, k), n.Asset)
		}
		bad = append(bad, c.under(at, s.Validate())...)
	}
	return bad
}

func quoted(v any) any {
	if s, ok := v.(string); ok && !strings.HasPrefix(s, "an empty") {
		return fmt.Sprintf("%q", s)
	}
	return v
}

// lineOf is the line of a field, or of the nearest one above it that the file has.
func lineOf(body []byte, field string) int {
	file, err := parser.ParseBytes(body, 0)
	if err != nil {
		return 1
	}
	for field != "" {
		path, err := yaml.PathString("$." + field)
		if err == nil {
			if node, err := path.FilterFile(file); err == nil && node != nil && node.GetToken() != nil {
				return node.GetToken().Position.Line
			}
		}
		cut := strings.LastIndexAny(field, ".[")
		if cut < 0 {
			break
		}
		field = field[:cut]
	}
	return 1
}

// addClasses puts the user's classes over the shipped ones.
func (c *config) addClasses(set class.Set) error {
	if c.Classes == "" {
		return nil
	}
	dir := c.Classes
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(c.path), dir)
	}
	return set.Add(os.DirFS(dir))
}

// secret reads a password from its file; an empty name is an empty password.
func secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return strings.TrimSpace(string(body)), nil
}
