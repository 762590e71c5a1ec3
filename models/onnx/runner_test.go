package onnx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

const testdata = "../testdata"

// TestMain lets the tests' own program be the child of a Prover.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == onnx.ProbeCommand {
		if err := onnx.ServeProbe(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 {
		misbehave(os.Args[1])
	}
	os.Exit(m.Run())
}

// skipWithout skips when the machine has no runtime library and fails otherwise.
func skipWithout(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, models.ErrNoRuntime) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func open(tb testing.TB, name string, opt onnx.Options) *onnx.Runner {
	tb.Helper()
	r, err := onnx.Open(filepath.Join(testdata, name+".onnx"), opt)
	skipWithout(tb, err)
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

func sequences(n, steps, width int) []models.Row {
	rng := rand.New(rand.NewPCG(1, 2))
	batch := make([]models.Row, n)
	for i := range batch {
		batch[i].Values = make([]float32, steps*width)
		for j := range batch[i].Values {
			batch[i].Values[j] = float32(60 + 5*rng.NormFloat64())
			if j%width == 1 {
				batch[i].Values[j] = float32(2 + 0.5*rng.NormFloat64())
			}
		}
	}
	return batch
}

func TestEachRefusalNamesWhatIsWrong(t *testing.T) {
	_, _, err := onnx.Library("")
	skipWithout(t, err)
	produced := []models.Input{{Name: "oil_temperature/value", Unit: "°C"}, {Name: "de_acc/rms", Unit: "m/s²"}}
	for name, tc := range map[string]struct {
		file string
		opt  onnx.Options
		want string
	}{
		"missing key":       {"missing-key", onnx.Options{}, "metadata pdm.license is missing"},
		"features unnamed":  {"old-features", onnx.Options{}, "pdm.features"},
		"unit":              {"good", onnx.Options{Produced: []models.Input{produced[0], {Name: "de_acc/rms", Unit: "mm/s"}}}, `feature "de_acc/rms" is in "mm/s", the model wants "m/s²"`},
		"not produced":      {"good", onnx.Options{Produced: produced[:1]}, `feature "de_acc/rms" is not produced`},
		"period":            {"good", onnx.Options{PeriodS: 590}, "sampling period is 590 s, the model wants 600 s"},
		"opset":             {"opset99", onnx.Options{}, "opset 99 of ai.onnx: at most 26"},
		"external data":     {"external-data", onnx.Options{}, "external_data=False"},
		"foreign operators": {"foreign-domain", onnx.Options{}, "is of domain com.example"},
		"self-test":         {"selftest-off", onnx.Options{}, "self-test answers"},
		"NaN":               {"nan", onnx.Options{}, "self-test answers NaN at 0"},
		"row dependence":    {"batch-mean", onnx.Options{}, "depends on the rest of its batch"},
		"two inputs":        {"two-inputs", onnx.Options{}, "one input [batch, time, features]"},
		"batch not dynamic": {"fixed-batch", onnx.Options{}, "dynamic batch"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := onnx.Open(filepath.Join(testdata, tc.file+".onnx"), tc.opt)
			if !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Open = %v, %v; want ErrContract with %q", r, err, tc.want)
			}
		})
	}
}

func TestFitsWithUnitAliasAndPeriodWithinOnePercent(t *testing.T) {
	open(t, "good", onnx.Options{PeriodS: 605, Produced: []models.Input{
		{Name: "de_acc/rms", Unit: "m/s2"}, {Name: "oil_temperature/value", Unit: "Cel"}, {Name: "unused/x", Unit: "1"},
	}})
}

