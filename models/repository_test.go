package models_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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

func push(t *testing.T, r *models.Repository, name string) models.Version {
	t.Helper()
	v, err := r.Push(filepath.Join("testdata", name+".onnx"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPushedVersionsAreFoundByEveryReference(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	r := models.OpenRepository(dir, clock())
	one, two := push(t, r, "good"), push(t, r, "good2")
	if again := push(t, r, "good"); again.Ref() != one.Ref() || one.Version != "1" || two.Version != "2" || one.Stage != models.Staging {
		t.Errorf("pushed %s, %s and again %s", one.Ref(), two.Ref(), again.Ref())
	}
	if _, err := r.Promote("gearbox-lstm-ae:2", models.Production, 0); err != nil {
		t.Fatal(err)
	}
	other := models.OpenRepository(dir, clock()) // a second process
	for ref, want := range map[string]string{
		"gearbox-lstm-ae:1": one.Digest, "gearbox-lstm-ae": two.Digest, "gearbox-lstm-ae:production": two.Digest,
		one.Digest: one.Digest, one.Digest[:12]: one.Digest, "sha256:" + two.Digest: two.Digest,
	} {
		v, file, err := other.Get(ref)
		if err != nil || v.Digest != want || int64(len(file)) != v.Size {
			t.Errorf("Get(%q) = %s, %v; want %s", ref, v.Digest, err, want)
		}
	}
	for _, ref := range []string{"gearbox-lstm-ae:3", "gearbox-lstm-ae:shadow", "other", "", "abc", "deadbeef99"} {
		if _, _, err := other.Get(ref); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("Get(%q) = %v, want ErrNotFound", ref, err)
		}
	}
	if _, c, err := other.Show(one.Ref()); err != nil || c.Window != 6 {
		t.Errorf("Show = %+v, %v", c, err)
	}
}

func TestPushRefuses(t *testing.T) {
	r := models.OpenRepository(t.TempDir(), clock())
	if _, err := r.Push(filepath.Join("testdata", "opset99.onnx"), "", nil); !errors.Is(err, models.ErrContract) {
		t.Errorf("opset 99: %v", err)
	}
	if _, err := r.Push(filepath.Join("testdata", "good.onnx"), "a:b", nil); !errors.Is(err, models.ErrContract) {
		t.Errorf("name with a colon: %v", err)
	}
	no := errors.New("no")
	if _, err := r.Push(filepath.Join("testdata", "good.onnx"), "", func([]byte) error { return no }); !errors.Is(err, no) {
		t.Errorf("not proved: %v", err)
	}
	if all, err := r.List(); err != nil || len(all) != 0 {
		t.Errorf("List = %v, %v; want nothing", all, err)
	}
}

func TestStagesHoldOneVersionAndRollbackReturnsToTheOneBefore(t *testing.T) {
	r := models.OpenRepository(t.TempDir(), clock())
	push(t, r, "good")
	push(t, r, "good2")
	push(t, r, "forecaster")
	push(t, r, "mahalanobis")
	promote := func(version string, to models.Stage, share float64) {
		t.Helper()
		if _, err := r.Promote("gearbox-lstm-ae:"+version, to, share); err != nil {
			t.Fatal(err)
		}
	}
	stages := func(want string) {
		t.Helper()
		all, err := r.List()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range all {
			got = append(got, string(v.Stage))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("stages %s, want %s", s, want)
		}
	}
	promote("1", models.Production, 0)
	promote("2", models.Canary, 0.05)
	promote("3", models.Canary, 0.1)
	promote("4", models.Shadow, 0)
	stages("production staging canary shadow")
	promote("2", models.Production, 0)
	promote("3", models.Production, 0)
	stages("archived archived production shadow")
	for _, want := range []string{"2", "1"} {
		if v, err := r.Rollback("gearbox-lstm-ae"); err != nil || v.Version != want {
			t.Errorf("Rollback = %s, %v; want version %s", v.Version, err, want)
		}
	}
	stages("production staging staging shadow")
	if _, err := r.Rollback("gearbox-lstm-ae"); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("Rollback past the first = %v, want ErrNotFound", err)
	}
	if _, err := r.Promote("gearbox-lstm-ae:1", "live", 0); !errors.Is(err, models.ErrContract) {
		t.Errorf("unknown stage: %v", err)
	}
	if _, err := r.Promote("gearbox-lstm-ae:1", models.Canary, 0); !errors.Is(err, models.ErrContract) {
		t.Errorf("canary without a share: %v", err)
	}
	v, err := r.Annotate("gearbox-lstm-ae:1", "approved", "by the reliability engineer")
	if err != nil || v.Notes["approved"] == "" || len(v.History) < 4 || v.History[0].To != models.Staging {
		t.Errorf("Annotate = %+v, %v", v, err)
	}
}

func TestCheckSaysWhatTheFlowDoesNotProduce(t *testing.T) {
	r := models.OpenRepository(t.TempDir(), clock())
	ref := push(t, r, "good").Ref()
	if _, err := r.Check(ref, []models.Input{{Name: "oil_temperature/value", Unit: "°C"}}, 600); !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), "de_acc/rms") {
		t.Errorf("Check = %v", err)
	}
	if _, err := r.Check(ref, []models.Input{{Name: "oil_temperature/value", Unit: "°C"}, {Name: "de_acc/rms", Unit: "m/s²"}}, 600); err != nil {
		t.Error(err)
	}
}

func TestAChangedFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	r := models.OpenRepository(dir, clock())
	v := push(t, r, "good")
	path := filepath.Join(dir, "blobs", v.Digest)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Get(v.Ref()); !errors.Is(err, models.ErrContract) {
		t.Errorf("Get = %v, want ErrContract", err)
	}
}

func TestParamsOfALeftOutAssetComeBeforeThoseOfItsClass(t *testing.T) {
	r := models.OpenRepository(t.TempDir(), clock())
	for _, p := range []struct {
		asset asset.ID
		body  string
	}{{"", "all"}, {"b:1/x", "without b1"}, {"", "all, later"}} {
		if _, err := r.PushParams("limits", "rolling-bearing", p.asset, []byte(p.body)); err != nil {
			t.Fatal(err)
		}
	}
	for of, want := range map[asset.ID]string{"": "all, later", "b:1/x": "without b1", "b2": "all, later"} {
		v, body, err := r.Params("limits", "rolling-bearing", of)
		if err != nil || string(body) != want || v.Stage != models.Production {
			t.Errorf("Params(%q) = %q, %v; want %q", of, body, err, want)
		}
	}
	if v, err := r.Rollback("limits/rolling-bearing"); err != nil || v.Version != "1" {
		t.Errorf("Rollback = %+v, %v", v, err)
	}
	if _, _, err := r.Params("limits", "pump", "p1"); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("unknown class: %v", err)
	}
}

func TestTwoWritersLoseNothing(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			r := models.OpenRepository(dir, clock())
			for i := range 10 {
				if _, err := r.PushParams("p", "c", "", []byte{byte(w), byte(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := models.OpenRepository(dir, clock()).List()
	if err != nil || len(all) != 20 {
		t.Errorf("%d versions, %v; want 20", len(all), err)
	}
}

func TestCanaryServesAboutItsShareAndAlwaysTheSameAssets(t *testing.T) {
	v := models.Version{Name: "ae", Stage: models.Canary, Share: 0.2}
	wider := models.Version{Name: "ae", Stage: models.Canary, Share: 0.5}
	n := 0
	for i := range 2000 {
		id := asset.ID(fmt.Sprint("wt", i))
		if v.Serves(id) {
			n++
			if !wider.Serves(id) {
				t.Fatalf("%s left the canary as its share grew", id)
			}
		}
	}
	if n < 340 || n > 460 {
		t.Errorf("%d of 2000 assets are in a canary of 20 %%", n)
	}
	if (models.Version{Stage: models.Shadow}).Serves("wt1") || !(models.Version{Stage: models.Production}).Serves("wt1") {
		t.Error("shadow scores nothing, production everything")
	}
}
