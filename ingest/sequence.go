package ingest

import (
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// count is where a sender's count of an asset stood.
type count struct {
	seq uint64
	at  int64 // ns, of the reading
}

// follow notes the sender's count and returns a gap when numbers were left out since the
// last reading. Blocks of one record share their number. A count that goes back while
// time goes on has begun anew, so nothing is known to be lost.
func (v *Validator) follow(r asset.Reading) *asset.Event {
	if r.Seq == 0 {
		return nil
	}
	last, known := v.counts[r.Asset]
	now := r.Time.UnixNano()
	if known && now < last.at {
		return nil // late: what it leaves out is no loss
	}
	v.counts[r.Asset] = count{r.Seq, now}
	if !known || r.Seq <= last.seq+1 {
		return nil
	}
	why := fmt.Errorf("the sender counted %d messages that did not arrive (%d to %d)", r.Seq-last.seq-1, last.seq+1, r.Seq-1)
	return Gap(r.Asset, time.Unix(0, last.at), r.Time, "sequence", why).Event
}
