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
	Name       string // of the field; <…> stands for a part that varies
	Of         string // what has it
	Unit       string // "channel" is the channel's unit
	Meaning    string
	Convention string
	Minimum    string // record that it needs; otherwise it is missing with a reason
	Source     string
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
	return slices.Concat(timeRows(), spectralRows(), envelopeRows(), groupRows(), telemetryRows())
}

func timeRows() []Row {
	const of = "every sampled channel but tacho"
	return []Row{
		{"rms", of, "channel", "root mean square", "about the mean", anyRecord, iso13373},
		{"peak", of, "channel", "largest |x|", "about the mean", anyRecord, iso13373},
		{"crest", of, "1", "peak / RMS: sine √2", "about the mean", anyRecord, iso13373},
		{"kurtosis", of, "1", "m₄/m₂²: Gauss 3, sine 1.5; rises early with impacts, falls as damage spreads", "Pearson, biased, about the mean", anyRecord, "Dyer & Stewart 1978, J. Mech. Des. 100:229"},
		{"skewness", of, "1", "m₃/m₂^1.5", "biased, about the mean", anyRecord, iso13373},
		{"shape", of, "1", "RMS / mean |x|: sine 1.1107", "about the mean", anyRecord, iso13373},
		{"impulse", of, "1", "peak / mean |x|: sine π/2", "about the mean", anyRecord, iso13373},
		{"clearance", of, "1", "peak / (mean √|x|)²", "about the mean", anyRecord, iso13373},
	}
}

func spectralRows() []Row {
	const (
		of      = "every sampled channel but tacho"
		density = "one-sided density, periodic Hann, mean removed, one block"
	)
	return []Row{
		{"velocity_rms", "acceleration in m/s², velocity", "mm/s", "vibration severity: acceleration integrated by Parseval, v² = Σ S/(2πf)²·df", "10–1000 Hz, from 2 Hz below 600 rpm; " + density, "a line in the band; no ski slope", iso20816},
		{"band_rms_<lo>_<hi>", of, "channel", "√(Σ S·df) over lo ≤ f < hi (Hz) by bin centre", density, "a band wider than a line", welch},
		{"centroid", of, "Hz", "Σ f·p, p = S/ΣS without DC", density, oneSpectrum, iso13373},
		{"spread", of, "Hz", "√(Σ (f − centroid)²·p)", density, oneSpectrum, iso13373},
		{"rolloff", of, "Hz", "frequency below which 95 % of the power lies", density, oneSpectrum, iso13373},
		{"entropy", of, "1", "−Σ p·ln p / ln n: 0 one line, 1 white", density, oneSpectrum, "Shannon 1948"},
		{"flatness", of, "1", "geometric over arithmetic mean of S: 0 tonal, 1 white", density + "; floor 1e-30 of the largest", oneSpectrum, "Gray & Markel 1974, IEEE Trans. ASSP 22:207"},
		{"harmonic_<k>x", of, "channel", "RMS of ±2 bins around the local maximum within 1 % of k × shaft, k = 1, 2, 3", density, "three lines a turn; a steady speed", iso13373},
	}
}

func envelopeRows() []Row {
	const (
		of      = "every sampled channel but tacho"
		bearing = "channels of a component with a bearing's geometry or orders"
		gears   = "channels of a gearbox, or of a part without a bearing on an asset with gears"
		merged  = "squared envelope, analytic signal by positive bins, decimated; bands a 64th of the rate wide merged after division by their median, or the band given; over angle when the speed varies"
	)
	family := "<family>: bpfo, bpfi, bsf (2 × BSF), ftf"
	return []Row{
		{"envelope_rms", of, "channel", "√⟨e²⟩ of the band 0.1–0.4 of the rate, or of the one given", "squared envelope", oneSpectrum, randall},
		{"envelope_kurtosis", of, "1", "⟨e⁴⟩/⟨e²⟩² − 2 of the same band: 0 for Gaussian noise, −1 for one line", "spectral kurtosis of the band", oneSpectrum, "Antoni 2006, MSSP 20:282"},
		{"defect_<family>", bearing, "dB", "mean over the harmonics 1–3 of max(0, 20·log₁₀ of the highest bin within the slip of 2 % over the median of ±30 %); " + family, merged + "; 99 % of scores on noise are below 4 dB; bins of the shaft left out", "five periods", randall},
		{"found_<family>", bearing, "1", "how many of those harmonics stand 6 dB out", merged, "five periods", randall},
		{"sidebands_<family>", bearing, "1", "how many of the lines k·f ± modulation stand 6 dB out: the shaft's for bpfi, the cage's for bsf", merged, "five periods of the modulation", randall},
		{"comb_<family>", bearing, "σ", "how far the harmonics stand out together at one common slip, in robust deviations of the noise around each", merged + "; 99 % on noise are below 4", "five periods", house},
		{"defect_gear", gears, "dB", "the same score of the gear line that stands out most, harmonics 3–8: once a turn of each shaft with a gear; planet, ring and sun of planetary stages", merged, "five periods", "McFadden & Smith 1985, Proc. IMechE 199:65"},
		{"found_gear", gears, "1", "how many of those harmonics stand 6 dB out", merged, "five periods", house},
		{"comb_gear", gears, "σ", "comb of the gear line that stands out most, harmonics 3–8, no slip", merged, "five periods", house},
	}
}

// WriteSchema writes the page of features in Markdown.
func WriteSchema(w io.Writer) error {
	head := "# Features\n\n" +
		"Written by `telltale features --schema` from the rows that the program itself holds its\n" +
		"fields to. A field is named channel/feature, of telemetry metric/feature. What cannot be\n" +
		"computed is missing with a reason, never zero. Feature version " + Version + ".\n"
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	of := ""
	for _, r := range Schema() {
		if r.Of != of {
			of = r.Of
			if _, err := fmt.Fprintf(w, "\n## %s%s\n\n| feature | unit | what it is | convention | needs | source |\n|---|---|---|---|---|---|\n", strings.ToUpper(of[:1]), of[1:]); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s | %s |\n", r.Name, r.Unit, cell(r.Meaning), cell(r.Convention), cell(r.Minimum), cell(r.Source)); err != nil {
			return err
		}
	}
	return nil
}

// cell keeps a text inside its column.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
