package main

import (
	"math"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/features"
)

// sketch keeps an evenly thinned course of values; its zero is empty.
type sketch struct {
	values []float64
	seen   int
	every  int // one value in so many is kept
	most   float64
}

// sketchSize is how many values of a feature and asset are kept at most.
const sketchSize = 2048

func (s *sketch) add(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	if s.every == 0 {
		s.every, s.most = 1, v
	}
	s.most = math.Max(s.most, v)
	if s.seen++; (s.seen-1)%s.every != 0 {
		return
	}
	s.values = append(s.values, v)
	if len(s.values) < sketchSize {
		return
	}
	for i := range sketchSize / 2 {
		s.values[i] = s.values[2*i]
	}
	s.values, s.every = s.values[:sketchSize/2], 2*s.every
}

// limit is the distribution of what was seen.
func (s *sketch) limit() limitLearn {
	sorted := slices.Sorted(slices.Values(s.values))
	return limitLearn{N: s.seen, P50: quantile(sorted, 0.5), P95: quantile(sorted, 0.95), P99: quantile(sorted, 0.99), Max: s.most}
}

// healthySketches joins what the assets' features reached while healthy.
func healthySketches(fleet []*historian) map[string]*sketch {
	out := map[string]*sketch{}
	for _, r := range fleet {
		for f, s := range r.healthy {
			if len(s.values) == 0 {
				continue
			}
			all := out[f.Key()]
			if all == nil {
				all = &sketch{every: 1, most: math.Inf(-1)}
				out[f.Key()] = all
			}
			all.values = append(all.values, s.values...)
			all.seen += s.seen
			all.most = math.Max(all.most, s.most)
		}
	}
	return out
}

// quantile interpolates between sorted values (Hyndman & Fan 1996, type 7); NaN of none.
func quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// fieldOf is the field that a key names, without its unit.
func fieldOf(key string) features.Field {
	channel, name := key, "value"
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		channel, name = key[:i], key[i+1:]
	}
	return features.Field{Channel: channel, Name: name}
}
