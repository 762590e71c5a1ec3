package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/physics"
)

// growthLife is one component's life as a growth law sees it.
type growthLife struct {
	*historian
	place growthPlace
}

// course is how a law followed a life: its level at each age.
type course struct {
	ages, levels []float64
	slopes       []float64 // an hour
	life         float64   // running hours at the failure, or at the last instant
	failed       bool
}

// fewestPaths is how many failed lives make paths: of one, nothing is known of
// how much they differ.
const fewestPaths = 2

// learnGrowth takes from earlier lives the level at which they failed and the
// paths that led there, where these help, and how long they were.
func learnGrowth(lives []growthLife) growthLearn { return chosen(taughtBy(lives), lives) }

// taughtBy takes everything that lives teach.
func taughtBy(lives []growthLife) growthLearn {
	var ends []float64
	for _, l := range lives {
		if end := l.indicatorAtFailure(); !math.IsNaN(end) {
			ends = append(ends, end)
		}
	}
	g := growthLearn{Lives: len(ends)}
	if len(ends) == 0 {
		return g
	}
	slices.Sort(ends)
	g.FailAt = quantile(ends, 0.5)
	var failed []course
	var lived []physics.Lifetime
	for _, l := range lives {
		l.place.opt.FailAt = g.FailAt
		c := l.follow()
		if c.life <= 0 || !c.failed && l.faulty(l.place.component) {
			continue // a machine that is known to be faulty neither failed nor lived on
		}
		lived = append(lived, physics.Lifetime{H: c.life, Failed: c.failed})
		if c.failed && len(c.ages) > 0 {
			failed = append(failed, c)
		}
	}
	g.Life, _ = physics.FitWeibull(lived, leastShape, mostShape)
	g.Table = physics.LifeTable(lived)
	if len(failed) >= fewestPaths {
		g.Paths, g.Earlier = pathsOf(failed), earlierOf(failed)
	}
	return g
}

// lastInstants is over how many instants before a failure the indicator is taken.
const lastInstants = 5

// indicatorAtFailure is the worst key's median over the last instants; NaN when
// the life did not end in a failure, or nothing was measured.
func (l growthLife) indicatorAtFailure() float64 {
	end, failed := l.failure(l.place.component)
	if !failed {
		return math.NaN()
	}
	worst := math.NaN()
	for _, key := range l.place.opt.Keys {
		at := l.slot[fieldOf(key)]
		var last []float64
		for i := len(l.rows) - 1; i >= 0 && len(last) < lastInstants; i-- {
			row := l.rows[i]
			if row.values != nil && !row.time.After(end) && !math.IsNaN(row.values[at]) {
				last = append(last, row.values[at])
			}
		}
		slices.Sort(last)
		if m := quantile(last, 0.5); !math.IsNaN(m) && (math.IsNaN(worst) || m > worst) {
			worst = m
		}
	}
	return worst
}

// follow lets the very law that will judge others go through the life; a part
// that is replaced begins another.
func (l growthLife) follow() course {
	law := physics.NewGrowth(l.place.opt)
	end, failed := l.failure(l.place.component)
	var c course
	var state physics.State
	var last time.Time
	for _, row := range l.rows {
		if failed && row.time.After(end) {
			break
		}
		if slices.Contains(row.replaced, l.place.component) || slices.Contains(row.replaced, "") {
			c, state = course{}, physics.State{}
		}
		if row.values == nil {
			continue
		}
		state, _ = law.Step(state, l.snapshot(row))
		last = row.time
		age, level, slope, known := l.levelOf(law, state)
		c.life = age
		if known {
			c.ages, c.levels, c.slopes = append(c.ages, age), append(c.levels, level), append(c.slopes, slope)
		}
	}
	c.failed = failed
	if failed && c.life > 0 {
		if rest := end.Sub(last).Hours(); rest <= orDefault(l.place.opt.MaxGapH, 24) {
			c.life += rest
		}
	}
	return c
}

// levelOf reads the law's age, level and slope; known is false before its filter began.
func (l growthLife) levelOf(law physics.Growth, s physics.State) (age, level, slope float64, known bool) {
	noise := 0.0
	for _, q := range law.Quantities(s) {
		switch q.Name {
		case "age":
			age = float64(q.Value) - l.place.opt.StartAgeH
		case "way to failure":
			level = float64(q.Value)
		case "growth":
			slope = float64(q.Value)
		case "noise":
			noise = float64(q.Value)
		}
	}
	return age, level, slope, noise > 0 && level != 0
}

func orDefault(v, d float64) float64 {
	if v <= 0 {
		return d
	}
	return v
}

// pathSteps is how many points a path has.
const pathSteps = 20

// pathsOf takes quantiles over lives of the level at shares of the life. A life
// that is not followed yet at a share does not count there.
func pathsOf(lives []course) []physics.PathPoint {
	var out []physics.PathPoint
	for k := 1; k <= pathSteps; k++ {
		share := float64(k) / pathSteps
		var levels []float64
		for _, c := range lives {
			if c.ages[0] > share*c.life {
				continue
			}
			levels = append(levels, c.levels[c.at(share)])
		}
		if len(levels) < fewestPaths {
			continue
		}
		slices.Sort(levels)
		out = append(out, physics.PathPoint{Life: share, P10: quantile(levels, 0.1), P50: quantile(levels, 0.5), P90: quantile(levels, 0.9)})
	}
	return out
}

// at is the index of the newest level at a share of the life.
func (c course) at(share float64) int {
	i, exact := slices.BinarySearch(c.ages, share*c.life)
	if !exact {
		i--
	}
	return min(max(i, 0), len(c.ages)-1)
}

// mostEarlier is how many lives are kept to be compared with.
const mostEarlier = 30

// earlierOf keeps lives whole, as the law followed them, at the shares at which
// pathsOf takes quantiles. Of many, lives of every length stay.
func earlierOf(lives []course) []physics.EarlierLife {
	sorted := slices.SortedStableFunc(slices.Values(lives), func(a, b course) int { return cmp.Compare(a.life, b.life) })
	var out []physics.EarlierLife
	n := min(len(sorted), mostEarlier)
	for i := range n {
		c := sorted[i*len(sorted)/n]
		l := physics.EarlierLife{H: c.life}
		for k := 1; k <= pathSteps; k++ {
			share := float64(k) / pathSteps
			if c.ages[0] > share*c.life {
				continue
			}
			at := c.at(share)
			l.Way = append(l.Way, physics.WayPoint{Life: share, Level: c.levels[at], Pace: c.slopes[at] * c.ages[at]})
		}
		out = append(out, l)
	}
	return out
}

// The shapes within which a life's law is sought: of a few lives of nearly one
// length, none is too large for the likelihood alone.
const (
	leastShape = 0.3
	mostShape  = 10
)
