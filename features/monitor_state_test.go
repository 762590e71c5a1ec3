package features

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestMonitorResumesBitForBit(t *testing.T) {
	broken := func(row int, x *reading) {
		switch {
		case row%17 == 3:
			x.temperature = math.NaN()
		case row%23 == 5:
			x.power, x.rms = math.NaN(), math.NaN()
		case row > 500 && row < 530:
			x.ambient = 14
		case row > 560:
			x.rms, x.temperature, x.bpfo, x.found = x.rms*2, x.temperature+5, 20, 3
		}
	}
	run := func(cuts map[int]bool) string {
		o, p := rigOptions(), rigPlate(400)
		m, r, store := mustMonitor(t, o, p), newRig(4), map[string][]byte{}
		var out strings.Builder
		for i := range 650 {
			s := r.next(broken)
			all := m.Observe(s)
			for k := range all {
				fmt.Fprintf(&out, "%d %s %x %x %x %v %x %v %v\n", i, all[k].Source, float64(all[k].Score), float64(all[k].Limit), float64(all[k].P), all[k].Abnormal, all[k].Trust, all[k].Modes, all[k].Evidence)
			}
			for _, v := range s.Vectors {
				fmt.Fprintf(&out, "%x %v\n", v.Values, v.Reasons)
			}
			if !cuts[i] {
				continue
			}
			for part, body := range m.Save() {
				store[part] = bytes.Clone(body)
				if len(body) == 0 {
					delete(store, part)
				}
			}
			m = mustMonitor(t, o, p)
			if err := m.Load(store); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	want := run(nil)
	rng := rand.New(rand.NewPCG(9, 9))
	for round := range 8 {
		cuts := map[int]bool{}
		for range 1 + 5*round {
			cuts[rng.IntN(650)] = true
		}
		for _, near := range []int{126, 127, 128, 398, 399, 400, 401} {
			cuts[near] = cuts[near] || rng.IntN(3) == 0
		}
		if got := run(cuts); got != want {
			a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
			for i := range a {
				if a[i] != b[i] {
					t.Fatalf("round %d, cuts %v: line %d:\n got %s\nwant %s", round, cuts, i, a[i], b[i])
				}
			}
		}
	}
}

func TestMonitorWritesOnlyTheLastChunk(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(300)), newRig(5)
	for i := range 301 {
		m.Observe(r.next(nil))
		parts := m.Save()
		for part, body := range parts {
			if i < 300 && strings.HasPrefix(part, "learn/") && part != chunkName(i/chunkRows) {
				t.Fatalf("row %d writes %s", i, part)
			}
			if i == 300 && strings.HasPrefix(part, "learn/") && len(body) != 0 {
				t.Errorf("%s is kept after learning", part)
			}
		}
		if i == 300 && (len(parts) != 5 || len(parts["baseline"]) == 0 || len(parts["state"]) > 2048) {
			t.Errorf("after learning: %d parts, baseline %d bytes, state %d bytes", len(parts), len(parts["baseline"]), len(parts["state"]))
		}
	}
	if parts := m.Save(); len(parts) != 0 {
		t.Errorf("nothing happened, yet %d parts are saved", len(parts))
	}
}

func TestMonitorLongSpanIsThinned(t *testing.T) {
	var d diary
	store := map[string][]byte{}
	for i := range 3 * maxRows {
		d.add(row{ns: int64(i), idx: []uint64{0}, val: []float64{float64(i)}})
		if i%1000 == 0 || i == 3*maxRows-1 {
			d.save(store)
		}
	}
	var got diary
	for k, v := range store {
		if len(v) == 0 {
			delete(store, k)
		}
	}
	if err := got.load(store); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.rows, d.rows) || len(d.rows) >= maxRows {
		t.Errorf("%d rows loaded of %d", len(got.rows), len(d.rows))
	}
	for i, x := range d.rows {
		if x.ns != int64(4*i) {
			t.Fatalf("row %d is of instant %d, want every fourth", i, x.ns)
		}
	}
}

func TestMonitorStartsFromABaseline(t *testing.T) {
	a, r := mustMonitor(t, rigOptions(), rigPlate(400)), newRig(6)
	for range 401 {
		a.Observe(r.next(nil))
	}
	o := rigOptions()
	o.Baseline = a.Export()
	p := rigPlate(400)
	p.ID = "rig-2"
	b := mustMonitor(t, o, p)
	s := r.next(nil)
	all := b.Observe(s)
	if s.Learning || math.IsNaN(s.Value("vib", "rms_z")) {
		t.Errorf("learning %v, rms_z %g", s.Learning, s.Value("vib", "rms_z"))
	}
	if m, _ := of(all, "multivariate"); m.Trust != 1 || m.Digest == "" {
		t.Errorf("multivariate %+v", m)
	}
	if !bytes.Equal(b.Export(), o.Baseline) {
		t.Error("export of an adopted baseline differs")
	}
	again := mustMonitor(t, rigOptions(), p) // restarted without the baseline in its options
	if err := again.Load(b.Save()); err != nil || !bytes.Equal(again.Export(), o.Baseline) {
		t.Errorf("an adopted baseline is not carried: %v", err)
	}
	p.Kind, o.Zones = "pump", shippedZones(t)
	if _, err := NewMonitor(o, p); !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), "pump") {
		t.Errorf("other kind: %v", err)
	}
	o.Baseline = bytes.Replace(o.Baseline, []byte(`"features":"`+Version), []byte(`"features":"x`), 1)
	if _, err := NewMonitor(o, rigPlate(400)); !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), "version") {
		t.Errorf("other version: %v", err)
	}
}

func TestLoadRefusesDamage(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(50)), newRig(12)
	for range 60 {
		m.Observe(r.next(nil))
	}
	good := m.Save()
	for part := range good {
		bad := map[string][]byte{}
		for k, v := range good {
			bad[k] = bytes.Clone(v)
		}
		bad[part] = bad[part][:len(bad[part])/2]
		if len(bad[part]) == 0 {
			continue
		}
		if err := mustMonitor(t, rigOptions(), rigPlate(50)).Load(bad); err == nil || !strings.Contains(err.Error(), "rig-1") {
			t.Errorf("half of %s: %v", part, err)
		}
	}
	o := rigOptions()
	o.Detectors = o.Detectors[1:]
	other := mustMonitor(t, o, rigPlate(50))
	if err := other.Load(good); err != nil || other.Export() == nil {
		t.Errorf("other detectors: %v", err)
	}
}

func FuzzMonitorLoad(f *testing.F) {
	m, r := mustMonitor(f, rigOptions(), rigPlate(20)), newRig(14)
	for range 10 {
		m.Observe(r.next(nil))
	}
	early := m.Save()
	f.Add(early["state"], early["fields"], early["learn/0000"], []byte{})
	for range 20 {
		m.Observe(r.next(nil))
	}
	late := m.Save()
	f.Add(late["state"], early["fields"], []byte{}, late["baseline"])
	f.Fuzz(func(t *testing.T, state, fields, learn, baseline []byte) {
		m := mustMonitor(t, rigOptions(), rigPlate(20))
		if m.Load(map[string][]byte{"state": state, "fields": fields, "learn/0000": learn, "baseline": baseline}) != nil {
			return
		}
		r := newRig(15)
		for range 30 {
			m.Observe(r.next(nil))
		}
	})
}
