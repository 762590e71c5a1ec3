package opcua

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// arrived is a value of a node that was not seen before.
type arrived struct {
	node  int
	at    time.Time // of its source
	value *ua.DataValue
}

// hear passes on what a notification tells.
func (r *reader) hear(value any) error {
	switch n := value.(type) {
	case *ua.StatusChangeNotification:
		return fmt.Errorf("the server ended the subscription: %w", n.Status)
	case *ua.DataChangeNotification:
		var all []arrived
		for _, item := range n.MonitoredItems {
			if item.ClientHandle == clockHandle || int(item.ClientHandle) >= len(r.nodes) {
				continue
			}
			all = r.fresh(all, int(item.ClientHandle), item.Value)
		}
		return r.pass(all)
	}
	return nil
}

// fresh appends a value unless it was seen before.
func (r *reader) fresh(all []arrived, i int, v *ua.DataValue) []arrived {
	if v == nil {
		return all
	}
	at := stamped(v)
	if at.IsZero() {
		return all
	}
	if !at.After(r.seen[i]) {
		r.unchanged(i)
		return all
	}
	return append(all, arrived{i, at, v})
}

// pass delivers values in the order in which their sources took them. A notification has
// them node by node; what an asset's nodes say of one instant becomes one reading, and
// none is late for another's sake.
func (r *reader) pass(all []arrived) error {
	slices.SortStableFunc(all, func(a, b arrived) int { return a.at.Compare(b.at) })
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].at.Equal(all[0].at) {
			n++
		}
		if err := r.instant(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// instant passes on the values of one time: of each asset the gap that they end, its
// waveforms, and its points as one reading.
func (r *reader) instant(all []arrived) error {
	var together []asset.Reading
	for _, a := range all {
		n := &r.Nodes[a.node]
		before := r.seen[a.node]
		if !a.at.After(before) {
			continue // twice in one notification
		}
		r.seen[a.node] = a.at
		if uint32(a.value.Status)&overflow == overflow && !before.IsZero() {
			gap := ingest.Gap(n.Asset, before, a.at, "opcua "+r.Endpoint, fmt.Errorf("the server's queue of %s was full", n.ID))
			if err := r.deliver(gap); err != nil {
				return err
			}
		}
		q := quality(a.value.Status)
		if q == 0 {
			continue // a bad status has no value
		}
		if n.Channel != "" {
			if err := r.wave(n, a, q); err != nil {
				return err
			}
			continue
		}
		x, ok := number(a.value.Value)
		if !ok {
			continue
		}
		k := slices.IndexFunc(together, func(t asset.Reading) bool { return t.Asset == n.Asset })
		if k < 0 {
			k, together = len(together), append(together, asset.Reading{Asset: n.Asset, Time: a.at})
		}
		together[k].Points = append(together[k].Points, asset.Point{Metric: n.Metric, Value: x, Unit: n.Unit, Quality: q})
	}
	for _, t := range together {
		if err := r.settle(t.Asset, t.Time); err != nil {
			return err
		}
		if err := r.deliver(t); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) wave(n *Node, a arrived, q float64) error {
	w := asset.Waveform{Channel: n.Channel, RateHz: n.RateHz, Unit: n.Unit, Scale: n.Scale, Quality: q, First: true, Last: true}
	if w.Samples, w.Counts = samples(a.value.Value); w.Len() == 0 {
		return nil
	}
	if w.Counts == nil {
		for i := range w.Samples {
			w.Samples[i] *= float32(n.Scale)
		}
	}
	if err := r.settle(n.Asset, a.at); err != nil {
		return err
	}
	w.Start = a.at.Add(-time.Duration(float64(w.Len()-1) / n.RateHz * 1e9))
	for _, block := range ingest.Cut(w) {
		if err := r.deliver(asset.Reading{Asset: n.Asset, Time: ingest.Newest(block), Wave: &block}); err != nil {
			return err
		}
	}
	return nil
}

// errClosed ends a session whose readings nobody takes any more.
var errClosed = errors.New("closed")

func (r *reader) deliver(x asset.Reading) error {
	if !r.tell(x) {
		return errClosed
	}
	if x.Time.After(r.last[x.Asset]) {
		r.last[x.Asset] = x.Time
	}
	return nil
}
