package main

import (
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
)

func TestWearLaws(t *testing.T) {
	plate := asset.Nameplate{
		ID: "a", Kind: "x", Components: []asset.Component{{Name: "blade"}},
		Metrics:  []asset.Metric{{Name: "oil", Unit: "°C"}, {Name: "power", Unit: "kW"}},
		Channels: []asset.Channel{{Name: "root", Kind: "strain", Component: "blade"}},
	}
	network := map[string]any{"c1": 1e5, "c2": 1e6, "r12": 1e-3, "r2a": 1e-3}
	for name, tc := range map[string]struct {
		use     string
		options class.Section
		want    string // name of the law, empty: none; or what the error says
	}{
		"fatigue":            {"fatigue", class.Section{"key": "*/p2p", "ranges": true, "mpa_per_unit": 0.2}, "fatigue/1"},
		"fatigue of nothing": {"fatigue", class.Section{"key": "tip/p2p"}, ""},
		"ageing":             {"ageing", class.Section{"temp_key": "oil/value", "model": "oil", "water_key": "water/value"}, "ageing/1 oil"},
		"another model":      {"ageing", class.Section{"temp_key": "oil/value", "model": "wine"}, "wine"},
		"archard":            {"archard", class.Section{"area_m2": 1e-3, "depth_m": 1e-3, "load_n": 100}, "archard/1"},
		"archard, no depth":  {"archard", class.Section{"area_m2": 1e-3}, "depth_m"},
		"exponential":        {"exponential", class.Section{"key": "root/rms"}, "exponential/1"},
		"heat balance":       {"heat-balance", class.Section{"temp_key": "oil/value", "power_key": "power/value", "network": network}, "heat-balance/1 oil"},
		"no network":         {"heat-balance", class.Section{"temp_key": "oil/value", "power_key": "power/value"}, "network"},
		"crack":              {"crack", class.Section{"signal_key": "root/mean", "prior": map[string]any{"ln_c": -25.0, "m": 3.0, "rho": -0.9}}, "crack/2"},
		"crack, rho":         {"crack", class.Section{"rho": -1.0}, "rho"},
		"an unknown option":  {"fatigue", class.Section{"key": "*/p2p", "slope": 3.0}, "slope"},
		"an unknown law":     {"horoscope", nil, "heat-balance"},
	} {
		t.Run(name, func(t *testing.T) {
			law, err := (&works{}).law(class.Class{HorizonH: 100}, plate, plate.Components[0], class.Law{Name: "l", Use: tc.use, Options: tc.options})
			switch {
			case err != nil:
				if tc.want == "" || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %q", err, tc.want)
				}
			case law == nil:
				if tc.want != "" {
					t.Errorf("no law, want %q", tc.want)
				}
			case law.Name() != tc.want:
				t.Errorf("law %q, want %q", law.Name(), tc.want)
			}
		})
	}
}
