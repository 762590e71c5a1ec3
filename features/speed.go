package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// ReasonTransient is why narrow features are missing: the speed moves too much.
const ReasonTransient asset.Reason = "transient"

// Steadiness is what the speed of a record allows.
type Steadiness int

const (
	// SpeedUnknown allows no rotating feature.
	SpeedUnknown Steadiness = iota
	// SpeedSteady spreads by at most 0.5 %: a spectrum in Hz is sharp enough.
	SpeedSteady
	// SpeedVarying spreads by at most 10 %: order tracking is needed.
	SpeedVarying
	// SpeedTransient spreads or moves more: statistics only, tagged so.
	SpeedTransient
)

// String is the word that a record is tagged with.
func (s Steadiness) String() string {
	switch s {
	case SpeedSteady:
		return "steady"
	case SpeedVarying:
		return "varying"
	case SpeedTransient:
		return "transient"
	case SpeedUnknown:
	}
	return "unknown"
}

// Speed is the speed of a shaft over a record.
type Speed struct {
	Times  []float64 // s, in the middle of each interval
	Rpm    []float64 // 60·Δrevs/Δt
	Mean   float64   // rpm, turns over time
	Spread float64   // (largest − smallest)/mean
	Rate   float64   // largest relative change over one second, 1/s
	State  Steadiness
	Reason asset.Reason // why State is not steady or varying
}

// Speed of the shaft between the entries of t. Where several entries make a
// turn, each rpm is that of a whole turn, so that unequal spacing of the marks
// is no change of speed.
func (t Turns) Speed() Speed {
	nan := math.NaN()
	s := Speed{Mean: nan, Spread: nan, Rate: nan, Reason: ReasonNoSpeed}
	n := min(len(t.Times), len(t.Revs))
	if n < 2 {
		return s
	}
	j := 0
	for i := range n {
		j = max(j, i+1)
		for j < n-1 && t.Revs[j]-t.Revs[i] < 1-1e-9 {
			j++
		}
		if j >= n || (i > 0 && t.Revs[j]-t.Revs[i] < 1-1e-9) {
			break
		}
		s.Times = append(s.Times, t.Times[i]/2+t.Times[j]/2)
		s.Rpm = append(s.Rpm, 60*(t.Revs[j]-t.Revs[i])/(t.Times[j]-t.Times[i]))
	}
	s.Mean = 60 * (t.Revs[n-1] - t.Revs[0]) / (t.Times[n-1] - t.Times[0])
	s.judge()
	return s
}

// JudgeSpeed describes speed samples (rpm at rising times in s); those that are
// not finite are passed over. A mean below 1 rpm is standstill.
func JudgeSpeed(times, rpm []float64) Speed {
	nan := math.NaN()
	s := Speed{Mean: nan, Spread: nan, Rate: nan, Reason: ReasonNoSpeed}
	for i := range min(len(times), len(rpm)) {
		if n := len(s.Times); rpm[i]-rpm[i] != 0 || times[i]-times[i] != 0 || (n > 0 && !(times[i] > s.Times[n-1])) {
			continue
		}
		s.Times, s.Rpm = append(s.Times, times[i]), append(s.Rpm, rpm[i])
	}
	if len(s.Rpm) > 0 {
		s.Mean = overallMean(s.Rpm)
		s.judge()
	}
	return s
}

func (s *Speed) judge() {
	lo, hi := s.Rpm[0], s.Rpm[0]
	for _, v := range s.Rpm {
		lo, hi = min(lo, v), max(hi, v)
	}
	if !(s.Mean < math.MaxFloat64) || hi-lo > math.MaxFloat64 {
		s.Mean, s.Reason = math.NaN(), ReasonUndefined
		return
	}
	if s.Mean < 1 || lo < 0 {
		s.Reason = ReasonStandstill
		return
	}
	s.Spread, s.Rate = (hi-lo)/s.Mean, s.rate()
	switch {
	case s.Spread <= 0.005:
		s.State, s.Reason = SpeedSteady, ""
	case s.Spread <= 0.1 && s.Rate <= 0.01:
		s.State, s.Reason = SpeedVarying, ""
	default:
		s.State, s.Reason = SpeedTransient, ReasonTransient
	}
}

// rate is the largest change between samples a second apart, over the mean; in a
// shorter record, between the first and the last.
func (s *Speed) rate() float64 {
	top, j, last := 0.0, 0, len(s.Rpm)-1
	if last < 1 {
		return 0
	}
	change := func(i, j int) float64 {
		return math.Abs(s.Rpm[j]-s.Rpm[i]) / s.Mean / (s.Times[j] - s.Times[i])
	}
	for i := range s.Rpm {
		for j < last && s.Times[j]-s.Times[i] < 1 {
			j++
		}
		if s.Times[j]-s.Times[i] < 1 {
			break
		}
		top = max(top, change(i, j))
	}
	if s.Times[last]-s.Times[0] < 1 {
		top = change(0, last)
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		return math.MaxFloat64
	}
	return top
}
