package ingest

// UnitRanges is what a quantity can be at all, by canonical unit: wide enough for any
// machine, narrow enough for a sensor that says 65,535 or a factor of thousand. A metric's
// own range goes before it. A unit that is not here has no bounds.
func UnitRanges() map[string][2]float64 {
	return map[string][2]float64{
		"°C":   {-273.15, 1000}, // absolute zero
		"bar":  {-1.1, 1e4},     // a vacuum by gauge; water-jet cutting takes 6,000
		"rpm":  {-1e6, 1e6},     // turbochargers 300,000, dental drills 450,000
		"m/s²": {-1e6, 1e6},     // shock accelerometers 100,000 g
		"mm/s": {-1e6, 1e6},
		"m/s":  {-1e4, 1e4},
		"µm":   {-1e8, 1e8}, // 100 m
		"kW":   {-1e8, 1e8}, // a plant of 22 GW
		"A":    {-1e6, 1e6},
		"V":    {-2e6, 2e6}, // lines of 1.1 MV
		"N":    {-1e9, 1e9},
		"N·m":  {-1e9, 1e9}, // a rotor of 15 MW: 2·10⁷
		"Hz":   {0, 1e10},
		"dB":   {-400, 400},
	}
}
