package ingest_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// The page for users shows messages that are read, and the limits and reasons that hold.
func TestPageOfPayloads(t *testing.T) {
	text, err := os.ReadFile("../docs/ingest-payloads.md")
	if err != nil {
		t.Fatal(err)
	}
	var p ingest.Payloads
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	for _, e := range examples {
		if got := told(t, &p, ingest.Message{Payload: []byte(e[1])}); !strings.HasPrefix(got, "wt1 ") {
			t.Errorf("%s is not read: %s", e[1], got)
		}
	}
	if len(examples) != 4 {
		t.Errorf("%d examples in JSON, want 4", len(examples))
	}
	for _, row := range []string{
		fmt.Sprintf("| a message in JSON | %d bytes, values nested 32 deep |", ingest.MaxTelemetryBytes),
		fmt.Sprintf("| a message in Protobuf | %d bytes |", ingest.MaxProtobufBytes),
		fmt.Sprintf("| a CloudEvent in JSON | %d bytes |", ingest.MaxEventBytes),
		fmt.Sprintf("| points in a message | %d |", ingest.MaxPoints),
		fmt.Sprintf("| metadata of a point, each text of an event | %d bytes |", ingest.MaxMetaBytes),
		fmt.Sprintf("| a name of an asset, channel, metric, a unit | %d bytes; 100 characters |", ingest.MaxNameBytes),
		fmt.Sprintf("| samples in a message | %d |", ingest.MaxWaveSamples),
		fmt.Sprintf("| channels of the hits in a message | %d |", ingest.MaxHitChannels),
		fmt.Sprintf("| `%s` |", ingest.Undecodable), fmt.Sprintf("| `%s` |", ingest.Oversize), fmt.Sprintf("| `%s` |", ingest.NotAllowed),
		"`" + ingest.WaveType + "`",
	} {
		if !strings.Contains(string(text), row) {
			t.Errorf("the page lacks %q", row)
		}
	}
}

// What the page's program in Python writes: waveform([1, -2, 300], 25600.0, 0.001,
// start_ns=1709294400000000000).
func TestWaveformOfThePage(t *testing.T) {
	b, err := hex.DecodeString("54545756010103640080905833a2b817000000000000d940fca9f1d24d62503f03000000050000006d2f73c2b20100feff2c01")
	if err != nil {
		t.Fatal(err)
	}
	want := asset.Waveform{Channel: "x", Start: t0, RateHz: 25600, Unit: "m/s²", Counts: []int16{1, -2, 300}, Scale: 0.001, Quality: 100, First: true, Last: true}
	if got, err := ingest.DecodeWave(asset.Waveform{}, b, "x"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}
