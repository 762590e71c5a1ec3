package workorders_test

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
)

var opened = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func rul(p10, p50, p90 float64) asset.RUL {
	return asset.RUL{P10: asset.Number(p10), P50: asset.Number(p50), P90: asset.Number(p90)}
}

func bearing() asset.Alert {
	return asset.Alert{
		ID: "3f0c", Asset: "T07", Component: "gearbox_hss", Mode: asset.OuterRace, Severity: 2, Opened: opened, Risk: 0.82, HorizonH: 720,
		RUL:      rul(72, 144, 288),
		Evidence: []asset.Evidence{{Source: "rule/defect", Name: "gearbox/defect_bpfo", Value: 7.25, Limit: 3, Text: "outer-race line over its baseline"}},
	}
}

func Example() {
	o, _ := workorders.Plan(bearing(), asset.Nameplate{ID: "T07", Criticality: 4}, workorders.Policy{})
	fmt.Printf("%d %s\n%s\n%s\n", o.Priority, o.Title, o.Key, o.Text)
	// Output:
	// 2 Gearbox hss bearing outer-race, RUL 6 d
	// TE73YQZLJ57VUIJCOEGL
	// Bearing outer-race expected on gearbox hss of asset T07.
	// Probability of failure: 82 % within 30 d.
	// Remaining life: about 6 d, 90 % sure to exceed 3 d, 10 % chance to exceed 12 d.
	// Finish by 2026-03-03 00:00 UTC.
	// Evidence:
	// - rule/defect gearbox/defect_bpfo = 7.25 (limit 3): outer-race line over its baseline
	// To check:
	// - Endoscope the bearing: outer race, then the other surfaces.
	// - Grease or oil sample for metal; check amount and type of lubricant.
	// - Have the replacement bearing at hand; check fit, alignment and shaft currents when changing it.
	// Criticality of the asset: 4 of 5.
}

func TestPriority(t *testing.T) {
	const day = 24.0
	for name, tc := range map[string]struct {
		severity    int
		risk        float64
		horizonH    float64
		rul         asset.RUL
		mode        asset.Mode
		criticality int
		want        int
	}{
		"fails within two days":               {4, 0.3, 48, asset.NoRUL(), asset.Wear, 3, 1},
		"half of them fail within two days":   {4, 0, 0, rul(26, 48, 99), asset.Wear, 3, 1},
		"fails within two weeks":              {4, 0.3, 14 * day, asset.NoRUL(), asset.Wear, 3, 2},
		"fails within three months":           {4, 0.2, 90 * day, asset.NoRUL(), asset.Wear, 3, 3},
		"unlikely to fail":                    {4, 0.1, 90 * day, asset.NoRUL(), asset.Wear, 3, 4},
		"nothing known but the severity":      {2, math.NaN(), 720, asset.NoRUL(), asset.Wear, 3, 2},
		"the alarm says act now":              {1, 0.1, 90 * day, asset.NoRUL(), asset.Wear, 3, 1},
		"most critical asset":                 {3, 0, 720, asset.NoRUL(), asset.Wear, 5, 2},
		"least critical asset":                {3, 0, 720, asset.NoRUL(), asset.Wear, 1, 4},
		"least critical asset, act now":       {1, 0, 720, asset.NoRUL(), asset.Wear, 1, 1},
		"criticality not declared":            {3, 0, 720, asset.NoRUL(), asset.Wear, 0, 3},
		"life ends before parts can be there": {3, 0, 720, rul(20, 2000, 4000), asset.Wear, 3, 2},
		"a sensor is never urgent":            {1, 0.9, 48, rul(1, 2, 3), asset.SensorFault, 5, 3},
		"no sense in the numbers":             {3, math.Inf(1), math.NaN(), rul(50, 20, -5), asset.Wear, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			a := bearing()
			a.Severity, a.Risk, a.HorizonH, a.RUL, a.Mode = tc.severity, asset.Number(tc.risk), tc.horizonH, tc.rul, tc.mode
			o, ok := workorders.Plan(a, asset.Nameplate{Criticality: tc.criticality}, workorders.Policy{})
			if !ok || o.Priority != tc.want {
				t.Errorf("priority %d, want %d", o.Priority, tc.want)
			}
		})
	}
}

func TestRequiredEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		severity int
		rul      asset.RUL
		want     time.Duration
	}{
		"the early end of life less the lead": {2, rul(144, 300, 600), 120 * time.Hour},
		"no life known":                       {2, asset.NoRUL(), 14 * 24 * time.Hour},
		"a long life":                         {2, rul(1e300, 1e301, math.NaN()), 14 * 24 * time.Hour},
		"no time left":                        {2, rul(2, 400, 600), 24 * time.Hour},
		"a life below zero":                   {2, rul(-1e300, 400, 600), 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			a := bearing()
			a.Severity, a.RUL, a.Risk = tc.severity, tc.rul, 0
			o, _ := workorders.Plan(a, asset.Nameplate{}, workorders.Policy{})
			if got := o.RequiredEnd.Sub(opened); got != tc.want {
				t.Errorf("required end after %v, want %v (priority %d)", got, tc.want, o.Priority)
			}
		})
	}
}

func TestPlanSpeaksForTheFirstGraveMoment(t *testing.T) {
	policy := workorders.Policy{Mildest: 3}
	a := bearing()
	a.Severity, a.Mode, a.Risk = 4, asset.Unknown, 0.1
	if o, ok := workorders.Plan(a, asset.Nameplate{}, policy); ok {
		t.Fatalf("an order for an alert to watch: %+v", o)
	}
	raised := asset.Change{Time: opened.Add(time.Hour), What: "severity", Mode: asset.Wear, Severity: 3, Risk: 0.4, RUL: asset.NoRUL()}
	worse := asset.Change{Time: opened.Add(2 * time.Hour), What: "severity", Mode: asset.Crack, Severity: 1, Risk: 0.9, RUL: asset.NoRUL()}
	a.Changes = []asset.Change{raised}
	first, ok := workorders.Plan(a, asset.Nameplate{}, policy)
	a.Changes = []asset.Change{raised, worse}
	second, _ := workorders.Plan(a, asset.Nameplate{}, policy)
	if !ok || first.Mode != asset.Wear || !first.Created.Equal(raised.Time) {
		t.Errorf("order %+v, %v", first, ok)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("the same episode gave two orders:\n%+v\n%+v", first, second)
	}
}

func TestAMildAlertWaitsUntilItIsConfirmed(t *testing.T) {
	policy := workorders.Policy{Mildest: 3, Confirmed: true}
	a := bearing()
	if o, ok := workorders.Plan(a, asset.Nameplate{}, policy); !ok || !o.Created.Equal(opened) {
		t.Errorf("a grave alert got %+v, %v", o, ok)
	}
	a.Severity = 3
	a.Changes = []asset.Change{{Time: opened.Add(time.Hour), What: "mode", Mode: asset.InnerRace, Severity: 3, Risk: 0.4, RUL: asset.NoRUL()}}
	if o, ok := workorders.Plan(a, asset.Nameplate{}, policy); ok {
		t.Errorf("an order for signs that may pass: %+v", o)
	}
	a.Changes = append(a.Changes, asset.Change{Time: opened.Add(48 * time.Hour), What: asset.Confirmed, Mode: asset.InnerRace, Severity: 3, Risk: 0.4, RUL: asset.NoRUL()})
	if o, ok := workorders.Plan(a, asset.Nameplate{}, policy); !ok || !o.Created.Equal(opened.Add(48*time.Hour)) || o.Mode != asset.InnerRace {
		t.Errorf("the confirmed alert got %+v, %v", o, ok)
	}
}

