package mqtt

import (
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

func TestTopicsNameAssetAndChannel(t *testing.T) {
	for name, tc := range map[string]struct {
		binding Binding
		filter  string
		topic   string
		id      asset.ID
		channel string
		fits    bool
	}{
		"whole levels":            {Binding{Topic: "plant/{asset}/{channel}/raw"}, "plant/+/+/raw", "plant/wt1/hss/raw", "wt1", "hss", true},
		"part of a level":         {Binding{Topic: "p/wt-{asset}.v2/x"}, "p/+/x", "p/wt-07.v2/x", "07", "", true},
		"another part":            {Binding{Topic: "p/wt-{asset}.v2/x"}, "p/+/x", "p/pump-07.v2/x", "", "", false},
		"nothing for the name":    {Binding{Topic: "p/wt-{asset}/x"}, "p/+/x", "p/wt-/x", "", "", false},
		"parts that overlap":      {Binding{Topic: "p/aa{asset}aa"}, "p/+", "p/aaa", "", "", false},
		"not unescaped":           {Binding{Topic: "p/{asset}"}, "p/+", "p/a%2Fb", "a%2Fb", "", true},
		"fixed asset":             {Binding{Topic: "line/+/{channel}", Asset: "press"}, "line/+/+", "line/3/x", "press", "x", true},
		"fixed channel":           {Binding{Topic: "{asset}/vib", Channel: "de"}, "+/vib", "m1/vib", "m1", "de", true},
		"rest":                    {Binding{Topic: "{asset}/#"}, "+/#", "m1/a/b/c", "m1", "", true},
		"rest of nothing":         {Binding{Topic: "a/{asset}/#"}, "a/+/#", "a/m1", "m1", "", true},
		"too short":               {Binding{Topic: "a/{asset}/#"}, "a/+/#", "a", "", "", false},
		"too long":                {Binding{Topic: "a/{asset}"}, "a/+", "a/m1/b", "", "", false},
		"shorter":                 {Binding{Topic: "a/{asset}/b"}, "a/+/b", "a/m1", "", "", false},
		"another word":            {Binding{Topic: "a/{asset}/b"}, "a/+/b", "a/m1/c", "", "", false},
		"everything":              {Binding{Topic: "#", Asset: "all"}, "#", "x/y", "all", "", true},
		"a plus in the end":       {Binding{Topic: "{asset}/+"}, "+/+", "m/anything", "m", "", true},
		"a plus in the end, more": {Binding{Topic: "{asset}/+"}, "+/+", "m/anything/more", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := tc.binding.route()
			if err != nil || r.filter != tc.filter {
				t.Fatalf("filter %q, want %q, %v", r.filter, tc.filter, err)
			}
			id, channel, fits := r.match(tc.topic)
			if fits != tc.fits || fits && (id != tc.id || channel != tc.channel) {
				t.Errorf("%s is of %q, %q (%t), want %q, %q (%t)", tc.topic, id, channel, fits, tc.id, tc.channel, tc.fits)
			}
		})
	}
}

func TestTopicsThatCannotBeRead(t *testing.T) {
	for topic, want := range map[string]string{
		"":                         "want 1 to 65535 bytes",
		"$share/g/{asset}":         "by group",
		"a/#/b":                    "# as the last level",
		"a/b+/c":                   "as whole levels",
		"a#":                       "as whole levels",
		"{asset}/{asset}":          "want {asset} once",
		"{asset}-{channel}/x":      "one name in a level",
		"{asset}{channel}":         "one name in a level",
		"{machine}/x":              "not {machine}",
		"a/{asset":                 "a } for each {",
		"a/asset}":                 "{ before }",
		"a/}x{asset}":              "a } for each {",
		strings.Repeat("a", 1<<16): "want 1 to 65535 bytes",
	} {
		if _, err := (Binding{Topic: topic}).route(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", topic, err, want)
		}
	}
	if _, err := (Binding{Topic: "{asset}", Asset: "a"}).route(); err == nil || !strings.Contains(err.Error(), "not both") {
		t.Errorf("an asset twice: %v", err)
	}
	if _, err := (Binding{Topic: "{channel}", Channel: "a"}).route(); err == nil || !strings.Contains(err.Error(), "not both") {
		t.Errorf("a channel twice: %v", err)
	}
}

