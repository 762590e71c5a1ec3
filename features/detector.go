package features

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// ErrOptions marks detector options that cannot be met; the error names them.
var ErrOptions = errors.New("features: detector options")

// DetectorOptions configures one detector. Zero means the documented default.
type DetectorOptions struct {
	// Type is level, defect, residual, multivariate, novelty, zone or sensor.
	Type string
	// Name is the source of its assessments; default Type.
	Name string
	// Component it speaks for. Default: each component with its own channels, and
	// the asset's first component for telemetry.
	Component string
	// Fields it reads, as "channel/name" or "metric/value"; either side may be "*".
	// Defaults: level "*/rms", "*/envelope_rms", "*/velocity_rms"; defect "*/defect_*",
	// "*/found_*" and "*/kurtosis";
	// multivariate and novelty "*/value"; sensor "*/value", "*/rms", "*/kurtosis"; zone "*/velocity_rms"; residual "*/residual_z_*".
	Fields []string
	// Optional leaves out fields whose channel or metric the asset does not declare,
	// and the detector when none is left, instead of an error.
	Optional bool
	// Mode it suspects; default overheating for residual, none otherwise.
	Mode asset.Mode
	// Limit on the score's own scale, a floor under the learned one, which may be twice
	// as high at most. Defaults: level 7 (σ; about a doubling of an energy), defect 15 (dB), residual 3 (σ), novelty 6 (σ), multivariate none.
	Limit float64
	// Watch is the level from which evidence is given; default defect 10 (dB),
	// otherwise Limit.
	Watch float64
	// P is the probability per evaluation that a healthy machine exceeds the learned
	// limit; default 1e-3.
	P float64
	// M of the last N evaluations over the limit make it abnormal; at most 64.
	// Default 3 of 4 for level, else 1 of 1.
	M, N int
	// Smooth is the weight of the newest value in the running mean of each field's
	// z; default 0.3.
	Smooth float64
	// SmoothScore is the same for the multivariate distance; default 0.1.
	SmoothScore float64
	// Side is "high", "low" or "both": which departure counts; default "high" for
	// level and residual, "both" for novelty.
	Side string
	// Harmonics of a defect frequency that must be found for an alert; default 2.
	Harmonics int
	// Zones is the row of the zone table; default by the component's type, else
	// "iso10816-3_g2_rigid".
	Zones string
	// Drift of the CUSUM in σ (the allowance k). Default 0: level uses the running
	// mean instead of the CUSUM.
	Drift float64
	// Hold is how long a novelty verdict stands after the last exceedance, as a share
	// of the learning span's rows; default 0.5.
	Hold float64
}

// detectorDefaults by type: floor of the limit, watch, m, n, side, mode, fields.
var detectorDefaults = map[string]DetectorOptions{
	"level":        {Limit: 7, M: 3, N: 4, Side: "high", Fields: []string{"*/rms", "*/envelope_rms", "*/velocity_rms"}},
	"defect":       {Limit: 15, Watch: 10, M: 1, N: 1, Side: "high", Harmonics: 2, Fields: []string{"*/defect_*", "*/found_*", "*/kurtosis"}},
	"residual":     {Limit: 3, M: 1, N: 1, Side: "high", Mode: asset.Overheating, Fields: []string{"*/residual_z_*"}},
	"multivariate": {M: 1, N: 1, Side: "both", Fields: []string{"*/value"}},
	"novelty":      {Limit: 6, Hold: 0.5, M: 1, N: 1, Side: "both", Fields: []string{"*/value"}},
	"zone":         {M: 1, N: 1, Side: "high", Fields: []string{"*/velocity_rms"}},
	"sensor":       {M: 1, N: 1, Side: "both", Mode: asset.SensorFault, Fields: []string{"*/value", "*/rms", "*/kurtosis"}},
}

