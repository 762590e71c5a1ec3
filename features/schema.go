package features

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Row documents one feature. The page of features is written from the rows, and a
// test holds the extractor's and the monitor's fields to them.
type Row struct {
	Name       string `json:"name"` // of the field; <…> stands for a part that varies
	Of         string `json:"of"`   // what has it
	Unit       string `json:"unit"` // "channel" is the channel's unit, "metric" the metric's
	Meaning    string `json:"meaning"`
	Convention string `json:"convention,omitempty"`
	Minimum    string `json:"minimum"` // record that it needs; otherwise it is missing with a reason
	Source     string `json:"source"`
}

// Sources that several rows cite.
const (
	iso13373    = "ISO 13373-1:2002; Randall 2021, Vibration-based Condition Monitoring"
	randall     = "Randall & Antoni 2011, MSSP 25:485"
	welch       = "Welch 1967, IEEE Trans. AU 15:70; Heinzel & al. 2002"
	iso20816    = "ISO 20816-1:2016"
	astmE1316   = "ASTM E1316"
	house       = "Telltale"
	anyRecord   = "2 samples"
	oneSpectrum = "16 samples"
)

// Schema lists every feature.
func Schema() []Row {
	return slices.Concat(timeRows(), spectralRows(), envelopeRows(), groupRows(), telemetryRows(), monitorRows())
}

const (
	everyChannel = "every sampled channel but tacho"
	bearingPart  = "channels of a component with a bearing's geometry or orders"
	gearedPart   = "channels of a gearbox, or of a part without a bearing on an asset with gears"
)

func timeRows() []Row {
	const of = everyChannel
	return []Row{
		{"rms", of, "channel", "root mean square", "", anyRecord, iso13373},
		{"peak", of, "channel", "largest |x|", "", anyRecord, iso13373},
		{"crest", of, "1", "peak / RMS: sine √2", "", anyRecord, iso13373},
		{"kurtosis", of, "1", "m₄/m₂²: Gauss 3, sine 1.5; rises early with impacts, falls as damage spreads", "Pearson, biased", anyRecord, "Dyer & Stewart 1978, J. Mech. Des. 100:229"},
		{"skewness", of, "1", "m₃/m₂^1.5", "biased", anyRecord, iso13373},
		{"shape", of, "1", "RMS / mean |x|: sine 1.1107", "", anyRecord, iso13373},
		{"impulse", of, "1", "peak / mean |x|: sine π/2", "", anyRecord, iso13373},
		{"clearance", of, "1", "peak / (mean √|x|)²", "", anyRecord, iso13373},
	}
}

func spectralRows() []Row {
	const (
		of      = everyChannel
		density = "Hann density S"
	)
	return []Row{
		{"band_rms_<lo>_<hi>", of, "channel", "√(Σ S·df) over lo ≤ f < hi in Hz: 10–100, 100–1000, 1000–5000, 5000–10000 or as the class says", density + ", by bin centre", "a band wider than a line", welch},
		{"centroid", of, "Hz", "Σ f·p, p = S/ΣS without DC", density, oneSpectrum, iso13373},
		{"spread", of, "Hz", "√(Σ (f − centroid)²·p)", density, oneSpectrum, iso13373},
		{"rolloff", of, "Hz", "frequency below which 95 % of the power lies", density, oneSpectrum, iso13373},
		{"entropy", of, "1", "−Σ p·ln p / ln n: 0 one line, 1 white", density, oneSpectrum, "Shannon 1948"},
		{"flatness", of, "1", "geometric over arithmetic mean of S: 0 tonal, 1 white", density + "; floor 1e-30 of the largest", oneSpectrum, "Gray & Markel 1974, IEEE Trans. ASSP 22:207"},
		{"harmonic_<k>x", of, "channel", "RMS of ±2 bins around the local maximum within 1 % of k × shaft, k = 1, 2, 3; of the orders when the speed varies", density, "a shaft at 3 bins; twelve turns by angle", iso13373},
		{"envelope_rms", of, "channel", "√⟨e²⟩ of the band 0.1–0.4 of the rate, or of the one given", "squared envelope e²", oneSpectrum, randall},
		{"envelope_kurtosis", of, "1", "⟨e⁴⟩/⟨e²⟩² − 2 of the same band: 0 for Gaussian noise, −1 for one line", "spectral kurtosis of the band: not Pearson's", oneSpectrum, "Antoni 2006, MSSP 20:282"},
		{"velocity_rms", "channels in m/s², mm/s, or m/s of kind velocity", "mm/s", "vibration severity; an acceleration is integrated by Parseval, v² = Σ S/(2πf)²·df", "10–1000 Hz, from 2 Hz below 600 rpm", "a line in the band; no ski slope", iso20816},
	}
}

