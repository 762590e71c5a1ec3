package pipeline

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func sight(at time.Duration, risk float64) *asset.Risk {
	return &asset.Risk{Time: epoch.Add(at), Risk: asset.Number(risk)}
}

func TestRemainingLifeOfVisibleDegradation(t *testing.T) {
	var o onset
	o.follow(sight(0, 0.5), 0.2, time.Hour)
	first := o.remaining(epoch, 25, 400)
	if first.P10 != 100./9 || first.P50 != 100 || first.P90 != 900 {
		t.Errorf("at first sight %+v, want the middle of 25 h and 400 h, and a ninth and nine times of it", first)
	}
	// What the law says at first sight it says later, given that the part lives on.
	survives := func(h float64) float64 { return 100 / (100 + h) }
	later := o.remaining(epoch.Add(50*time.Hour), 25, 400)
	for q, r := range map[float64]asset.Number{0.1: later.P10, 0.5: later.P50, 0.9: later.P90} {
		if got := 1 - survives(50+float64(r))/survives(50); math.Abs(got-q) > 1e-12 {
			t.Errorf("quantile %v of the law at 50 h is its %v", q, got)
		}
	}
	if got := 1 - survives(50+asset.SoonH)/survives(50); math.Abs(got-float64(later.Soon)) > 1e-12 {
		t.Errorf("chance of failure within 48 h is %v, want %v", later.Soon, got)
	}
}

func TestOnsetIsForgottenAfterQuiet(t *testing.T) {
	var o onset
	for h := range 10 {
		o.follow(sight(time.Duration(h)*time.Hour, 0.5), 0.2, 2*time.Hour)
	}
	o.follow(sight(17*time.Hour, 0.5), 0.2, 2*time.Hour)
	if o.Since != epoch {
		t.Errorf("seen since %v after eight quiet hours of nine, want from the beginning", o.Since)
	}
	o.follow(sight(35*time.Hour, 0.1), 0.2, 2*time.Hour)
	if !o.Since.IsZero() {
		t.Errorf("seen since %v after 18 quiet hours of 17, want nothing", o.Since)
	}
	sensor := sight(36*time.Hour, 0.9)
	sensor.Mode = asset.SensorFault
	if o.follow(sensor, 0.2, time.Hour); !o.Since.IsZero() {
		t.Error("a sensor's fault began an onset of the machine's")
	}
}

func TestUsedLifeDoesNotPutOffVisibleDegradation(t *testing.T) {
	usage := lives(asset.Derived, "bearing-life", 1, 500, 3000, 9000)
	usage.Group = asset.GroupUsage
	if r := heard(FusionOptions{}, usage).RUL; r.P50 != 3000 {
		t.Errorf("median of a healthy part %v, want that of its life, 3000", r.P50)
	}
	alarmed := said(asset.Ruled, "level", epoch, 1e-6)
	if r := heard(FusionOptions{CapRule: 3.5}, usage, alarmed).RUL; math.Abs(float64(r.P50)-math.Sqrt(24*2160)) > 1e-9 || r.P10 >= r.P50 || r.P90 != 9*r.P50 {
		t.Errorf("remaining life of a part that degrades visibly is %+v, want 228 h and a ninth and nine times of it", r)
	}
	law := lives(asset.Derived, "growth", 0.9, 30, 40, 50)
	if r := heard(FusionOptions{CapRule: 3.5, LivesSeen: true}, alarmed, law).RUL; r.P10 != 30 || r.P90 != 50 {
		t.Errorf("beside a law that knows earlier lives the age made it %+v", r)
	}
	if r := heard(FusionOptions{CapRule: 3.5}, alarmed, law).RUL; !(r.P90 > 500) {
		t.Errorf("the slope alone settles it: %+v", r)
	}
}
