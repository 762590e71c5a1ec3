package features

import (
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// groupRows are what kinds of channels and parts give beside.
func groupRows() []Row {
	return slices.Concat(gearRows(), acousticRows(), currentRows(), modalRows(), tachoRows())
}

func gearRows() []Row {
	const (
		of      = "of these, all but acoustic emission, current, strain, blades, towers and nacelles"
		turns   = "ten turns of the shaft and two more; a rate for the mesh and its first sidebands; a mesh that repeats"
		average = "mean over the turns of the wheel's shaft, resampled over its angle by tacho, speed readings or the mesh; harmonics 1–3 of the mesh or those that fit"
		same    = "the same average"
		left    = same + "; residual: without the mesh, mean and shaft 1×; difference: without the first sidebands too"
		tm      = "Stewart 1977; Zakrajsek & al. 1993, NASA TM-105950"
		many    = "<_wheel>: _shaft or _shaft_teeth when there are several"
	)
	return []Row{
		{"mesh_rms<_part>", of, "channel", "RMS of the mesh: of a wheel √(Σ A²/2), of a planetary stage over ±2 bins; <_part>: none, _shaft, _shaft_teeth or _planetary_n", average + "; of a stage the density over Hz, or over orders when the speed varies", turns, "McFadden 1987, MSSP 1:83"},
		{"fm0<_wheel>", of, "1", "peak-to-peak / Σ A: rises with a fault of the whole mesh; " + many, same, turns, tm},
		{"fm4<_wheel>", of, "1", "kurtosis of the difference: 3 well, 4.5 watch, 7 alert; rises with one or two teeth", left, turns, tm},
		{"na4<_wheel>", of, "1", "m₄ of the residual over the square of its mean m₂ so far: 3 at a steady level, rises with damage that spreads", left + "; the mean goes on from window to window", turns, tm},
		{"sideband_index<_part>", of, "1", "mean of the first two sidebands / A₁; of a planetary stage those at which its planets pass", same, turns, house},
		{"sideband_level<_wheel>", of, "1", "sum of the first two sidebands / standard deviation of the average", same, turns, house},
		{"residual_rms<_wheel>", of, "channel", "standard deviation of the residual", left, turns, tm},
		{"difference_rms<_wheel>", of, "channel", "standard deviation of the difference", left, turns, tm},
	}
}

func acousticRows() []Row {
	const (
		of    = "acoustic-emission channels in V or µV"
		hits  = "a hit from the first |v| at the threshold (40 dB of 1 µV at the sensor) on, until none came for 800 µs, then 1000 µs locked; composites 150 and 300 µs; mean removed; one under way goes on in the next window"
		same  = "the same hits"
		every = "16 samples; bursts need 1 MHz"
		one   = "a hit"
	)
	return []Row{
		{"hits", of, "1", "hits that ended in the window", hits, every, astmE1316},
		{"hits_per_min", of, "1/min", "the same over the window's length", same, every, astmE1316},
		{"counts_per_min", of, "1/min", "crossings of the positive threshold, one a hit at least", same, every, astmE1316},
		{"energy_per_min", of, "µV²·s/min", "Σ v²/rate of the hits", same, every, astmE1316},
		{"amplitude_max", of, "dB", "20·log₁₀(|v|/1 µV) of the largest", same, one, astmE1316},
		{"duration_us", of, "µs", "first to last crossing, mean of the hits", same, one, astmE1316},
		{"rise_us", of, "µs", "first crossing to peak, mean of the hits; the peak of composites stands once none larger came for 35 µs", same, one, astmE1316},
		{"average_frequency", of, "Hz", "counts / duration, mean of the hits", same, "a hit of two samples", astmE1316},
		{"ra", of, "µs/V", "rise time / amplitude at the sensor, mean of the hits: low tension, high shear", same, one, "RILEM TC 212-ACD 2010, Mater. Struct. 43:1187"},
		{"b_value", of, "1", "log₁₀e / (mean M − M_c), M = dB/20: falls as a crack grows large", "newest 200 hits of M ≥ M_c = (threshold + 3 dB)/20, from this window and those before", "50 such hits", "Aki 1965, Bull. Earthq. Res. Inst. 43:237"},
		{"b_value_error", of, "1", "b/√n", "n of those hits", "50 such hits", "Aki 1965, Bull. Earthq. Res. Inst. 43:237"},
	}
}

func currentRows() []Row {
	const (
		of    = "current channels"
		lines = "4-term Blackman–Harris over the whole window, peak by a parabola through the levels"
		eight = "the lower end of the search 8 bins up; the line a tenth of the RMS"
	)
	return []Row{
		{"line_hz", of, "Hz", "frequency of the supply: the strongest line of 45–65 Hz, or within 2 % of the one given", lines, eight, "Harris 1978, Proc. IEEE 66:51"},
		{"line_rms", of, "channel", "RMS of that line", "the same", eight, "Harris 1978, Proc. IEEE 66:51"},
		{"thd", of, "1", "√(Σ I_h²)/I₁, h = 2 … 40", "harmonics below half the rate, the largest within 2 bins", "one harmonic below half the rate", "IEC 61000-4-7"},
		{"slip", of, "1", "1 − p·f_rotor/f_line; a generator's is negative", "pole pairs p as given, or the number next to f_line/f_rotor and |slip| below 0.1", "a measured speed", house},
		{"broken_bar", of, "dB", "the stronger of f_line·(1 ± 2·slip) over the line: −54 dB well, −45 dB and above broken", "the same, each within a bin of its place", "sidebands 8 bins from the line; a steady speed", "Thomson & Fenger 2001, IEEE Ind. Appl. Mag. 7(4):26"},
	}
}

func modalRows() []Row {
	const (
		of    = "strain channels, and channels of a part whose type names a blade, tower or nacelle"
		welch = "Welch, periodic Hann, half overlap, 64 segments down to 4 until they resolve it; the rotor's 1P–3P, 6P, 9P, 12P bridged"
		fit   = "least squares, no whole number of turns needed; over angle when the speed varies"
		turns = "ten turns; 6P below half the rate"
		low   = "0.1–10 Hz, " + "Welch density; sections joined to ten minutes within the hour"
		span  = "ten minutes, from windows of 30 s and over"
		vdi   = "VDI 3834-1:2009; ISO 10816-21:2015"
	)
	return []Row{
		{"resonance_hz", of, "Hz", "natural frequency: the largest peak of the band, 0.1–10 Hz by default, by a parabola through the logarithms", welch, "8 bins in the band; no line of the rotor there", "Smith & Serra 1987, Proc. ICMC"},
		{"damping", of, "1", "ζ = Δf/2f of the peak at half its power", "the same density", "bins of a quarter of Δf at most", "Clough & Penzien 2003, Dynamics of Structures"},
		{"decay_hz", of, "Hz", "damped frequency of a free decay in the window: its analytic signal's phase", "from the largest sample to a tenth of it; the logarithmic decrement agrees", "a decay of six periods", "Feldman 1994, MSSP 8:119"},
		{"decay_damping", of, "1", "damping of the same decay, of critical", "envelope's slope; the logarithmic decrement agrees within a fifth", "a decay of six periods", "Feldman 1994, MSSP 8:119; Clough & Penzien 2003"},
		{"rotor_1p", of, "channel", "amplitude of the rotor's line: imbalance of mass or pitch", fit, turns, house},
		{"rotor_3p", of, "channel", "amplitude of 3 × the rotor: the wind that three blades pass", fit, turns, house},
		{"rotor_6p", of, "channel", "amplitude of 6 × the rotor", fit, turns, house},
		{"acceleration_rms_low", "of these, those in m/s²", "channel", "interval RMS of the acceleration", low, span, vdi},
		{"velocity_rms_low", "of these, those in m/s², mm/s, or m/s of kind velocity", "mm/s", "interval RMS of the velocity", low, span, vdi},
	}
}

func tachoRows() []Row {
	const of = "tacho channels"
	const pulses = "hysteresis 0.3 of the range, bounces within 0.3 of an interval dropped, gaps beyond 1.5 of the median counted in"
	return []Row{
		{"speed", of, "rpm", "turns over time between the first and the last pulse, of the asset's reference shaft", pulses, "three pulses", house},
		{"speed_spread", of, "1", "(largest − smallest)/mean of the speed over whole turns", pulses, "three pulses", house},
		{"pulses_missing", of, "1", "pulses that never came and were counted in", pulses + "; more than ten in a row: none of it", "three pulses", house},
		{"pulses_doubled", of, "1", "pulses dropped as bounces", pulses, "three pulses", house},
	}
}

// telemetryRows are what an instant of scalars gives.
func telemetryRows() []Row {
	const of = "every metric"
	return []Row{
		{"value", of, "metric", "the value as it came, in the canonical unit; of a metric that came twice the last", "", "quality 50 and over", house},
	}
}

// monitorRows are what follows from the asset's past: fields of telemetry, and the z of
// everything that has a baseline.
func monitorRows() []Row {
	const (
		heat   = "temperatures that the class lists under thermal"
		power  = "the power of power_curve, once learned"
		normal = "metrics modelled under normal, once learned"
		bins   = "bins of 0.5 m/s of the wind corrected by (ρ/1.225)^⅓, line between the two next to it"
		ridge  = "ridge regression on inputs, squares and exponential means of the inputs, none of the metric's own past"
		iec    = "IEC 61400-12-1:2017"
	)
	return []Row{
		{"gradient", heat, "K/min", "slope from a value one to two bases old (base 60 s)", "none over a gap beyond 30 min", "a value 60 s old", house},
		{"minutes_warn", heat, "min", "minutes at or above the warning so far: 80 °C bearing, 75 °C gearbox oil, 140 °C winding, or as given", "straight line between values; gaps beyond 30 min count nothing", "a limit", house},
		{"minutes_alarm", heat, "min", "minutes at or above the alarm so far: 90, 80, 155 °C, or as given", "straight line between values; gaps beyond 30 min count nothing", "a limit", house},
		{"unbalance", "the channel phases, of the currents that the class lists", "1", "max |I − mean| / mean", "0 equal", "every phase in the instant", "NEMA MG 1, there of voltages"},
		{"power_residual", power, "kW", "measured less expected: a loss is negative", bins, "30 values in the bins", iec},
		{"power_residual_z", power, "1", "the same over the scatter of those bins", "standard deviation about the line within each bin; within ±1e6", "30 values in the bins", iec},
		{"residual", normal, "metric", "measured less what the inputs make expected", ridge, "every input within 900 s; three of the longest time constant without a gap", house},
		{"residual_z", normal, "1", "the same over its spread at commissioning", ridge + "; within ±1e6", "as residual", house},
		{"residual_z_<h>h", normal, "1", "running mean of the residual, weighted by time over <h> hours, over the spread of such means", "exponential with time constant h/2", "as residual; half of the weight seen", house},
		{"<feature>_z", "every feature but those of power_curve and normal, once it has a baseline", "1", "(x − centre)/scale against commissioning, at the same operating point where that explains it or in its bin of regimes", "median and MAD × 1.4826, of ln x for energies of waveforms; floors of the scale; within ±1e6", "8 values in the commissioning span; of quality 80", house},
	}
}

// reasonRow says what a reason means.
type reasonRow struct {
	Reason  asset.Reason
	Meaning string
}

// reasonRows lists why a field can be missing.
func reasonRows() []reasonRow {
	return []reasonRow{
		{ReasonEmpty, "no samples"},
		{ReasonNonFinite, "NaN or Inf among the samples, or as the value"},
		{ReasonFlat, "nothing moves: spread below 1e-9 of the size, or 99 % of samples like the one before; or no line, no spread to divide by"},
		{ReasonSpikes, "single samples 30 median deviations out, which no machine makes"},
		{ReasonRate, "no usable sample rate"},
		{ReasonShort, "the window cannot resolve it"},
		{ReasonAlias, "it lies beyond half the sample rate"},
		{ReasonNoSpeed, "the speed is not known"},
		{ReasonStandstill, "the shaft turns slower than 1 rpm, or backwards"},
		{ReasonTransient, "the speed moves too much for a line in Hz"},
		{ReasonSkiSlope, "a cable or thermal transient rules the low end"},
		{ReasonCalibration, "no sensitivity: an acoustic-emission channel that is no voltage"},
		{ReasonFew, "fewer values than the estimate needs"},
		{ReasonRange, "outside the physical or the learned range"},
		{ReasonGap, "pulses or samples were lost"},
		{ReasonClock, "the sample clock is off by more than 1000 ppm"},
		{ReasonIncoherent, "the turns do not repeat"},
		{ReasonBiased, "the bins are too wide for the peak: it would read too high"},
		{ReasonAmbiguous, "it cannot be told from a line of the rotor"},
		{ReasonAbsent, "the instant lacks the metric"},
		{ReasonQuality, "quality below 50"},
		{"input-missing", "an input of the model is missing or older than it may be"},
		{"warming-up", "the means of the inputs still remember how they began"},
		{"too-short", "the running mean has not seen half of its weight"},
		{"no-limit", "no limit is set"},
		{"sensor", "its sensor cannot be right: see the statement of the sensor detector"},
		{ReasonUndefined, "a denominator is zero, or the value is beyond float64"},
	}
}
