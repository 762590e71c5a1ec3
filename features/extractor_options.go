package features

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Band is a range of frequencies in Hz, [Lo, Hi).
type Band struct{ Lo, Hi float64 }

// ExtractorOptions say what is computed of a window. The zero value means the
// documented defaults.
type ExtractorOptions struct {
	Bands        []Band          // band_rms_<lo>_<hi>; default 10–100, 100–1000, 1000–5000, 5000–10000 Hz, those below half the rate
	Envelope     Band            // of the defect scores; zero: many bands merged, which needs no choice (on noise 99 % of scores lie below 4 dB; one band: 8 dB)
	Kurtogram    bool            // take the band of highest spectral kurtosis for the defect scores; Envelope wins over it
	Harmonics    int             // of a defect family, 1–5; default 3
	Slip         float64         // share by which a defect frequency may be off, in (0, 0.1]; default 0.02
	PulsesPerRev float64         // of a tacho; default: the whole number that fits the known speed, else 1
	Acoustic     AcousticOptions // of acoustic emission
	Current      CurrentOptions  // of stator currents
	Modal        ModalOptions    // of blades, towers and nacelles
	SpectrumBins int             // kept of each spectrum as evidence, 16–1024; default 512; −1 keeps none
}

// Defaults of ExtractorOptions.
const (
	defaultHarmonics    = 3
	defaultSlip         = 0.02
	defaultSpectrumBins = 512
	maxSpectrumBins     = 1024
)

// defaultBands are kept below half the sample rate.
func defaultBands() []Band {
	return []Band{{10, 100}, {100, 1000}, {1000, 5000}, {5000, 10000}}
}

// Validate names the field and value that cannot be used.
func (o ExtractorOptions) Validate() error {
	for i, b := range o.Bands {
		if !b.valid() {
			return fmt.Errorf("features: bands[%d] = %g–%g Hz: want 0 ≤ lo < hi", i, b.Lo, b.Hi)
		}
	}
	if o.Envelope != (Band{}) && !o.Envelope.valid() {
		return fmt.Errorf("features: envelope = %g–%g Hz: want 0 ≤ lo < hi", o.Envelope.Lo, o.Envelope.Hi)
	}
	if o.Harmonics < 0 || o.Harmonics > 5 {
		return fmt.Errorf("features: harmonics = %d: want 1–5", o.Harmonics)
	}
	if !(o.Slip >= 0 && o.Slip <= 0.1) {
		return fmt.Errorf("features: slip = %g: want above 0, at most 0.1", o.Slip)
	}
	if n := o.SpectrumBins; n != 0 && n != -1 && (n < 16 || n > maxSpectrumBins) {
		return fmt.Errorf("features: spectrum bins = %d: want 16–%d, or −1 for none", n, maxSpectrumBins)
	}
	return errors.Join(o.Acoustic.validate(), o.Current.validate(), o.Modal.validate())
}

func (b Band) valid() bool { return b.Lo >= 0 && b.Hi > b.Lo && !math.IsInf(b.Hi, 0) }

// filled puts the default in place of what is zero or cannot be used.
func (o ExtractorOptions) filled() ExtractorOptions {
	o.Bands = slices.DeleteFunc(slices.Clone(o.Bands), func(b Band) bool { return !b.valid() })
	if !o.Envelope.valid() {
		o.Envelope = Band{}
	}
	if o.Harmonics < 1 || o.Harmonics > 5 {
		o.Harmonics = defaultHarmonics
	}
	if !(o.Slip > 0 && o.Slip <= 0.1) {
		o.Slip = defaultSlip
	}
	if n := o.SpectrumBins; n != -1 && (n < 16 || n > maxSpectrumBins) {
		o.SpectrumBins = defaultSpectrumBins
	}
	return o
}
