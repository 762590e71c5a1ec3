package opcua

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// connectTimeout bounds every request to a server.
const connectTimeout = 5 * time.Second

// keepAlives may be missed before a session is given up.
const keepAlives = 3

// clockHandle is the client handle of the server's clock; nodes have theirs by index.
const clockHandle = ^uint32(0)

var clockNode = ua.NewNumericNodeID(0, id.Server_ServerStatus_CurrentTime)

// Bounds of what a server may send at once: the library decodes it whole.
const (
	maxMessage = 64 << 20
	maxChunks  = 4096
)

// reader is one server while it is read, by one goroutine.
type reader struct {
	Server
	nodes []*ua.NodeID
	seen  []time.Time // source time of the newest value of each node
	good  time.Time   // when something last arrived
	why   error       // that stands between good and now
	tell  func(asset.Reading) bool
}

func newReader(s Server, tell func(asset.Reading) bool) (*reader, error) {
	r := &reader{Server: s, seen: make([]time.Time, len(s.Nodes)), good: time.Now(), tell: tell}
	for _, n := range s.Nodes {
		node, err := ua.ParseNodeID(n.ID)
		if err != nil {
			return nil, err
		}
		r.nodes = append(r.nodes, node)
	}
	return r, nil
}

// session connects, subscribes and reads until something is wrong. The library's own
// reconnection is off, and its word on the state of a connection is not asked: its
// publishing can stop for ever while it says Connected.
func (r *reader) session(ctx context.Context) error {
	c, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(ctx) // a server that is gone cannot be told
	}()
	told := make(chan *opcua.PublishNotificationData, 64)
	silence, err := r.subscribe(ctx, c, told)
	if err != nil {
		return err
	}
	watchdog := time.NewTimer(silence)
	defer watchdog.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-watchdog.C:
			return fmt.Errorf("nothing came for %s, not even the server's time", silence)
		case n := <-told:
			if n.Error != nil {
				return n.Error
			}
			if err := r.recovered(ctx, c); err != nil {
				return err
			}
			if err := r.hear(n.Value); err != nil {
				return err
			}
			r.good = time.Now()
			watchdog.Reset(silence)
		}
	}
}

func (r *reader) connect(ctx context.Context) (*opcua.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	ep, err := r.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	options, err := r.identity(ep)
	if err != nil {
		return nil, err
	}
	options = append(options, opcua.AutoReconnect(false), opcua.RequestTimeout(connectTimeout), opcua.DialTimeout(connectTimeout),
		opcua.SessionTimeout(time.Minute), opcua.MaxMessageSize(maxMessage), opcua.MaxChunkCount(maxChunks), opcua.SessionName("telltale"))
	c, err := opcua.NewClient(r.Endpoint, options...)
	if err != nil {
		return nil, err
	}
	return c, c.Connect(ctx)
}

// subscribe has the server report the nodes and its clock, and returns how long it may
// be silent: the clock alone makes it speak at each publishing.
func (r *reader) subscribe(ctx context.Context, c *opcua.Client, told chan<- *opcua.PublishNotificationData) (time.Duration, error) {
	sub, err := c.Subscribe(ctx, &opcua.SubscriptionParameters{Interval: r.Publish, MaxKeepAliveCount: 1, LifetimeCount: 30}, told)
	if err != nil {
		return 0, fmt.Errorf("subscription: %w", err)
	}
	items := []*ua.MonitoredItemCreateRequest{r.item(clockNode, clockHandle, r.Publish, 1)}
	for i, n := range r.nodes {
		items = append(items, r.item(n, uint32(i), r.Sampling, r.Queue)) //nolint:gosec // a list of a file
	}
	for from := 0; from < len(items); from += 500 { // servers bound what one request may hold
		part := items[from:min(from+500, len(items))]
		res, err := sub.Monitor(ctx, ua.TimestampsToReturnBoth, part...)
		if err != nil {
			return 0, fmt.Errorf("monitored items: %w", err)
		}
		for k, result := range res.Results {
			if result.StatusCode != ua.StatusOK {
				return 0, fmt.Errorf("node %s: %w", part[k].ItemToMonitor.NodeID, result.StatusCode)
			}
		}
	}
	return keepAlives * max(sub.RevisedPublishingInterval, r.Publish), nil
}

