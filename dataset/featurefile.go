package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
)

// ReadFeatures calls row for each row of a file of features, in its order: Parquet
// as FeatureWriter writes it, or CSV with the same columns time, asset, channel,
// feature, value and, optionally, quality.
func ReadFeatures(path string, row func(FeatureRow) error) error {
	f, err := os.Open(path) //nolint:gosec // the caller's file
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		err = csvFeatures(f, row)
	} else {
		err = parquetFeatures(f, row)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// featureRecord is a FeatureRow as Parquet holds it.
type featureRecord struct {
	Time    time.Time `parquet:"time,timestamp(microsecond)"`
	Asset   string    `parquet:"asset"`
	Channel string    `parquet:"channel"`
	Feature string    `parquet:"feature"`
	Value   *float64  `parquet:"value,optional"`
	Quality *float64  `parquet:"quality,optional"`
}

func parquetFeatures(f *os.File, row func(FeatureRow) error) (err error) {
	defer func() {
		if p := recover(); p != nil { // the library panics on some damaged files
			err = fmt.Errorf("not a Parquet file of features: %v", p)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	pq, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return err
	}
	for _, name := range []string{"time", "asset", "channel", "feature", "value"} {
		if _, ok := pq.Schema().Lookup(name); !ok {
			return fmt.Errorf("no column %s: time, asset, channel, feature, value, quality are read", name)
		}
	}
	r := parquet.NewGenericReader[featureRecord](pq)
	defer r.Close() //nolint:errcheck // it was only read
	records := make([]featureRecord, 1024)
	for {
		n, err := r.Read(records)
		for _, c := range records[:n] {
			out := FeatureRow{Time: c.Time, Asset: asset.ID(c.Asset), Channel: c.Channel, Feature: c.Feature, Value: asset.Missing(), Quality: 100}
			if c.Value != nil {
				out.Value = asset.Number(*c.Value)
			}
			if c.Quality != nil {
				out.Quality = *c.Quality
			}
			if err := row(out); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func csvFeatures(f io.Reader, row func(FeatureRow) error) error {
	r := csv.NewReader(f)
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	at := map[string]int{}
	for i, name := range head {
		at[strings.TrimSpace(name)] = i
	}
	for _, name := range []string{"time", "asset", "channel", "feature", "value"} {
		if _, ok := at[name]; !ok {
			return fmt.Errorf("no column %s: time, asset, channel, feature, value, quality are read", name)
		}
	}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		out := FeatureRow{Asset: asset.ID(cells[at["asset"]]), Channel: cells[at["channel"]], Feature: cells[at["feature"]], Value: asset.Missing(), Quality: 100}
		if out.Time, err = time.Parse(time.RFC3339, cells[at["time"]]); err != nil {
			return fmt.Errorf("line %d: time: %w", line, err)
		}
		if text := cells[at["value"]]; text != "" {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return fmt.Errorf("line %d: value: %w", line, err)
			}
			out.Value = asset.Number(v)
		}
		if i, ok := at["quality"]; ok && cells[i] != "" {
			if out.Quality, err = strconv.ParseFloat(cells[i], 64); err != nil {
				return fmt.Errorf("line %d: quality: %w", line, err)
			}
		}
		if err := row(out); err != nil {
			return err
		}
	}
}
