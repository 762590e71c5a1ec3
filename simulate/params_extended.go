package simulate

// Growth.
const (
	stepPower = 1.5  // severity over the share of steps that are done
	stepHaste = 0.7  // steps come the faster the later it is
	restShare = 0.35 // of life that is spent resting
)

// fastVoices are sampled at Options.RateHz; the voices behind them belong to extended
// turbines and are slow.
const (
	fastVoices  = 2
	slowRateHz  = 2560
	slowRecordS = 4.0
)

// mainBearingVoice is the slow channel on the main bearing: structure-borne noise of
// the drive train on heavy castings, about 0.25 m/s² RMS at rated power, the order of
// magnitude that VDI 3834-1 has for main bearings.
var mainBearingVoice = voice{
	name: "main-bearing", component: "main-bearing",
	shaft: [3]float64{0.02, 0.01, 0.005}, mesh: [3]float64{0.05, 0.02, 0}, meshAM: 0.1, meshFM: 0.02,
	ims: [2]float64{0.06, 0.02}, line: 0.005,
	modes: [3]mode{{95, 0.05, 0.10}, {310, 0.04, 0.12}, {720, 0.05, 0.08}},
	lowHz: 200, lowRMS: 0.08, floor: 0.02, ringHz: 620, ringZ: 0.05,
}

// What a fault of severity 1 does to an extended turbine.
const (
	bearingWearNoise = 3.0   // main bearing: further noise, in noise
	bearingWearLoss  = 1.2   // main bearing: further losses, in losses
	gearWearNoise    = 0.35  // gearbox: further noise; each sign of this fault is a weak one
	gearWearLoss     = 0.12  // gearbox: further losses
	gearWearPower    = 0.012 // share of the power that is lost
	crackStiffness   = 0.9   // share of the section's stiffness that is lost (d of EI·(1 − d))
	flapEnergy       = 0.02  // share of a mode's strain energy in the cracked metre
	edgeEnergy       = 0.012
	iceMass          = 0.06 // drop of every blade's frequency
)

// Blades: first flapwise and edgewise frequency of the NREL 5 MW blade (Jonkman et al.
// 2009) as a blade monitoring system reports them every ten minutes.
const (
	flapHz, edgeHz = 0.68, 1.09
	bladeSpread    = 0.01   // between blades
	bladePerK      = -2e-4  // relative change with temperature
	flapCentrifuge = 1.81   // K of f² = f₀² + K·f_Ω² (Southwell & Gough 1921)
	edgeCentrifuge = 0.4    // the same, edgewise
	bladeNoise     = 0.002  // relative standard deviation of an identified frequency
	bladeStepHz    = 0.0001 // resolution
)

// Sensor faults beside those of version 1.
const (
	clockPerDay = 0.001 // of a sampling clock's rate lost a day
	clockMost   = 0.02
)
