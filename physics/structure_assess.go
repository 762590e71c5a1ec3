package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// sumSd is the scatter of the damage sum at which parts fail, as the standard deviation of its
// logarithm around 1 (Wirsching 1984, J. Struct. Eng. 110:1300), and lifeSd that of the
// strain–life curve and of the loads that nobody measured, a house value.
const (
	sumSd  = 0.3
	lifeSd = 0.5
)

// settleH is how long the word of a crack has to hold, in hours: when ice forms the
// frequencies do not step in the same instant.
const settleH = 12

// assess speaks: the larger of the life used and of the stiffness lost.
func (l *Structure) assess(x []float64, in features.Snapshot, dt float64) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	a.Limit = asset.Number(l.opt.Limit)
	damage := math.Max(x[structDamage], x[structDamage+1])
	seen, own := l.shifts(x)
	if x[structHours] == 0 && own == 0 {
		return silent(l.Name(), in.Time, ReasonLearning)
	}
	score := math.Min(damage, 2)
	a.Trust, a.Modes = 0.4, map[asset.Mode]float64{}
	if x[structHours] > 0 {
		a.Evidence = append(a.Evidence, l.lifeEvidence(x))
		a.RUL, a.FailP = l.lifeLeft(x, damage)
	}
	if damage >= l.opt.Limit {
		a.Modes[asset.Crack] = 0.3
	}
	if own > 0 {
		a.Trust = 0.8
		canIce := l.opt.Part == "blade" && (x[structTempKnown] == 0 || x[structWarm] < dayH)
		v := judge(l.tables, seen, canIce)
		hold := -math.Expm1(-dt / settleH)
		x[structCrack] += hold * (v.Crack - x[structCrack])
		x[structIce], x[structLoss] = v.Ice, v.Loss
		if x[structCracked] += dt; v.Crack < 0.5 {
			x[structCracked] = 0
		}
		score = math.Max(score, x[structCrack]*math.Min(v.Loss/l.opt.FailLoss, 2))
		l.shifted(&a, x, v, seen, own)
	}
	a.Score = number(score)
	a.Abnormal = score >= l.opt.Limit
	if len(a.Evidence) > 0 && a.Abnormal {
		a.Sure = math.Max(x[structCrack], 0)
	}
	return a
}

// shifted adds what the frequencies say.
func (l *Structure) shifted(a *asset.Assessment, x []float64, v verdict, seen []shift, own int) {
	for i, key := range l.opt.Keys {
		k := l.key(x, i)
		h, ok := l.healthy(k)
		if k[keyStarted] == 0 || !ok {
			continue
		}
		change := 100 * (math.Sqrt(math.Max(1+k[keyLevel], 0)) - 1)
		text := fmt.Sprintf("%s %s mode at %.4f Hz, on average %+.2f %% from the %.4f Hz of the healthy %s at this speed and temperature",
			ordinal(h.mode), l.names[h.plane], k[keyHz], change, k[keyHealthy], l.opt.Part)
		a.Evidence = append(a.Evidence, fact(l.Name(), key, k[keyHz], k[keyHealthy], text))
	}
	text := l.says(v, own, len(seen)-own)
	a.Evidence = append(a.Evidence, fact(l.Name(), "stiffness-loss", 100*v.Crack*v.Loss, 100*l.opt.FailLoss, text))
	switch {
	case v.Healthy >= 0.5:
		return
	case v.Unclear >= 0.5:
		a.Modes = nil
		return
	case v.Crack > v.Ice:
		a.Modes[asset.Crack] = math.Max(a.Modes[asset.Crack], v.Crack)
	}
	if v.Ice > 0.1 {
		a.Modes[asset.Icing] = math.Min(v.Ice, 1-a.Modes[asset.Crack])
	}
	rate, variance := v.rate(l.tables, seen)
	settled := x[structCracked] > 2*l.opt.MemoryH // until then a step reads as a slope
	if sd := math.Sqrt(variance); settled && rate > 1.2816*sd {
		d := math.Max(l.opt.FailLoss-v.Loss, 0.02*l.opt.FailLoss)
		width := (v.LossP90 - v.LossP10) / (2 * normalP90)
		m, step := paced(Trend{Level: v.Loss, Slope: rate, P11: variance}, d, width*width)
		a.RUL = m.life(step)
		a.RUL.Soon *= asset.Number(v.Crack)
		a.FailP = number(worth(v.Crack * m.below(l.opt.HorizonH, step)))
		last := &a.Evidence[len(a.Evidence)-1]
		last.Text += fmt.Sprintf("; it grows by %.2g %% a day", 2400*rate)
	}
}

