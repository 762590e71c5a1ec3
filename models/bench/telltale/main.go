// Command telltale of models/bench scores random windows in batches of several
// sizes and prints what a call costs, as one JSON object a line.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

func main() {
	file := flag.String("model", "", "ONNX file with the contract")
	batches := flag.String("batches", "1,16,64,256", "sizes of batches")
	seconds := flag.Float64("seconds", 0.5, "processor seconds for each size")
	flag.Parse()
	if err := run(*file, *batches, *seconds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// line is one case: processor seconds and wall seconds of a call.
type line struct {
	Batch int     `json:"batch"`
	CPU   float64 `json:"cpu_s"`
	Wall  float64 `json:"wall_s"` // median
	Calls int     `json:"calls"`
}

func run(file, batches string, seconds float64) error {
	r, err := onnx.Open(file, onnx.Options{})
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // the process ends
	c := r.Contract()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // noise to compute with
	for size := range strings.SplitSeq(batches, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		batch := make([]models.Row, n)
		for i := range batch {
			batch[i].Values = make([]float32, c.Window*c.Columns())
			for j := range batch[i].Values {
				batch[i].Values[j] = float32(3 + random.NormFloat64())
			}
		}
		l, err := measure(r, batch, seconds)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func measure(r *onnx.Runner, batch []models.Row, seconds float64) (line, error) {
	l := line{Batch: len(batch)}
	for range 3 { // tensors are made, the cache is warm
		if _, err := r.Run(context.Background(), batch); err != nil {
			return l, err
		}
	}
	var walls []float64
	began := cpu()
	for cpu()-began < seconds {
		for range max(1, 64/len(batch)) {
			at := time.Now()
			if _, err := r.Run(context.Background(), batch); err != nil {
				return l, err
			}
			walls = append(walls, time.Since(at).Seconds())
		}
	}
	l.Calls = len(walls)
	l.CPU = (cpu() - began) / float64(len(walls))
	slices.Sort(walls)
	l.Wall = walls[len(walls)/2]
	return l, nil
}

// cpu is the processor time of this process in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
