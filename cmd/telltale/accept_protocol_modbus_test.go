//go:build accept

package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/modbus"
)

// TestAcceptProtocolModbus has a server of pymodbus that numbers the answers it gives.
func TestAcceptProtocolModbus(t *testing.T) {
	python := protocolPython(t)
	t.Parallel()
	_, period := trial(t)
	plate, rows := turbineTable(t)
	dir := t.TempDir()
	table, log, port := filepath.Join(dir, "table"), filepath.Join(dir, "log"), freePort(t)
	writeTable(t, table, rows)
	const aLife = 1_000_000 // serial numbers
	server := &peer{t: t, name: "pymodbus", args: func(life int) []string {
		return []string{python, "testdata/protocols/modbus.py", port, table, log, strconv.Itoa(life*aLife + 1)}
	}}
	server.start()
	defer server.kill()
	way := network(t, port)
	const serial = "serial"
	plate.Metrics = append(plate.Metrics, asset.Metric{Name: serial, Unit: "1"})
	device := modbus.Device{Asset: plate.ID, Address: way.address(), Unit: 1, Every: period, Registers: []modbus.Register{{Metric: serial, Unit: "1", Type: "uint32"}}}
	for i, m := range plate.Metrics[:len(plate.Metrics)-1] {
		device.Registers = append(device.Registers, modbus.Register{Metric: m.Name, Unit: m.Unit, Address: uint16(2 + 2*i), Type: "float32"})
	}
	s := runService(t, plate, map[string]any{"modbus": []modbus.Device{device}})
	ordeal(t, s, faultsOf(server, way))
	until := time.Now().Add(-2 * time.Second)
	s.stop()
	var sent []sentReading
	for line := range strings.Lines(string(bytesOf(t, log))) {
		n, ns, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		at, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		r := sentReading{key: number, at: time.Unix(0, at), values: map[string]float64{serial: float64(number)}, sure: true}
		for i, v := range rows[number%int64(len(rows))] {
			r.values[plate.Metrics[i].Name] = v
		}
		sent = append(sent, r)
	}
	left := s.kept(plate.ID)
	tally{what: "readings", sent: sent, kept: left.readings, gaps: left.gaps, until: until, key: func(k keptReading) int64 { return int64(k.values[serial]) }}.account(t)
	clean(t, left.counts)
	silences(t, left.readings, left.gaps, 2*period)
}

// silences wants a gap over every time in which nothing was read for longer than most.
func silences(t *testing.T, kept []keptReading, gaps []silence, most time.Duration) {
	t.Helper()
	for i := 1; i < len(kept); i++ {
		from, to := kept[i-1].at, kept[i].at
		if to.Sub(from) <= most+time.Millisecond { // times are rounded to it
			continue
		}
		if !slices.ContainsFunc(gaps, func(g silence) bool {
			return g.from.Sub(from).Abs() <= time.Millisecond && g.to.Sub(to).Abs() <= time.Millisecond
		}) {
			t.Errorf("nothing is kept from %s to %s, and no gap says so", from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
		}
	}
}