func TestIdentity(t *testing.T) {
	o, _ := workorders.Plan(bearing(), asset.Nameplate{}, workorders.Policy{AlertURL: "https://plant/alerts/"})
	if len(o.Key) != 20 || o.Key != workorders.KeyOf("3f0c") || len(o.ID) != 36 || o.ID[14] != '5' {
		t.Errorf("key %s, id %s", o.Key, o.ID)
	}
	if !strings.HasSuffix(o.Text, "Details: https://plant/alerts/3f0c") {
		t.Errorf("text without the alert's address: %s", o.Text)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add("gearbox_hss", "outer-race", 0.5, 100.0, 1.0, 2.0, 3.0, 2)
	f.Add("Großgetriebe-Lager-Antriebsseite-ÄÖÜ", "", math.NaN(), -1.0, math.Inf(1), math.NaN(), -4.0, 9)
	f.Fuzz(func(t *testing.T, component, mode string, risk, horizon, p10, p50, p90 float64, severity int) {
		a := asset.Alert{
			ID: "x", Asset: "T", Component: component, Mode: asset.Mode(mode), Risk: asset.Number(risk), HorizonH: horizon,
			RUL: rul(p10, p50, p90), Severity: severity, Opened: opened,
		}
		o, ok := workorders.Plan(a, asset.Nameplate{}, workorders.Policy{Mildest: math.MaxInt})
		if !ok || o.Priority < 1 || o.Priority > 4 || utf8.RuneCountInString(o.Title) > 40 {
			t.Errorf("order %+v, %v", o, ok)
		}
		if d := o.RequiredEnd.Sub(opened); d < 0 || d > 180*24*time.Hour {
			t.Errorf("required end after %v", d)
		}
		if strings.Contains(o.Text, "NaN") || strings.Contains(o.Text, "Inf") {
			if !strings.Contains(component+mode, "NaN") && !strings.Contains(component+mode, "Inf") {
				t.Errorf("text with a number that is none: %s", o.Text)
			}
		}
	})
}

func TestAnswerError(t *testing.T) {
	now := opened
	for _, tc := range []struct {
		status int
		writes bool
		retry  string
		kind   error
		after  time.Duration
	}{
		{400, true, "", workorders.ErrRefused, 0},
		{404, false, "", workorders.ErrRefused, 0},
		{422, true, "", workorders.ErrRefused, 0},
		{401, true, "", workorders.ErrDenied, 0},
		{403, false, "", workorders.ErrDenied, 0},
		{302, false, "", workorders.ErrDenied, 0},
		{429, true, "7", workorders.ErrUnavailable, 7 * time.Second},
		{503, true, now.Add(time.Minute).Format(http.TimeFormat), workorders.ErrUnavailable, time.Minute},
		{503, true, "99999999999", workorders.ErrUnavailable, time.Hour},
		{503, true, "-5", workorders.ErrUnavailable, 0},
		{500, true, "", workorders.ErrUnknown, 0},
		{504, true, "", workorders.ErrUnknown, 0},
		{504, false, "", workorders.ErrUnavailable, 0},
	} {
		f := workorders.AnswerError(&http.Response{StatusCode: tc.status, Header: http.Header{"Retry-After": {tc.retry}}}, tc.writes, "", now)
		if f.Kind != tc.kind || f.After != tc.after { //nolint:errorlint // the kind itself
			t.Errorf("%d, writes %v: %v after %v, want %v after %v", tc.status, tc.writes, f.Kind, f.After, tc.kind, tc.after)
		}
	}
	dial := workorders.TransportError(&net.OpError{Op: "dial", Err: net.ErrClosed}, true)
	read := workorders.TransportError(&net.OpError{Op: "read", Err: net.ErrClosed}, true)
	if dial.Kind != workorders.ErrUnavailable || read.Kind != workorders.ErrUnknown { //nolint:errorlint // the kind itself
		t.Errorf("no connection: %v; connection cut: %v", dial.Kind, read.Kind)
	}
}
