//go:build accept

package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/ingest/opcua"
)

// TestAcceptProtocolOPCUA has a server of asyncua that logs what it sets, before and after.
func TestAcceptProtocolOPCUA(t *testing.T) {
	python := protocolPython(t)
	t.Parallel()
	_, period := trial(t)
	plate, rows := turbineTable(t)
	dir := t.TempDir()
	table, log, port := filepath.Join(dir, "table"), filepath.Join(dir, "log"), freePort(t)
	writeTable(t, table, rows)
	server := &peer{t: t, name: "asyncua", args: func(int) []string {
		return []string{python, "testdata/protocols/opcua.py", port, table, log, strconv.FormatFloat(period.Seconds(), 'f', -1, 64)}
	}}
	server.start()
	defer server.kill()
	way := network(t, port)
	source := opcua.Server{Endpoint: "opc.tcp://" + way.address() + "/", Security: "None/None"}
	for i, m := range plate.Metrics {
		source.Nodes = append(source.Nodes, opcua.Node{ID: fmt.Sprintf("ns=2;s=WT01.%d", i), Asset: plate.ID, Metric: m.Name, Unit: m.Unit})
	}
	s := runService(t, plate, map[string]any{"opcua": []opcua.Server{source}})
	ordeal(t, s, faultsOf(server, way))
	until := time.Now().Add(-3 * time.Second)
	s.stop()
	left := s.kept(plate.ID)
	began := left.readings[0].at // what was there before the first one was nobody's to read
	var sent []sentReading
	done := map[int64]bool{}
	for line := range strings.Lines(string(bytesOf(t, log))) {
		var what string
		var row int
		var ns int64
		if _, err := fmt.Sscan(line, &what, &row, &ns); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if what == "did" {
			done[ns] = true
			continue
		}
		r := sentReading{key: ns, at: time.Unix(0, ns), values: map[string]float64{}}
		for i, v := range rows[row] {
			r.values[plate.Metrics[i].Name] = v
		}
		sent = append(sent, r)
	}
	for i := range sent {
		sent[i].sure = done[sent[i].key] && !sent[i].at.Before(began)
	}
	tally{what: "readings", sent: sent, kept: left.readings, gaps: left.gaps, until: until}.account(t)
	clean(t, left.counts)
}
