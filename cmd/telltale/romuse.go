package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/physics"
)

// useROMs reads the reduced-order models that the structure laws of the assets' classes name.
func (l *learned) useROMs(ctx context.Context, repo *models.Repository, plates map[asset.ID]asset.Nameplate, classes class.Set) error {
	l.roms = map[string]physics.ROM{}
	for _, id := range slices.Sorted(maps.Keys(plates)) {
		c := classes.Of(plates[id].Kind)
		for _, law := range c.Laws {
			if law.Use != "structure" {
				continue
			}
			o, err := options[physics.StructureOptions](law.Use, law.Options)
			key := c.Kind + "/" + o.ROM
			if _, ok := l.roms[key]; err != nil || o.ROM == "" || ok {
				continue // laws tells of the options that it cannot read
			}
			v, body, err := repo.Get(ctx, romRef(o.ROM, c.Kind))
			if err != nil {
				return fmt.Errorf("law %s of %s: rom: %w", law.Name, c.Kind, err)
			}
			s, err := parseROM(body)
			if err != nil {
				return fmt.Errorf("law %s of %s: rom %s: %w", law.Name, c.Kind, v.Ref(), err)
			}
			l.roms[key] = s.ROM
			l.refs = append(l.refs, v.Ref()+"@"+v.Digest)
		}
	}
	return nil
}

// designs keeps the beams that were computed, for the many parts and assets of one design.
type designs struct {
	mu   sync.Mutex
	made map[string]*physics.Structure // guarded by mu
}

// structures is shared by every run of the process: a design is a value that nothing changes.
var structures = designs{made: map[string]*physics.Structure{}}

func (d *designs) of(o physics.StructureOptions) (*physics.Structure, error) {
	o.Keys, o.Siblings = nil, nil
	body, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.made[string(body)]; ok {
		return s, nil
	}
	s, err := physics.NewStructure(o)
	if err != nil {
		return nil, err
	}
	d.made[string(body)] = s
	return s, nil
}

// structure makes the law of a blade or a tower; nil when the component has neither
// frequencies nor loads.
func (w *works) structure(c class.Class, plate asset.Nameplate, part asset.Component, l class.Law) (physics.Law, error) {
	o, err := options[physics.StructureOptions](l.Use, l.Options)
	if err != nil {
		return nil, err
	}
	o.HorizonH = c.HorizonH
	if o.ROM != "" {
		if w.learned == nil {
			return nil, fmt.Errorf("rom: %s: no repository is named that it could come from", o.ROM)
		}
		for _, m := range w.learned.roms[c.Kind+"/"+o.ROM].Modes {
			o.ROMHz, o.ROMDamping = append(o.ROMHz, m.Hz), append(o.ROMDamping, m.Zeta)
		}
	}
	s, err := structures.of(o)
	if err != nil {
		return nil, err
	}
	own := placed(o.Keys, plate, part)
	var siblings []string
	for _, other := range plate.Components {
		if other.Type != part.Type || other.Name == part.Name {
			continue
		}
		for _, key := range placed(o.Keys, plate, other) {
			if !slices.Contains(own, key) && !slices.Contains(siblings, key) {
				siblings = append(siblings, key)
			}
		}
	}
	if len(own) == 0 && !s.Loaded(func(key string) bool { return declares(plate, key) }) {
		return nil, nil
	}
	return s.With(own, siblings), nil
}
