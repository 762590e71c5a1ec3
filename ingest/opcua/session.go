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
	seen  []time.Time            // source time of the newest value of each node
	last  map[asset.ID]time.Time // the same of each asset, of what was passed on
	owed  map[asset.ID]*outage   // assets whose next value ends a gap
	good  time.Time              // when something last arrived, by our clock
	why   error                  // that stands between good and now
	tell  func(asset.Reading) bool
}

func newReader(s Server, tell func(asset.Reading) bool) (*reader, error) {
	r := &reader{Server: s, seen: make([]time.Time, len(s.Nodes)), last: map[asset.ID]time.Time{}, owed: map[asset.ID]*outage{}, good: time.Now(), tell: tell}
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
// reconnection is off, and its word that a connection stands is not asked: its
// publishing can stop for ever while it says Connected.
func (r *reader) session(ctx context.Context) error {
	states := make(chan opcua.ConnState, 16) // a client that does not reconnect has fewer
	c, err := r.connect(ctx, opcua.StateChangedCh(states))
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
		case state := <-states:
			if state == opcua.Disconnected || state == opcua.Closed { // of bad news its word is taken
				return errors.New("the connection was lost")
			}
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

func (r *reader) connect(ctx context.Context, more ...opcua.Option) (*opcua.Client, error) {
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
	c, err := opcua.NewClient(r.Endpoint, append(options, more...)...)
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
		x := r.item(n, uint32(i), r.Sampling, r.Queue) //nolint:gosec // a list of a file
		x.RequestedParameters.Filter = everyStamp()
		items = append(items, x)
	}
	plain, err := monitor(ctx, sub, items)
	if err == nil && len(plain) > 0 {
		_, err = monitor(ctx, sub, plain)
	}
	if err != nil {
		return 0, err
	}
	return keepAlives * max(sub.RevisedPublishingInterval, r.Publish), nil
}

// everyStamp has a server report a value that is the same as before, of a later time: that a
// sensor still shows it is news, and an instant of an asset has all of its metrics.
func everyStamp() *ua.ExtensionObject {
	x := ua.NewExtensionObject(&ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValueTimestamp, DeadbandType: uint32(ua.DeadbandTypeNone)})
	x.UpdateMask()
	return x
}

// monitor has the server report items. Of those whose filter it refuses it returns plain ones.
func monitor(ctx context.Context, sub *opcua.Subscription, items []*ua.MonitoredItemCreateRequest) (plain []*ua.MonitoredItemCreateRequest, err error) {
	for part := range slices.Chunk(items, 500) { // servers bound what one request may hold
		res, err := sub.Monitor(ctx, ua.TimestampsToReturnBoth, part...)
		if err != nil {
			return nil, fmt.Errorf("monitored items: %w", err)
		}
		for k, result := range res.Results {
			asked := part[k]
			switch result.StatusCode {
			case ua.StatusOK:
			case ua.StatusBadMonitoredItemFilterUnsupported, ua.StatusBadMonitoredItemFilterInvalid, ua.StatusBadFilterNotAllowed:
				if asked.RequestedParameters.Filter != nil {
					asked.RequestedParameters.Filter = nil
					plain = append(plain, asked)
					continue
				}
				fallthrough
			default:
				return nil, fmt.Errorf("node %s: %w", asked.ItemToMonitor.NodeID, result.StatusCode)
			}
		}
	}
	return plain, nil
}

func (*reader) item(n *ua.NodeID, handle uint32, sampling time.Duration, queue uint32) *ua.MonitoredItemCreateRequest {
	x := opcua.NewMonitoredItemCreateRequestWithDefaults(n, ua.AttributeIDValue, handle)
	x.RequestedParameters.SamplingInterval = float64(sampling) / float64(time.Millisecond)
	x.RequestedParameters.QueueSize = queue
	return x
}
