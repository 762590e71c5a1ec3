package dataset

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
)

// sampleRow is a row of a waveform file whose samples are values and no counts.
type sampleRow struct {
	Time    int64     `parquet:"time,timestamp(microsecond)"`
	Asset   string    `parquet:"asset,dict"`
	Channel string    `parquet:"channel,dict"`
	RateHz  float64   `parquet:"rate_hz"`
	Unit    string    `parquet:"unit,dict"`
	Quality float64   `parquet:"quality"`
	Samples []float32 `parquet:"samples,list"`
}

// WriteWindow writes one waveform as a file of waveforms/ with one row: counts and scale
// where w has counts, else samples. Its numbers are finite.
func WriteWindow(to io.Writer, id asset.ID, w asset.Waveform) error {
	if !finite(w.RateHz) || !finite(w.Quality) || !finite(w.Scale) {
		return fmt.Errorf("dataset: %s/%s: rate %g, quality %g, scale %g, want finite numbers", id, w.Channel, w.RateHz, w.Quality, w.Scale)
	}
	at := w.Start.UnixMicro()
	if w.Counts == nil {
		return writeRow(to, sampleRow{at, string(id), w.Channel, w.RateHz, w.Unit, w.Quality, w.Samples})
	}
	counts := make([]int32, len(w.Counts))
	for i, c := range w.Counts {
		counts[i] = int32(c)
	}
	return writeRow(to, waveRow{at, string(id), w.Channel, w.RateHz, w.Unit, w.Quality, w.Scale, counts})
}

func writeRow[T any](to io.Writer, row T) error {
	pq := parquet.NewGenericWriter[T](to, writerOptions()...)
	if _, err := pq.Write([]T{row}); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if err := pq.Close(); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}
