package physics

import (
	"math"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// Why a law has nothing to say.
const (
	ReasonMissing  asset.Reason = "law-input-missing" // a quantity that the law needs was not measured
	ReasonIdle     asset.Reason = "law-idle"          // nothing in this instant concerns the law; its last word stands
	ReasonLearning asset.Reason = "law-learning"      // the healthy state is still being learned
	ReasonOrder    asset.Reason = "law-out-of-order"  // older than what the state has seen
	ReasonRange    asset.Reason = "law-out-of-range"  // outside the law's validity
	ReasonDiverged asset.Reason = "law-diverged"      // the state became non-finite and was reset
)

// Quantity is one named number of a law's state, for a person to look at.
type Quantity struct {
	Name  string       `json:"name"`
	Value asset.Number `json:"value"`
	Unit  string       `json:"unit"`
}

// Finite reports whether every number of s is one.
func (s State) Finite() bool {
	for _, x := range s.X {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// open returns a copy of the state's numbers, or n zeros when the state is
// another law's, of another size, or broken; fresh says which.
func open(s State, law string, n int) (x []float64, fresh bool) {
	if s.Law != law || len(s.X) != n || !s.Finite() {
		return make([]float64, n), true
	}
	return append(make([]float64, 0, n), s.X...), false
}

// hoursSince is the time from the state's last step to t, in hours; 0 for a fresh state.
func hoursSince(s State, fresh bool, t time.Time) float64 {
	if fresh {
		return 0
	}
	return t.Sub(s.At).Hours()
}

// silent is an assessment that says only why there is none.
func silent(law string, t time.Time, why asset.Reason) asset.Assessment {
	a := spoken(law, t)
	a.Reason = why
	return a
}

// spoken is an assessment in which everything is still missing.
func spoken(law string, t time.Time) asset.Assessment {
	return asset.Assessment{
		View: asset.Derived, Source: law, Time: t, Score: asset.Missing(), Limit: asset.Missing(),
		P: asset.Missing(), FailP: asset.Missing(), RUL: asset.NoRUL(),
	}
}

// fact is evidence of a law.
func fact(law, name string, value, limit float64, text string) asset.Evidence {
	return asset.Evidence{
		Source: "physics/" + law, Name: name, Value: number(value), Limit: number(limit),
		Weight: asset.Missing(), Text: text,
	}
}

// number is f, or missing when f is not finite.
func number(f float64) asset.Number {
	if math.IsInf(f, 0) {
		return asset.Missing()
	}
	return asset.Number(f)
}

// absurd is beyond every quantity that a machine's sensor reports in SI units.
const absurd = 1e12

// measured looks a key "channel/feature" up; NaN when it is missing or absurd.
func measured(in *features.Snapshot, key string) float64 {
	channel, name := key, "value"
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		channel, name = key[:i], key[i+1:]
	}
	if v := in.Value(channel, name); math.Abs(v) <= absurd {
		return v
	}
	return math.NaN()
}

// positive is n when it is greater than zero and not absurd, else NaN.
func positive(n asset.Number) float64 {
	if f := float64(n); f > 0 && f <= absurd {
		return f
	}
	return math.NaN()
}

// def is v, or d when v is zero.
func def(v, d float64) float64 {
	if v == 0 {
		return d
	}
	return v
}
