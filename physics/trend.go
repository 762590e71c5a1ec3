package physics

import "math"

// Trend is a Kalman filter for a level and its slope (local linear trend with
// white-noise acceleration: Bar-Shalom, Li & Kirubarajan 2001, ch. 6). Time is
// in hours.
type Trend struct {
	Level, Slope  float64
	P00, P01, P11 float64 // covariance of level and slope
}

// predict moves the trend on by dt with acceleration noise of density q.
func (k *Trend) predict(dt, q float64) {
	k.Level += dt * k.Slope
	p00 := k.P00 + 2*dt*k.P01 + dt*dt*k.P11
	p01 := k.P01 + dt*k.P11
	k.P00 = p00 + q*dt*dt*dt/3
	k.P01 = p01 + q*dt*dt/2
	k.P11 += q * dt
}

// nis is the normalised innovation squared of a measurement with variance r.
func (k *Trend) nis(z, r float64) float64 {
	d := z - k.Level
	return d * d / (k.P00 + r)
}

// update takes a measurement of the level with variance r, in Joseph form, and
// returns its log likelihood.
func (k *Trend) update(z, r float64) float64 {
	s := k.P00 + r
	g0, g1 := k.P00/s, k.P01/s
	d := z - k.Level
	k.Level += g0 * d
	k.Slope += g1 * d
	a := 1 - g0
	p00 := a*a*k.P00 + g0*g0*r
	p01 := a*(k.P01-g1*k.P00) + g0*g1*r
	p11 := k.P11 - 2*g1*k.P01 + g1*g1*k.P00 + g1*g1*r
	k.P00, k.P01, k.P11 = p00, p01, p11
	return -0.5 * (math.Log(2*math.Pi*s) + d*d/s)
}

// until is the p-quantile of the time to cover the distance, D/(m + s·z₁₋ₚ) for
// a slope N(m, s²); +Inf where that slope does not rise.
func (k *Trend) until(distance, p float64) float64 {
	if distance <= 0 {
		return 0
	}
	v := k.Slope + math.Sqrt(math.Max(0, k.P11))*normalQuantile(1-p)
	if v <= 0 {
		return math.Inf(1)
	}
	return distance / v
}
