package oci

import (
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // the registry logs by it
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// clock moves by a minute each time it is read.
func clock() func() time.Time {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Minute)
		return at
	}
}

var by = models.By{Who: "ada", Reason: "because"}

// place is where a repository lies; open is another process that uses it.
type place struct {
	where string
	host  string // of a registry
}

func (p place) open(t *testing.T) *models.Repository {
	t.Helper()
	r, err := Open(t.Context(), p.where, Options{Now: clock(), DockerConfig: filepath.Join(t.TempDir(), "none.json")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// registryAt serves a registry of somebody else's making.
func registryAt(t *testing.T, referrers bool, wrap func(http.Handler) http.Handler) place {
	t.Helper()
	h := registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	return place{scheme + host + "/plant/models", host}
}

// everywhere is a folder, and registries with and without a list of referrers.
func everywhere(t *testing.T) map[string]place {
	t.Helper()
	return map[string]place{
		"folder":                     {where: filepath.Join(t.TempDir(), "models")},
		"registry":                   registryAt(t, true, nil),
		"registry without referrers": registryAt(t, false, nil),
	}
}

func file(name string) string { return filepath.Join("..", "testdata", name+".onnx") }

func push(t *testing.T, r *models.Repository, name string) models.Version {
	t.Helper()
	v, err := r.Push(t.Context(), file(name), "", by, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const ae = "gearbox-lstm-ae"

func promote(t *testing.T, r *models.Repository, version string, to models.Stage, share float64, scope models.Scope) models.Version {
	t.Helper()
	v, err := r.Promote(t.Context(), ae+":"+version, to, share, scope, by)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// stages is the stage of each version, by age.
func stages(t *testing.T, r *models.Repository) string {
	t.Helper()
	all, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range all {
		got = append(got, string(v.Stage))
	}
	return strings.Join(got, " ")
}

// lineup is what stands where, in words.
func lineup(t *testing.T, r *models.Repository) string {
	t.Helper()
	l, err := r.Lineup(t.Context(), ae)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range l {
		got = append(got, s.Version+" "+s.String())
	}
	return strings.Join(got, ", ")
}

func TestPushedVersionsAreFoundByEveryReference(t *testing.T) {
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			one, two := push(t, r, "good"), push(t, r, "good2")
			if again := push(t, r, "good"); again.Ref() != one.Ref() || one.Version != "1" || two.Version != "2" || one.Stage != models.Candidate || len(again.History) != 1 {
				t.Errorf("pushed %s, %s and again %+v", one.Ref(), two.Ref(), again)
			}
			promote(t, r, "2", models.Production, 0, "")
			promote(t, r, "1", models.Production, 0, models.ForAsset("wt 03/a"))
			other := p.open(t) // another process
			for ref, want := range map[string]string{
				ae + ":1": one.Digest, ae: two.Digest, ae + ":production": two.Digest, ae + ":production.asset.wt.2003.2fa": one.Digest,
				one.Digest: one.Digest, one.Digest[:12]: one.Digest, "sha256:" + two.Digest: two.Digest,
			} {
				v, body, err := other.Get(t.Context(), ref)
				if err != nil || v.Digest != want || int64(len(body)) != v.Size {
					t.Errorf("Get(%q) = %s, %v; want %s", ref, v.Digest, err, want)
				}
			}
			for _, ref := range []string{ae + ":3", ae + ":shadow", "other", "", "abc", "deadbeef99", "Other:1"} {
				if _, _, err := other.Get(t.Context(), ref); !errors.Is(err, models.ErrNotFound) {
					t.Errorf("Get(%q) = %v, want ErrNotFound", ref, err)
				}
			}
			v, c, err := other.Show(t.Context(), one.Ref())
			if err != nil || c.Window != 6 || v.By != "ada" || v.Lineage.Licence != "Apache-2.0" || v.Lineage.Training == "" {
				t.Errorf("Show = %+v, %+v, %v", v, c, err)
			}
		})
	}
}

func TestPushRefuses(t *testing.T) {
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			if _, err := r.Push(t.Context(), file("opset99"), "", by, nil); !errors.Is(err, models.ErrContract) {
				t.Errorf("opset 99: %v", err)
			}
			for _, name := range []string{"a:b", "Gearbox", "a//b", "a/../b", "-a", "a/blobs", "index.json", strings.Repeat("a", 129)} {
				if _, err := r.Push(t.Context(), file("good"), name, by, nil); !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
					t.Errorf("name %q: %v", name, err)
				}
			}
			if _, err := r.Push(t.Context(), file("good"), "", models.By{}, nil); !errors.Is(err, models.ErrContract) {
				t.Errorf("by nobody: %v", err)
			}
			no := errors.New("no")
			if _, err := r.Push(t.Context(), file("good"), "", by, func([]byte) error { return no }); !errors.Is(err, no) {
				t.Errorf("not proved: %v", err)
			}
			if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
				t.Errorf("List = %v, %v; want nothing", all, err)
			}
		})
	}
}

