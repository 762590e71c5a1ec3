package models_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".onnx"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseReadsTheWholeContract(t *testing.T) {
	c, err := models.Parse(file(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "gearbox-lstm-ae" || c.Class != "wind-turbine" || c.Component != "gearbox-bearing" || c.PeriodS != 600 || c.Window != 6 ||
		c.Stride != 1 || c.Threshold != 2.5 || c.Output != models.OutputError || c.X != "x" || c.Y != "err" || len(c.Digest) != 64 {
		t.Errorf("got %+v", c)
	}
	if len(c.Features) != 2 || c.Features[1] != (models.Input{Name: "de_acc/rms", Unit: "m/s²", Agg: "mean"}) {
		t.Errorf("features %+v", c.Features)
	}
	if c.Calibration.N != 199 || len(c.Calibration.Quantiles) != 199 || len(c.SelfTest.Input) != 6 || len(c.SelfTest.Output) != 12 || c.About["license"] != "Apache-2.0" {
		t.Errorf("calibration, self-test or licence: %+v", c)
	}
}

// The contract is checked without a runtime, all mistakes at once.
func TestParseNamesEverythingThatIsWrong(t *testing.T) {
	b := file(t, "external-data")
	b = []byte(strings.Replace(string(b), "pdm.license", "pdm.licence", 1))
	_, err := models.Parse(b)
	if !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), "external_data=False") || !strings.Contains(err.Error(), "pdm.license is missing") {
		t.Errorf("Parse = %v", err)
	}
}

func TestParseRefusesWhatIsNoModel(t *testing.T) {
	good := file(t, "good")
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte("name: value\n"), "cut": good[:len(good)/2], "zeros": make([]byte, 64),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := models.Parse(b); !errors.Is(err, models.ErrContract) {
				t.Errorf("Parse = %v, want ErrContract", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"good", "rul", "forecaster", "external-data", "old-features"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := models.Parse(b); err != nil && !errors.Is(err, models.ErrContract) {
			t.Errorf("Parse = %v, want ErrContract", err)
		}
	})
}

func ExampleParse() {
	b, err := os.ReadFile(filepath.Join("testdata", "good.onnx"))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := models.Parse(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Name, "reads", c.Window, "steps of", c.PeriodS, "s")
	fmt.Println(c.Fits([]models.Input{{Name: "oil_temperature/value", Unit: "K"}, {Name: "de_acc/rms", Unit: "mm/s"}}, 600))
	// Output:
	// gearbox-lstm-ae reads 6 steps of 600 s
	// model does not fit: feature "de_acc/rms" is in "mm/s", the model wants "m/s²"
}
