package workorders

import "github.com/telltale-iot/telltale/asset"

// modeName is what a mechanic calls a mode.
func modeName(m asset.Mode) string {
	switch m {
	case asset.Healthy, asset.Unknown:
		return "fault"
	case asset.SensorFault:
		return "sensor fault"
	case asset.Electrical:
		return "electrical fault"
	case asset.GearTooth:
		return "gear tooth fault"
	case asset.InnerRace, asset.OuterRace, asset.RollingElement, asset.Cage:
		return "bearing " + string(m)
	default:
		return string(m)
	}
}

// advice says what to look at first, by mode.
func advice(m asset.Mode) []string {
	switch m {
	case asset.InnerRace, asset.OuterRace, asset.RollingElement, asset.Cage:
		return bearingAdvice(m)
	case asset.Crack:
		return []string{
			"Stop before loading further when the crack is confirmed.", "Visual and dye-penetrant or ultrasonic test of the marked area.",
			"Measure length and position, compare with the last inspection.",
		}
	case asset.Wear:
		return []string{"Oil or grease sample: particle count and ferrous index.", "Endoscope the running surfaces.", "Measure clearance or wear depth against the limit."}
	case asset.Imbalance:
		return []string{"Look for deposits, ice or lost balance weights on the rotor.", "Check blade or impeller mass and pitch.", "Balance in place; confirm that the 1× amplitude falls."}
	case asset.Misalignment:
		return []string{"Measure shaft alignment by laser, cold and warm.", "Check the coupling and its bolts, and the foot for soft foot.", "Check pipe or frame strain."}
	case asset.Looseness:
		return []string{"Check foundation and housing bolts for torque.", "Look for fretting rust and cracks in the base.", "Check the bearing fit on shaft and in housing."}
	case asset.GearTooth:
		return []string{
			"Endoscope the teeth of the stage named in the evidence: pitting, scuffing, cracks.", "Magnetic plug and oil filter: chips.",
			"Reduce torque until inspected.",
		}
	case asset.Lubrication:
		return []string{"Level, pressure and temperature of the lubricant; filter and cooler.", "Sample: viscosity, water, particles.", "Relubricate with the amount and type given."}
	case asset.Overheating:
		return []string{"Cooler, fan, filter and coolant flow.", "Load and ambient temperature against the rating.", "Thermography of the hot spot; check the sensor against a second one."}
	case asset.Icing:
		return []string{"Do not approach under the rotor: falling ice.", "Camera or drone look at the blades.", "Restart or heat by the site's procedure; confirm that the frequencies come back."}
	case asset.Electrical:
		return []string{"Isolate and prove dead first.", "Winding resistance, insulation and phase balance.", "Connections: thermography, torque."}
	case asset.SensorFault:
		return []string{"The machine is not known to be ill: check the sensor, cable, mounting and power.", "Compare with a second sensor.", "Replace or recalibrate, then confirm that the value moves."}
	default:
		return []string{"Inspect the component: noise, temperature, leaks, play.", "Compare the evidence with the last inspection.", "Report what was found: it names the mode."}
	}
}

func bearingAdvice(m asset.Mode) []string {
	part := map[asset.Mode]string{asset.InnerRace: "inner race", asset.OuterRace: "outer race", asset.RollingElement: "rolling elements", asset.Cage: "cage"}[m]
	return []string{
		"Endoscope the bearing: " + part + ", then the other surfaces.",
		"Grease or oil sample for metal; check amount and type of lubricant.",
		"Have the replacement bearing at hand; check fit, alignment and shaft currents when changing it.",
	}
}
