//go:build accept

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/ingest/sparkplug"
)

// sparkplugLoses is how many messages of the edge node go by until one is counted and never
// sent, as on a radio.
const sparkplugLoses = 97

// TestAcceptProtocolSparkplug has an edge node of pysparkplug and us meet at a mosquitto that
// keeps nothing. All goes at QoS 0, and the edge node goes on measuring whatever happens: what
// did not arrive has to lie in a gap.
func TestAcceptProtocolSparkplug(t *testing.T) {
	python, program := protocolPython(t), mosquittoProgram(t)
	t.Parallel()
	_, period := trial(t)
	plate, rows := turbineTable(t)
	dir := t.TempDir()
	table, log := filepath.Join(dir, "table"), filepath.Join(dir, "log")
	writeTable(t, table, rows)
	server, port := mosquitto(t, program)
	defer func() { server.kill() }()
	edge := &peer{t: t, name: "pysparkplug", args: func(int) []string {
		return []string{python, "testdata/protocols/sparkplug.py", port, table, log, strconv.FormatFloat(period.Seconds(), 'f', -1, 64), strconv.Itoa(sparkplugLoses)}
	}}
	edge.start()
	defer edge.kill()
	way := network(t, port)
	binding := sparkplug.Binding{Group: "farm", Edge: "edge", Device: "WT01", Asset: plate.ID}
	for i, m := range plate.Metrics {
		binding.Metrics = append(binding.Metrics, sparkplug.Metric{Name: strconv.Itoa(i), Metric: m.Name, Unit: m.Unit})
	}
	host := sparkplugConfig{Broker: mqtt.Config{URL: "tcp://" + way.address()}, Options: sparkplug.Options{HostID: "proof", Groups: []string{"farm"}, Bindings: []sparkplug.Binding{binding}}}
	s := runService(t, plate, map[string]any{"sparkplug": host})
	ordeal(t, s, faultsOf(server, way))
	until := time.Now().Add(-3 * time.Second)
	s.stop()
	left := s.kept(plate.ID)
	var sent []sentReading
	asked, lost := 0, 0
	for line := range strings.Lines(string(bytesOf(t, log))) {
		var what string
		var row int
		var ms int64
		if _, err := fmt.Sscan(line, &what, &row, &ms); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch what {
		case "asked":
			asked++
		case "lost":
			lost++
		default:
			at := time.UnixMilli(ms)
			r := sentReading{key: at.UnixNano(), at: at, values: map[string]float64{}, sure: !at.Before(left.readings[0].at)}
			for i, v := range rows[row] {
				r.values[plate.Metrics[i].Name] = v
			}
			sent = append(sent, r)
		}
	}
	t.Logf("counted: %v; the edge node lost %d messages on the way and was asked to be born again %d times", left.counts, lost, asked)
	tally{what: "readings", sent: sent, kept: left.readings, gaps: left.gaps, until: until}.account(t)
	clean(t, left.counts)
	if asked < 3 { // our connection broke three ways, each with the edge node online
		t.Errorf("the edge node was asked to be born again %d times, want at least 3", asked)
	}
	if !slices.ContainsFunc(left.gaps, func(g silence) bool { return strings.Contains(g.text, "messages of the edge node were lost: seq") }) {
		t.Errorf("none of %d gaps is of the messages that the edge node lost on the way, which were %d", len(left.gaps), lost)
	}
}
