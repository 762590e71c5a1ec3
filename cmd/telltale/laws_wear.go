package main

import (
	"fmt"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/physics"
)

// wearLaw makes a law of a consumed life, of an indicator or of a heat balance; known
// is false for every other. The law is nil when the asset lacks what it reads.
func wearLaw(c class.Class, plate asset.Nameplate, part asset.Component, l class.Law) (law physics.Law, known bool, err error) {
	switch l.Use {
	case "fatigue":
		o, err := options[physics.FatigueOptions](l.Use, l.Options)
		if err != nil || !own(&o.Key, plate, part) {
			return nil, true, err
		}
		o.HorizonH = horizon(o.HorizonH, c)
		return physics.NewFatigue(o), true, nil
	case "ageing":
		o, err := options[physics.AgeingOptions](l.Use, l.Options)
		if err == nil && !o.Model.Known() {
			err = fmt.Errorf("model: %q is not allowed: montsinger, iec_kraft, iec_upgraded, arrhenius, oil", o.Model)
		}
		if err != nil || !own(&o.TempKey, plate, part) {
			return nil, true, err
		}
		if !own(&o.WaterKey, plate, part) {
			o.WaterKey = ""
		}
		o.HorizonH = horizon(o.HorizonH, c)
		return physics.NewAgeing(o), true, nil
	case "archard":
		o, err := options[physics.ArchardOptions](l.Use, l.Options)
		if err == nil && (o.AreaM2 <= 0 || o.DepthM <= 0) {
			err = fmt.Errorf("area_m2 and depth_m: %v and %v are not allowed: both above 0", o.AreaM2, o.DepthM)
		}
		if err != nil {
			return nil, true, err
		}
		if o.SpeedRatio == 0 {
			o.SpeedRatio = plate.ShaftRatio(part.Name)
		}
		o.HorizonH = horizon(o.HorizonH, c)
		return physics.NewArchard(o), true, nil
	case "exponential":
		o, err := options[physics.ExponentialOptions](l.Use, l.Options)
		if err != nil || !own(&o.Key, plate, part) {
			return nil, true, err
		}
		o.HorizonH = horizon(o.HorizonH, c)
		return physics.NewExponential(o), true, nil
	case "heat-balance":
		o, err := options[physics.HeatBalanceOptions](l.Use, l.Options)
		if n := o.Network; err == nil && !(n.C1 > 0 && n.C2 > 0 && n.R12 > 0 && n.R2a > 0) {
			err = fmt.Errorf("network: %v is not allowed: c1, c2, r12 and r2a above 0", n)
		}
		if err != nil || !declares(plate, o.TempKey) || !declares(plate, o.PowerKey) {
			return nil, true, err
		}
		return physics.NewHeatBalance(o), true, nil
	}
	return nil, false, nil
}

// own replaces a key by the asset's own, such as "*/rms" by the component's first
// channel, and reports whether there is one.
func own(key *string, plate asset.Nameplate, part asset.Component) bool {
	keys := placed([]string{*key}, plate, part)
	if len(keys) > 0 {
		*key = keys[0]
	}
	return len(keys) > 0
}

// horizon is the law's own, else the class's.
func horizon(h float64, c class.Class) float64 {
	if h > 0 {
		return h
	}
	return c.HorizonH
}
