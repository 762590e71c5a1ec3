package sparkplug

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func TestOptionsAreHeldToWhatIsAllowed(t *testing.T) {
	if err := options().Validate(); err != nil {
		t.Errorf("what is allowed gives %v", err)
	}
	for want, change := range map[string]func(o *Options){
		`host_id: "" is not allowed: want a name`:             func(o *Options) { o.HostID = "" },
		`host_id: "a/b" is not allowed`:                       func(o *Options) { o.HostID = "a/b" },
		`reorder: 2m0s is not allowed: want 1ms to 1m`:        func(o *Options) { o.Reorder = 2 * time.Minute },
		`groups[0]: "STATE" is not allowed`:                   func(o *Options) { o.Groups = []string{"STATE"} },
		`bindings: an empty list is not allowed`:              func(o *Options) { o.Bindings = nil },
		`bindings[1].group: "farm" is not allowed: want one`:  func(o *Options) { o.Groups = []string{"other"} },
		`bindings[0].edge: "" is not allowed`:                 func(o *Options) { o.Bindings[0].Edge = "" },
		`bindings[0].asset: "" is not allowed`:                func(o *Options) { o.Bindings[0].Asset = "" },
		`bindings[2].asset: "station" is not allowed`:         func(o *Options) { o.Bindings = append(o.Bindings, o.Bindings[0]) },
		`bindings[1].device: "+" is not allowed`:              func(o *Options) { o.Bindings[1].Device = "+" },
		`bindings[1].metrics[1].name: "" is not allowed`:      func(o *Options) { o.Bindings[1].Metrics[1].Name = "" },
		`bindings[1].metrics[1].metric: "gearbox_oil_c" is`:   func(o *Options) { o.Bindings[1].Metrics[1].Metric = "gearbox_oil_c" },
		`bindings[1].metrics[0].unit: "fathom" is not`:        func(o *Options) { o.Bindings[1].Metrics[0].Unit = "fathom" },
		`bindings[1].channels[0].rate_hz: 1 is not allowed`:   func(o *Options) { o.Bindings[1].Channels[0].RateHz = 1 },
		`bindings[1].channels[0].unit: "" is not allowed`:     func(o *Options) { o.Bindings[1].Channels[0].Unit = "" },
		`bindings[1].channels[0].scale: +Inf is not allowed:`: func(o *Options) { o.Bindings[1].Channels[0].Scale = math.Inf(1) },
	} {
		o := options()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := New(o); err == nil {
			t.Errorf("a host application is made in spite of %q", want)
		}
	}
}

// TestThePageShowsOptionsThatWork keeps the example of docs/sparkplug.md true.
func TestThePageShowsOptionsThatWork(t *testing.T) {
	_, rest, found := strings.Cut(page(t), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the page has no example")
	}
	var c struct {
		Sparkplug Options `yaml:"sparkplug"`
	}
	if err := yaml.NewDecoder(strings.NewReader(example), yaml.Strict()).Decode(&c); err != nil {
		t.Fatal(err)
	}
	if err := c.Sparkplug.Validate(); err != nil {
		t.Error(err)
	}
	if b := c.Sparkplug.Bindings; len(b) != 1 || b[0].Channels[0].RateHz != 25600 || c.Sparkplug.Reorder != 2*time.Second {
		t.Errorf("the example is read as %+v", c.Sparkplug)
	}
}
