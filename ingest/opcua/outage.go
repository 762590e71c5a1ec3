package opcua

import (
	"context"
	"errors"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// outage is a span of an asset that is not over: it ends with the asset's next value. Both
// its ends are times of the asset's own source, whose clock need not be ours; a gap that
// ended by our clock would make values late that are not.
type outage struct {
	from      time.Time
	why       error
	unchanged map[int]bool // nodes whose value is the one that was seen before
}

// recovered tells what was missed once a server speaks again: its history of the time,
// where it has one and is to be asked, else each asset owes a gap.
func (r *reader) recovered(ctx context.Context, c *opcua.Client) error {
	if r.why == nil {
		return nil
	}
	missed := map[asset.ID]bool{}
	var kept []arrived
	for i, n := range r.Nodes {
		if !r.History || r.seen[i].IsZero() {
			missed[n.Asset] = true
			continue
		}
		past, err := r.past(ctx, c, i)
		if err != nil {
			missed[n.Asset] = true
		}
		kept = append(kept, past...)
	}
	for a := range missed {
		from := r.last[a]
		if from.IsZero() {
			from = r.good
			if o := r.owed[a]; o != nil {
				from = o.from
			}
		}
		r.owed[a] = &outage{from: from, why: r.why, unchanged: map[int]bool{}}
	}
	r.why = nil
	return r.pass(kept)
}

// past is the raw history of one node since its newest value.
func (r *reader) past(ctx context.Context, c *opcua.Client, i int) (out []arrived, err error) {
	ask := &ua.HistoryReadValueID{NodeID: r.nodes[i], DataEncoding: &ua.QualifiedName{}}
	for {
		res, err := c.HistoryReadRawModified(ctx, []*ua.HistoryReadValueID{ask}, &ua.ReadRawModifiedDetails{StartTime: r.seen[i], EndTime: time.Now().UTC(), NumValuesPerNode: 1000})
		if err != nil {
			return out, err
		}
		if len(res.Results) != 1 || quality(res.Results[0].StatusCode) < 100 || res.Results[0].HistoryData == nil {
			return out, errors.New("no history")
		}
		data, ok := res.Results[0].HistoryData.Value.(*ua.HistoryData)
		if !ok {
			return out, errors.New("history of another kind")
		}
		for _, v := range data.DataValues {
			out = r.fresh(out, i, v)
		}
		if ask.ContinuationPoint = res.Results[0].ContinuationPoint; len(ask.ContinuationPoint) == 0 {
			return out, nil
		}
	}
}

// settle records the gap that a value of an asset ends.
func (r *reader) settle(a asset.ID, at time.Time) error {
	o := r.owed[a]
	if o == nil {
		return nil
	}
	delete(r.owed, a)
	return r.deliver(ingest.Gap(a, o.from, at, "opcua "+r.Endpoint, o.why))
}

// unchanged notes that a node's value is still the one that was seen before the outage.
// When this is so of all nodes of the asset, nothing of it was missed.
func (r *reader) unchanged(i int) {
	a := r.Nodes[i].Asset
	o := r.owed[a]
	if o == nil {
		return
	}
	o.unchanged[i] = true
	for k, n := range r.Nodes {
		if n.Asset == a && !o.unchanged[k] {
			return
		}
	}
	delete(r.owed, a)
}
