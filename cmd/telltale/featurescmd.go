package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// featuresOf computes the features of one waveform in a file.
type featuresOf struct {
	rate, rpm, scale      float64
	unit, bearing         string
	column, record        int
	assetID, channel      string
	asJSON, exact, schema bool
	plate                 asset.Nameplate // of the folder that a record came from
	component, recordName string
}

func featuresCommand() *cobra.Command {
	var f featuresOf
	c := &cobra.Command{
		Use: "features FILE… --rate HZ", Short: "Features of one waveform, computed as the flow computes them",
		Long: "Reads one waveform and prints every feature with its unit, or why it is missing.\n\n" +
			"  .csv .txt  one sample a line; of several columns, --column counts from 1 (default: the last)\n" +
			"  .npy       one-dimensional, integer or float; of two dimensions, --column\n" +
			"  .wav       PCM or float; samples are shares of full scale; has its own rate; --column is the audio channel\n" +
			"  .f32 .i16  raw little-endian samples\n" +
			"  .parquet   a waveforms file of a dataset folder: --asset, --channel and --record choose; rate, unit, and from\n" +
			"             the folder's dataset.yaml bearing and speed, are known\n",
		Example: "  telltale features shaft.csv --rate 25600 --unit g --rpm 1800 --bearing 13,3.5,25.6,0\n" +
			"  telltale features data/femto/waveforms/bearing1_1.parquet --record 40 --json",
		Args: func(cmd *cobra.Command, args []string) error {
			if f.schema {
				return exactly()(cmd, args)
			}
			return exactly("FILE…")(cmd, args[:min(len(args), 1)])
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.schema {
				return f.page(cmd.OutOrStdout())
			}
			for _, path := range args {
				g := f
				if err := g.run(cmd.OutOrStdout(), path); err != nil {
					return err
				}
			}
			return nil
		},
	}
	o := c.Flags()
	o.Float64Var(&f.rate, "rate", 0, "samples a second; .wav and .parquet know theirs")
	o.StringVar(&f.unit, "unit", "", "of the samples: "+asset.Units()+" (default m/s²)")
	o.Float64Var(&f.rpm, "rpm", 0, "shaft speed")
	o.StringVar(&f.bearing, "bearing", "", `geometry "n,d,D,phi" (rolling elements, mm, mm, degrees) or orders "bpfo=3.58,bpfi=5.41,bsf=2.36,ftf=0.4"`)
	o.Float64Var(&f.scale, "scale", 1, "value of one count, or of full scale in .wav")
	o.IntVar(&f.column, "column", 0, "which column or audio channel, from 1")
	o.StringVar(&f.assetID, "asset", "", ".parquet: records of this asset")
	o.StringVar(&f.channel, "channel", "", ".parquet: records of this channel")
	o.IntVar(&f.record, "record", 1, ".parquet: which of them, from 1")
	o.BoolVar(&f.schema, "schema", false, "every feature there is: name, unit, convention, what it needs, source; in Markdown or with --json")
	o.BoolVar(&f.exact, "exact", false, "in float64 instead of the flow's float32: the same source to more digits")
	o.BoolVar(&f.asJSON, "json", false, "one JSON object")
	return c
}

// featureLine is one feature as it is printed.
type featureLine struct {
	Name   string       `json:"name"`
	Value  asset.Number `json:"value"`
	Unit   string       `json:"unit"`
	Reason asset.Reason `json:"reason,omitempty"` // why it is missing
}

func (f *featuresOf) run(out io.Writer, path string) error {
	if err := f.check(); err != nil {
		return err
	}
	x, err := f.read(path)
	if err != nil {
		return err
	}
	if !(f.rate > 0) {
		return fmt.Errorf("%w: --rate is missing: %s does not say how many samples a second it has", errUsage, path)
	}
	v, err := f.extract(x)
	if err != nil {
		return err
	}
	lines := make([]featureLine, len(v.Fields))
	for i, field := range v.Fields {
		lines[i] = featureLine{Name: field.Name, Value: asset.Number(v.Values[i]), Unit: field.Unit}
		if v.Reasons != nil {
			lines[i].Reason = v.Reasons[i]
		}
	}
	if f.asJSON {
		return json.NewEncoder(out).Encode(struct {
			File     string        `json:"file"`
			Record   string        `json:"record,omitempty"`
			Samples  int           `json:"samples"`
			RateHz   float64       `json:"rate_hz"`
			Quality  float64       `json:"quality"`
			Version  string        `json:"feature_version"`
			Features []featureLine `json:"features"`
		}{path, f.recordName, len(x), f.rate, v.Quality, features.Version, lines})
	}
	if f.recordName != "" {
		fmt.Fprintln(out, f.recordName)
	}
	fmt.Fprintf(out, "%d samples at %g Hz, %.4g s, quality %g\n", len(x), f.rate, float64(len(x))/f.rate, v.Quality)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		value := strconv.FormatFloat(float64(l.Value), 'g', 6, 64)
		if !l.Value.Known() {
			value = "missing: " + string(l.Reason)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", l.Name, value, l.Unit)
	}
	return t.Flush()
}

