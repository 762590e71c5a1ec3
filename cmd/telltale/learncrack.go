package main

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/physics"
)

// crackPlace is a crack law at its component.
type crackPlace struct {
	law, component string
	opt            physics.CrackOptions
}

func (r *historian) addCrack(law class.Law, part asset.Component) error {
	o, err := options[physics.CrackOptions](law.Use, law.Options)
	if err != nil || o.CrackKey == "" {
		return err // a crack that nobody measures teaches nothing
	}
	for _, k := range []string{o.CrackKey, o.StressKey, o.SignalKey} {
		if k != "" {
			r.watch([]string{k})
		}
	}
	r.cracks = append(r.cracks, crackPlace{law.Name, part.Name, o})
	return nil
}

// stressSpread is by how much of its mean a crack's stress range may vary: what is learned
// has one for each crack.
const stressSpread = 0.1

// crackHistories are the lengths that were measured at a place until the failure, at the cycles
// that the very law counts that will judge others; a new part begins another crack.
func (r *historian) crackHistories(at crackPlace) []physics.CrackHistory {
	at.opt.Particles = fewParticles
	law := physics.NewCrack(at.opt)
	end, failed := r.failure(at.component)
	var out []physics.CrackHistory
	var h physics.CrackHistory
	var stress []float64
	var state physics.State
	finish := func() {
		if n := len(stress); n > 0 && slices.Max(stress)-slices.Min(stress) <= stressSpread*meanAt(stress, nil) {
			h.StressMPa = meanAt(stress, nil)
			out = append(out, h)
		}
		h, stress, state = physics.CrackHistory{}, nil, physics.State{}
	}
	for _, row := range r.rows {
		if failed && row.time.After(end) {
			break
		}
		if slices.Contains(row.replaced, at.component) || slices.Contains(row.replaced, "") {
			finish()
		}
		if row.values == nil {
			continue
		}
		s := r.snapshot(row)
		s.SpeedRpm = row.speedRpm
		state, _ = law.Step(state, s)
		length := row.values[r.slot[fieldOf(at.opt.CrackKey)]] * orDefault(at.opt.CrackUnitM, 1e-6)
		cycles, mpa := quantity(law, state, "cycles"), quantity(law, state, "stress range")
		if length > 0 && cycles >= 0 && mpa > 0 {
			h.Cycles, h.LengthM, stress = append(h.Cycles, cycles), append(h.LengthM, length), append(stress, mpa)
		}
	}
	finish()
	return out
}

// fewParticles are enough where only the law's count of cycles is asked.
const fewParticles = 4

// quantity reads one of a law's numbers; NaN when it has none of that name.
func quantity(law physics.Crack, s physics.State, name string) float64 {
	for _, q := range law.Quantities(s) {
		if q.Name == name {
			return float64(q.Value)
		}
	}
	return math.NaN()
}

// learnCracks fits, by law, what the fleet's cracks say of the next one. The geometry is
// the class's, which all of the fleet share.
func learnCracks(fleet []*historian) map[string]physics.CrackPrior {
	base, histories := map[string]physics.CrackOptions{}, map[string][]physics.CrackHistory{}
	for _, r := range fleet {
		for _, c := range r.cracks {
			base[c.law] = c.opt
			histories[c.law] = append(histories[c.law], r.crackHistories(c)...)
		}
	}
	out := map[string]physics.CrackPrior{}
	for _, law := range sortedKeys(histories) {
		o := base[law]
		if q, ok := physics.FitCrackPrior(o.Paris, orDefault(o.CrackErr, 0.005), histories[law]); ok {
			out[law] = q
		}
	}
	return out
}

// crack puts what was learned of earlier cracks into a law's options.
func (l *learned) crack(c class.Class, plate asset.Nameplate, law string, o physics.CrackOptions) physics.CrackOptions {
	p, _ := l.of(c, plate)
	if q, ok := p.Cracks[law]; ok {
		o.Prior = q
	}
	return o
}
