package class_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
)

func TestShippedClassesAreValidAndServeEveryKind(t *testing.T) {
	set, err := class.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"bearing-rig", "wind-turbine", "pump-rig", "series", "turbofan", class.Generic} {
		if got := set.Of(kind); got.Kind != kind {
			t.Errorf("class for %s is %q", kind, got.Kind)
		}
	}
	if got := set.Of("steam-engine"); got.Kind != class.Generic {
		t.Errorf("class for an unknown kind is %q, want generic", got.Kind)
	}
}

func TestParseNamesEveryBadField(t *testing.T) {
	_, err := class.Parse([]byte("kind: x\ntitle: y\nhorizon_h: 0\nwaveform: {hop: 2}\nunits: {t: furlong}\norders: {lead_h: -1}\ncosts: [{failure_keur: 1, planned_keur: 1, sensitivity: 2}]\nranges: {t: [3, 1]}\ndetectors: [{name: a b, use: level}]\n"))
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"horizon_h", "waveform.hop", "units.t", "orders.lead_h", "costs[0].source", "costs[0].sensitivity", "ranges.t", "detectors[0].name"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("error does not name %s: %v", field, err)
		}
	}
}

func TestAFieldThatDoesNotExistIsRefusedWithItsLine(t *testing.T) {
	_, err := class.Parse([]byte("kind: x\ntitle: y\nhorizon_h: 1\ndetectors: []\nhorzion: 3\n"))
	if err == nil || !strings.Contains(err.Error(), "5:") || !strings.Contains(err.Error(), "horzion") {
		t.Errorf("error = %v, want line 5 and the field's name", err)
	}
}

func TestAUsersClassReplacesTheShippedOne(t *testing.T) {
	set, err := class.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{"mine.yaml": {Data: []byte("kind: series\ntitle: mine\nhorizon_h: 5\ndetectors: []\n")}}
	if err := set.Add(fsys); err != nil {
		t.Fatal(err)
	}
	if got := set.Of("series").HorizonH; got != 5 {
		t.Errorf("horizon = %v, want 5", got)
	}
}

func ExampleScope_Components() {
	plate := asset.Nameplate{Components: []asset.Component{{Name: "main-bearing", Type: "rolling-bearing"}, {Name: "gearbox", Type: "gearbox"}}}
	for _, c := range (class.Scope{Type: "rolling-bearing"}).Components(plate) {
		fmt.Println(c.Name)
	}
	// Output: main-bearing
}

func TestTheFirstCostInScopeCounts(t *testing.T) {
	set, err := class.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	turbine := set.Of("wind-turbine")
	gearbox, ok := turbine.CostOf(asset.Component{Name: "gearbox", Type: "gearbox"})
	if !ok || !gearbox.Crane {
		t.Errorf("gearbox: %+v, %v", gearbox, ok)
	}
	other, ok := turbine.CostOf(asset.Component{Name: "yaw"})
	if !ok || other.FailureKEUR >= gearbox.FailureKEUR {
		t.Errorf("any component: %+v, %v", other, ok)
	}
	if c, ok := set.Of("series").CostOf(asset.Component{Name: "value"}); ok {
		t.Errorf("costs of a value that nobody knows: %+v", c)
	}
}
