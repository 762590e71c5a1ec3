package pipeline

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// onset is since when a component's degradation is visible, by whatever source.
type onset struct {
	Since time.Time `json:"since"`
	Last  time.Time `json:"last"` // it was seen
}

// follow takes the verdict of an instant. What was not seen for longer than it had
// been visible, and longer than evidence lasts, is over: the next sight is of
// something new.
func (o *onset) follow(r *asset.Risk, visible float64, lasts time.Duration) {
	if o.over(r.Time, lasts) {
		*o = onset{}
	}
	if !(float64(r.Risk) >= visible) || r.Mode == asset.SensorFault {
		return
	}
	if o.Since.IsZero() {
		o.Since = r.Time
	}
	o.Last = r.Time
}

func (o *onset) over(now time.Time, lasts time.Duration) bool {
	return now.Sub(o.Last) > max(o.Last.Sub(o.Since), lasts)
}

// remaining is the remaining life of a part that is known to degrade since a time, and
// of which nothing else is known: S(r) = s/(s + r), s = lead + age. From s = lead at
// first sight the law goes on by itself as the part survives; for an age beyond the
// lead it is Gott's (1993, Nature 363:315), whose P10 to P90 is 1/9 to 9 times. The
// median lead is the middle, by ratio, of the shortest that evidence can give, in which
// it halves, and the horizon, within which failures are declared to be seen coming.
func (o *onset) remaining(now time.Time, shortestH, horizonH float64) asset.RUL {
	s := math.Sqrt(shortestH*horizonH) + now.Sub(o.Since).Hours()
	return asset.RUL{P10: asset.Number(s / 9), P50: asset.Number(s), P90: asset.Number(9 * s), Soon: asset.Number(asset.SoonH / (asset.SoonH + s))}
}
