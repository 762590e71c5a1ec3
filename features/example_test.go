package features_test

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// A bearing whose outer race strikes a resonance at 4 kHz, once for each ball.
func ExampleWaveExtractor() {
	plate := asset.Nameplate{
		Components: []asset.Component{{Name: "bearing", Bearing: &asset.Bearing{RollingElements: 9, ElementDiameterMM: 7.94, PitchDiameterMM: 39.04}}},
		Channels:   []asset.Channel{{Name: "seat", Kind: "acceleration", Unit: "m/s²", RateHz: 25600, Component: "bearing"}},
	}
	strikeHz := features.OrdersOf(*plate.Components[0].Bearing).BPFO * 1500 / 60
	samples := make([]float32, 25600)
	for i := range samples {
		since := math.Mod(float64(i)/25600, 1/strikeHz)
		samples[i] = float32(math.Exp(-1000*since)*math.Sin(2*math.Pi*4000*since) + 0.01*math.Sin(float64(i*i)))
	}
	extractor := features.NewExtractor(features.ExtractorOptions{}, plate, nil)
	v, _, _ := extractor.Extract(asset.Window{Channel: "seat", Unit: "m/s²", RateHz: 25600, Samples: samples, SpeedRpm: 1500, Quality: 100}, false)
	mode, _ := features.Diagnose(features.DefectScoresOf(v))
	fmt.Printf("%s at %.1f Hz\n", mode, strikeHz)
	// Output: outer-race at 89.6 Hz
}
