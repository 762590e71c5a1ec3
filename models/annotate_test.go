package models_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

func TestAnnotatedReplacesTheContractAndNothingElse(t *testing.T) {
	good := file(t, "good")
	meta, err := models.Metadata(good)
	if err != nil || meta["name"] != "gearbox-lstm-ae" {
		t.Fatalf("Metadata = %v, %v", meta, err)
	}
	bare, err := models.Annotated(good, nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := models.Metadata(bare); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	again, err := models.Annotated(bare, meta, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := models.Metadata(again)
	if err != nil || !maps.Equal(back, meta) {
		t.Errorf("back %v, %v", back, err)
	}
	c, err := models.Parse(again)
	if err != nil || c.X != "x" || c.Y != "err" {
		t.Errorf("Parse = %+v, %v", c, err)
	}
	if p := models.Producer(again); p != "telltale" {
		t.Errorf("producer %q", p)
	}
}

func TestAnnotatedPicksTheOutput(t *testing.T) {
	two := file(t, "bad/output-order")
	meta, err := models.Metadata(two)
	if err != nil {
		t.Fatal(err)
	}
	picked, err := models.Annotated(two, meta, "err", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := models.Parse(picked); err != nil || c.Y != "err" {
		t.Errorf("Parse = %q, %v", c.Y, err)
	}
	if _, err := models.Annotated(two, meta, "none", nil); !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), "score, err") {
		t.Errorf("an output that is not there: %v", err)
	}
	stateful := file(t, "stateful")
	meta, err = models.Metadata(stateful)
	if err != nil {
		t.Fatal(err)
	}
	picked, err = models.Annotated(stateful, meta, "err", []string{"hn", "cn"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := models.Parse(picked); err != nil || c.State == nil {
		t.Errorf("Parse = %+v, %v", c, err)
	}
}

func FuzzAnnotated(f *testing.F) {
	for _, name := range []string{"good", "stateful", "bad/output-order", "bad/function", "exports/torch-lstm"} {
		f.Add(file(f, name), "err")
	}
	f.Fuzz(func(t *testing.T, b []byte, output string) {
		out, err := models.Annotated(b, map[string]string{"contract": "1"}, output, nil)
		if err != nil {
			return
		}
		if meta, err := models.Metadata(out); err != nil || meta["contract"] != "1" || len(meta) != 1 {
			t.Errorf("Metadata = %v, %v", meta, err)
		}
	})
}

func TestUnitsOfFeatures(t *testing.T) {
	for unit, known := range map[string]bool{
		"m/s²": true, "K": true, "1": true, "": true, "m²/s³": true, "µV²·s/min": true, "(m/s²)²": true, "{counts}": true,
		"furlong": false, "m/fortnight": false, "{}": false, "²": false,
	} {
		meta, err := models.Metadata(file(t, "good"))
		if err != nil {
			t.Fatal(err)
		}
		meta["features"] = strings.Replace(meta["features"], "m/s²", unit, 1)
		b, err := models.Annotated(file(t, "good"), meta, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := models.Parse(b); (err == nil) != known {
			t.Errorf("unit %q: %v, known %t", unit, err, known)
		}
	}
}

func TestFindingsAreSortedAndEachIsToldOnce(t *testing.T) {
	b := models.Finding{Where: "b", What: "is wrong"}
	a := models.Finding{Where: "a", What: "is missing", Fix: "add it"}
	err := models.Refuse(b, a, b)
	if err == nil || err.Error() != models.ErrContract.Error()+": a is missing (add it); b is wrong" || !errors.Is(err, models.ErrContract) {
		t.Errorf("Refuse = %v", err)
	}
	if models.Refuse() != nil {
		t.Error("nothing was found, and refused all the same")
	}
}
