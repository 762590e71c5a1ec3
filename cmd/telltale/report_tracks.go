package main

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store"
)

// reportPoints is the most points that a series of the report has.
const reportPoints = 1500

// part names a component of an asset.
type part struct {
	asset     asset.ID
	component string
}

// track is the course of one component through the run, thinned.
type track struct {
	part
	risk, rul   thinned
	worst, last asset.Risk // with their evidence; worst is the earliest of equals
	learnedTo   time.Time  // end of the rows without a verdict at the beginning
	first       time.Time
}

// readTracks walks the risks once, in bounded memory.
func readTracks(ctx context.Context, db store.Store) (map[part]*track, error) {
	tracks := map[part]*track{}
	err := db.EachRisk(ctx, func(r asset.Risk) error {
		k := part{r.Asset, r.Component}
		t := tracks[k]
		if t == nil {
			t = &track{part: k, first: r.Time, worst: r}
			tracks[k] = t
		}
		t.add(r)
		return nil
	})
	return tracks, err
}

func (t *track) add(r asset.Risk) {
	if !r.Risk.Known() && !t.worst.Risk.Known() {
		t.learnedTo = r.Time
	}
	if r.Risk.Known() && !(t.worst.Risk >= r.Risk) {
		t.worst = r
	}
	t.last = r
	at := seconds(r.Time)
	t.risk.add(dot{t: at, v: float64(r.Risk)})
	t.rul.add(dot{t: at, v: float64(r.RUL.P50), band: [2]float64{float64(r.RUL.P10), float64(r.RUL.P90)}})
}

// of returns the tracks of an asset, by component.
func tracksOf(tracks map[part]*track, id asset.ID) []*track {
	var out []*track
	for k, t := range tracks {
		if k.asset == id {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b *track) int { return cmp.Compare(a.component, b.component) })
	return out
}

// dot is one point of a course; band goes with v and is not thinned by itself.
type dot struct {
	t, v float64
	band [2]float64
}

// bucket is a run of neighbouring dots: its least, greatest and newest value.
type bucket struct{ lo, hi, last dot }

func (b *bucket) merge(c bucket) {
	if !(b.lo.v <= c.lo.v) && !math.IsNaN(c.lo.v) {
		b.lo = c.lo
	}
	if !(b.hi.v >= c.hi.v) && !math.IsNaN(c.hi.v) {
		b.hi = c.hi
	}
	if !math.IsNaN(c.last.v) || math.IsNaN(b.last.v) {
		b.last = c.last
	}
}

// thinned keeps at most reportPoints/2 buckets of equally many dots, so that
// every peak of a course of any length survives in bounded memory.
type thinned struct {
	buckets []bucket
	each, n int // dots in a bucket, dots in the newest one
}

func (s *thinned) add(d dot) {
	one := bucket{d, d, d}
	s.each = max(s.each, 1)
	if s.n > 0 && s.n < s.each {
		s.buckets[len(s.buckets)-1].merge(one)
		s.n++
		return
	}
	if len(s.buckets) == reportPoints/2 {
		s.halve()
	}
	s.buckets = append(s.buckets, one)
	s.n = 1
}

// halve joins neighbours.
func (s *thinned) halve() {
	n := len(s.buckets) / 2
	for i := range n {
		s.buckets[i] = s.buckets[2*i]
		s.buckets[i].merge(s.buckets[2*i+1])
	}
	s.buckets = s.buckets[:n]
	s.each *= 2
}

// extremes are the least and greatest of every bucket in order of time, of at
// most points values.
func (s *thinned) extremes(points int) (t, v numbers) {
	s.shrink(points / 2)
	for _, b := range s.buckets {
		a, z := b.lo, b.hi
		if a.t > z.t {
			a, z = z, a
		}
		t, v = append(t, a.t), append(v, a.v)
		if z.t > a.t {
			t, v = append(t, z.t), append(v, z.v)
		}
	}
	return t, v
}

// newest are the last dots of every bucket.
func (s *thinned) newest(points int) []dot {
	s.shrink(points)
	out := make([]dot, len(s.buckets))
	for i, b := range s.buckets {
		out[i] = b.last
	}
	return out
}

func (s *thinned) shrink(n int) {
	for len(s.buckets) > max(n, 2) {
		if len(s.buckets)%2 == 1 { // the newest stands alone: halve leaves it out
			last := s.buckets[len(s.buckets)-1]
			s.halve()
			s.buckets = append(s.buckets, last)
			continue
		}
		s.halve()
	}
}

// numbers are written with five digits, missing as null; times need more.
type numbers []float64

// MarshalJSON writes a list; a number that is not finite is null.
func (n numbers) MarshalJSON() ([]byte, error) {
	out := make([]byte, 1, 8*len(n)+2)
	out[0] = '['
	for i, x := range n {
		if i > 0 {
			out = append(out, ',')
		}
		switch {
		case math.IsNaN(x) || math.IsInf(x, 0):
			out = append(out, "null"...)
		case math.Abs(x) >= 1e8: // Unix seconds, to a tenth
			out = strconv.AppendFloat(out, math.Round(x*10)/10, 'f', -1, 64)
		default:
			out = strconv.AppendFloat(out, x, 'g', 5, 64)
		}
	}
	return append(out, ']'), nil
}

// seconds is a time as charts have it.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