func (*reader) item(n *ua.NodeID, handle uint32, sampling time.Duration, queue uint32) *ua.MonitoredItemCreateRequest {
	x := opcua.NewMonitoredItemCreateRequestWithDefaults(n, ua.AttributeIDValue, handle)
	x.RequestedParameters.SamplingInterval = float64(sampling) / float64(time.Millisecond)
	x.RequestedParameters.QueueSize = queue
	return x
}

// recovered tells what was missed once a server speaks again: its history of the
// time, where it has one and is to be asked, else a gap for each asset.
func (r *reader) recovered(ctx context.Context, c *opcua.Client) error {
	if r.why == nil {
		return nil
	}
	now := time.Now()
	var missed []asset.ID
	for i, n := range r.Nodes {
		if slices.Contains(missed, n.Asset) {
			continue
		}
		if r.History && !r.seen[i].IsZero() && r.fill(ctx, c, i, now) == nil {
			continue
		}
		missed = append(missed, n.Asset)
	}
	for _, a := range missed {
		if err := r.deliver(ingest.Gap(a, r.good, now, "opcua "+r.Endpoint, r.why)); err != nil {
			return err
		}
	}
	r.why = nil
	return nil
}

// fill asks for the raw history of one node since its newest value.
func (r *reader) fill(ctx context.Context, c *opcua.Client, i int, now time.Time) error {
	ask := &ua.HistoryReadValueID{NodeID: r.nodes[i], DataEncoding: &ua.QualifiedName{}}
	for {
		res, err := c.HistoryReadRawModified(ctx, []*ua.HistoryReadValueID{ask}, &ua.ReadRawModifiedDetails{StartTime: r.seen[i], EndTime: now.UTC(), NumValuesPerNode: 1000})
		if err != nil {
			return err
		}
		if len(res.Results) != 1 || quality(res.Results[0].StatusCode) < 100 || res.Results[0].HistoryData == nil {
			return errors.New("no history")
		}
		data, ok := res.Results[0].HistoryData.Value.(*ua.HistoryData)
		if !ok {
			return errors.New("history of another kind")
		}
		for _, v := range data.DataValues {
			if err := r.value(i, v); err != nil {
				return err
			}
		}
		if ask.ContinuationPoint = res.Results[0].ContinuationPoint; len(ask.ContinuationPoint) == 0 {
			return nil
		}
	}
}

// hear passes on what a notification tells.
func (r *reader) hear(value any) error {
	switch n := value.(type) {
	case *ua.StatusChangeNotification:
		return fmt.Errorf("the server ended the subscription: %w", n.Status)
	case *ua.DataChangeNotification:
		for _, item := range n.MonitoredItems {
			if item.ClientHandle == clockHandle || int(item.ClientHandle) >= len(r.nodes) {
				continue
			}
			if err := r.value(int(item.ClientHandle), item.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// value passes on one value of a node; one that was seen before is none.
func (r *reader) value(i int, v *ua.DataValue) error {
	n := &r.Nodes[i]
	if v == nil {
		return nil
	}
	at := stamped(v)
	if at.IsZero() || !at.After(r.seen[i]) {
		return nil
	}
	if uint32(v.Status)&overflow == overflow && !r.seen[i].IsZero() {
		gap := ingest.Gap(n.Asset, r.seen[i], at, "opcua "+r.Endpoint, fmt.Errorf("the server's queue of %s was full", n.ID))
		if err := r.deliver(gap); err != nil {
			return err
		}
	}
	r.seen[i] = at
	q := quality(v.Status)
	if q == 0 {
		return nil // a bad status has no value
	}
	if n.Channel != "" {
		return r.wave(n, v, at, q)
	}
	x, ok := number(v.Value)
	if !ok {
		return nil
	}
	return r.deliver(asset.Reading{Asset: n.Asset, Time: at, Points: []asset.Point{{Metric: n.Metric, Value: x, Unit: n.Unit, Quality: q}}})
}

func (r *reader) wave(n *Node, v *ua.DataValue, at time.Time, q float64) error {
	w := asset.Waveform{Channel: n.Channel, RateHz: n.RateHz, Unit: n.Unit, Scale: 1, Quality: q, First: true, Last: true}
	if w.Samples, w.Counts = samples(v.Value); w.Len() == 0 {
		return nil
	}
	w.Start = at.Add(-time.Duration(float64(w.Len()-1) / n.RateHz * 1e9))
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
	return nil
}