func envelopeRows() []Row {
	const (
		merged = "spectrum of the squared envelope (analytic signal by positive bins, decimated): bands a 64th of the rate wide, each over its geometric mean, merged, or the band given; over angle when the speed varies"
		same   = "the same spectrum"
		five   = "five periods"
	)
	family := "<family>: bpfo, bpfi, bsf (2 × BSF), ftf"
	return []Row{
		{"defect_<family>", bearingPart, "dB", "mean over the harmonics 1–3 of max(0, 20·log₁₀ of the highest bin within the slip of 2 % over the median of ±30 %); " + family, merged + "; bins of the shaft left out; on noise 99 % are below 4 dB", five, randall},
		{"found_<family>", bearingPart, "1", "how many of those harmonics stand 6 dB out", same, five, randall},
		{"sidebands_<family>", bearingPart, "1", "how many of the lines k·f ± modulation stand 6 dB out: the shaft's for bpfi, the cage's for bsf", same, five + " of the modulation", randall},
		{"comb_<family>", bearingPart, "σ", "how far the harmonics stand out together at one common slip, in robust deviations of the noise around each", same + "; on noise 99 % are below 4", five, house},
		{"defect_gear", gearedPart, "dB", "the same score of the gear line that stands out most, harmonics 3–8: once a turn of each shaft with a gear; planet, ring and sun of planetary stages", same, five, "McFadden & Smith 1985, Proc. IMechE 199:65"},
		{"found_gear", gearedPart, "1", "how many of those harmonics stand 6 dB out", same, five, house},
		{"comb_gear", gearedPart, "σ", "comb of the gear line that stands out most, harmonics 3–8, within 0.3 % of its place", same, five, house},
	}
}

// pageHead says once what holds for every row.
const pageHead = `# Features

Written by ` + "`telltale features --schema > docs/features.md`" + ` from the rows that tests hold
the program's own fields to; ` + "`--json`" + ` gives the same rows. A field is named channel/feature,
of telemetry metric/feature; "channel" and "metric" as a unit mean its own, in canonical
spelling (g becomes m/s²). Feature version ` + Version + `.

What holds unless a row says otherwise:

- Samples are float32 or a converter's counts, sums float64. The mean of the window is
  taken out first.
- Variances are those of the population (1/n). Skewness and kurtosis are biased; kurtosis is
  Pearson's, 3 for Gauss.
- Quantiles are of type 7 (linear). A robust spread is the median absolute deviation × 1.4826.
- Spectra are one-sided. A density is in unit²/Hz, and its sum times the step is the mean
  square. Hann is periodic (denominator n): 1.5 bins of noise bandwidth. Bands are corrected
  for the window's power, lines for its amplitude, nothing for both.
- A spectrum is of one block of the whole window, up to 5 % shorter where that makes the
  transform quick; of windows beyond 2¹⁹ samples it is the mean over sections.
- "The speed varies" from a spread of 0.5 % within a window on; how it moved is read from a
  tacho channel of the same time, else from three speed readings inside.
- A window of fewer than 16 samples has no spectrum, envelope or group.
`

// WriteSchema writes the page of features in Markdown.
func WriteSchema(w io.Writer) error {
	var b strings.Builder
	b.WriteString(pageHead)
	of := ""
	for _, r := range Schema() {
		if r.Of != of {
			of = r.Of
			fmt.Fprintf(&b, "\n## %s%s\n\n| feature | unit | what it is | convention | needs | source |\n|---|---|---|---|---|---|\n", strings.ToUpper(of[:1]), of[1:])
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", r.Name, r.Unit, cell(r.Meaning), cell(r.Convention), cell(r.Minimum), cell(r.Source))
	}
	b.WriteString("\n## Why a value is missing\n\n| reason | means |\n|---|---|\n")
	for _, r := range reasonRows() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.Reason, cell(r.Meaning))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell keeps a text inside its column.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
