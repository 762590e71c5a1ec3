package mqtt

import (
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Options of a source or a publisher; zero values mean the defaults given.
type Options struct {
	Config
	Password string // goes before that of the file

	// For a source.
	Base    int64                   // offset to count on from: what the store has committed in earlier lives
	Meter   *ingest.Meter           // that notes what is heard; default: one of its own
	Decoder ingest.Decoder          // of payloads; default: ingest.Payloads
	Refused func(ingest.DeadLetter) // hears of messages that are refused as a whole, before they are acknowledged; nil: they are only counted
	Handler *Handler                // reads topics of its own instead of those of Config

	// Lost hears what stands between us and the broker's messages: lost connections,
	// refused subscriptions, a decoder that cannot work; each once until it changes, from
	// more than one goroutine. Nil: nobody does.
	Lost func(error)
}

// Handler is a protocol on top of MQTT with sessions of its own, such as Sparkplug. What
// it needs from MQTT is a clean session, so a lost connection loses messages, which is the
// handler's to notice. One of its functions is called at a time: Will and Death by the
// connection, all others by Next, in the order in which things happened. All but Filters
// and Handle may be nil.
type Handler struct {
	Filters []string // to subscribe to, at QoS 1
	// Handle takes a message; now is when it arrived. An error refuses it; the payload is
	// the source's again afterwards.
	Handle func(now time.Time, topic string, payload []byte) ([]asset.Reading, []Publication, error)
	Tick   func(now time.Time) ([]asset.Reading, []Publication) // some times a second
	Will   func(now time.Time) Publication                      // the last will of the connection that is made next
	Birth  func(now time.Time) []Publication                    // to publish when subscribed
	Lost   func(now time.Time)                                  // the connection is gone, and what was sent since
	Death  func(now time.Time) []Publication                    // to publish before we end the connection, of which a broker makes no will
}

// tick is how often a handler is asked whether it waits for something.
const tick = 100 * time.Millisecond

func (o Options) withDefaults() Options {
	o.Config = o.Config.withDefaults()
	if o.Decoder == nil {
		o.Decoder = &ingest.Payloads{}
	}
	if o.Refused == nil {
		o.Refused = func(ingest.DeadLetter) {}
	}
	if o.Lost == nil {
		o.Lost = func(error) {}
	}
	return o
}

// filters are what a source subscribes to, each once.
func (o Options) filters(routes []route) (filters []string, qos []byte) {
	add := func(f string, q byte) {
		if i := slices.Index(filters, f); i >= 0 {
			qos[i] = max(qos[i], q)
			return
		}
		filters, qos = append(filters, f), append(qos, q)
	}
	if o.Handler != nil {
		for _, f := range o.Handler.Filters {
			add(f, 1)
		}
		return filters, qos
	}
	for _, r := range routes {
		f := r.filter
		if o.Group != "" {
			f = "$share/" + o.Group + "/" + f
		}
		add(f, r.qos)
	}
	return filters, qos
}
