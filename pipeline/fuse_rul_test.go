package pipeline

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func lives(view asset.View, source string, trust float64, p10, p50, p90 asset.Number) asset.Assessment {
	a := said(view, source, epoch, 0.1)
	a.Trust, a.RUL = trust, asset.NoRUL()
	a.RUL.P10, a.RUL.P50, a.RUL.P90 = p10, p50, p90
	return a
}

func TestRemainingLivesArePooledByTrust(t *testing.T) {
	r := heard(FusionOptions{}, lives(asset.Learned, "net", 1, 60, 80, 100), lives(asset.Derived, "law", 0.5, 70, 110, 150)).RUL
	if math.Abs(float64(r.P50)-90) > 1e-9 {
		t.Errorf("median %v, want the weighted mean 90", r.P50)
	}
	if !(r.P10 < 70 && r.P10 >= 0 && r.P90 > 110) {
		t.Errorf("span %v to %v does not hold the disagreement", r.P10, r.P90)
	}
	same := heard(FusionOptions{}, lives(asset.Learned, "net", 1, 60, 80, 100), lives(asset.Derived, "law", 0.3, 60, 80, 100)).RUL
	if math.Abs(float64(same.P10)-60)+math.Abs(float64(same.P50)-80)+math.Abs(float64(same.P90)-100) > 1e-9 {
		t.Errorf("two that agree give %+v, want what both say", same)
	}
}

func TestALaterEndDoesNotPutOffASoonerOne(t *testing.T) {
	r := heard(FusionOptions{}, lives(asset.Derived, "growth", 1, 5, 10, 20), lives(asset.Derived, "wear", 1, 5000, 9000, asset.Missing())).RUL
	if r.P10 != 5 || r.P50 != 10 || r.P90 != 20 {
		t.Errorf("pooled to %+v, want the sooner failure alone", r)
	}
}

func TestPoolKeepsMissingAndOrder(t *testing.T) {
	miss := asset.Missing()
	r := heard(FusionOptions{}, lives(asset.Learned, "net", 1, miss, 10, miss), lives(asset.Derived, "law", 1, 1, 12, miss)).RUL
	if !(r.P50 == 11 && r.P10 <= r.P50 && r.P10 >= 0) || r.P90.Known() {
		t.Errorf("pooled to %+v", r)
	}
	a, b := lives(asset.Learned, "net", 1, 5, 10, 20), lives(asset.Derived, "law", 1, 5, 10, 20)
	a.RUL.Soon, b.RUL.Soon = 0.2, 0.8
	if soon := heard(FusionOptions{}, a, b).RUL.Soon; math.Abs(float64(soon)-0.5) > 1e-12 {
		t.Errorf("chance of failure within 48 h = %v, want 0.5", soon)
	}
	if r := heard(FusionOptions{}, lives(asset.Learned, "net", 0, 5, 10, 20)).RUL; r.P50.Known() {
		t.Errorf("an untrusted forecast gave %+v", r)
	}
}
