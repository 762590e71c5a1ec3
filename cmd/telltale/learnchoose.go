package main

import (
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/physics"
)

// mostJudged is how many lives a choice is made on, at most.
const mostJudged = 20

// knowledge is which of what earlier lives teach a law is told.
type knowledge struct {
	name                         string
	level, life, paths, likeness bool
	most                         int // how much of it is taken from history; a level that was seen is not more than one that is guessed
}

// kinds of knowledge, from the least to the most.
var kinds = []knowledge{
	{name: "none"},
	{name: "level", level: true},
	{name: "life", life: true, most: 1},
	{name: "level, life", level: true, life: true, most: 1},
	{name: "level, paths", level: true, paths: true, most: 2},
	{name: "level, likeness", level: true, likeness: true, most: 2},
	{name: "level, life, likeness", level: true, life: true, likeness: true, most: 3},
}

// fleetWeight is what the length of earlier lives weighs beside the age of the
// part at hand: half, since the next fleet's conditions are not this one's.
const fleetWeight = 0.5

// judgedKnowledge is how well the lives were forecast from what the others teach.
type judgedKnowledge struct {
	Told string  `json:"told"`
	Cost float64 `json:"cost"` // see forecastCost; mean over lives
	Lead float64 `json:"lead"` // over the best: the mean difference less its standard error
}

// chosen drops what would not have helped: each life is forecast by what the
// others teach, and of what did as well as the best within one standard error of
// the difference, the least is told (the one-standard-error rule of Breiman et al.
// 1984, ch. 3): of a few lives that scatter, more is easily believed than is there.
// Where the law knows no age the length of the lives always is its prior.
func chosen(g growthLearn, lives []growthLife) growthLearn {
	failed := slices.DeleteFunc(slices.Clone(lives), func(l growthLife) bool {
		_, ok := l.failure(l.place.component)
		return !ok
	})
	if len(failed) > mostJudged {
		failed = failed[:mostJudged]
	}
	if len(failed) < fewestPaths+1 {
		return g.kept(kinds[1]) // too few to judge by
	}
	cost := make([][]float64, len(kinds))
	for i, l := range failed {
		others := slices.Delete(slices.Clone(failed), i, i+1)
		taught := taughtBy(others)
		for k := range cost {
			cost[k] = append(cost[k], l.forecastCost(taught.kept(kinds[k])))
		}
	}
	best := 0
	for k := range cost {
		if mean(cost[k]) < mean(cost[best]) {
			best = k
		}
	}
	least := best
	var judged []judgedKnowledge
	for k := range kinds {
		j := judgedKnowledge{kinds[k].name, float64(mean(cost[k])), leadOf(cost[k], cost[best])}
		judged = append(judged, j)
		if a, b := kinds[k].most, kinds[least].most; j.Lead <= 0 && (a < b || a == b && mean(cost[k]) < mean(cost[least])) {
			least = k
		}
	}
	g = g.kept(kinds[least])
	g.Told, g.Judged = kinds[least].name, judged
	return g
}

// leadOf is by how much the paired costs are worse than the best, less one standard
// error of that.
func leadOf(cost, best []float64) float64 {
	var sum, squares float64
	n := float64(len(cost))
	for i := range cost {
		sum += cost[i] - best[i]
	}
	for i := range cost {
		d := cost[i] - best[i] - sum/n
		squares += d * d
	}
	return sum/n - math.Sqrt(squares/(n*math.Max(n-1, 1)))
}

// kept is what is learned with some of the knowledge only.
func (g growthLearn) kept(k knowledge) growthLearn {
	if !k.level {
		g.FailAt = 0
	}
	if !k.paths {
		g.Paths = nil
	}
	if !k.likeness {
		g.Earlier = nil
	}
	g.LifeWeight = 0
	if k.life && g.Life.Scale > 0 {
		g.LifeWeight = fleetWeight
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
	if len(g.Earlier) > 0 {
		o.Earlier = g.Earlier
	}
	if g.Life.Scale > 0 {
		o.Life = g.Life
	}
	if g.LifeWeight > 0 {
		o.LifeWeight = g.LifeWeight
	}
	return o
}

// unknownCost is what no forecast costs: as much as one that is ten times off.
const unknownCost = math.Ln10

// forecastCost is how badly a law with that knowledge forecasts the life: the mean
// score of the logarithm (physics.CRPSLog) from a tenth to nineteen twentieths of
// it, and 1 more when the law speaks up within the first half.
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
		cost := physics.CRPSLog(said.RUL, end.Sub(row.time).Hours())
		if !(cost < unknownCost) {
			cost = unknownCost
		}
		sum += cost
	}
	return sum/math.Max(n, 1) + early
}
