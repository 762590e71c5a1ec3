package features

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

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

	replayed bool // from the diary: it has the measures' fields
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
func newDetector(c common) detector {
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
	case "ewma", "cusum", "page-hinkley", "bocpd", "spot":
		return &onset{common: c}
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
