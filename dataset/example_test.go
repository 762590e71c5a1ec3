package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

func Example() {
	dir, err := os.MkdirTemp("", "pump")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	start := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

	w, err := dataset.NewWriter(dir, dataset.Set{Name: "pump", Assets: []asset.Nameplate{{ID: "p1", Kind: "pump"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = errors.Join(
		w.Wave(dataset.Record{Asset: "p1", Channel: "x", Start: start, RateHz: 4, Unit: "m/s²", Quality: 100, Counts: []int32{1, 2, 3, 4, 5, 6}, Scale: 0.5}),
		w.Points("p1", start.Add(time.Second), []asset.Point{{Metric: "temperature", Value: 61.5, Unit: "°C", Quality: 100}}),
		w.Close(nil, "one pump, made up\n"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	set, err := dataset.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	replay, err := set.Replay(dataset.ReplayOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer replay.Close()
	for {
		r, p, err := replay.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return
		}
		if r.Wave != nil {
			fmt.Println(p.Offset, r.Time.Format("05.00"), r.Asset, r.Wave.Samples)
		} else {
			fmt.Println(p.Offset, r.Time.Format("05.00"), r.Asset, r.Points[0].Value, r.Points[0].Unit)
		}
	}
	// Output:
	// 1 00.75 p1 [0.5 1 1.5 2]
	// 2 01.00 p1 61.5 °C
	// 3 01.25 p1 [2.5 3]
}
