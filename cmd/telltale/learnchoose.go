package main

import (
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/physics"
)

// mostJudged is how many lives a choice is made on, at most.
const mostJudged = 20

// chosen drops what would not have helped: each life is forecast by what the
// others teach, with nothing learned, with the level at failure, and with the
// paths too; the kind of knowledge that did best is kept. The length of the lives
// always is.
func chosen(g growthLearn, lives []growthLife) growthLearn {
	failed := slices.DeleteFunc(slices.Clone(lives), func(l growthLife) bool {
		_, ok := l.failure(l.place.component)
		return !ok
	})
	if len(failed) > mostJudged {
		failed = failed[:mostJudged]
	}
	if len(failed) < fewestPaths+1 {
		return g.kept(true, false) // too few to judge paths by
	}
	var cost [3]float64
	for i, l := range failed {
		others := slices.Delete(slices.Clone(failed), i, i+1)
		taught := taughtBy(others)
		for k := range cost {
			cost[k] += l.forecastCost(taught.kept(k > 0, k > 1))
		}
	}
	best := 0
	for k, c := range cost {
		if c < cost[best] {
			best = k
		}
	}
	return g.kept(best > 0, best > 1)
}

// kept is what is learned with the level at failure and the paths, or without.
func (g growthLearn) kept(level, paths bool) growthLearn {
	if !level {
		g.FailAt = 0
	}
	if !paths {
		g.Paths = nil
	}
	return g
}

// into puts what was learned into a law's options; what was not stays as it is.
func (g growthLearn) into(o physics.GrowthOptions) physics.GrowthOptions {
	if g.FailAt != 0 {
		o.FailAt = g.FailAt
	}
	if len(g.Paths) > 0 {
		o.Paths = g.Paths
	}
	if g.Life.Scale > 0 {
		o.Life = g.Life
	}
	return o
}

// forecastCost is how badly a law with that knowledge forecasts the life: the mean
// of |ln(forecast / rest)| over its second tenth to its last twentieth, ln 10 where
// there is none, and 1 more when it speaks up within the first half.
func (l growthLife) forecastCost(g growthLearn) float64 {
	law := physics.NewGrowth(g.into(l.place.opt))
	end, _ := l.failure(l.place.component)
	var state physics.State
	var first time.Time
	var sum, n, early float64
	for _, row := range l.rows {
		if row.values == nil || !row.time.Before(end) {
			continue
		}
		if first.IsZero() {
			first = row.time
		}
		next, said := law.Step(state, l.snapshot(row))
		state = next
		share := row.time.Sub(first).Seconds() / end.Sub(first).Seconds()
		if said.Abnormal && share < 0.5 {
			early = 1
		}
		if share < 0.1 || share > 0.95 {
			continue
		}
		n++
		off := math.Ln10
		if p := float64(said.RUL.P50); p > 0 {
			off = math.Min(math.Abs(math.Log(p/end.Sub(row.time).Hours())), math.Ln10)
		}
		sum += off
	}
	return sum/math.Max(n, 1) + early
}