func TestStagesHoldOneVersionAndRollbackReturnsToTheOneBefore(t *testing.T) {
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			for _, f := range []string{"good", "good2", "forecaster", "mahalanobis"} {
				push(t, r, f)
			}
			promote(t, r, "1", models.Production, 0, "")
			promote(t, r, "2", models.Canary, 0.05, "")
			promote(t, r, "3", models.Canary, 0.1, "")
			promote(t, r, "4", models.Shadow, 0, "")
			if got, want := stages(t, r), "production candidate canary shadow"; got != want {
				t.Errorf("stages %s, want %s", got, want)
			}
			if v, _, err := r.Get(t.Context(), ae+":canary"); err != nil || v.Version != "3" || v.Share != 0.1 {
				t.Errorf("canary is %s with %g, %v; want 3 with 0.1", v.Version, v.Share, err)
			}
			if got, want := lineup(t, r), "1 production, 3 canary 10 %, 4 shadow"; got != want {
				t.Errorf("line-up %s, want %s", got, want)
			}
			promote(t, r, "2", models.Production, 0, "")
			promote(t, r, "3", models.Production, 0, "")
			if got, want := stages(t, r), "archived archived production shadow"; got != want {
				t.Errorf("stages %s, want %s", got, want)
			}
			for _, want := range []string{"2", "1"} {
				if v, err := r.Rollback(t.Context(), ae, "", by); err != nil || v.Version != want {
					t.Errorf("Rollback = %s, %v; want version %s", v.Version, err, want)
				}
			}
			if got, want := stages(t, r), "production candidate candidate shadow"; got != want {
				t.Errorf("stages %s, want %s", got, want)
			}
			if _, err := r.Rollback(t.Context(), ae, "", by); !errors.Is(err, models.ErrNotFound) {
				t.Errorf("Rollback past the first = %v, want ErrNotFound", err)
			}
			for _, bad := range []struct {
				to    models.Stage
				share float64
			}{{"live", 0}, {models.Canary, 0}, {models.Canary, 1}, {models.Canary, -0.1}, {models.Canary, 1e-9}, {models.Shadow, 0.5}} {
				if _, err := r.Promote(t.Context(), ae+":1", bad.to, bad.share, "", by); !errors.Is(err, models.ErrContract) {
					t.Errorf("%s with share %g: %v", bad.to, bad.share, err)
				}
			}
			if v, err := r.Promote(t.Context(), ae+":1", "staging", 0, "", by); err != nil || v.Stage != models.Candidate {
				t.Errorf("staging = %s, %v; want candidate", v.Stage, err)
			}
		})
	}
}

func TestAScopeHasALineUpOfItsOwn(t *testing.T) {
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			for _, f := range []string{"good", "good2", "forecaster"} {
				push(t, r, f)
			}
			wt3 := models.ForAsset("wt03")
			promote(t, r, "1", models.Production, 0, "")
			promote(t, r, "2", models.Production, 0, models.ForClass("wind-turbine"))
			promote(t, r, "1", models.Production, 0, wt3)
			promote(t, r, "3", models.Production, 0, wt3)
			if got, want := lineup(t, r), "1 production, 3 production for asset wt03, 2 production for class wind-turbine"; got != want {
				t.Errorf("line-up %s, want %s", got, want)
			}
			l, err := r.Lineup(t.Context(), ae)
			if err != nil {
				t.Fatal(err)
			}
			for _, tc := range []struct {
				class, want string
				id          asset.ID
			}{{"wind-turbine", "3", "wt03"}, {"wind-turbine", "2", "wt04"}, {"pump", "1", "p1"}, {"wind-turbine", "2", ""}} {
				if s, ok := l.In(models.Production, tc.class, tc.id); !ok || s.Version != tc.want {
					t.Errorf("%s of %s is served by %s, want %s", tc.id, tc.class, s.Version, tc.want)
				}
			}
			if v, err := r.Rollback(t.Context(), ae, wt3, by); err != nil || v.Version != "1" {
				t.Errorf("Rollback = %s, %v; want 1", v.Version, err)
			}
			promote(t, r, "1", models.Archived, 0, wt3)
			if got, want := lineup(t, r), "1 production, 2 production for class wind-turbine"; got != want {
				t.Errorf("line-up %s, want %s", got, want)
			}
		})
	}
}

