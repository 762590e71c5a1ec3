package features

import (
	"cmp"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// SPOTOptions configures a limit from the tail of a score.
type SPOTOptions struct {
	Level float64 // quantile above which the tail begins; default 0.98
	Q     float64 // false alarms per score, counting a run of them once; default 1e-4
	// Run is how many scores at or below the tail's start end a cluster of
	// exceedances, of which only the largest counts; default 6, negative for none.
	Run       int
	MinScores int // to learn from; default 1000
}

func (o SPOTOptions) resolve() (SPOTOptions, bool) {
	o.Level, o.Q = cmp.Or(o.Level, 0.98), cmp.Or(o.Q, 1e-4)
	o.Run, o.MinScores = cmp.Or(o.Run, 6), cmp.Or(o.MinScores, 1000)
	return o, o.Level > 0 && o.Level < 1 && o.Q > 0 && o.Q < 1
}

// SPOT follows the limit z_q = t + σ/ξ·((q·n/N_t)^−ξ − 1) of a stream of scores
// (Siffer et al. 2017, KDD), with runs declustering (Smith & Weissman 1994, JRSS B
// 56:515), so that q counts episodes and scores need not be independent. The counts
// follow the stream; ξ and σ stay those of the learning span, because a refit to
// peaks that all lie below the limit lowers it again and again. The value is its
// whole state.
type SPOT struct {
	Options  SPOTOptions
	Tail     GPD     // Share is Clusters/N
	Limit    float64 // z_q
	N        int     // scores counted: those at or below the limit
	Clusters int     // N_t
	Open     bool    // a cluster is in progress
	Largest  float64 // excess of it
	Below    int     // scores since its last exceedance
	Alarmed  bool    // the cluster in progress holds an alarm: it teaches nothing
}

// LearnSPOT fits the tail of the scores of a healthy span in their order; those
// that are no number are left out. why is ReasonFew for fewer than MinScores of
// them or fewer than 20 peaks, ReasonTail for a shape that no extrapolation should
// be built on, and ReasonUndefined for a Q that lies below the tail's start. The
// tail's own error raises the rate: on Gaussian noise and Q = 1e-4, 2.5-fold from
// 3000 scores; a fifth at 2e-4 from 10 000.
func LearnSPOT[T float32 | float64](scores []T, o SPOTOptions) (s SPOT, why asset.Reason) {
	o, ok := o.resolve()
	if !ok {
		return SPOT{}, ReasonUndefined
	}
	v := make([]float64, 0, len(scores))
	for _, x := range scores {
		if f := float64(x); finite(f) {
			v = append(v, f)
		}
	}
	if len(v) < max(o.MinScores, 1) {
		return SPOT{}, ReasonFew
	}
	sorted := slices.Clone(v)
	slices.Sort(sorted)
	s = SPOT{Options: o, Tail: GPD{T: sortedQuantile(sorted, o.Level)}, Limit: math.MaxFloat64}
	if !finite(s.Tail.T, sorted[len(sorted)-1]-s.Tail.T) {
		return SPOT{}, ReasonUndefined
	}
	var peaks []float64
	for _, x := range v {
		if e, ended := s.count(x); ended {
			peaks = append(peaks, e)
		}
	}
	if s.Open {
		peaks = append(peaks, s.close())
	}
	if s.Tail.Xi, s.Tail.Sigma, why = FitExcesses(peaks); why == "" {
		why = s.rate()
	}
	if why != "" {
		return SPOT{}, why
	}
	return s, ""
}

// Step judges a score by the limit of those before it and then learns from it if
// it lies at or below. One that is no number is missing and teaches nothing.
func (s *SPOT) Step(x float64) (alarm bool, why asset.Reason) {
	if !finite(x) {
		return false, ReasonNonFinite
	}
	if x > s.Limit {
		if s.Options.Run > 0 {
			s.Open, s.Alarmed, s.Below = true, true, 0
		}
		return true, ""
	}
	s.count(x)
	s.rate() // counts that give no limit leave the last one in place
	return false, ""
}

// count enters a score of the healthy machine; ended tells that a cluster is over,
// and peak is its largest excess.
func (s *SPOT) count(x float64) (peak float64, ended bool) {
	s.N++
	if x <= s.Tail.T {
		s.Below++
		if s.Open && s.Below >= s.Options.Run {
			return s.close(), true
		}
		return 0, false
	}
	if !s.Open {
		s.Open, s.Largest = true, 0
	}
	s.Largest, s.Below = max(s.Largest, x-s.Tail.T), 0
	if s.Options.Run < 0 {
		return s.close(), true
	}
	return 0, false
}

// close ends the cluster in progress and returns its peak.
func (s *SPOT) close() (peak float64) {
	peak = s.Largest
	if !s.Alarmed {
		s.Clusters++
	}
	s.Open, s.Alarmed, s.Largest, s.Below = false, false, 0, 0
	return peak
}

// rate sets the limit from the tail and the counts.
func (s *SPOT) rate() asset.Reason {
	g := s.Tail
	g.Share = float64(s.Clusters) / float64(s.N)
	z := g.Quantile(s.Options.Q)
	if s.Options.Q >= g.Share || !finite(z) {
		return ReasonUndefined
	}
	s.Tail, s.Limit = g, z
	return ""
}

// TwoSidedSPOT watches both tails of a score, each at half of Q.
type TwoSidedSPOT struct {
	Up, Down SPOT // Down is of the negated score
}

// LearnTwoSidedSPOT learns both tails, or tells why one of them cannot be.
func LearnTwoSidedSPOT[T float32 | float64](scores []T, o SPOTOptions) (s TwoSidedSPOT, why asset.Reason) {
	o, ok := o.resolve()
	if !ok {
		return s, ReasonUndefined
	}
	o.Q /= 2
	if s.Up, why = LearnSPOT(scores, o); why != "" {
		return TwoSidedSPOT{}, why
	}
	down := make([]T, len(scores))
	for i, x := range scores {
		down[i] = -x
	}
	if s.Down, why = LearnSPOT(down, o); why != "" {
		return TwoSidedSPOT{}, why
	}
	return s, ""
}

// Step is +1 above the upper limit, −1 below the lower one and 0 between. A score
// beyond one limit teaches neither tail.
func (s *TwoSidedSPOT) Step(x float64) (side int, why asset.Reason) {
	switch {
	case !finite(x):
		return 0, ReasonNonFinite
	case x > s.Up.Limit:
		s.Up.Step(x)
		return 1, ""
	case -x > s.Down.Limit:
		s.Down.Step(-x)
		return -1, ""
	}
	s.Up.Step(x)
	s.Down.Step(-x)
	return 0, ""
}
