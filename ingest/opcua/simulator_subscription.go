package opcua

import (
	"context"
	"slices"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// subscription tells a client what changed.
type subscription struct {
	id       uint32
	every    time.Duration
	due      time.Time
	keep     uint32 // intervals after which it speaks though nothing changed
	quiet    uint32 // intervals without a word
	sequence uint32
	items    []*item
	queue    []told // in order of their change
}

// item is a variable that a subscription watches.
type item struct {
	id, handle uint32
	node       *simNode
	clock      bool // the server's time: it changes all the time
	most       int  // values that may wait
	waiting    int
}

// told is a value that was not published.
type told struct {
	item  *item
	value *ua.DataValue
	bytes int
}

// changed queues a value for everyone who watches the node; the server's mutex is held.
func (g *guest) changed(n *simNode, v *ua.DataValue, bytes int) {
	for _, s := range g.subscriptions {
		for _, i := range s.items {
			if i.node == n {
				s.push(i, v, bytes)
			}
		}
	}
}

// push drops the item's oldest value when too many wait, and marks the one behind it.
func (s *subscription) push(i *item, v *ua.DataValue, bytes int) {
	if i.waiting == i.most {
		k := slices.IndexFunc(s.queue, func(t told) bool { return t.item == i })
		s.queue = slices.Delete(s.queue, k, k+1)
		i.waiting--
		mark := func(v *ua.DataValue) *ua.DataValue {
			lost := *v // others have the same value
			lost.Status |= overflow
			lost.UpdateMask()
			return &lost
		}
		if k := slices.IndexFunc(s.queue, func(t told) bool { return t.item == i }); k >= 0 {
			s.queue[k].value = mark(s.queue[k].value)
		} else {
			v = mark(v)
		}
	}
	i.waiting++
	s.queue = append(s.queue, told{i, v, bytes})
}

// overhead is what a value takes in a message beside itself, generously.
const overhead = 16

// publish sends what is due and reports whether the client took it.
func (g *guest) publish(ctx context.Context, now time.Time) bool {
	for _, s := range g.subscriptions {
		if now.Before(s.due) {
			continue
		}
		s.due = now.Add(s.every)
		s.quiet++
		g.server.mu.Lock()
		for _, i := range s.items {
			if i.clock && i.waiting == 0 {
				s.push(i, i.node.attribute(ua.AttributeIDValue), 32)
			}
		}
		g.server.mu.Unlock()
		for more := true; more && len(g.owed) > 0; {
			var batch []*ua.MonitoredItemNotification
			batch, more = g.batch(s)
			if len(batch) == 0 && s.quiet < s.keep {
				break
			}
			s.quiet = 0
			o := g.owed[0]
			g.owed = g.owed[1:]
			if !g.send(ctx, o.id, s.message(o, batch, more)) {
				return false
			}
		}
	}
	return true
}

// batch takes as much from the queue as one message holds.
func (g *guest) batch(s *subscription) (out []*ua.MonitoredItemNotification, more bool) {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	n, bytes := 0, 0
	for n < len(s.queue) && (n == 0 || bytes+s.queue[n].bytes+overhead <= maxMessageBytes) {
		t := s.queue[n]
		bytes += t.bytes + overhead
		t.item.waiting--
		out = append(out, &ua.MonitoredItemNotification{ClientHandle: t.item.handle, Value: t.value})
		n++
	}
	s.queue = slices.Delete(s.queue, 0, n)
	return out, len(s.queue) > 0
}

// message answers a request to publish; without values it only says that the server is there.
func (s *subscription) message(o owed, batch []*ua.MonitoredItemNotification, more bool) ua.Response {
	data := []*ua.ExtensionObject{}
	sequence := s.sequence + 1
	if len(batch) > 0 {
		s.sequence = sequence
		x := ua.NewExtensionObject(&ua.DataChangeNotification{MonitoredItems: batch, DiagnosticInfos: []*ua.DiagnosticInfo{}})
		x.UpdateMask()
		data = append(data, x)
	}
	return &ua.PublishResponse{
		ResponseHeader: headerOf(o, ua.StatusOK), SubscriptionID: s.id, MoreNotifications: more, AvailableSequenceNumbers: []uint32{}, Results: []ua.StatusCode{},
		DiagnosticInfos: []*ua.DiagnosticInfo{}, NotificationMessage: &ua.NotificationMessage{SequenceNumber: sequence, PublishTime: time.Now(), NotificationData: data},
	}
}

// subscribing answers the requests about subscriptions and what they watch.
func (g *guest) subscribing(r ua.Request, ok *ua.ResponseHeader) ua.Response {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	switch req := r.(type) {
	case *ua.CreateSubscriptionRequest:
		every := time.Duration(min(max(req.RequestedPublishingInterval, 50), 60000) * float64(time.Millisecond))
		g.newest++
		keep := max(req.RequestedMaxKeepAliveCount, 1)
		g.subscriptions[g.newest] = &subscription{id: g.newest, every: every, due: time.Now().Add(every), keep: keep}
		return &ua.CreateSubscriptionResponse{
			ResponseHeader: ok, SubscriptionID: g.newest, RevisedPublishingInterval: float64(every) / float64(time.Millisecond),
			RevisedLifetimeCount: max(req.RequestedLifetimeCount, 3*keep), RevisedMaxKeepAliveCount: keep,
		}
	case *ua.DeleteSubscriptionsRequest:
		out := each(len(req.SubscriptionIDs), ua.StatusOK)
		for i, n := range req.SubscriptionIDs {
			if g.subscriptions[n] == nil {
				out[i] = ua.StatusBadSubscriptionIDInvalid
			}
			delete(g.subscriptions, n)
		}
		return &ua.DeleteSubscriptionsResponse{ResponseHeader: ok, Results: out, DiagnosticInfos: []*ua.DiagnosticInfo{}}
	case *ua.CreateMonitoredItemsRequest:
		s := g.subscriptions[req.SubscriptionID]
		if s == nil {
			return refusal(r, ua.StatusBadSubscriptionIDInvalid)
		}
		out := make([]*ua.MonitoredItemCreateResult, len(req.ItemsToCreate))
		for i, x := range req.ItemsToCreate {
			out[i] = g.watch(s, x)
		}
		slices.SortStableFunc(s.queue, func(a, b told) int { return a.value.SourceTimestamp.Compare(b.value.SourceTimestamp) })
		return &ua.CreateMonitoredItemsResponse{ResponseHeader: ok, Results: out, DiagnosticInfos: []*ua.DiagnosticInfo{}}
	case *ua.DeleteMonitoredItemsRequest:
		s := g.subscriptions[req.SubscriptionID]
		if s == nil {
			return refusal(r, ua.StatusBadSubscriptionIDInvalid)
		}
		out := each(len(req.MonitoredItemIDs), ua.StatusOK)
		for i, n := range req.MonitoredItemIDs {
			if !s.forget(n) {
				out[i] = ua.StatusBadMonitoredItemIDInvalid
			}
		}
		return &ua.DeleteMonitoredItemsResponse{ResponseHeader: ok, Results: out, DiagnosticInfos: []*ua.DiagnosticInfo{}}
	}
	return refusal(r, ua.StatusBadServiceUnsupported)
}

// mostWaiting is the longest queue that an item may have.
const mostWaiting = 1000

// watch adds an item to a subscription, which begins with the value that is there.
func (g *guest) watch(s *subscription, x *ua.MonitoredItemCreateRequest) *ua.MonitoredItemCreateResult {
	none := &ua.MonitoredItemCreateResult{FilterResult: ua.NewExtensionObject(nil)}
	n := g.server.space.nodes[x.ItemToMonitor.NodeID.String()]
	switch {
	case n == nil:
		none.StatusCode = ua.StatusBadNodeIDUnknown
		return none
	case x.ItemToMonitor.AttributeID != ua.AttributeIDValue || n.class != ua.NodeClassVariable:
		none.StatusCode = ua.StatusBadAttributeIDInvalid
		return none
	}
	g.items++
	i := &item{
		id: g.items, handle: x.RequestedParameters.ClientHandle, node: n, most: int(min(max(x.RequestedParameters.QueueSize, 1), mostWaiting)),
		clock: n.id.Namespace() == 0 && n.id.IntID() == id.Server_ServerStatus_CurrentTime,
	}
	s.items = append(s.items, i)
	if v := n.attribute(ua.AttributeIDValue); !i.clock && v.Status == ua.StatusOK {
		if body, err := v.Encode(); err == nil {
			s.push(i, v, len(body))
		}
	}
	return &ua.MonitoredItemCreateResult{
		MonitoredItemID: i.id, RevisedSamplingInterval: float64(s.every) / float64(time.Millisecond), RevisedQueueSize: uint32(i.most), FilterResult: ua.NewExtensionObject(nil), //nolint:gosec // at most mostWaiting
	}
}

// forget takes an item away and reports whether it was there.
func (s *subscription) forget(n uint32) bool {
	k := slices.IndexFunc(s.items, func(i *item) bool { return i.id == n })
	if k < 0 {
		return false
	}
	gone := s.items[k]
	s.items = slices.Delete(s.items, k, k+1)
	s.queue = slices.DeleteFunc(s.queue, func(t told) bool { return t.item == gone })
	return true
}
