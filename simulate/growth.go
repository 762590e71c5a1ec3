package simulate

import (
	"fmt"
	"math"
	"slices"
)

// Law says how a fault grows from onset to failure.
type Law string

// The growth laws. Each leads from 0 at the onset to 1 at the failure.
const (
	Exponential Law = "exponential" // (e^{ku}−1)/(e^k−1), shape k
	Paris       Law = "paris"       // da/dN ∝ a^{3/2} in closed form, shape the start
	Power       Law = "power"       // u^p, shape p
	Steps       Law = "steps"       // shape jumps at random times, nothing between: spalls, shocks
	Rest        Law = "rest"        // exponential with shape times at which nothing moves
)

// Growth is the law of one fault with its parameters. The zero is the law of
// version 1: exponential with 3, of a gear tooth Paris with 0.05.
type Growth struct {
	Law   Law
	Shape float64 // what Law says; above 0
	Key   uint64  // of the times of steps and rests
}

func (g Growth) validate() error {
	allowed := map[Law][2]float64{"": {0, 0}, Exponential: {0.1, 10}, Paris: {1e-4, 0.9}, Power: {0.2, 10}, Steps: {2, 100}, Rest: {1, 20}}
	r, ok := allowed[g.Law]
	if !ok {
		return fmt.Errorf("growth %q: want exponential, paris, power, steps or rest", g.Law)
	}
	if !(g.Shape >= r[0] && g.Shape <= r[1]) {
		return fmt.Errorf("shape %g of growth %q: want %g to %g", g.Shape, g.Law, r[0], r[1])
	}
	return nil
}

// severity at a share u of life, both in [0, 1].
func (g Growth) severity(u float64) float64 {
	switch g.Law {
	case Paris:
		r := math.Sqrt(g.Shape)
		r /= 1 - u*(1-r)
		return r * r
	case Power:
		return math.Pow(u, g.Shape)
	case Steps:
		if u >= 1 {
			return 1
		}
		n := 0
		for _, t := range g.times() {
			if t <= u {
				n++
			}
		}
		return math.Pow(float64(n)/float64(int(g.Shape)), stepPower)
	case Rest:
		return grown(growthRate, g.moved(u))
	default:
		return grown(g.Shape, u)
	}
}

// grown is (e^{ku}−1)/(e^k−1).
func grown(k, u float64) float64 { return math.Expm1(k*u) / math.Expm1(k) }

// lifeAt is the first share of life at which the severity is s.
func (g Growth) lifeAt(s float64) float64 {
	switch g.Law {
	case Paris:
		r := math.Sqrt(g.Shape)
		return max(0, (1-r/math.Sqrt(s))/(1-r))
	case Exponential:
		return math.Log1p(s*math.Expm1(g.Shape)) / g.Shape
	}
	lo, hi := 0.0, 1.0
	for range 60 {
		if m := (lo + hi) / 2; g.severity(m) < s {
			lo = m
		} else {
			hi = m
		}
	}
	return hi
}

// times are the shares of life at which it steps or begins to rest, rising. Steps
// come the faster the later it is.
func (g Growth) times() []float64 {
	n := int(g.Shape)
	out := make([]float64, 0, n)
	for i := range n {
		r := float64(mix(g.Key, uint64(i))>>11) / (1 << 53)
		x := (float64(i) + 0.2 + 0.6*r) / float64(n)
		if g.Law == Steps {
			if i == n-1 {
				break // the last one is the failure
			}
			x = math.Pow(x, stepHaste)
		}
		out = append(out, x)
	}
	slices.Sort(out)
	return out
}

// moved is the share of the way that is gone at a share u of life, when restShare of
// life is spent resting.
func (g Growth) moved(u float64) float64 {
	times := g.times()
	each := restShare / float64(len(times))
	gone := u
	for _, t := range times {
		begin := t * (1 - each)
		gone -= min(max(u-begin, 0), each)
	}
	return gone / (1 - restShare)
}