func TestHistorySaysWhoDidWhat(t *testing.T) {
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			push(t, r, "good")
			push(t, r, "good2")
			do := func(v models.Version, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			do(r.Promote(t.Context(), ae+":1", models.Production, 0, "", models.By{Who: "bob", Reason: "first"}))
			do(r.Promote(t.Context(), ae+":2", models.Canary, 0.05, models.ForClass("wind-turbine"), models.By{Who: "eve", Reason: "trial"}))
			do(r.Promote(t.Context(), ae+":2", models.Production, 0, "", models.By{Who: "bob", Reason: "better"}))
			do(r.Annotate(t.Context(), ae+":2", "approved", "yes", models.By{Who: "kim"}))
			do(r.Annotate(t.Context(), ae+":2", "ticket", "7", models.By{Who: "kim"}))
			do(r.Annotate(t.Context(), ae+":2", "ticket", "", models.By{Who: "kim", Reason: "closed"}))
			do(r.Promote(t.Context(), ae+":2", models.Production, 0, "", models.By{Who: "bob", Reason: "again"})) // it stands there: no step
			do(r.Rollback(t.Context(), ae, "", models.By{Who: "guard", Reason: "alarms tripled"}))
			steps, err := p.open(t).History(t.Context(), ae)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range steps {
				if s.At.IsZero() {
					t.Errorf("no time: %+v", s)
				}
				got = append(got, fmt.Sprintf("%s %s by %s: %s", s.Version, s, s.Who, s.Reason))
			}
			want := []string{
				"1 candidate by ada: because",
				"2 candidate by ada: because",
				"1 candidate to production by bob: first",
				"2 candidate to canary 5 % for class wind-turbine by eve: trial",
				"1 production to archived by bob: better",
				"2 candidate to production by bob: better",
				"2 note approved=yes by kim: ",
				"2 note ticket=7 by kim: ",
				"2 note ticket= by kim: closed",
				"1 archived to production by guard: alarms tripled",
				"2 production to candidate by guard: alarms tripled",
			}
			if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
				t.Errorf("history\n%s\nwant\n%s", g, w)
			}
			v, _, err := r.Show(t.Context(), ae+":2")
			if err != nil || len(v.Notes) != 1 || v.Notes["approved"] != "yes" {
				t.Errorf("notes %v, %v", v.Notes, err)
			}
		})
	}
}

func TestCheckSaysWhatTheFlowDoesNotProduce(t *testing.T) {
	r := place{where: t.TempDir()}.open(t)
	ref := push(t, r, "good").Ref()
	if _, err := r.Check(t.Context(), ref, []models.Input{{Name: "oil_temperature/value", Unit: "°C"}}, 600); !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), "de_acc/rms") {
		t.Errorf("Check = %v", err)
	}
	if _, err := r.Check(t.Context(), ref, []models.Input{{Name: "oil_temperature/value", Unit: "°C"}, {Name: "de_acc/rms", Unit: "m/s²"}}, 600); err != nil {
		t.Error(err)
	}
}

func TestParamsOfALeftOutAssetComeBeforeThoseOfItsClass(t *testing.T) {
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			for _, set := range []struct {
				asset asset.ID
				body  string
			}{{"", "all"}, {"b:1/x", "without b1"}, {"", "all, later"}} {
				if _, err := r.PushParams(t.Context(), "limits", "Rolling Bearing", set.asset, []byte(set.body), by); err != nil {
					t.Fatal(err)
				}
			}
			for of, want := range map[asset.ID]string{"": "all, later", "b:1/x": "without b1", "b2": "all, later"} {
				v, body, err := r.Params(t.Context(), "limits", "Rolling Bearing", of)
				if err != nil || string(body) != want || v.Stage != models.Production || v.Class != "Rolling Bearing" {
					t.Errorf("Params(%q) = %q, %v; want %q", of, body, err, want)
				}
			}
			if v, err := r.Rollback(t.Context(), models.ParamsName("limits", "Rolling Bearing"), "", by); err != nil || v.Version != "1" {
				t.Errorf("Rollback = %+v, %v", v, err)
			}
			if _, _, err := r.Params(t.Context(), "limits", "pump", "p1"); !errors.Is(err, models.ErrNotFound) {
				t.Errorf("unknown class: %v", err)
			}
		})
	}
}

func TestAGeometryIsAVersionToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cube.gltf")
	if err := os.WriteFile(path, []byte(`{"asset":{"version":"2.0"},"scenes":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			v, err := r.PushGeometry(t.Context(), path, "wt/nacelle", "wind-turbine", "gearbox", by)
			if err != nil || v.Kind != models.KindGeometry || v.Ref() != "wt/nacelle:1" || v.Class != "wind-turbine" {
				t.Fatalf("PushGeometry = %+v, %v", v, err)
			}
			if _, body, err := p.open(t).Get(t.Context(), v.Ref()); err != nil || !strings.Contains(string(body), `"2.0"`) {
				t.Errorf("Get = %q, %v", body, err)
			}
		})
	}
}