// A library once loaded stays, so a process of its own looks in vain.
func TestMissingLibraryListsThePlaces(t *testing.T) {
	const child = "TELLTALE_TEST_CHILD"
	if os.Getenv(child) != "" {
		_, err := onnx.Open(filepath.Join(testdata, "good.onnx"), onnx.Options{})
		if !errors.Is(err, models.ErrNoRuntime) || !strings.Contains(err.Error(), os.Getenv(onnx.EnvLibrary)) {
			t.Errorf("Open = %v, want ErrNoRuntime naming %s", err, os.Getenv(onnx.EnvLibrary))
		}
		return
	}
	broken := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(broken, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none.so"), broken} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMissingLibraryListsThePlaces$")
		cmd.Env = append(os.Environ(), child+"=1", onnx.EnvLibrary+"="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("with %s: %v\n%s", path, err, out)
		}
	}
}

// Same bytes whatever else is in the batch: a replay cuts batches elsewhere.
func TestRowsAreIndependentOfTheirBatch(t *testing.T) {
	for _, name := range []string{"good", "forecaster", "rul", "softplus"} {
		t.Run(name, func(t *testing.T) {
			r := open(t, name, onnx.Options{})
			batch := sequences(200, 6, 2)
			all, err := r.Run(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1, 3, 16, 63} {
				for from := 0; from < len(batch); from += size {
					part := batch[from:min(from+size, len(batch))]
					rows, err := r.Run(context.Background(), part)
					if err != nil {
						t.Fatal(err)
					}
					for i := range part {
						if !slices.Equal(rows[i].Values, all[from+i].Values) {
							t.Fatalf("batches of %d: row %d = %v, in a batch of 200 it is %v", size, from+i, rows[i], all[from+i])
						}
					}
				}
			}
		})
	}
}

func TestRunRefusesAnotherShapeAndAClosedModel(t *testing.T) {
	r := open(t, "good", onnx.Options{})
	if _, err := r.Run(context.Background(), sequences(1, 5, 2)); !errors.Is(err, models.ErrContract) {
		t.Errorf("5 steps: %v, want ErrContract", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Run(ctx, sequences(1, 6, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(context.Background(), sequences(1, 6, 2)); err == nil {
		t.Error("a closed model ran")
	}
}

// A caller that forgets Close leaks memory and nothing worse.
func TestAForgottenRunnerDoesNoHarm(t *testing.T) {
	for range 20 {
		r, err := onnx.Open(filepath.Join(testdata, "good.onnx"), onnx.Options{})
		skipWithout(t, err)
		if _, err := r.Run(context.Background(), sequences(3, 6, 2)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.GC()
}

func TestRunIsSafeForConcurrentUseAndClose(t *testing.T) {
	r := open(t, "good", onnx.Options{})
	batch := sequences(40, 6, 2)
	want, err := r.Run(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				got, err := r.Run(context.Background(), batch)
				if err != nil {
					return // closed below
				}
				for i := range got {
					if !slices.Equal(got[i].Values, want[i].Values) {
						t.Errorf("row %d differs", i)
						return
					}
				}
			}
		})
	}
	wg.Go(func() { _ = r.Close() })
	wg.Wait()
}

func BenchmarkRun(b *testing.B) {
	file := os.Getenv("TELLTALE_BENCH_MODEL") // a file of another size, else the tests' own
	if file == "" {
		file = filepath.Join(testdata, "good.onnx")
	}
	r, err := onnx.Open(file, onnx.Options{})
	skipWithout(b, err)
	defer r.Close() //nolint:errcheck // releases memory only
	c := r.Contract()
	for _, n := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			batch := sequences(n, c.Window, len(c.Features))
			b.ReportAllocs()
			began := cpu()
			for b.Loop() {
				if _, err := r.Run(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/(cpu()-began), "windows/cpu-s")
		})
	}
}

// cpu is the processor time of this process in seconds: on a shared machine the
// wall clock says little.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return math.NaN()
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func ExampleOpen() {
	r, err := onnx.Open(filepath.Join(testdata, "missing-key.onnx"), onnx.Options{})
	if err != nil {
		fmt.Println(bytes.HasPrefix([]byte(err.Error()), []byte("../testdata/")), errors.Is(err, models.ErrContract))
		return
	}
	defer r.Close() //nolint:errcheck // releases memory only
	// Output: true true
}
