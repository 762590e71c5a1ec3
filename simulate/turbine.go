package simulate

import "math"

// operating is how a turbine ran over the interval that ends at an instant.
type operating struct {
	windMS  float64 // mean
	powerW  float64 // mean
	rpm     float64 // rotor, mean; 0 at standstill
	airC    float64
	running bool
}

// load is the share of rated power.
func (o operating) load() float64 { return o.powerW / ratedW }

// speed is the share of rated speed.
func (o operating) speed() float64 { return o.rpm / maxRpm }

// powerAt is min(5 MW, ½ρπR²·v³·cp·η) between cut-in and cut-out, else 0, in W.
func powerAt(v float64) float64 {
	if v < cutInMS || v > cutOutMS {
		return 0
	}
	return runningPower(v)
}

// rpmAt is the rotor speed λ·v/R within 6.9–12.1 rpm while the turbine runs, else 0.
func rpmAt(v float64) float64 {
	if v < cutInMS || v > cutOutMS {
		return 0
	}
	return runningRpm(v)
}

func runningPower(v float64) float64 {
	const k = 0.5 * airDensity * math.Pi * rotorRadius * rotorRadius * cpRotor * etaTotal
	return min(ratedW, k*v*v*v)
}

func runningRpm(v float64) float64 {
	const k = tipSpeed / rotorRadius * 60 / (2 * math.Pi)
	return min(maxRpm, max(minRpm, k*v))
}

// operate runs a turbine through an interval of that many seconds at a mean
// wind: 1-s turbulence of the IEC normal turbulence model, then the curve with
// a first-order lag. Whether it runs is decided by the mean, not by a gust.
func operate(rnd *stream, windMS, airC float64, seconds int) operating {
	o := operating{windMS: windMS, airC: airC}
	if powerAt(windMS) == 0 {
		return o
	}
	o.running = true
	sigma := turbIntens * (0.75*windMS + 5.6)
	innovation := sigma * math.Sqrt(1-turbPhi*turbPhi)
	follow := -math.Expm1(-1 / lagS)
	power, rpm, gust := runningPower(windMS), runningRpm(windMS), sigma*rnd.normal()
	sumV, sumP, sumN := 0.0, 0.0, 0.0
	for range seconds {
		v := max(0, windMS+gust)
		power += follow * (runningPower(v) - power)
		rpm += follow * (runningRpm(v) - rpm)
		sumV, sumP, sumN = sumV+v, sumP+power, sumN+rpm
		gust = turbPhi*gust + innovation*rnd.normal()
	}
	n := float64(seconds)
	o.windMS, o.powerW, o.rpm = sumV/n, sumP/n, sumN/n
	return o
}
