package simulate

import "time"

// SkipTo passes over every reading before t without synthesising waveforms, and
// returns how many there were.
func (f *Farm) SkipTo(t time.Time) (skipped int64) {
	for {
		first := f.opt.Start.Add(time.Duration(f.instant) * f.opt.TelemetryEvery)
		if start, n, wave := f.nextBlock(); wave && f.blockEnd(start, n).Before(first) {
			first = f.blockEnd(start, n)
		}
		if len(f.events) > 0 && f.events[0].Time.Before(first) {
			first = f.events[0].Time
		}
		if !first.Before(t) {
			return skipped
		}
		_, have, more := f.advance(false)
		if have {
			skipped++
		} else if !more {
			return skipped
		}
	}
}
