package features

import "github.com/telltale-iot/telltale/asset"

// Why a value that was computed elsewhere is not taken.
const (
	ReasonNotComputed asset.Reason = "not-computed" // it did not come with the others
	ReasonUnit        asset.Reason = "wrong-unit"   // it came in another unit
)

// given is the vector of a window whose features were computed before it was sent: in the
// layout that this extractor would give it, so that a version apart only leaves holes.
// Spectra are made of the evidence.
func (e *WaveExtractor) given(w asset.Window, spectra bool) (Vector, []Spectrum) {
	f := w.Given
	w.Given = nil
	l := e.layout(w)
	var lines []Spectrum
	if spectra && w.Len() > 0 && l.kind != tachoKind {
		if e.witness == nil { // windows far apart are no history for what e carries
			e.witness = NewExtractor(e.opt, e.plate, e.space)
		}
		_, lines, _ = e.witness.Extract(w, true)
	}
	d := e.draft(l, w, f.Samples)
	at := 0
	for _, want := range l.fields {
		at = find(f.Values, want.Name, at)
		if at < 0 {
			d.put(nan, ReasonNotComputed)
			at = 0
			continue
		}
		switch x := f.Values[at]; {
		case x.Unit != want.Unit:
			d.put(nan, ReasonUnit)
		case x.Reason == "":
			d.put(x.Value, ReasonNonFinite)
		default:
			d.put(nan, x.Reason)
		}
		at++
	}
	return d.done(), lines
}

// find is where a name stands, mostly at the guess; below 0: nowhere.
func find(values []asset.Feature, name string, guess int) int {
	for i := range values {
		if at := (guess + i) % len(values); values[at].Name == name {
			return at
		}
	}
	return -1
}
