package pipeline

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestCertaintyFollowsCompletenessValidityAndAgreement(t *testing.T) {
	sure := said(asset.Ruled, "a", epoch, 1e-3)
	half, mute := sure, said(asset.Derived, "law", epoch, 1e-3)
	half.Trust = 0.5
	mute.Trust, mute.Reason = 0, "learning"
	for name, tc := range map[string]struct {
		said []asset.Assessment
		want float64
	}{
		"all speak":         {[]asset.Assessment{sure}, 1},
		"half trusted":      {[]asset.Assessment{half}, 0.5},
		"one of two silent": {[]asset.Assessment{sure, mute}, 0.5},
		"two views agree":   {[]asset.Assessment{sure, said(asset.Derived, "law", epoch, 1e-3)}, 1},
	} {
		r := heard(FusionOptions{}, tc.said...)
		if math.Abs(float64(r.Certainty.Confidence)-tc.want) > 1e-12 {
			t.Errorf("%s: confidence %v, want %v", name, r.Certainty.Confidence, tc.want)
		}
		if r.Certainty.Conflicting() {
			t.Errorf("%s: in conflict: %v", name, r.Certainty.Conflict)
		}
	}
	if r := heard(FusionOptions{}, mute); r.Risk.Known() || r.Certainty.Confidence.Known() || r.Sources[0].Reason != "learning" {
		t.Errorf("nobody speaks: %v, %+v, %+v", r.Risk, r.Certainty, r.Sources)
	}
}

func TestContradictionIsShownAndChangesNoProbability(t *testing.T) {
	law := said(asset.Derived, "law", epoch, 0)
	law.P, law.FailP = asset.Missing(), 1e-6
	r := heard(FusionOptions{}, said(asset.Ruled, "a", epoch, 1e-9), law)
	if !r.Certainty.Conflicting() || r.Certainty.Confidence > 0.3 {
		t.Errorf("certainty %+v, want a conflict", r.Certainty)
	}
	if want := posterior(0.02, []float64{2.5, -4}); math.Abs(float64(r.Risk)-want) > 1e-12 {
		t.Errorf("risk %v, want %v", r.Risk, want)
	}
	alone, without := posterior(0.02, []float64{2.5}), posterior(0.02, []float64{-4})
	if math.Abs(float64(r.Certainty.High)-alone) > 1e-12 || math.Abs(float64(r.Certainty.Low)-without) > 1e-12 {
		t.Errorf("interval %v to %v, want that of one or the other left out, %v to %v", r.Certainty.Low, r.Certainty.High, without, alone)
	}
	if n := len(r.Evidence); n == 0 || r.Evidence[n-1].Name != "conflict" {
		t.Errorf("the evidence does not tell of it: %+v", r.Evidence)
	}
	against := 0
	for _, s := range r.Sources {
		if s.Weight < 0 {
			against++
		}
	}
	if against != 1 {
		t.Errorf("%d sources argue against, want 1: %+v", against, r.Sources)
	}
}

func TestTotalConflictIsDefined(t *testing.T) {
	m, k := dempster(masses{fault: 1}, masses{healthy: 1})
	if m != (masses{open: 1}) || k != 1 {
		t.Errorf("got %+v, %v; want all open, 1", m, k)
	}
}
