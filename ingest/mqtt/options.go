package mqtt

import (
	"context"
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
	Decoder ingest.Decoder          // of payloads; default: JSON telemetry and the waveform blocks of package ingest, told apart by their beginning
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
		o.Decoder = content{}
	}
	if o.Refused == nil {
		o.Refused = func(ingest.DeadLetter) {}
	}
	if o.Lost == nil {
		o.Lost = func(error) {}
	}
	return o
}

// content tells payloads apart by how they begin.
type content struct{}

// Decode reads JSON telemetry or a waveform block.
func (content) Decode(_ context.Context, m ingest.Message) ([]asset.Reading, error) {
	if len(m.Payload) < len(waveMagic) || string(m.Payload[:len(waveMagic)]) != waveMagic {
		r, err := ingest.DecodeTelemetry(m.Payload, m.Asset)
		if err != nil {
			return nil, err
		}
		return []asset.Reading{r}, nil
	}
	if m.Asset == "" || m.Channel == "" {
		return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: m.Topic, Text: "a waveform block on a topic that names no asset or no channel"}
	}
	w, err := ingest.DecodeWave(asset.Waveform{}, m.Payload, m.Channel)
	if err != nil {
		return nil, err
	}
	blocks := ingest.Cut(w)
	out := make([]asset.Reading, len(blocks))
	for i := range blocks {
		out[i] = asset.Reading{Asset: m.Asset, Time: ingest.Newest(blocks[i]), Wave: &blocks[i]}
	}
	return out, nil
}

// waveMagic is how a waveform block begins.
const waveMagic = "TTWV"

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
