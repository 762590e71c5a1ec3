package physics

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// wearing is a part whose level goes with the cube of its share of life, as a law
// with no noise would follow it.
func wearing(h float64) EarlierLife {
	l := EarlierLife{H: h}
	for k := 1; k <= 20; k++ {
		u := float64(k) / 20
		l.Way = append(l.Way, WayPoint{Life: u, Level: u * u * u, Pace: 3 * u * u * u})
	}
	return l
}

func TestSimilarityFindsTheShareOfTheLife(t *testing.T) {
	s := newSimilarity([]EarlierLife{wearing(50), wearing(100), wearing(900)})
	for _, want := range []float64{0.6, 0.75, 0.9} {
		level := want * want * want
		best, at := math.Inf(-1), 0.0
		for u := 0.01; u < 1; u += 0.01 {
			if w := s.logLikelihood(Trend{Level: level, Slope: 3 * level / 10}, 10, u); w > best {
				best, at = w, u
			}
		}
		if math.Abs(at-want) > 0.021 {
			t.Errorf("most alike at %v of a life, want %v", at, want)
		}
	}
}

func TestNothingAlikeLeavesThePrior(t *testing.T) {
	law := NewGrowth(GrowthOptions{Keys: []string{"x"}, AgeFactor: 1, Earlier: []EarlierLife{wearing(50), wearing(100), wearing(900)}})
	x := make([]float64, law.size())
	x[growthAge], x[growthStarted], x[growthLevel], x[growthP00], x[growthNoise] = 100, 1, -3, 1e-4, 1e-4
	f := law.forecast(x, false)
	for _, q := range [][2]float64{{float64(f.rul.P10), 100.0 / 9}, {float64(f.rul.P50), 100}, {float64(f.rul.P90), 900}} {
		if math.Abs(q[0]/q[1]-1) > 0.01 {
			t.Errorf("remaining life %+v, want that of the age alone: 11.1, 100, 900", f.rul)
			break
		}
	}
	x[growthLevel] = 0.75 * 0.75 * 0.75 // as earlier lives were at three quarters
	x[growthSlope] = 3 * x[growthLevel] / 100
	if f := law.forecast(x, false); math.Abs(float64(f.rul.P50)/33.3-1) > 0.15 {
		t.Errorf("remaining life %+v, want a median near a third of the age", f.rul)
	}
}

func TestTooFewLivesAreNoLikeness(t *testing.T) {
	for name, lives := range map[string][]EarlierLife{
		"none": nil, "two": {wearing(1), wearing(2)}, "empty": {{}, {H: 3}, {H: 0, Way: wearing(1).Way}},
	} {
		if newSimilarity(lives).known() {
			t.Errorf("%s: taken for a library", name)
		}
	}
	same := newSimilarity([]EarlierLife{wearing(5), wearing(5), wearing(5)})
	if w := same.logLikelihood(Trend{}, 1, 0.5); math.IsNaN(w) || math.IsInf(w, 0) {
		t.Errorf("of lives all the same: %v", w)
	}
}

// TestFleetWeightIsAPower compares the weighed prior with an integral: for the
// weight w, p(r) ∝ age/(age+r)² · (z·exp(−z))ʷ with z = ((age+r)/scale)ᵏ.
func TestFleetWeightIsAPower(t *testing.T) {
	const age, scale, shape = 80.0, 150.0, 2.0
	for _, weight := range []float64{0.35, 0.5, 0.65, 1} {
		law := NewGrowth(GrowthOptions{Keys: []string{"x"}, AgeFactor: 1, LifeWeight: weight, Life: Weibull{Scale: scale, Shape: shape}})
		x := make([]float64, law.size())
		x[growthAge], x[growthStarted], x[growthNoise] = age, 1, 1e-4
		f := law.forecast(x, false)
		var total, below, early float64
		const dr = 0.01
		for r := dr / 2; r < 5000; r += dr {
			z := math.Pow((age+r)/scale, shape)
			p := age / ((age + r) * (age + r)) * math.Pow(z*math.Exp(-z), weight)
			total += p
			if r < float64(f.rul.P50) {
				below += p
			}
			if r < asset.SoonH {
				early += p
			}
		}
		if math.Abs(below/total-0.5) > 0.01 || math.Abs(float64(f.rul.Soon)-early/total) > 0.01 {
			t.Errorf("weight %v: %.3f lies below the median, %.3f within 48 h; want 0.5 and %v", weight, below/total, early/total, f.rul.Soon)
		}
		if !math.IsNaN(f.failP) {
			t.Errorf("weight %v: the age of a healthy part was taken for a sign of failure: %v", weight, f.failP)
		}
	}
}

// lived lets a law follow a life of h hours whose indicator ends ten times higher.
func lived(law Growth, h float64, r *rand.Rand, each func(age float64, s State, a asset.Assessment)) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var s State
	for i := range 200 {
		u := (float64(i) + 0.5) / 200
		v := math.Exp(math.Ln10*u*u*u + 0.05*r.NormFloat64())
		in := features.Snapshot{
			Time: begin.Add(time.Duration(u * h * float64(time.Hour))), Learning: u < 0.1, SpeedRpm: asset.Missing(), LoadN: asset.Missing(),
			Vectors: []features.Vector{{Fields: []features.Field{{Channel: "x", Name: "value"}}, Values: []float64{v}}},
		}
		var a asset.Assessment
		s, a = law.Step(s, in)
		each(u*h, s, a)
	}
}

func TestLikenessForecastsBetterThanTheAge(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	length := func() float64 { return 15 * math.Exp(0.8*r.NormFloat64()) } // no gap is longer than the law allows
	plain := GrowthOptions{Keys: []string{"x"}, AgeFactor: 1}
	library := plain
	for range 12 {
		l := EarlierLife{H: length()}
		law := NewGrowth(plain)
		lived(law, l.H, r, func(age float64, s State, _ asset.Assessment) {
			if len(s.X) > 0 && s.X[growthStarted] == 1 && age/l.H >= float64(len(l.Way)+3)/20 {
				l.Way = append(l.Way, WayPoint{age / l.H, s.X[growthLevel], s.X[growthSlope] * age})
			}
		})
		library.Earlier = append(library.Earlier, l)
	}
	var cost [2]float64
	held, n := 0, 0
	for range 30 {
		h := length()
		seed := r.Uint64()
		for k, o := range []GrowthOptions{plain, library} {
			lived(NewGrowth(o), h, rand.New(rand.NewPCG(seed, 1)), func(age float64, _ State, a asset.Assessment) {
				if age < 0.2*h || age > 0.95*h {
					return
				}
				cost[k] += CRPSLog(a.RUL, h-age)
				if k == 1 {
					n++
					if float64(a.RUL.P10) <= h-age && h-age <= float64(a.RUL.P90) {
						held++
					}
				}
			})
		}
	}
	coverage := float64(held) / float64(n)
	t.Logf("score %.3f by age and growth, %.3f by likeness too; 80 %% intervals held %.2f", cost[0]/float64(n), cost[1]/float64(n), coverage)
	if cost[1] > 0.85*cost[0] || coverage < 0.75 {
		t.Errorf("likeness does not help: %v against %v, coverage %v", cost[1], cost[0], coverage)
	}
}
