package physics

import "math"

// EarlierLife is how a growth law followed a life that ended in a failure.
type EarlierLife struct {
	H   float64    `json:"h"`   // its length
	Way []WayPoint `json:"way"` // by rising Life
}

// WayPoint is where a life stood at a share of it.
type WayPoint struct {
	Life  float64 `json:"life"`  // share of the life, 0–1
	Level float64 `json:"level"` // share of the way from healthy to failed
	Pace  float64 `json:"pace"`  // recent slope times the age: the way that another such age would cover
}

// similarity tells at which share of a life a part may be from how alike it is to
// earlier lives there, in level and recent slope: each earlier life is a sample of
// the degradation path, and a kernel around it says how alike is alike (trajectory
// similarity: Wang, Yu, Siegel & Lee 2008, PHM; as a density: Scott 1992, ch. 6).
// The zero value knows of no life.
type similarity struct {
	lives       []EarlierLife
	level, pace float64 // bandwidths
}

const (
	fewestSimilar = 3 // lives; of fewer, nothing is known of how they scatter
	// strange is the likelihood, beside 1 for a part exactly like every earlier life,
	// of a part that goes a way of its own, which one at three bandwidths from all of
	// them is taken for: it is the same at each share, and the prior stands.
	strange = 0.01
)

// newSimilarity sets the bandwidths by Scott's rule, sd·n^(−1/(d+4)) with d = 2,
// from how far lives lie apart at the same share. Lives with less than two points
// are left out.
func newSimilarity(lives []EarlierLife) similarity {
	var s similarity
	for _, l := range lives {
		if l.H > 0 && len(l.Way) > 1 {
			s.lives = append(s.lives, l)
		}
	}
	n := float64(len(s.lives))
	if n < fewestSimilar {
		return similarity{}
	}
	const shares = 19
	var level, pace float64
	for k := 1; k <= shares; k++ {
		var l, p spread
		for i := range s.lives {
			w := wayAt(s.lives[i].Way, float64(k)/(shares+1))
			l.add(w.Level)
			p.add(w.Pace)
		}
		level, pace = level+l.variance(), pace+p.variance()
	}
	scott := math.Pow(n, -1.0/6)
	s.level = math.Max(scott*math.Sqrt(level/shares), 0.05)
	s.pace = math.Max(scott*math.Sqrt(pace/shares), 0.05)
	return s
}

// spread is a mean and a sum of squares (Welford 1962).
type spread struct{ n, mean, squares float64 }

func (s *spread) add(v float64) {
	s.n++
	d := v - s.mean
	s.mean += d / s.n
	s.squares += d * (v - s.mean)
}

func (s *spread) variance() float64 { return s.squares / math.Max(s.n-1, 1) }

// known says whether there is anything to compare with.
func (s similarity) known() bool { return len(s.lives) > 0 }

// logLikelihood is that of the trend at an age being at the share u of a life.
func (s similarity) logLikelihood(k Trend, age, u float64) float64 {
	vl := s.level*s.level + math.Max(0, k.P00)
	vp := s.pace*s.pace + math.Max(0, k.P11)*age*age
	var sum float64
	for i := range s.lives {
		w := wayAt(s.lives[i].Way, u)
		dl, dp := k.Level-w.Level, k.Slope*age-w.Pace
		sum += math.Exp(-0.5 * (dl*dl/vl + dp*dp/vp))
	}
	return math.Log(sum/float64(len(s.lives)) + strange)
}

// wayAt interpolates; outside of the points the nearest stands.
func wayAt(way []WayPoint, u float64) WayPoint {
	for i, b := range way {
		if u > b.Life {
			continue
		}
		if i == 0 || b.Life <= way[i-1].Life {
			return b
		}
		a := way[i-1]
		t := (u - a.Life) / (b.Life - a.Life)
		return WayPoint{u, a.Level + t*(b.Level-a.Level), a.Pace + t*(b.Pace-a.Pace)}
	}
	return way[len(way)-1]
}
