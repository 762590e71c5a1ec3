package main

import (
	"fmt"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/physics"
	"github.com/telltale-iot/telltale/twin"
)

// laws makes the derived view: each law of the class for each component in its scope.
func (w *works) laws(c class.Class, plate asset.Nameplate) ([]twin.Placed, error) {
	var out []twin.Placed
	for _, l := range c.Laws {
		for _, part := range l.For.Components(plate) {
			law, err := w.law(c, plate, part, l)
			if err != nil {
				return nil, fmt.Errorf("law %s: %w", l.Name, err)
			}
			if law != nil {
				out = append(out, twin.Placed{Component: part.Name, Law: law})
			}
		}
	}
	return out, nil
}

// law makes one; nil when the component has nothing that it could work on.
func (w *works) law(c class.Class, plate asset.Nameplate, part asset.Component, l class.Law) (physics.Law, error) {
	switch l.Use {
	case "bearing-life":
		o, err := options[physics.BearingOptions](l.Use, l.Options)
		if err != nil {
			return nil, err
		}
		o.HorizonH = c.HorizonH
		o.SpeedRatio = plate.ShaftRatio(part.Name)
		if b := part.Bearing; b != nil && b.PitchDiameterMM > 0 && o.PitchMM == 0 {
			o.PitchMM = b.PitchDiameterMM
		}
		return physics.NewBearingLife(o), nil
	case "thermal":
		o, err := options[physics.ThermalOptions](l.Use, l.Options)
		if err != nil || !declares(plate, o.TempKey) {
			return nil, err
		}
		return physics.NewThermal(o), nil
	case "growth":
		o, err := options[physics.GrowthOptions](l.Use, l.Options)
		if err != nil {
			return nil, err
		}
		o.HorizonH = c.HorizonH
		if o.Keys = placed(o.Keys, plate, part); len(o.Keys) == 0 {
			return nil, nil
		}
		return physics.NewGrowth(w.learned.growth(c, plate, part, l.Name, o)), nil
	case "regression":
		o, err := options[physics.RegressionOptions](l.Use, l.Options)
		if err != nil {
			return nil, err
		}
		o.HorizonH = c.HorizonH
		o, ok := w.learned.regression(c, plate, l.Name, o)
		if !ok || len(placed(o.Keys, plate, part)) != len(o.Keys) {
			return nil, nil
		}
		return physics.NewRegression(o), nil
	case "crack":
		o, err := options[physics.CrackOptions](l.Use, l.Options)
		if err != nil {
			return nil, err
		}
		if o.Rho <= -1 || o.Rho >= 1 {
			return nil, fmt.Errorf("rho: %v is not allowed: above -1 and below 1", o.Rho)
		}
		return physics.NewCrack(w.learned.crack(c, plate, l.Name, o)), nil
	case "structure":
		return w.structure(c, plate, part, l)
	}
	if law, known, err := wearLaw(c, plate, part, l); known {
		return law, err
	}
	return nil, fmt.Errorf("use: %q is not allowed: bearing-life, thermal, heat-balance, growth, exponential, regression, crack, fatigue, ageing, archard, structure", l.Use)
}

// declares reports whether the nameplate has the metric of a key.
func declares(plate asset.Nameplate, key string) bool {
	name, _, _ := strings.Cut(key, "/")
	for _, m := range plate.Metrics {
		if m.Name == name {
			return true
		}
	}
	return false
}

// placed turns "*/rms" into the keys of the component's own channels, writes the
// component's name for {component}, as metrics have it: blade_1 for blade-1, and drops the
// keys that the asset does not have.
func placed(keys []string, plate asset.Nameplate, part asset.Component) []string {
	var out []string
	for _, k := range keys {
		k = strings.ReplaceAll(k, "{component}", strings.ReplaceAll(part.Name, "-", "_"))
		name, feature, _ := strings.Cut(k, "/")
		for _, ch := range plate.Channels {
			if (name == "*" && (ch.Component == part.Name || ch.Component == "")) || name == ch.Name {
				out = append(out, ch.Name+"/"+feature)
			}
		}
		if name != "*" && declares(plate, k) {
			out = append(out, k)
		}
	}
	return out
}
