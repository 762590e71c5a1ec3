package simtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/pipeline"
)

// epoch is when event time begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// slot is the time from one record of a machine to its next.
const slot = 250 * time.Millisecond

// jump is a hole in everybody's time that is longer than an asset may be silent.
const jump = 7 * time.Minute

// plant is what a seed makes to be watched.
type plant struct {
	bounded    bool // its source is a log with an end that can be read again by position; else a broker with partitions
	shards     int
	partitions int // of the broker
	slots      int
	jumpAt     int // slot before which everybody's time leaps; 0: it never does
	lateness   time.Duration
	window     pipeline.WindowOptions
	machines   []*machine
	plates     map[asset.ID]asset.Nameplate
	space      *features.Workspace // of all extractors: a world is moved by one goroutine
}

// machine is one asset and what is wrong with it.
type machine struct {
	plate     asset.Nameplate
	partition int
	perRecord int    // blocks of a record; 0: the record never ends
	ill       [2]int // slots between which it shakes
	silent    [2]int // slots between which nothing is heard of it
	split     bool   // its metrics come one by one
	unit      string // of its samples
	counts    bool   // they are a converter's
}

func newPlant(rng *rand.Rand) *plant {
	p := &plant{
		bounded: rng.IntN(2) == 0, shards: 1 + rng.IntN(3), partitions: 1 + rng.IntN(3), slots: 8 + rng.IntN(14), plates: map[asset.ID]asset.Nameplate{}, space: features.NewWorkspace(),
		lateness: []time.Duration{0, 0, 400 * time.Millisecond, time.Second}[rng.IntN(4)],
	}
	p.window = pipeline.WindowOptions{
		Seconds: []float64{0, 0.25, 0.5, 0.75, 1}[rng.IntN(5)], Hop: []float64{0, 0.5, 0.35}[rng.IntN(3)],
		Lateness: p.lateness.Seconds(), Speed: "speed",
	}
	if p.bounded && rng.IntN(4) == 0 {
		p.jumpAt = 4 + rng.IntN(p.slots-4)
	}
	for i := range 1 + min(rng.IntN(6), rng.IntN(6), rng.IntN(6)) {
		m := p.newMachine(rng, i)
		p.machines = append(p.machines, m)
		p.plates[m.plate.ID] = m.plate
	}
	return p
}

func (p *plant) newMachine(rng *rand.Rand, i int) *machine {
	m := &machine{partition: rng.IntN(p.partitions), perRecord: rng.IntN(5), split: rng.IntN(4) == 0, unit: []string{"m/s²", "m/s²", "g"}[rng.IntN(3)], counts: rng.IntN(3) == 0}
	m.plate = asset.Nameplate{
		ID: asset.ID(fmt.Sprintf("m%d", i)), Kind: "test", SpeedRpm: 1500,
		Components: []asset.Component{{Name: "bearing"}, {Name: "gearbox"}},
	}
	for c := range rng.IntN(3) {
		m.plate.Channels = append(m.plate.Channels, asset.Channel{
			Name: fmt.Sprintf("c%d", c), Kind: "acceleration", Unit: "m/s²", Component: "bearing", RateHz: []float64{128, 256}[rng.IntN(2)],
		})
	}
	for _, name := range []string{"speed", "temperature"}[:rng.IntN(3)] {
		m.plate.Metrics = append(m.plate.Metrics, asset.Metric{Name: name, Unit: map[string]string{"speed": "rpm", "temperature": "°C"}[name]})
	}
	if from := rng.IntN(p.slots); rng.IntN(3) > 0 {
		m.ill = [2]int{from, from + 4 + rng.IntN(10)}
	}
	switch {
	case p.jumpAt > 0 && rng.IntN(2) == 0:
		m.silent = [2]int{p.jumpAt - rng.IntN(3), p.jumpAt + rng.IntN(p.slots)}
	case rng.IntN(4) == 0:
		from := rng.IntN(p.slots)
		m.silent = [2]int{from, from + 1 + rng.IntN(4)}
	}
	return m
}

// begins is when a slot does.
func (p *plant) begins(k int) time.Time {
	t := epoch.Add(time.Duration(k) * slot)
	if p.jumpAt > 0 && k >= p.jumpAt {
		t = t.Add(jump)
	}
	return t
}

