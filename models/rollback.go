package models

import (
	"cmp"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// RollbackOptions are the limits of the automatic rollback; zero means the default.
type RollbackOptions struct {
	Since       time.Time     // when the version took over; default: its first score
	Alpha       float64       // that its calibration promises; default 0.001
	Times       float64       // the expected alarm rate; default 3
	Span        time.Duration // of event time that is judged at a time; default 2 h
	P           float64       // of a false rollback within 14 d; default 0.01
	MaxFailed   float64       // share of failed answers within Span; default 0.01
	LeastFailed int           // failed answers within Span; default 3
}

func (o RollbackOptions) withDefaults(first time.Time) RollbackOptions {
	if o.Since.IsZero() {
		o.Since = first
	}
	o.Alpha, o.Times, o.Span = cmp.Or(o.Alpha, 0.001), cmp.Or(o.Times, 3), cmp.Or(o.Span, 2*time.Hour)
	o.P, o.MaxFailed, o.LeastFailed = cmp.Or(o.P, 0.01), cmp.Or(o.MaxFailed, 0.01), cmp.Or(o.LeastFailed, 3)
	return o
}

// looks is how often a span is judged: a model that cries from some instant on
// has cried for 7/8 of a span by the look before the span is over.
const looks = 8

// Rollback says whether a version has to be taken out of use, and why in one
// line. before and after are the scores of the version it replaced and its own on
// the same assets, in order of time; of both at least the last two Spans.
//
// It goes where too many of its answers fail, or where its alarm rate is above
// Times what is expected: the highest of Alpha and the old version's rate, on the
// same span and on all that is handed in. Scores of one asset hang together, so the assets are what is
// counted: their shares of alarms are independent and lie within 0 and 1, and
// their mean x exceeds the rate r by chance with a probability of at most
// exp(−n·KL(x‖r)) (Hoeffding 1963, JASA 58:13), which for x = 1 is the binomial
// rⁿ. The probability P of a false rollback is spent half on the beginning,
// P/2k(k+1) at the k-th look, half evenly over 14 days.
func Rollback(before, after []asset.Score, now time.Time, opt RollbackOptions) (reason string, yes bool) {
	if len(after) == 0 {
		return "", false
	}
	o := opt.withDefaults(after[0].Time)
	if reason, yes = o.failing(within(after, now.Add(-o.Span), now)); yes {
		return reason, true
	}
	step := o.Span / looks
	k := int64(now.Sub(o.Since)/step) - looks + 1 // looks that are over
	if k < 1 {
		return "", false
	}
	to := o.Since.Add(time.Duration(k+looks-1) * step)
	from := to.Add(-o.Span)
	rate, n := alarmShare(within(after, from, to))
	same, _ := alarmShare(within(before, from, to))
	usual, _ := alarmShare(before)
	limit := o.Times * max(o.Alpha, same, usual)
	if n == 0 || rate <= limit {
		return "", false
	}
	evenly := float64(14*24*time.Hour) / float64(step)
	level := o.P/2/float64(k*(k+1)) + o.P/2/evenly
	p := math.Exp(-float64(n) * divergence(rate, limit))
	if p >= level {
		return "", false
	}
	return fmt.Sprintf("alarm rate %.3g of %d asset(s) from %s to %s is above %.3g, %g times what is expected (p = %.2g)",
		rate, n, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), limit, o.Times, p), true
}

// failing looks at answers that are no numbers.
func (o RollbackOptions) failing(scores []asset.Score) (string, bool) {
	failed := 0
	for i := range scores {
		if Failed(scores[i].Reason) {
			failed++
		}
	}
	if failed < o.LeastFailed || float64(failed) <= o.MaxFailed*float64(len(scores)) {
		return "", false
	}
	return fmt.Sprintf("%d of %d answers within %v failed or were no number, %g %% are allowed", failed, len(scores), o.Span, 100*o.MaxFailed), true
}

// alarmShare is the mean over the assets of their share of abnormal scores, and
// the number of assets that have any.
func alarmShare(scores []asset.Score) (mean float64, assets int) {
	type sums struct{ n, abnormal float64 }
	by := map[asset.ID]*sums{}
	var order []*sums // so that the sum is the same every time
	for i := range scores {
		s := &scores[i]
		if !s.Score.Known() {
			continue
		}
		if by[s.Asset] == nil {
			by[s.Asset] = &sums{}
			order = append(order, by[s.Asset])
		}
		by[s.Asset].n++
		if s.Abnormal {
			by[s.Asset].abnormal++
		}
	}
	for _, s := range order {
		mean += s.abnormal / s.n
	}
	return mean / max(float64(len(order)), 1), len(order)
}

// divergence is Kullback and Leibler's between alarms of rates x and r, x > r.
func divergence(x, r float64) float64 {
	if r >= 1 {
		return 0
	}
	d := x * math.Log(x/r)
	if x < 1 {
		d += (1 - x) * math.Log((1-x)/(1-r))
	}
	return d
}

// within are the scores in (from, to], of scores in order of time.
func within(scores []asset.Score, from, to time.Time) []asset.Score {
	lo := sort.Search(len(scores), func(i int) bool { return scores[i].Time.After(from) })
	hi := sort.Search(len(scores), func(i int) bool { return scores[i].Time.After(to) })
	return scores[lo:max(lo, hi)]
}
