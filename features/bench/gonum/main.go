// Command gonum measures the feature set of a window as it is written with gonum
// in the plain way: float64, and new memory for each window.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"syscall"

	"gonum.org/v1/gonum/dsp/fourier"
)

const windows = 64

func main() {
	b := bench{}
	flag.Float64Var(&b.seconds, "seconds", 0.3, "CPU `seconds` for each case")
	flag.StringVar(&b.only, "only", "", "cases that begin so")
	flag.StringVar(&b.stage, "stage", "", "features or fft")
	flag.BoolVar(&b.check, "check", false, "print the features of the first window")
	flag.Parse()
	for _, n := range []int{4096, 262144, 307200} {
		b.features(n)
	}
	for _, n := range []int{1024, 2048, 4096, 8192, 16384, 25600, 262144, 307200} {
		b.fft(n)
	}
}

type bench struct {
	seconds     float64
	only, stage string
	check       bool
}

func (b *bench) wanted(stage, name string) bool {
	return (b.stage == "" || b.stage == stage) && strings.HasPrefix(name, b.only)
}

// features measures the plain way, and "kept": with the transforms made once.
func (b *bench) features(n int) {
	var made [][]int16
	for _, c := range []struct {
		name       string
		full, keep bool
	}{{"full/%d", true, false}, {"core/%d", false, false}, {"full-kept/%d", true, true}, {"core-kept/%d", false, true}} {
		name := fmt.Sprintf(c.name, n)
		if !b.wanted("features", name) {
			continue
		}
		t := &transforms{c.keep, map[int]*fourier.FFT{}, map[int]*fourier.CmplxFFT{}}
		if b.check {
			if !c.keep {
				show(map[string]any{"case": name, "features": t.features(window(n, 0), c.full)})
			}
			continue
		}
		for i := len(made); i < windows; i++ {
			made = append(made, window(n, uint32(i)))
		}
		b.rate("features", name, func(i int) int {
			t.features(made[i%windows], c.full)
			return n
		})
	}
}

func (b *bench) fft(n int) {
	name := fmt.Sprintf("real/%d", n)
	if b.check || !b.wanted("fft", name) {
		return
	}
	x, to, t := make([]float64, n), make([]complex128, n/2+1), fourier.NewFFT(n)
	for i, c := range window(n, 0) {
		x[i] = scale * float64(c)
	}
	b.rate("fft", name, func(int) int {
		t.Coefficients(to, x)
		return n
	})
}

// rate prints the samples that work does in a CPU second.
func (b *bench) rate(stage, name string, work func(i int) int) {
	work(0)
	done, took, at := 0, 0.0, 0
	for began := cpuSeconds(); took < b.seconds; took = cpuSeconds() - began {
		for looked := 0; looked < 65536; at++ {
			n := work(at)
			looked, done = looked+n, done+n
		}
	}
	rate := float64(done) / took
	show(map[string]any{
		"stage": stage, "case": name, "value": rate, "unit": "samples/cpu-s", "better": "higher", "n": 1, "min": rate, "max": rate,
	})
}

func show(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // only numbers and names are in it
	}
	fmt.Println(string(text))
}

// cpuSeconds is what this process has used, user and system, over all threads.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	of := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return of(u.Utime) + of(u.Stime)
}