// page prints the schema.
func (f *featuresOf) page(out io.Writer) error {
	if f.asJSON {
		return json.NewEncoder(out).Encode(features.Schema())
	}
	return features.WriteSchema(out)
}

// check names the flag that cannot be used, and what is allowed.
func (f *featuresOf) check() error {
	bad := func(flag string, value any, allowed string) error {
		return fmt.Errorf("%w: --%s %v: %s", errUsage, flag, value, allowed)
	}
	switch {
	case f.rate < 0 || math.IsNaN(f.rate) || f.rate > 1e9:
		return bad("rate", f.rate, "samples a second, above 0, at most 1e9")
	case f.rpm < 0 || math.IsNaN(f.rpm) || math.IsInf(f.rpm, 0):
		return bad("rpm", f.rpm, "revolutions a minute, 0 or more")
	case !(math.Abs(f.scale) > 0) || math.IsInf(f.scale, 0):
		return bad("scale", f.scale, "a number other than 0")
	case f.column < 0:
		return bad("column", f.column, "1 or more")
	case f.record < 1:
		return bad("record", f.record, "1 or more")
	}
	if _, _, ok := asset.Convert(0, f.unit); !ok {
		return bad("unit", strconv.Quote(f.unit), "one of "+asset.Units())
	}
	_, err := parseBearing(f.bearing)
	return err
}

// channelKinds are the kinds of channel that units imply.
var channelKinds = map[string]string{"m/s²": "acceleration", "mm/s": "velocity", "m/s": "velocity", "µm": "displacement", "A": "current", "µV": "acoustic-emission"}

// extract computes the features of samples in the file's unit.
func (f *featuresOf) extract(x []float64) (features.Vector, error) {
	bearing, err := parseBearing(f.bearing)
	if err != nil {
		return features.Vector{}, err
	}
	if f.unit == "" {
		f.unit = "m/s²"
	}
	_, unit, _ := asset.Convert(0, f.unit)
	samples := make([]float32, len(x))
	for i, v := range x {
		x[i], _, _ = asset.Convert(v*f.scale, f.unit)
		samples[i] = float32(x[i])
	}
	plate := f.plate
	if plate.ID == "" {
		f.component = "bearing"
		plate = asset.Nameplate{ID: "file", Components: []asset.Component{{Name: f.component, Bearing: bearing}}}
	}
	for i, part := range plate.Components {
		if part.Name == f.component && bearing != nil {
			plate.Components[i].Bearing = bearing
		}
	}
	w := asset.Window{
		Asset: plate.ID, Channel: "file", Component: f.component, Kind: channelKinds[unit], RateHz: f.rate, Unit: unit, Samples: samples,
		SpeedRpm: asset.Missing(), LoadN: asset.Missing(), Quality: 100,
	}
	if f.rpm > 0 {
		w.SpeedRpm = asset.Number(f.rpm)
	}
	extractor := features.NewExtractor(features.ExtractorOptions{SpectrumBins: -1}, plate, nil)
	if f.exact {
		v, _, err := extractor.Exact(w, x)
		return v, err
	}
	v, _, err := extractor.Extract(w, false)
	return v, err
}

// parseBearing reads a bearing's geometry or its orders; "" is none.
func parseBearing(spec string) (*asset.Bearing, error) {
	if spec == "" {
		return nil, nil //nolint:nilnil // no bearing is what was asked for
	}
	bad := func(part, why string) error {
		return fmt.Errorf("%w: --bearing %q: %q %s; want n,d,D,phi (rolling elements, mm, mm, degrees) or bpfo=,bpfi=,bsf=,ftf=", errUsage, spec, part, why)
	}
	b := &asset.Bearing{}
	parts := strings.Split(spec, ",")
	if !strings.Contains(spec, "=") {
		if len(parts) != 4 {
			return nil, bad(spec, fmt.Sprintf("has %d numbers instead of 4", len(parts)))
		}
		var n float64
		for i, into := range []*float64{&n, &b.ElementDiameterMM, &b.PitchDiameterMM, &b.ContactAngleDeg} {
			v, err := strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, bad(parts[i], "is not a number")
			}
			*into = v
		}
		b.RollingElements = int(n)
		if n < 1 || n > 1e4 || n != math.Trunc(n) || !(b.ElementDiameterMM > 0) || !(b.PitchDiameterMM > b.ElementDiameterMM) || math.Abs(b.ContactAngleDeg) >= 90 {
			return nil, bad(spec, "is no bearing (n is a count, 0 < d < D, phi below 90)")
		}
		return b, nil
	}
	into := map[string]*float64{"bpfo": &b.BPFOOrder, "bpfi": &b.BPFIOrder, "bsf": &b.BSFOrder, "ftf": &b.FTFOrder}
	for _, p := range parts {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		to, known := into[strings.ToLower(strings.TrimSpace(name))]
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if !known || err != nil || !(v > 0) || math.IsInf(v, 0) {
			return nil, bad(p, "is not an order above 0")
		}
		*to = v
	}
	return b, nil
}
