package features

import (
	"math"
	"slices"
	"strconv"

	"github.com/telltale-iot/telltale/asset"
)

// layout is what one channel gives: the same fields in the same order each time.
type layout struct {
	channel   string
	kind      string
	unit      string
	component string
	fields    []Field
	bands     []Band
	families  []defectLine // of the component's bearing, those whose order is known
	gears     []Line       // lines of a gear fault on the component
	groups    []group
	velocity  velocitySource
	toMMS     float64
	missing   []asset.Reason // of the last vector that lacked something
}

// velocitySource says what a channel's velocity comes from.
type velocitySource int

const (
	noVelocity velocitySource = iota
	ofAcceleration
	ofVelocity
)

type layoutKey struct {
	channel, component, kind, unit string
	rateHz                         float64
}

// layout looks a channel's fields up. A channel that the nameplate declares has
// the same fields whatever the window says of itself.
func (e *WaveExtractor) layout(w asset.Window) *layout {
	key := layoutKey{w.Channel, w.Component, w.Kind, w.Unit, w.RateHz}
	for _, c := range e.plate.Channels {
		if c.Name != w.Channel {
			continue
		}
		key = layoutKey{channel: c.Name, component: c.Component, kind: c.Kind, unit: c.Unit, rateHz: c.RateHz}
		if _, canonical, ok := asset.Convert(0, c.Unit); ok {
			key.unit = canonical
		}
		if !(key.rateHz > 0) {
			key.rateHz = w.RateHz
		}
		if key.component == "" && len(e.plate.Components) == 1 {
			key.component = e.plate.Components[0].Name
		}
		break
	}
	if math.IsNaN(key.rateHz) {
		key.rateHz = 0
	}
	l := e.layouts[key]
	if l == nil {
		if len(e.layouts) >= maxLayouts {
			e.forget()
		}
		l = e.lay(key)
		e.layouts[key] = l
		e.restore(key, l)
	}
	return l
}

// maxLayouts bounds what undeclared channels can make an extractor keep: beyond it all
// layouts are forgotten and made again as they are needed. What their groups carry is
// written down before, and lasts.
const maxLayouts = 256

func (e *WaveExtractor) lay(k layoutKey) *layout {
	l := &layout{channel: k.channel, kind: k.kind, unit: k.unit, component: k.component}
	if k.kind == tachoKind {
		l.fields = tachoFields(k.channel)
		return l
	}
	add := l.add
	add("rms", k.unit)
	add("peak", k.unit)
	for _, name := range [...]string{"crest", "kurtosis", "skewness", "shape", "impulse", "clearance"} {
		add(name, "1")
	}
	switch {
	case k.unit == "m/s²":
		l.velocity = ofAcceleration
	case k.unit == "mm/s":
		l.velocity, l.toMMS = ofVelocity, 1
	case k.unit == "m/s" && k.kind == "velocity":
		l.velocity, l.toMMS = ofVelocity, 1000
	}
	if l.velocity != noVelocity {
		add("velocity_rms", "mm/s")
	}
	l.bands = e.bandsFor(k.rateHz)
	for _, b := range l.bands {
		add("band_rms_"+number(b.Lo)+"_"+number(b.Hi), k.unit)
	}
	add("centroid", "Hz")
	add("spread", "Hz")
	add("rolloff", "Hz")
	add("entropy", "1")
	add("flatness", "1")
	for _, name := range [...]string{"harmonic_1x", "harmonic_2x", "harmonic_3x", "envelope_rms"} {
		add(name, k.unit)
	}
	add("envelope_kurtosis", "1")
	l.families = e.familiesOf(k.component)
	if part, _ := e.plate.Part(k.component); e.geared(part) {
		l.gears = gearLines(e.plate)
	}
	l.addLines()
	l.groups = e.groupsOf(k)
	for _, g := range l.groups {
		l.fields = append(l.fields, g.fields(l)...)
	}
	l.fields = slices.Clip(l.fields)
	return l
}

