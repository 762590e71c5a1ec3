package simulate

import "time"

// Version names the frozen model. Any change that changes a sample raises it.
const Version = "2"

// Turbine: NREL offshore 5 MW reference turbine (Jonkman et al. 2009,
// NREL/TP-500-38060), simplified: constant power coefficient below rated.
const (
	cutInMS     = 3.0
	cutOutMS    = 25.0
	rotorRadius = 63.0  // m
	airDensity  = 1.225 // kg/m³
	cpRotor     = 0.482 // power coefficient below rated
	etaTotal    = 0.944 // rotor shaft to grid
	tipSpeed    = 7.55  // tip speed ratio below rated
	ratedW      = 5e6   // W
	minRpm      = 6.9   // rotor
	maxRpm      = 12.1  // rotor
	gearRatio   = 97.0  // generator to rotor
	lagS        = 5.0   // first-order lag of power and speed, s
	gridHz      = 50.0  // grid frequency
	ratedHSSHz  = maxRpm * gearRatio / 60
	turbSpanMax = 600 // seconds of turbulence that an operating point averages over
)

// Weather. Wind: Weibull 10-min means by a Gaussian copula over an AR(1) process
// (IEC 61400-1 site class II scale), normal turbulence model of IEC 61400-1.
const (
	weibullK    = 2.0
	weibullC    = 9.0  // m/s
	windPhi     = 0.95 // AR(1) coefficient per 10 min
	windShared  = 0.85 // share of the variance that the whole farm sees
	turbIntens  = 0.14 // Iref
	turbPhi     = 0.97 // AR(1) coefficient of 1-s turbulence (30 s integral time)
	airMeanC    = 9.0  // yearly mean of the ambient temperature
	airSeasonC  = 8.0  // amplitude, warmest on 20 July
	airDayC     = 3.5  // amplitude, warmest at 15:00 UTC
	airNoiseC   = 2.5  // standard deviation of the weather around these
	airPhi      = 0.99 // AR(1) coefficient per 10 min
	warmestDay  = 201
	warmestHour = 15
)

// Drive train: 5 (planetary, 72/18) · 5 (105/21) · 3.88 (97/25) = 97 exactly.
const (
	ringTeeth, sunTeeth, planetTeeth, planets = 72, 18, 27, 3
	sunRatio                                  = 5.0
	imsWheel, imsPinion                       = 105, 21
	imsRatio                                  = 25.0
	hssWheel, hssPinion                       = 97, 25
)

// thermal is a two-mass network (domain: D8): losses go into both masses.
type thermal struct {
	c1, c2   float64 // J/K
	r12, r2a float64 // K/W
	share1   float64 // share of the losses that heats mass 1
	idleW    float64 // losses at rated speed without load, W
	loadW    float64 // further losses at rated power, W
	power    float64 // exponent of the load in loadW
}

// Networks with rated temperatures of about 55, 75, 62 and 105 °C at 15 °C
// ambient; generator constants as in testdata/reference/thermal_rc.json. The
// rest is a house choice within what manufacturers allow (bearing 80/90 °C,
// oil 75/80 °C, class F winding 140/155 °C).
var (
	mainBearingHeat = thermal{c1: 1.5e5, c2: 1.2e6, r12: 4e-3, r2a: 5e-3, share1: 1, idleW: 1200, loadW: 1800, power: 1}
	gearboxHeat     = thermal{c1: 4e5, c2: 2.5e6, r12: 8e-4, r2a: 2.6e-4, share1: 0.1, idleW: 25e3, loadW: 112e3, power: 1}
	generatorHeat   = thermal{c1: 1.2e6, c2: 3e6, r12: 4e-4, r2a: 3e-4, share1: 1, idleW: 15e3, loadW: 95e3, power: 2}
)

const (
	nacelleRiseK   = 9.0    // nacelle over ambient at rated power
	nacelleIdleK   = 2.0    // nacelle over ambient at standstill
	nacelleTauS    = 3600.0 // time constant of the nacelle air
	rearShare      = 0.85   // losses of the rear main bearing to those of the front one
	heatSpread     = 0.05   // relative standard deviation of losses and resistances between turbines
	airSharesTherm = 24 * time.Hour
)

// What a fault of severity 1 does; each effect grows in proportion to severity
// unless said otherwise.
const (
	frictionLoss   = 2.0  // main bearing: further losses, in losses
	foulingR2a     = 1.2  // gearbox, generator: further resistance to ambient, in r2a
	windingLoss    = 0.8  // generator: further load losses
	lubricantLoss  = 1.0  // gearbox: further losses without load
	lubricantNoise = 1.5  // gearbox: further noise, in noise
	icingLoss      = 0.35 // share of the power that is lost
	imbalanceMS2   = 2.2  // generator 1× at rated speed
	misalign2MS2   = 1.8  // generator 2× at rated load
	misalign1MS2   = 0.4  // generator 1× at rated load
	looseMS2       = 0.9  // generator ½×, 1×, 1½×, 2× at rated speed
	crackAM        = 0.45 // further amplitude modulation of the mesh
	crackFM        = 0.20 // further phase modulation of the mesh, rad
)

