package features

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/telltale-iot/telltale/asset"
)

// multivariate judges metrics together: the Mahalanobis distance (T² over all
// components) of their running means from the cloud that a healthy machine
// fills. Metrics that only drifted in the learning span have no cloud to speak
// of and are left out.
type multivariate struct {
	common
	use   []int // fields in it: what was learned
	cloud ellipsoid
	mean  []float64 // running means of z
	score float64   // running mean of the distance
	seen  bool
}

// slowLimit is the share of variance between blocks above which a metric
// drifted rather than varied.
const slowLimit = 0.5

// minCloudRows is how many complete instants a covariance needs per metric.
const minCloudRows = 10

// point moves the running means; ok is false when the instant brings no metric.
func (d *multivariate) point(in *instant) ([]float64, bool) {
	if len(d.mean) != len(d.use) {
		d.mean = make([]float64, len(d.use))
		for k := range d.mean {
			d.mean[k] = math.NaN()
		}
	}
	p, found := make([]float64, len(d.use)), false
	for k, i := range d.use {
		z := math.NaN()
		if i >= 0 {
			z = clamp(in.z[i], 20)
		}
		if math.IsNaN(z) {
			p[k] = math.NaN()
			continue
		}
		found = true
		if math.IsNaN(d.mean[k]) {
			d.mean[k] = z
		} else {
			d.mean[k] += d.opt.Smooth * (z - d.mean[k])
		}
		p[k] = d.mean[k]
	}
	return p, found
}

// smooth takes the distance of n known coordinates into the running mean, on the
// scale of a full point.
func (d *multivariate) smooth(d2 float64, n int) float64 {
	s := math.Sqrt(math.Max(d2, 0) * float64(len(d.use)) / float64(max(n, 1)))
	s = math.Min(s, 1e6)
	if !d.seen {
		d.score, d.seen = s, true
	} else {
		d.score += d.opt.SmoothScore * (s - d.score)
	}
	return d.score
}

func (d *multivariate) learn(span *replay) *Learned {
	d.use = d.choose(span)
	var points, complete [][]float64
	for in := range span.instants() {
		if p, ok := d.point(in); ok {
			points = append(points, p)
		}
	}
	for _, p := range points {
		if !slices.ContainsFunc(p, math.IsNaN) {
			complete = append(complete, p)
		}
	}
	if len(d.use) == 0 || len(complete) < minCloudRows*len(d.use) {
		return nil
	}
	l := d.found(d.heldOut(points))
	mean, cov, _ := LedoitWolf(complete)
	l.Mean = mean
	for a, i := range d.use {
		l.Fields = append(l.Fields, span.fields[i].Key())
		for b := range d.use {
			l.Cov = append(l.Cov, cov.At(a, b))
		}
	}
	return l
}

// choose leaves out constant metrics, and those that drifted unless that would
// leave less than half of them: then everything moves with the operating point.
func (d *multivariate) choose(span *replay) []int {
	var moving, steady []int
	for _, i := range d.idx {
		b := span.fields[i].base
		if b.N == 0 || b.Constant {
			continue
		}
		moving = append(moving, i)
		if b.Slow < slowLimit {
			steady = append(steady, i)
		}
	}
	if 2*len(steady) < len(moving) {
		return moving
	}
	return steady
}

// heldOut scores each fifth of the span against the cloud of the rest: scores of
// points that the cloud was not drawn around, as every later point will be.
func (d *multivariate) heldOut(points [][]float64) []float64 {
	const folds = 5
	var scores []float64
	for b := range folds {
		lo, hi := b*len(points)/folds, (b+1)*len(points)/folds
		var rest [][]float64
		for i, p := range points {
			if (i < lo || i >= hi) && !slices.ContainsFunc(p, math.IsNaN) {
				rest = append(rest, p)
			}
		}
		if len(rest) < 2 {
			continue
		}
		var e ellipsoid
		e.mean, e.cov, _ = LedoitWolf(rest)
		for _, p := range points[lo:hi] {
			if d2, _, n := e.distance(p); !math.IsNaN(d2) {
				scores = append(scores, d.smooth(d2, n))
			}
		}
	}
	return scores
}

func newMultivariate(c common) *multivariate {
	d := &multivariate{common: c}
	if c.learned == nil || len(c.learned.Cov) == 0 {
		return d
	}
	p := len(c.learned.Mean)
	d.cloud = ellipsoid{mean: c.learned.Mean, cov: mat.NewSymDense(p, slices.Clone(c.learned.Cov))}
	d.use = slices.Repeat([]int{-1}, p)
	return d
}

// offer also finds the fields that it learned.
func (d *multivariate) offer(i int, f tracked) {
	d.common.offer(i, f)
	if d.cloud.cov == nil || f.component != d.component {
		return
	}
	if k := slices.Index(d.learned.Fields, f.Key()); k >= 0 {
		d.use[k] = i
	}
}

func (d *multivariate) judge(in *instant) (asset.Assessment, bool) {
	if !d.present(in) {
		return asset.Assessment{}, false
	}
	if d.cloud.cov == nil {
		return d.mute(in, "no-baseline"), true
	}
	p, ok := d.point(in)
	if !ok {
		return asset.Assessment{}, false
	}
	d2, parts, n := d.cloud.distance(p)
	if math.IsNaN(d2) {
		return d.mute(in, "singular"), true
	}
	s, limit := d.smooth(d2, n), d.limit()
	a := d.answer(in, s, limit, d.learned.Scores.P(s))
	a.Trust = d.trust() * float64(n) / float64(len(d.use))
	a.Abnormal = d.past.step(s > limit, d.opt.M, d.opt.N)
	if s > limit {
		a.Evidence = d.explain(in, p, parts, d2)
		d.suspect(&a, 0.5)
	}
	return a, true
}

// explain names the three metrics that contribute most to the distance.
func (d *multivariate) explain(in *instant, p, parts []float64, d2 float64) []asset.Evidence {
	order := make([]int, len(parts))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case parts[a] > parts[b]:
			return -1
		case parts[a] < parts[b]:
			return 1
		}
		return 0
	})
	var out []asset.Evidence
	for _, k := range order[:min(3, len(order))] {
		if parts[k] <= 0 || math.IsNaN(p[k]) {
			continue
		}
		f := &in.fields[d.use[k]]
		side := "above"
		if p[k] < d.cloud.mean[k] {
			side = "below"
		}
		out = append(out, d.evidence(f.Key(), in.now[d.use[k]], f.base.level(0, in.op), parts[k],
			fmt.Sprintf("%s is %s, %s what the other metrics make expected, and brings %.0f %% of the distance from normal operation", f.Channel, quantity(in.now[d.use[k]], f.Unit), side, 100*parts[k]/math.Max(d2, parts[k]))))
	}
	shareOut(out)
	return out
}

func (d *multivariate) walk(c *codec) {
	c.floats(&d.mean)
	c.f64(&d.score)
	c.bool(&d.seen)
	c.u64(&d.past.bits)
}