// withDefaults fills in what is zero and refuses what is not allowed.
func (o DetectorOptions) withDefaults() (DetectorOptions, error) {
	d, ok := detectorDefaults[o.Type]
	if !ok {
		return o, fmt.Errorf("%w: type %q: allowed are level, defect, residual, multivariate, novelty, zone, sensor", ErrOptions, o.Type)
	}
	o.Name = cmp.Or(o.Name, o.Type)
	o.Mode = cmp.Or(o.Mode, d.Mode)
	o.Limit, o.Watch, o.P = cmp.Or(o.Limit, d.Limit), cmp.Or(o.Watch, d.Watch), cmp.Or(o.P, 1e-3)
	o.M, o.N = cmp.Or(o.M, d.M), cmp.Or(o.N, d.N)
	o.Smooth, o.SmoothScore = cmp.Or(o.Smooth, 0.3), cmp.Or(o.SmoothScore, 0.1)
	o.Hold = cmp.Or(o.Hold, d.Hold)
	o.Side, o.Harmonics = cmp.Or(o.Side, d.Side), cmp.Or(o.Harmonics, d.Harmonics)
	if len(o.Fields) == 0 {
		o.Fields = d.Fields
	}
	bad := func(field string, value any, allowed string) error {
		return fmt.Errorf("%w: %s: %s = %v: allowed %s", ErrOptions, o.Name, field, value, allowed)
	}
	switch {
	case !(o.P > 0 && o.P < 1):
		return o, bad("P", o.P, "(0, 1)")
	case o.N < 1 || o.N > 64:
		return o, bad("N", o.N, "1 to 64")
	case o.M < 1 || o.M > o.N:
		return o, bad("M", o.M, fmt.Sprintf("1 to N = %d", o.N))
	case !(o.Smooth > 0 && o.Smooth <= 1):
		return o, bad("Smooth", o.Smooth, "(0, 1]")
	case !(o.SmoothScore > 0 && o.SmoothScore <= 1):
		return o, bad("SmoothScore", o.SmoothScore, "(0, 1]")
	case o.Side != "high" && o.Side != "low" && o.Side != "both":
		return o, bad("Side", o.Side, "high, low, both")
	case !(o.Limit >= 0) || !(o.Watch >= 0) || !(o.Drift >= 0) || !(o.Hold >= 0) || o.Harmonics < 0:
		return o, bad("Limit, Watch, Drift, Hold, Harmonics", []float64{o.Limit, o.Watch, o.Drift, o.Hold, float64(o.Harmonics)}, "0 or more")
	}
	for _, f := range o.Fields {
		if ch, name, ok := strings.Cut(f, "/"); !ok || ch == "" || name == "" {
			return o, bad("Fields", f, `"channel/name", either may be "*"`)
		}
	}
	return o, nil
}

// sided is the departure that counts.
func (o DetectorOptions) sided(z float64) float64 {
	switch o.Side {
	case "high":
		return z
	case "low":
		return -z
	}
	return math.Abs(z)
}

// matches reports whether the detector reads the field.
func (o DetectorOptions) matches(f Field) bool {
	for _, p := range o.Fields {
		ch, name, _ := strings.Cut(p, "/")
		if glob(ch, f.Channel) && glob(name, f.Name) {
			return true
		}
	}
	return false
}

// glob matches a pattern with at most one trailing star.
func glob(pattern, s string) bool {
	if head, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(s, head)
	}
	return pattern == s
}

// detector judges one component. Its learned part is frozen; its running state
// is what walk visits.
type detector interface {
	judging
	keeping
	shared() *common
}

type judging interface {
	// learn takes what it needs from the commissioning span; nil for nothing. The
	// detector is not used any further: a fresh one is made from what it learned.
	learn(span *replay) *Learned
	// judge says what the instant means; ok is false when it has nothing to judge.
	judge(in *instant) (a asset.Assessment, ok bool)
}

type keeping interface {
	// offer tells it of a field, in the order of first arrival.
	offer(i int, f tracked)
	walk(c *codec)
}

// instant is a snapshot as the detectors see it: one value for each field the
// asset has ever had, NaN where this instant brings none.
type instant struct {
	time   time.Time
	ns     int64
	now    []float64 // values, NaN when absent or excluded by a sensor fault
	z      []float64 // against the baseline; of derived fields the value itself
	raw    []float64 // values before exclusion, for the sensor checks
	why    []asset.Reason
	fields []tracked
	op     []float64 // regressors of the operating point; nil when it is not known
}

// tracked is a field that the asset has had, where it belongs, and its baseline.
type tracked struct {
	Field
	wave      bool   // of a waveform channel
	derived   bool   // computed here, already on the scale of z
	component string // of its channel, or the one that telemetry speaks for
	base      FieldBaseline
}

// common is what every detector has.
type common struct {
	opt       DetectorOptions
	component string
	idx       []int // fields it reads
	past      persistence
	learned   *Learned
	digest    string
}