func (l *layout) add(name, unit string) {
	l.fields = append(l.fields, Field{Channel: l.channel, Name: name, Unit: unit})
}

// addLines adds what the lines of bearings and gears give.
func (l *layout) addLines() {
	add := l.add
	for _, f := range l.families {
		add("defect_"+f.name, "dB")
	}
	for _, f := range l.families {
		add("found_"+f.name, "1")
	}
	for _, f := range l.families {
		if f.sideband > 0 {
			add("sidebands_"+f.name, "1")
		}
	}
	for _, f := range l.families {
		add("comb_"+f.name, "σ")
	}
	if len(l.gears) > 0 {
		add("defect_gear", "dB")
		add("found_gear", "1")
		add("comb_gear", "σ")
	}
}

// bandsFor is the list as given; of the default list, what lies below half the rate.
func (e *WaveExtractor) bandsFor(rateHz float64) []Band {
	if len(e.opt.Bands) > 0 {
		return e.opt.Bands
	}
	var out []Band
	for _, b := range defaultBands() {
		if b.Lo < rateHz/2 {
			out = append(out, b)
		}
	}
	return out
}

func (e *WaveExtractor) familiesOf(component string) []defectLine {
	part, ok := e.plate.Part(component)
	if !ok || part.Bearing == nil {
		return nil
	}
	var out []defectLine
	for _, f := range OrdersOf(*part.Bearing).families() {
		if math.IsNaN(f.order) {
			continue
		}
		if math.IsNaN(f.sideband) {
			f.sideband = 0
		}
		out = append(out, f)
	}
	return out
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// marks are the shaft's and the families' frequencies, 1× to 3×, below limit.
func (l *layout) marks(shaftHz, referenceHz, limit float64) []Mark {
	var out []Mark
	add := func(name string, f float64) {
		for k := 1; k <= 3; k++ {
			if at := f * float64(k); at < limit {
				out = append(out, Mark{Name: name + " " + strconv.Itoa(k) + "×", Hz: at})
			}
		}
	}
	add("shaft", shaftHz)
	for _, f := range l.families {
		add(f.mark, f.order*shaftHz)
	}
	for _, g := range l.gears {
		add(g.Part+" "+g.Name, g.Order*referenceHz)
	}
	return out
}

// draft is a vector being filled in the order of its fields.
type draft struct {
	v       Vector
	at      int
	layout  *layout
	reasons []asset.Reason // of the workspace
}

// draft begins the vector of a window of n samples.
func (e *WaveExtractor) draft(l *layout, w asset.Window, n int) *draft {
	seconds := float64(n) / w.RateHz
	if !(w.RateHz > 0) || math.IsInf(seconds, 0) {
		seconds = 0
	}
	d := &e.space.draft
	d.reasons = resize(d.reasons, len(l.fields))
	clear(d.reasons)
	d.at, d.layout = 0, l
	d.v = Vector{
		Channel: w.Channel, Fields: l.fields, Values: e.space.values(len(l.fields)),
		Quality: w.Quality, WindowS: seconds, Start: w.Start,
	}
	return d
}

// put fills the next field; a value that is not finite is missing for that reason.
func (d *draft) put(value float64, why asset.Reason) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		value, d.reasons[d.at] = math.NaN(), why
	}
	d.v.Values[d.at] = value
	d.at++
}

// rest makes all fields that are left missing.
func (d *draft) rest(why asset.Reason) {
	for d.at < len(d.v.Fields) {
		d.put(math.NaN(), why)
	}
}

// done is the vector. Windows of a channel mostly lack the same fields for the
// same reasons: then they share them.
func (d *draft) done() Vector {
	for _, why := range d.reasons {
		if why == "" {
			continue
		}
		if !slices.Equal(d.reasons, d.layout.missing) {
			d.layout.missing = slices.Clone(d.reasons)
		}
		d.v.Reasons = d.layout.missing
		break
	}
	return d.v
}