func TestConfigurationSaysWhatIsWrong(t *testing.T) {
	two := 2
	for name, tc := range map[string]struct {
		c    Config
		want string // "" for nothing
	}{
		"as little as possible":           {Config{URL: "mqtt://broker"}, ""},
		"all schemes":                     {Config{URL: "tcp://a:1", Standby: []string{"ssl://a", "mqtts://b:2", "ws://c/mqtt", "wss://d/mqtt"}}, ""},
		"no address":                      {Config{}, `url: "" is not allowed: want tcp://host:1883, ssl://host:8883, ws://host/path or wss://host/path`},
		"a scheme that is none":           {Config{URL: "http://a"}, `url: "http://a" is not allowed: want tcp://`},
		"a password in the address":       {Config{URL: "tcp://u:canary@a"}, `url: "tcp://u:xxxxx@a" is not allowed: want no user in it`},
		"a standby":                       {Config{URL: "tcp://a", Standby: []string{"b"}}, `standby[0]: "b" is not allowed`},
		"TLS in the clear":                {Config{URL: "tcp://a", TLS: tlsWithName("x")}, "tls: a section is not allowed: want ssl:// or wss://"},
		"TLS with a standby in the clear": {Config{URL: "ssl://a", Standby: []string{"ws://b"}, TLS: tlsWithName("x")}, "tls: a section is not allowed"},
		"TLS file":                        {Config{URL: "ssl://a", TLS: tlsWithCA("/none/ca.pem")}, `tls.ca: "/none/ca.pem" is not allowed: want a file that is there`},
		"a password of nobody":            {Config{URL: "tcp://a", PasswordFile: "topic.go"}, `password_file: "topic.go" is not allowed: want a user with it`},
		"no password file":                {Config{URL: "tcp://a", User: "u", PasswordFile: "/none"}, `password_file: "/none" is not allowed: want a file that is there`},
		"group":                           {Config{URL: "tcp://a", Group: "a/b"}, `group: "a/b" is not allowed`},
		"keep-alive":                      {Config{URL: "tcp://a", KeepAlive: 1}, "keep_alive: 1ns is not allowed: want 1s to 1h"},
		"queue":                           {Config{URL: "tcp://a", Queue: -1}, "queue: -1 is not allowed: want 1 to 1048576"},
		"in flight":                       {Config{URL: "tcp://a", InFlight: 65536}, "in_flight: 65536 is not allowed"},
		"packet":                          {Config{URL: "tcp://a", MaxPacket: 10}, "max_packet: 10 is not allowed"},
		"prefix":                          {Config{URL: "tcp://a", Prefix: "a/+"}, `prefix: "a/+" is not allowed`},
		"asset":                           {Config{URL: "tcp://a", Assets: []string{"x", ""}}, `assets: "" is not allowed: want an asset`},
		"qos":                             {Config{URL: "tcp://a", Topics: []Binding{{Topic: "{asset}", QoS: &two}}}, "topics[0].qos: 2 is not allowed: want 0 or 1"},
		"topic":                           {Config{URL: "tcp://a", Topics: []Binding{{Topic: "{asset}"}, {Topic: "{a"}}}, `topics[1].topic: "{a" is not allowed: want`},
		"the same twice":                  {Config{URL: "tcp://a", Topics: []Binding{{Topic: "x/{asset}"}, {Topic: "x/{channel}"}}}, `topics[1].topic: "x/{channel}" is not allowed: want one that topics[0] does not fit already`},
		"of the prefix too":               {Config{URL: "tcp://a", Prefix: "p", Topics: []Binding{{Topic: "p/{asset}/telemetry"}}}, `topics[0].topic: "p/{asset}/telemetry" is not allowed: want one that is not of the prefix`},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.c.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Error("the password is in the text")
			}
		})
	}
}

func TestPrefixOnlyWithoutTopics(t *testing.T) {
	for name, tc := range map[string]struct {
		c    Config
		want string
	}{
		"nothing said": {Config{}, "telltale/+/telemetry telltale/+/wave/+"},
		"a prefix":     {Config{Prefix: "x/y"}, "x/y/+/telemetry x/y/+/wave/+"},
		"topics":       {Config{Topics: []Binding{{Topic: "a-{asset}/+"}, {Topic: "b-{asset}/{channel}"}}}, "+/+"},
		"both":         {Config{Prefix: "x", Topics: []Binding{{Topic: "a/#"}}}, "x/+/telemetry x/+/wave/+ a/#"},
		"a group":      {Config{Group: "g", Topics: []Binding{{Topic: "a/{asset}"}}}, "$share/g/a/+"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Config: tc.c}.withDefaults()
			routes, err := o.routes()
			if err != nil {
				t.Fatal(err)
			}
			got, _ := o.filters(routes)
			if strings.Join(got, " ") != tc.want {
				t.Errorf("subscribes to %q, want %q", got, tc.want)
			}
		})
	}
}

func tlsWithName(name string) ingest.TLS { return ingest.TLS{ServerName: name} }
func tlsWithCA(path string) ingest.TLS   { return ingest.TLS{CA: path} }
