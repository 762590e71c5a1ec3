package features

import "github.com/telltale-iot/telltale/asset"

type gearGroup struct{}

func newGearGroup(plate asset.Nameplate, part asset.Component) *gearGroup { return &gearGroup{} }

func (g *gearGroup) fields(l *layout) []Field { return nil }

func (g *gearGroup) put(d *draft, in *input) {}
