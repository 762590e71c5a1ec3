package features

import (
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// defectFamilies ties the envelope lines of a bearing to the part that makes them.
var defectFamilies = []struct {
	name string
	text string
	mode asset.Mode
}{
	{"bpfo", "outer-race", asset.OuterRace},
	{"bpfi", "inner-race", asset.InnerRace},
	{"bsf", "rolling-element", asset.RollingElement},
	{"ftf", "cage", asset.Cage},
	{"gear", "gear-tooth", asset.GearTooth},
}

// allFamilies are the four of a bearing and the gears'.
const allFamilies = defectLines + 1

// defect judges the lines at a bearing's defect frequencies in the envelope
// spectrum of the component's channels. It needs geometry and no learning; when
// there was a learning span, what stood there at commissioning raises the limit.
// A bearing defect is both periodic and impulsive, so the channel's kurtosis adds
// to the score.
type defect struct {
	common
	kurt  []int
	db    [allFamilies][]int // defect_* by family
	found [allFamilies][]int // found_* by family
	comb  [allFamilies][]int // comb_* by family
	names naming
}

func (d *defect) offer(i int, f tracked) {
	if f.component != d.component || !d.opt.matches(f.Field) {
		return
	}
	if f.Name == "kurtosis" {
		d.kurt = append(d.kurt, i)
	}
	for k, fam := range defectFamilies {
		switch f.Name {
		case "defect_" + fam.name:
			d.db[k] = append(d.db[k], i)
			d.idx = append(d.idx, i)
		case "found_" + fam.name:
			d.found[k] = append(d.found[k], i)
		case "comb_" + fam.name:
			d.comb[k] = append(d.comb[k], i)
		}
	}
}

// family is the strongest line of one family over the channels.
type family struct {
	at    int // field; -1 for none
	db    float64
	extra float64 // dB for the channel's impulsiveness
	found float64 // harmonics; NaN when not counted
	limit float64
}

func (d *defect) families(in *instant) [allFamilies]family {
	var out [allFamilies]family
	for k := range out {
		f := family{at: -1, db: math.NaN(), found: math.NaN(), limit: d.opt.Limit}
		for _, i := range d.db[k] {
			v := in.now[i]
			if math.IsNaN(v) {
				continue
			}
			limit := math.Max(d.opt.Limit, d.standing(in, i))
			if f.at < 0 || v-limit > f.db-f.limit {
				f.at, f.db, f.limit = i, v, limit
				f.found = ofChannel(in, d.found[k], in.fields[i].Channel)
				f.extra = impulsiveness(ofChannel(in, d.kurt, in.fields[i].Channel))
			}
		}
		out[k] = f
	}
	return out
}

// standing is the level that a line may reach that stood there at commissioning:
// four spreads and at least 3 dB over its median.
func (d *defect) standing(in *instant, i int) float64 {
	b := &in.fields[i].base
	if b.N == 0 {
		return 0
	}
	return b.level(0, in.op) + math.Max(3, 4*b.Scale)
}

// ofChannel is the value of the field that belongs to the channel; NaN for none.
func ofChannel(in *instant, idx []int, channel string) float64 {
	for _, i := range idx {
		if in.fields[i].Channel == channel {
			return in.now[i]
		}
	}
	return math.NaN()
}

// impulsiveness is 10·log10(kurtosis/3), in dB over Gaussian noise, between 0 and
// 6: impulses alone never make a defect.
func impulsiveness(kurtosis float64) float64 {
	if !(kurtosis > 3) {
		return 0
	}
	return math.Min(6, 10*math.Log10(kurtosis/3))
}

// score is the worst margin over the limits, put on the scale of the option.
func (d *defect) score(in *instant) (worst float64, at int, fams [allFamilies]family) {
	fams = d.families(in)
	worst, at = math.NaN(), -1
	for k, f := range fams {
		if f.at < 0 {
			continue
		}
		if s := f.db + f.extra - f.limit + d.opt.Limit; at < 0 || s > worst {
			worst, at = s, k
		}
	}
	return worst, at, fams
}

func (d *defect) learn(span *replay) *Learned {
	var scores []float64
	for in := range span.instants() {
		if s, at, _ := d.score(in); at >= 0 {
			scores = append(scores, s)
		}
	}
	return d.common.found(scores)
}

func (d *defect) judge(in *instant) (asset.Assessment, bool) {
	if !d.present(in) {
		return asset.Assessment{}, false
	}
	s, at, fams := d.score(in)
	if at < 0 {
		return asset.Assessment{}, false
	}
	a := d.answer(in, s, d.opt.Limit, d.p(s))
	enough := !(fams[at].found < float64(d.opt.Harmonics)) // not counted is enough
	a.Abnormal = d.past.step(s >= d.opt.Limit && enough, d.opt.M, d.opt.N)
	named := d.name(in)
	if named != nil {
		a.Modes, a.Sure = named, d.names.sure
	}
	if s < d.opt.Watch {
		return a, true
	}
	if !enough {
		a.Trust = 0.5
	}
	d.explain(&a, in, fams, named)
	return a, true
}

// explain adds the evidence of the families that stand out, and, where no comb told
// their names, the modes by how much each earns.
func (d *defect) explain(a *asset.Assessment, in *instant, fams [allFamilies]family, named map[asset.Mode]float64) {
	if named == nil {
		a.Modes = map[asset.Mode]float64{}
	}
	sum := 0.0
	for _, f := range fams {
		sum += weightOf(f, d.opt)
	}
	for k, f := range fams {
		w := weightOf(f, d.opt)
		if w <= 0 {
			continue
		}
		fam := defectFamilies[k]
		if named == nil {
			a.Modes[fam.mode] = w / sum
		}
		key := in.fields[f.at].Key()
		text := fmt.Sprintf("%s defect frequency (%s) stands %.1f dB over the envelope's noise on %s (watch %.0f dB, alert %.0f dB)", fam.text, strings.ToUpper(fam.name), f.db, in.fields[f.at].Channel, d.opt.Watch, f.limit)
		if !math.IsNaN(f.found) {
			text += fmt.Sprintf(", %.0f harmonics found", f.found)
		}
		if f.extra > 0 {
			text += fmt.Sprintf("; the signal is impulsive (kurtosis adds %.1f dB to the score)", f.extra)
		}
		if m := d.names.mean[k]; named != nil && !math.IsNaN(m) {
			text += fmt.Sprintf("; its comb of harmonics stands %.1f σ out over the last windows", m)
		}
		a.Evidence = append(a.Evidence, d.evidence(key, f.db, f.limit, w/sum, text))
	}
}

// weightOf is how much of the suspicion a family earns: the square of what it
// has over half of the watch level, less when its harmonics are missing.
func weightOf(f family, o DetectorOptions) float64 {
	if f.at < 0 {
		return 0
	}
	w := math.Max(0, f.db-f.limit+o.Limit-o.Watch/2)
	w *= w
	if f.found < float64(o.Harmonics) {
		w /= 2
	}
	return w
}

// p of a score: what was learned, but no less than on noise, where the mean of
// three harmonics in one band passes 7.0 dB in 5 % and 7.7 dB in 1 % of windows,
// and a tenth as often for each 3 dB more.
func (d *defect) p(s float64) float64 {
	p := 0.0
	if d.learned != nil && d.learned.Scores.N >= 30 {
		p = d.learned.Scores.P(s)
	}
	return math.Max(p, onNoise(s))
}

func onNoise(s float64) float64 {
	switch {
	case s <= 4.5:
		return math.Min(1, 1-0.5*math.Max(s, 0)/4.5)
	case s <= 7:
		return 0.5 * math.Pow(0.1, (s-4.5)/2.5)
	case s <= 7.7:
		return 0.05 * math.Pow(0.2, (s-7)/0.7)
	}
	return 0.01 * math.Pow(0.1, (s-7.7)/3)
}

func (d *defect) walk(c *codec) {
	c.u64(&d.past.bits)
	d.names.walk(c)
}