// speaks makes what the machine's sensors say in a slot, in order of time.
func (m *machine) speaks(rng *rand.Rand, p *plant, k int) []asset.Reading {
	if k >= m.silent[0] && k < m.silent[1] {
		return nil
	}
	at := p.begins(k)
	var out []asset.Reading
	end := at.Add(slot - time.Second/256)
	for _, c := range m.plate.Channels {
		w := m.wave(rng, p, c, k)
		out = append(out, asset.Reading{Asset: m.plate.ID, Time: ingest.Newest(*w), Wave: w})
	}
	if len(m.plate.Metrics) > 0 && rng.IntN(3) > 0 {
		out = append(out, m.telemetry(rng, end)...)
	}
	if rng.IntN(12) == 0 {
		out = append(out, asset.Reading{Asset: m.plate.ID, Time: at.Add(3 * time.Millisecond), Event: &asset.Event{
			Component: "bearing", Kind: "maintenance", Code: fmt.Sprintf("e%d", k), Text: "greased",
		}})
	}
	return out
}

func (m *machine) wave(rng *rand.Rand, p *plant, c asset.Channel, k int) *asset.Waveform {
	n := int(c.RateHz * slot.Seconds())
	w := &asset.Waveform{Channel: c.Name, Start: p.begins(k), RateHz: c.RateHz, Unit: m.unit, Quality: 100}
	if m.perRecord > 0 {
		w.First, w.Last = k%m.perRecord == 0, k%m.perRecord == m.perRecord-1
	}
	if k == m.silent[1] || k == 0 || k == p.jumpAt {
		w.First = true // a sensor that comes back begins a record
	}
	amplitude := 1.0
	if k >= m.ill[0] && k < m.ill[1] {
		amplitude = 6
	}
	for i := range n {
		x := math.Round(64*amplitude*math.Sin(float64(i)*0.7)) + float64(rng.IntN(64))
		if m.counts {
			w.Counts, w.Scale = append(w.Counts, int16(x)), 1.0/64
		} else {
			w.Samples = append(w.Samples, float32(x/64))
		}
	}
	return w
}

// valuesOf are a block's samples in m/s².
func valuesOf(w *asset.Waveform) (x []float64) {
	factor := map[string]float64{"m/s²": 1, "g": 9.80665}[w.Unit]
	for _, s := range w.Samples {
		x = append(x, factor*float64(s))
	}
	for _, c := range w.Counts {
		x = append(x, factor*w.Scale*float64(c))
	}
	return x
}

func (m *machine) telemetry(rng *rand.Rand, at time.Time) (out []asset.Reading) {
	var all []asset.Point
	for _, x := range m.plate.Metrics {
		v := 1500 + float64(rng.IntN(100))
		if x.Unit == "°C" {
			v = 40 + float64(rng.IntN(200))/10
		}
		all = append(all, asset.Point{Metric: x.Name, Value: v, Unit: x.Unit, Quality: 100})
	}
	if !m.split {
		return []asset.Reading{{Asset: m.plate.ID, Time: at, Points: all}}
	}
	for _, p := range all {
		out = append(out, asset.Reading{Asset: m.plate.ID, Time: at, Points: []asset.Point{p}})
	}
	return out
}

// lines gives a shard the lines of the plant. With forgetful ones each reading is checked as
// if it were the first.
func (p *plant) lines(forgetful bool) pipeline.Plant {
	return func(id asset.ID) (*pipeline.Line, bool) {
		plate, ok := p.plates[id]
		if !ok {
			return nil, false
		}
		fresh := func() pipeline.Checker { return ingest.NewValidator([]asset.Nameplate{plate}, ingest.Options{}) }
		check := fresh()
		if forgetful {
			check = forgets{fresh(), fresh}
		}
		return &pipeline.Line{
			Plate: plate, Window: p.window, Checker: check, Monitor: &follower{view: asset.Ruled}, Twin: &follower{view: asset.Derived},
			Extractor: features.NewExtractor(features.ExtractorOptions{SpectrumBins: -1, Harmonics: 1, Bands: []features.Band{{Lo: 5, Hi: 50}}}, plate, p.space),
			Alarm:     pipeline.AlarmOptions{M: 2, N: 3, DwellH: 1.0 / 3600, Rise: 1},
		}, true
	}
}