func (c *common) offer(i int, f tracked) {
	if f.component == c.component && c.opt.matches(f.Field) {
		c.idx = append(c.idx, i)
	}
}

func (c *common) shared() *common { return c }

// learn is for detectors that need no more than the fields' baselines.
func (c *common) learn(*replay) *Learned { return nil }

// found starts what a detector learned.
func (c *common) found(scores []float64) *Learned {
	return &Learned{Name: c.opt.Name, Component: c.component, Scores: calibrate(scores)}
}

// present reports whether the instant brings a field that the detector reads.
func (c *common) present(in *instant) bool {
	for _, i := range c.idx {
		if !math.IsNaN(in.now[i]) {
			return true
		}
	}
	return false
}

// limit is the learned limit with the configured floor under it.
func (c *common) limit() float64 {
	l := c.opt.Limit
	if c.learned != nil && c.learned.Scores.N > 0 {
		l = math.Max(l, c.learned.Scores.Limit(c.opt.P))
	}
	if c.opt.Limit > 0 {
		l = math.Min(l, 2*c.opt.Limit) // a wild span must not blind the detector
	}
	return l
}

// believed is a learned p-value held to what the limit says: where the limit is a
// floor over what the span taught, the span is not believed further than P at the
// limit, and with the sixth power of the score around it.
func (c *common) believed(p, score, limit float64) float64 {
	if !(score > 0) || !(limit > 0) || math.IsNaN(p) {
		return p
	}
	r := limit / score
	return math.Min(1, math.Max(p, c.opt.P*math.Pow(r, 6)))
}

// answer starts an assessment with what all of them share.
func (c *common) answer(in *instant, score, limit, p float64) asset.Assessment {
	return asset.Assessment{
		Component: c.component, View: asset.Ruled, Source: c.opt.Name, Time: in.time,
		Score: asset.Number(score), Limit: asset.Number(limit), P: asset.Number(p), FailP: asset.Missing(),
		Trust: 1, RUL: asset.NoRUL(), Digest: c.digest,
	}
}

// mute says why the detector has no opinion now.
func (c *common) mute(in *instant, why asset.Reason) asset.Assessment {
	a := c.answer(in, math.NaN(), math.NaN(), math.NaN())
	a.Trust, a.Reason = 0, why
	return a
}

// suspect gives the configured mode its weight.
func (c *common) suspect(a *asset.Assessment, weight float64) {
	if c.opt.Mode != "" {
		a.Modes = map[asset.Mode]float64{c.opt.Mode: weight}
	}
}

// evidence is one fact under the detector's name.
func (c *common) evidence(name string, value, limit, weight float64, text string) asset.Evidence {
	return asset.Evidence{Source: "rule/" + c.opt.Name, Name: name, Value: asset.Number(value), Limit: asset.Number(limit), Weight: asset.Number(weight), Text: text}
}

// shareOut scales the evidence's weights to a sum of one.
func shareOut(e []asset.Evidence) {
	sum := 0.0
	for _, x := range e {
		sum += math.Max(float64(x.Weight), 0)
	}
	for i := range e {
		if sum > 0 {
			e[i].Weight = asset.Number(math.Max(float64(e[i].Weight), 0) / sum)
		} else {
			e[i].Weight = asset.Number(1 / float64(len(e)))
		}
	}
}

// newDetector makes the detector of the options' type for one component.
func newDetector(c common, plate *asset.Nameplate) detector {
	switch c.opt.Type {
	case "level":
		return &level{common: c}
	case "defect":
		return &defect{common: c}
	case "residual":
		return &residual{common: c}
	case "multivariate":
		return newMultivariate(c)
	case "novelty":
		return &novelty{common: c}
	case "zone":
		return newZone(c, plate)
	}
	return &sensor{common: c}
}

// components lists those that a detector speaks for, in the nameplate's order.
func (o DetectorOptions) components(plate *asset.Nameplate) []string {
	if o.Component != "" {
		return []string{o.Component}
	}
	first := firstComponent(plate)
	out := []string{first}
	for _, ch := range plate.Channels {
		if name := cmp.Or(ch.Component, first); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// firstComponent is the one that telemetry speaks for.
func firstComponent(plate *asset.Nameplate) string {
	if len(plate.Components) > 0 {
		return plate.Components[0].Name
	}
	return ""
}
