package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestRocAreaIsThatOfRanks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var truth []bool
	var cluster []int
	var score []float64
	for i := range 400 {
		y := rng.IntN(2) == 0
		s := math.Round(4*rng.NormFloat64()) / 4 // ties
		if y {
			s++
		}
		if i%17 == 0 {
			s = math.NaN()
		}
		truth, cluster, score = append(truth, y), append(cluster, i/20), append(score, s)
	}
	r := newRoc(truth, cluster, score)
	if want := float64(auc(truth, score)); math.Abs(r.area-want) > 1e-12 {
		t.Errorf("area %v, by ranks %v", r.area, want)
	}
	low, high := r.interval()
	if !(float64(low) < r.area && r.area < float64(high) && high-low < 0.2) {
		t.Errorf("interval %v to %v around %v", low, high, r.area)
	}
	same := r.less(newRoc(truth, cluster, score))
	if low, high := same.interval(); same.area != 0 || low != 0 || high != 0 {
		t.Errorf("a score less itself: %v, %v to %v", same.area, low, high)
	}
}

// TestRocIntervalKnowsThatRowsOfAnAssetRepeat: the same rows ten times over tell no more.
func TestRocIntervalKnowsThatRowsOfAnAssetRepeat(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	build := func(times int) roc {
		var truth []bool
		var cluster []int
		var score []float64
		rng = rand.New(rand.NewPCG(3, 4))
		for i := range 60 {
			y, s := i%2 == 0, rng.NormFloat64()
			if y {
				s++
			}
			for range times {
				truth, cluster, score = append(truth, y), append(cluster, i/2), append(score, s)
			}
		}
		return newRoc(truth, cluster, score)
	}
	low1, high1 := build(1).interval()
	low10, high10 := build(10).interval()
	if math.Abs(float64(high1-low1-(high10-low10))) > 1e-9 {
		t.Errorf("widths %v and %v, want the same", high1-low1, high10-low10)
	}
	if low, _ := newRoc([]bool{true, false}, []int{0, 0}, []float64{1, 0}).interval(); low.Known() {
		t.Errorf("one asset has an interval from %v", low)
	}
}
