package pipeline

import (
	"maps"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// signalGroups says to which group the channels and metrics of an asset belong, by name.
type signalGroups map[string]asset.Group

// newSignalGroups goes by the kind of a channel and the unit of a metric; what the options
// name stands over it.
func newSignalGroups(plate asset.Nameplate, named map[string]asset.Group) signalGroups {
	s := signalGroups{}
	for _, m := range plate.Metrics {
		s[m.Name] = unitGroup(m.Unit)
	}
	for _, c := range plate.Channels {
		switch c.Kind {
		case "acoustic-emission":
			s[c.Name] = asset.GroupAcoustic
		case "current":
			s[c.Name] = asset.GroupElectrical
		case "strain":
			s[c.Name] = asset.GroupStrain
		default: // acceleration, velocity, displacement, tacho
			s[c.Name] = asset.GroupVibration
		}
	}
	maps.Copy(s, named)
	return s
}

func unitGroup(unit string) asset.Group {
	_, canonical, _ := asset.Convert(0, unit)
	switch canonical {
	case "°C":
		return asset.GroupThermal
	case "A", "V":
		return asset.GroupElectrical
	case "m/s²", "mm/s", "µm":
		return asset.GroupVibration
	}
	return asset.GroupProcess
}

// group is what a source judges by: as named for it, else where its evidence points;
// mixed when that is several groups, empty when it points nowhere.
func (s signalGroups) group(a *asset.Assessment) asset.Group {
	name, _, _ := strings.Cut(a.Source, "/") // a law names its place too
	if g, ok := s[name]; ok {
		return g
	}
	var found asset.Group
	for _, e := range a.Evidence {
		signal, _, _ := strings.Cut(e.Name, "/")
		switch g := s[signal]; {
		case g == "" || g == found:
		case found == "":
			found = g
		default:
			return asset.GroupMixed
		}
	}
	return found
}
