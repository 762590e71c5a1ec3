package features

import "slices"

// groupRows are what kinds of channels and parts give beside.
func groupRows() []Row {
	return slices.Concat(tachoRows())
}

func tachoRows() []Row {
	const of = "tacho channels"
	return []Row{
		{"speed", of, "rpm", "turns over time between the first and the last pulse, of the reference shaft", "hysteresis 0.3 of the range, bounces within 0.3 of an interval dropped, gaps beyond 1.5 counted in", "three pulses", house},
		{"speed_spread", of, "1", "(largest − smallest)/mean of the speed over whole turns", "", "three pulses", house},
		{"pulses_missing", of, "1", "pulses that never came and were counted in", "", "three pulses", house},
		{"pulses_doubled", of, "1", "pulses dropped as bounces", "", "three pulses", house},
	}
}

// telemetryRows are what an instant of scalars gives.
func telemetryRows() []Row {
	const of = "every metric"
	return []Row{
		{"value", of, "metric", "the value as it came, in the canonical unit", "", "quality 50 and over", house},
	}
}