// says is the verdict in words.
func (l *Structure) says(v verdict, own, beside int) string {
	measured := fmt.Sprintf("%d frequencies of this %s and %d of its siblings", own, l.opt.Part, beside)
	if own == 1 {
		measured = fmt.Sprintf("one frequency of this %s and %d of its siblings", l.opt.Part, beside)
	}
	switch {
	case v.Healthy >= 0.5:
		return "no stiffness lost: " + measured + " are where they were"
	case v.Ice > 0.1 && v.Crack > 0.1:
		return fmt.Sprintf("cannot tell ice (%.0f %%) from lost stiffness (%.0f %%): %s", 100*v.Ice, 100*v.Crack, measured)
	case v.Ice >= 0.5:
		return fmt.Sprintf("ice of about %.1f %% of the blade's mass, since all that is measured dropped as added mass does (probability %.0f %%; %s)", 100*v.IceShare, 100*v.Ice, measured)
	case v.Other >= 0.5:
		return fmt.Sprintf("this %s is as it was, another one beside it changed (probability %.0f %%)", l.opt.Part, 100*v.Other)
	case v.Crack >= 0.5:
		return fmt.Sprintf("stiffness of one section lower by %.0f %% (80 %%: %.0f–%.0f %%), most likely %.1f m from the root (80 %%: %.1f–%.1f m); probability of a crack %.0f %%, %s",
			100*v.Loss, 100*v.LossP10, 100*v.LossP90, v.AtM, v.FromM, v.ToM, 100*v.Crack, measured)
	}
	return fmt.Sprintf("the frequencies moved as neither a crack (%.0f %%) nor ice (%.0f %%) explains: sensor, mounting or repair; %s", 100*v.Crack, 100*v.Ice, measured)
}

func ordinal(mode int) string {
	return [...]string{"first", "second", "third", "fourth"}[min(mode, 3)]
}

// lifeEvidence tells the loads and what they used of the life.
func (l *Structure) lifeEvidence(x []float64) asset.Evidence {
	worst := 0
	if x[structDamage+1] > x[structDamage] {
		worst = 1
	}
	text := fmt.Sprintf("%.3g of the fatigue life used in %.0f h, most by %s strain of ±%.0f µm/m around %.0f at last, %.1f m from the root; wind with shear, tower, gravity and gusts, thrust %.0f kN",
		x[structDamage+worst], x[structHours], l.names[min(worst, len(l.names)-1)], 1e6*x[structAmplitude+worst], 1e6*x[structMean+worst], l.planes[min(worst, len(l.planes)-1)].atM, x[structThrust]/1e3)
	return fact(l.Name(), "damage", x[structDamage+worst], 1, text)
}

// lifeLeft lets the mean rate of damage so far go on until the sum at which the part fails,
// ln Δ ~ N(0, s²), given that it has not failed yet. The rate is the less known the fewer
// months it was seen in.
func (l *Structure) lifeLeft(x []float64, damage float64) (asset.RUL, asset.Number) {
	rate := damage / x[structHours]
	if !(rate > 0) || x[structHours] < dayH {
		return asset.NoRUL(), asset.Missing()
	}
	s := math.Sqrt(sumSd*sumSd + lifeSd*lifeSd + 0.25/(1+x[structHours]/730))
	past := normalCDF(math.Log(damage) / s)
	at := func(p float64) float64 {
		q := math.Min(past+p*(1-past), 1-1e-12)
		return math.Max(math.Exp(s*normalQuantile(q))-damage, 0) / rate
	}
	within := func(h float64) float64 {
		p := (normalCDF(math.Log(damage+rate*h)/s) - past) / math.Max(1-past, 1e-12)
		return math.Min(math.Max(p, 0), 1)
	}
	return tidy(at(0.1), at(0.5), at(0.9), within(asset.SoonH)), number(worth(within(l.opt.HorizonH)))
}

// Quantities names the state for people.
func (l *Structure) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), l.size())
	out := []Quantity{
		{"hours with loads", number(x[structHours]), "h"},
		{"thrust", number(x[structThrust] / 1e3), "kN"},
	}
	for p, name := range l.names {
		out = append(out,
			Quantity{name + " damage", number(x[structDamage+p]), "1"},
			Quantity{name + " strain, amplitude", number(1e6 * x[structAmplitude+p]), "µm/m"},
			Quantity{name + " strain, mean", number(1e6 * x[structMean+p]), "µm/m"})
	}
	for i, name := range l.opt.Keys {
		k := l.key(x, i)
		healthy, change := asset.Missing(), asset.Missing()
		if k[keyStarted] == 1 {
			healthy, change = number(k[keyHealthy]), number(100*(math.Sqrt(math.Max(1+k[keyLevel], 0))-1))
		}
		out = append(out, Quantity{"healthy " + name, healthy, "Hz"}, Quantity{"shift of " + name, change, "%"})
	}
	if len(l.opt.Keys) > 0 {
		out = append(out,
			Quantity{"probability of a crack", number(x[structCrack]), "1"},
			Quantity{"probability of ice", number(x[structIce]), "1"},
			Quantity{"stiffness loss where cracked", number(100 * x[structLoss]), "%"})
	}
	return out
}
