package ingest

import (
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// MaxFeatured is how many windows a message may bring features of.
const MaxFeatured = 128

// given reads a message Features: once to count its values, once to fill what was made for
// that many.
func (d *protoTelemetry) given(b []byte) error {
	n := 0
	for w := (wire{b: b}); w.next(); {
		if w.num == 7 {
			n++
		}
	}
	d.nValues += n
	if d.nValues > MaxPoints {
		return &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("%d features in a message, at most %d are read", d.nValues, MaxPoints)}
	}
	f := asset.Features{Quality: 100, Values: make([]asset.Feature, 0, n)}
	proof := protoTelemetry{names: d.names}
	w := wire{b: b}
	for w.next() {
		switch w.num {
		case 1:
			f.Channel = d.names.of(w.text())
		case 2:
			f.Start = time.Unix(0, int64(w.fixed64())).UTC()
		case 3:
			f.End = time.Unix(0, int64(w.fixed64())).UTC()
		case 4:
			f.RateHz = w.double()
		case 5:
			f.Samples = int(uint32(w.varint()))
		case 6:
			f.Quality = w.double()
		case 7:
			w.failed(d.value(w.message(), &f))
		case 8:
			w.failed(proof.evidence(w.message()))
		}
	}
	if w.err != nil {
		return w.err
	}
	if err := proof.waves.finish(&proof); err != nil {
		return fmt.Errorf("evidence of features: %w", err)
	}
	f.Evidence = proof.wave
	d.features = append(d.features, f)
	return nil
}

func (d *protoTelemetry) value(b []byte, f *asset.Features) error {
	var x asset.Feature
	w := wire{b: b}
	for w.next() {
		switch w.num {
		case 1:
			x.Name = d.names.of(w.text())
		case 2:
			x.Unit = d.names.of(w.text())
		case 3:
			x.Value = w.double()
		case 4:
			x.Reason = asset.Reason(d.names.of(w.text()))
		}
	}
	f.Values = append(f.Values, x)
	return w.err
}

// evidence reads a part of the window that features are of.
func (d *protoTelemetry) evidence(b []byte) error {
	d.nCounts, d.nFloats = 0, 0
	if err := d.surveyWave(b); err != nil {
		return err
	}
	if n := max(d.nCounts, d.nFloats); n > MaxWaveSamples {
		return &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("%d samples, at most %d are read", n, MaxWaveSamples)}
	}
	return d.waves.merge(b, d)
}