// Bearing faults. Impulses with 1 % jitter of the period and 20 % of amplitude,
// amplitude s0·(e^{3·severity} − 1), s0 so that severity 1 is +5 dB of the healthy
// channel at rated power (Randall & Antoni 2011, MSSP 25:485, for the shape).
const (
	impulseJitter   = 0.01
	impulseSpread   = 0.2
	severityRate    = 3.0
	snrAtOneDB      = 5.0
	detectableDB    = -10.0
	loadZoneEps     = 0.5   // load distribution factor: half of the bearing carries
	loadZonePow     = 1.5   // Hertzian line contact
	slipMean        = 0.010 // defect frequencies are lower than the geometry says
	slipSpread      = 0.002
	growthRate      = 3.0  // exponential growth
	parisStart      = 0.05 // severity at onset of a Paris-like crack, exponent 3
	repairHours     = 72   // downtime from failure to new part
	otherDetectable = 0.25 // severity at which a fault that is no impulse train shows
)

// mode is a structural resonance that noise excites.
type mode struct{ hz, zeta, rms float64 }

// voice is the healthy sound of one channel at rated power, amplitudes in m/s².
type voice struct {
	name, component string
	shaft           [3]float64 // 1×, 2×, 3× of the high-speed shaft
	mesh            [3]float64 // harmonics of the high-speed mesh
	meshAM, meshFM  float64    // modulation by the high-speed shaft: share, rad
	ims             [2]float64 // harmonics of the intermediate mesh
	line            float64    // twice the grid frequency
	modes           [3]mode
	lowHz, lowRMS   float64 // coloured noise: first-order low-pass
	floor           float64 // white noise of the sensor, RMS
	ringHz, ringZ   float64 // resonance that impacts excite
}

// voices are the channels of a turbine, the last one of an extended turbine. Levels: total about 3.6 and 1.2 m/s² RMS at
// rated power, inside the zones that VDI 3834-1 gives for gearbox and generator.
var voices = []voice{
	{
		name: "gearbox-hss", component: "gearbox-bearing",
		shaft: [3]float64{0.35, 0.15, 0.08}, mesh: [3]float64{3.0, 1.4, 0.7}, meshAM: 0.12, meshFM: 0.03,
		ims: [2]float64{1.2, 0.5}, line: 0.05,
		modes: [3]mode{{620, 0.04, 1.0}, {1850, 0.035, 1.4}, {5200, 0.05, 1.6}},
		lowHz: 1000, lowRMS: 0.8, floor: 0.15, ringHz: 3400, ringZ: 0.05,
	},
	{
		name: "generator-de", component: "generator-bearing",
		shaft: [3]float64{0.30, 0.15, 0.05}, mesh: [3]float64{0.20, 0.10, 0.05}, meshAM: 0.12, meshFM: 0.03,
		ims: [2]float64{0.08, 0.03}, line: 0.40,
		modes: [3]mode{{780, 0.04, 0.5}, {2400, 0.035, 0.7}, {6100, 0.05, 0.6}},
		lowHz: 800, lowRMS: 0.4, floor: 0.10, ringHz: 4100, ringZ: 0.06,
	},
	mainBearingVoice,
}

const (
	levelSpread  = 0.15  // logarithmic standard deviation of a channel's level between turbines
	modeSpread   = 0.02  // relative standard deviation of a resonance between turbines
	levelWander  = 0.04  // relative standard deviation of a level between records
	loadWander   = 0.03  // of the load between a record and the instant's mean
	speedWander  = 0.001 // of the speed between a record and the instant
	speedDrift   = 0.001 // of the speed over one second of a record
	standShare   = 0.02  // of the noise that is left at standstill
	warmUp       = 1024  // samples before the first one that settle the filters
	instrumentC  = 0.15  // standard deviation of a temperature, K
	instrumentMS = 0.15  // of the anemometer, m/s
	instrumentKW = 8.0   // of the power meter, kW
	instrumentN  = 0.01  // of the rotor speed, rpm
)

// Sensor faults.
const (
	driftPerDay   = 6.0  // drift of a metric, in sigma units of sensorScale a day
	biasScale     = 2.0  // bias, in sensorScale
	spikeScale    = 8.0  // spikes, in sensorScale
	spikeShare    = 0.05 // of the instants
	dropoutShare  = 0.5  // of the instants
	underrangeC   = -50  // what a broken loop reads
	waveSpikeHz   = 8    // spikes a second
	waveSpikeMS2  = 250  // of an acceleration
	waveBiasMS2   = 20   // of an acceleration
	waveDropShare = 0.02 // of the amplitude that is left
	waveDriftDay  = 0.15 // gain lost a day
)
