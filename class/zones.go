package class

import (
	"embed"
	"fmt"
	"slices"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed shipped/zones/iso.yaml
var shippedZones embed.FS

// Zone is one row of a severity table: the values at which zones B, C and D begin. It
// has the fields of features.ZoneTable, in its order.
type Zone struct {
	Name     string  `yaml:"name"`
	Source   string  `yaml:"source"`
	Quantity string  `yaml:"quantity"` // velocity_rms in mm/s, acceleration_rms in m/s²
	LowHz    float64 `yaml:"low_hz"`   // band of the quantity
	HighHz   float64 `yaml:"high_hz"`
	AB       float64 `yaml:"ab,omitempty"` // 0: no zone A
	BC       float64 `yaml:"bc"`
	CD       float64 `yaml:"cd"`
}

// Zones returns the rows that come with the program; they are the caller's.
func Zones() ([]Zone, error) {
	rows, err := shippedRows()
	return slices.Clone(rows), err
}

// shippedRows are read once, since every asset's line asks for them.
var shippedRows = sync.OnceValues(readZones)

func readZones() ([]Zone, error) {
	body, err := shippedZones.ReadFile("shipped/zones/iso.yaml")
	if err != nil {
		return nil, fmt.Errorf("zones: %w", err)
	}
	var rows []Zone
	if err := yaml.UnmarshalWithOptions(body, &rows, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("zones: %w", err)
	}
	for i, z := range rows {
		if !z.ok() {
			return nil, fmt.Errorf("zones[%d]: %+v is not a row", i, z)
		}
	}
	return rows, nil
}

// ok reports whether the row says enough to judge by.
func (z Zone) ok() bool {
	return z.Name != "" && z.Source != "" && (z.Quantity == "velocity_rms" || z.Quantity == "acceleration_rms") &&
		z.LowHz >= 0 && z.HighHz > z.LowHz && z.AB >= 0 && z.BC > 0 && z.BC >= z.AB && z.CD >= z.BC
}
