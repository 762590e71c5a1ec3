package models_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// ociTag is the grammar of a tag in the OCI distribution specification 1.1.
var ociTag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func TestATagStandsForItsPlace(t *testing.T) {
	for _, p := range []struct {
		place models.Place
		tag   string
	}{
		{models.Place{Stage: models.Production}, "production"},
		{models.Place{Stage: models.Shadow, Scope: models.ForAsset("wt03")}, "shadow.asset.wt03"},
		{models.Place{Stage: models.Canary, Share: 0.07}, "canary-7"},
		{models.Place{Stage: models.Canary, Share: 0.125, Scope: models.ForClass("wind-turbine")}, "canary-12.5.class.wind-turbine"},
		{models.Place{Stage: models.Production, Scope: models.ForAsset("b:1/ü_x.y")}, "production.asset.b.3a1.2f.c3.bc_x.2ey"},
	} {
		if got := p.place.Tag(); got != p.tag || !ociTag.MatchString(got) {
			t.Errorf("%v is tag %q, want %q", p.place, got, p.tag)
		}
		if got, ok := models.ParsePlace(p.tag); !ok || got != p.place {
			t.Errorf("tag %q is %+v, %v; want %+v", p.tag, got, ok, p.place)
		}
	}
	for _, tag := range []string{"", "1", "latest", "canary", "canary-0", "canary-100", "canary-1e1", "canary-5%", "canary-05", "canary-5.0", "production.asset.a.b", "production.asset.a.2B", "production.", "production.asset.", "production.plant.x", "productions", "candidate", "archived"} {
		if p, ok := models.ParsePlace(tag); ok {
			t.Errorf("tag %q is %+v, want no place", tag, p)
		}
	}
}

func TestEveryAssetHasATagOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"wt03", "WT03", "wt.03", "wt_03", "wt.2e03", "wt 03", "_", ".", "..", "...", strings.Repeat("ä", 50), strings.Repeat("ä", 49) + "b", strings.Repeat("x", 100), strings.Repeat("x", 101)} {
		p := models.Place{Stage: models.Canary, Share: 0.999999, Scope: models.ForAsset(asset.ID(id))}
		tag := p.Tag()
		if had, ok := seen[tag]; ok || !ociTag.MatchString(tag) {
			t.Errorf("%q has tag %q, as %q", id, tag, had)
		}
		seen[tag] = id
		if got, ok := models.ParsePlace(tag); !ok || got.Scope != p.Scope {
			t.Errorf("tag %q is %+v", tag, got)
		}
		if !strings.Contains(tag, "asset..") && p.Scope.String() != "asset "+id {
			t.Errorf("scope of %q reads %q", id, p.Scope)
		}
	}
}

func TestCanaryServesAboutItsShareAndAlwaysTheSameAssets(t *testing.T) {
	at := func(share float64) models.Staged {
		return models.Staged{Name: "ae", Place: models.Place{Stage: models.Canary, Share: share}}
	}
	narrow, wide := at(0.2), at(0.5)
	n := 0
	for i := range 2000 {
		id := asset.ID(fmt.Sprint("wt", i))
		if narrow.Serves(id) {
			n++
			if !wide.Serves(id) {
				t.Fatalf("%s left the canary as its share grew", id)
			}
		}
	}
	if n < 340 || n > 460 {
		t.Errorf("%d of 2000 assets are in a canary of 20 %%", n)
	}
	if (models.Staged{Place: models.Place{Stage: models.Shadow}}).Serves("wt1") || !(models.Staged{Place: models.Place{Stage: models.Production}}).Serves("wt1") {
		t.Error("shadow scores nothing, production everything")
	}
}

func TestTheNarrowestScopeScores(t *testing.T) {
	at := func(version string, stage models.Stage, share float64, scope models.Scope) models.Staged {
		return models.Staged{Name: "ae", Version: version, Place: models.Place{Stage: stage, Share: share, Scope: scope}}
	}
	l := models.Lineup{
		at("1", models.Production, 0, ""), at("2", models.Canary, 0.9999, ""),
		at("3", models.Production, 0, models.ForClass("pump")), at("4", models.Shadow, 0, models.ForAsset("p1")),
		at("5", models.Production, 0, models.ForAsset("p2")), at("6", models.Canary, 0.0001, models.ForAsset("p3")),
	}
	for _, tc := range []struct {
		class string
		id    asset.ID
		want  string
	}{
		{"wind-turbine", "w1", "2"}, // in the share of the canary
		{"pump", "p1", "3"},         // its class before the canary of everything
		{"pump", "p2", "5"},         // pinned
		{"pump", "p3", "6"},         // a canary of one asset serves it
	} {
		if s, ok := l.Scores(tc.class, tc.id); !ok || s.Version != tc.want {
			t.Errorf("%s is scored by %s, want %s", tc.id, s.Version, tc.want)
		}
	}
	if s, ok := l.In(models.Shadow, "pump", "p1"); !ok || s.Version != "4" {
		t.Errorf("shadow of p1 is %s, want 4", s.Version)
	}
	if s, ok := l.In(models.Shadow, "pump", "p2"); ok {
		t.Errorf("shadow of p2 is %s, want none", s.Version)
	}
}

func TestParamsHaveANameThatIsAllowed(t *testing.T) {
	seen := map[string]bool{}
	for _, class := range []string{"wind-turbine", "Pump A", "pump_a", "x--50", "a/b", "", "blobs", strings.Repeat("c", 40)} {
		name := models.ParamsName("learned", class)
		if err := models.CheckName(name); class != "" && err != nil || seen[name] {
			t.Errorf("class %q is kept as %q: %v", class, name, err)
		}
		seen[name] = true
	}
	if got := models.ParamsName("learned", "wind-turbine"); got != "learned/wind-turbine" {
		t.Errorf("got %q", got)
	}
}

// A class that had the version for everything counts as replaced; one asset alone may be
// given any version.
func TestWhatAPromotionReplaces(t *testing.T) {
	at := func(version string, scope models.Scope) models.Staged {
		return models.Staged{Name: "ae", Version: version, Place: models.Place{Stage: models.Production, Scope: scope}}
	}
	l := models.Lineup{at("1", ""), at("2", models.ForClass("pump")), at("3", models.ForAsset("p1"))}
	for scope, want := range map[models.Scope]string{
		"": "1", models.ForClass("pump"): "2", models.ForClass("fan"): "1", models.ForAsset("p1"): "3", models.ForAsset("p2"): "",
	} {
		if s, ok := l.Replaced(scope); s.Version != want || ok != (want != "") {
			t.Errorf("in scope %q version %q is replaced, want %q", scope, s.Version, want)
		}
	}
}
