package features

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// Assets that share a workspace do not see each other in it.
func TestGroupsShareTheirRoom(t *testing.T) {
	plate := groupPlate()
	windows := func(k int) []asset.Window {
		u := uint64(k)
		return []asset.Window{
			groupWindow(plate, "ae", 0.05*float64(k), bursts(50000-k, u, 900+k), math.NaN()),
			groupWindow(plate, "i", float64(k), tones(10000+1000*(k%3), 1000, 0.01, u, [3]float64{50, 10, 0}, [3]float64{48, 0.1, 1}), 1470),
			groupWindow(plate, "tower", 120*float64(k), oscillator(3072-256*(k%2), 25.6, 0.32, 0.02, u), 12),
			groupWindow(plate, "gear", 2*float64(k), meshing(51200-1024*(k%4), 25600, 25, 21, 0, u), 1500),
		}
	}
	shared := NewWorkspace()
	var together, alone []*WaveExtractor
	for range 3 {
		together = append(together, NewExtractor(behind40(), plate, shared))
		alone = append(alone, NewExtractor(behind40(), plate, nil))
	}
	for k := range 9 {
		for _, w := range windows(k) {
			if a, b := extracted(t, together[k%3], w), extracted(t, alone[k%3], w); !sameVector(a, b) {
				t.Fatalf("window %d of %s differs in a shared workspace", k, w.Channel)
			}
		}
	}
	for i := range together {
		if a, b := together[i].Save(), alone[i].Save(); !maps.EqualFunc(a, b, slices.Equal) {
			t.Errorf("asset %d carries something else in a shared workspace", i)
		}
	}
}

// An undeclared channel has a layout for everything it may be; each carries its own.
func TestLayoutsOfOneChannelCarryTheirOwn(t *testing.T) {
	plate := groupPlate()
	var stream []asset.Window
	for k := range 12 {
		w := groupWindow(plate, "tower", 120*float64(k), oscillator(3072, 25.6, 0.32, 0.02, uint64(k)), 12)
		w.Channel = "undeclared"
		if k%2 == 1 {
			w.Kind, w.Unit = "velocity", "mm/s"
		}
		if k%3 == 2 {
			w.RateHz = 25
		}
		stream = append(stream, w)
	}
	run := func(restarts bool) (out []Vector, kept map[string][]byte) {
		e, kept := NewExtractor(behind40(), plate, nil), map[string][]byte{}
		for _, w := range stream {
			if restarts {
				e = NewExtractor(behind40(), plate, nil)
				if err := e.Load(kept); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, extracted(t, e, w))
			maps.Copy(kept, e.Save())
		}
		return out, kept
	}
	plain, kept := run(false)
	if len(kept) != 4 {
		t.Errorf("%d parts of 4 layouts: %q", len(kept), slices.Sorted(maps.Keys(kept)))
	}
	again, same := run(true)
	for i := range plain {
		if !sameVector(plain[i], again[i]) {
			t.Errorf("window %d differs after restarts", i)
		}
	}
	if !maps.EqualFunc(kept, same, slices.Equal) {
		t.Error("other state after restarts")
	}
}

// Layouts that are forgotten because there are too many lose nothing, saved or not.
func TestForgottenLayoutsKeepTheirState(t *testing.T) {
	plate := groupPlate()
	tower := func(k int) asset.Window {
		return groupWindow(plate, "tower", 120*float64(k), oscillator(3072, 25.6, 0.32, 0.02, uint64(k)), 12)
	}
	flood := func(e *WaveExtractor, from int) {
		for i := range maxLayouts {
			w := groupWindow(plate, "tower", 0, nil, 12)
			w.Channel = fmt.Sprint("flood", from+i)
			e.layout(w)
		}
	}
	for _, saves := range []bool{false, true} {
		e, want := NewExtractor(behind40(), plate, nil), NewExtractor(behind40(), plate, nil)
		kept, wanted := map[string][]byte{}, map[string][]byte{}
		for k := range 8 {
			if a, b := extracted(t, e, tower(k)), extracted(t, want, tower(k)); !sameVector(a, b) {
				t.Errorf("saves %v: window %d differs once layouts were forgotten", saves, k)
			}
			if saves {
				maps.Copy(kept, e.Save())
			}
			flood(e, k*maxLayouts)
		}
		flood(e, 8*maxLayouts)
		maps.Copy(kept, e.Save())
		maps.Copy(wanted, want.Save())
		for name, body := range wanted {
			if string(kept[name]) != string(body) {
				t.Errorf("saves %v: %s saved as %s, want %s", saves, name, kept[name], body)
			}
		}
		if more := e.Save(); len(more) > 0 {
			t.Errorf("saves %v: %d parts again, though nothing changed", saves, len(more))
		}
	}
}

// What a group cannot read it does not half take over.
func TestAnUnreadableStateBeginsAfresh(t *testing.T) {
	plate := groupPlate()
	for _, w := range []asset.Window{
		groupWindow(plate, "ae", 0, bursts(50000, 1, 900), math.NaN()),
		groupWindow(plate, "tower", 0, oscillator(15360, 25.6, 0.32, 0.02, 1), 12),
		groupWindow(plate, "gear", 0, meshing(51200, 25600, 25, 21, 0, 1), 1500),
	} {
		fresh := NewExtractor(behind40(), plate, nil)
		want := extracted(t, fresh, w)
		for _, state := range []string{
			`{`, `[]`, `{"amplitudes":[90,90,90],"next":7}`, `{"sections":[{"start":1767225600000000000,"velocity":{"Seconds":900,"RMS":4}},{"start":"x"}]}`,
			`{"na4":{"":{"Count":5,"MeanM2":1e-9},"x":3}}`,
		} {
			e := NewExtractor(behind40(), plate, nil)
			parts := map[string][]byte{}
			for _, name := range partsOf(plate, w.RateHz) {
				parts[name] = []byte(state)
			}
			if err := e.Load(parts); err != nil {
				t.Fatal(err)
			}
			if got := extracted(t, e, w); !sameVector(got, want) && unreadable(e, w, state) {
				t.Errorf("%s: %s was half taken over", w.Channel, state)
			}
		}
	}
}

// unreadable reports whether the group of a window's channel refuses a state.
func unreadable(e *WaveExtractor, w asset.Window, state string) bool {
	probe := NewExtractor(e.opt, e.plate, nil)
	_ = probe.Load(map[string][]byte{})
	l := probe.layout(w)
	return json.Unmarshal([]byte(state), l.groups[0].(stateful).state()) != nil
}
