package mqtt

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// How much a publisher sends before it waits for the broker to have it.
const (
	underway      = 256 // messages
	underwayBytes = 32 << 20
)

// Publisher publishes readings at QoS 1. What the broker has not acknowledged when a
// connection ends is sent again over the next, in order. It is used by one goroutine.
type Publisher struct {
	opt    Options
	life   context.Context //nolint:containedctx // of the link, ended by Close
	stop   context.CancelFunc
	linked sync.WaitGroup

	mu      sync.Mutex // guards the rest
	over    *session   // nil while there is none
	waiting []sent     // not acknowledged, in order
	bytes   int        // of them
	fewer   chan struct{}
	why     error // there is no connection
}

// sent is a publication with its packet ID on the connection there is.
type sent struct {
	Publication
	id uint16
}

// NewPublisher begins to connect; a broker that is away is tried until Close.
func NewPublisher(ctx context.Context, opt Options) (*Publisher, error) {
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	opt = opt.withDefaults()
	if opt.Prefix == "" {
		opt.Prefix = "telltale"
	}
	p := &Publisher{opt: opt, fewer: make(chan struct{}, 1)}
	p.life, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	l := &link{Config: opt.Config, pass: opt.Password, clean: true, up: p.up, hear: p.hear, last: func(*session) {}, down: p.down}
	p.linked.Go(func() { l.run(p.life) })
	return p, nil
}

func (p *Publisher) up(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over, p.why = s, nil
	for i := range p.waiting {
		p.waiting[i].id = s.publish(p.waiting[i].Publication, p.waiting[i].id > 0)
	}
}

func (p *Publisher) hear(_ *session, packet any) error {
	ack, ok := packet.(*packets.PubackPacket)
	if !ok {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.waiting, func(s sent) bool { return s.id == ack.MessageID }); i >= 0 {
		p.bytes -= len(p.waiting[i].Payload)
		p.waiting = slices.Delete(p.waiting, i, i+1)
		signal(p.fewer)
	}
	return nil
}

func (p *Publisher) down(err error, _ bool) {
	p.mu.Lock()
	news := p.why == nil || p.why.Error() != err.Error()
	p.over, p.why = nil, err
	p.mu.Unlock()
	if news {
		p.opt.Lost(err)
	}
}

// Publish sends a reading: its waveform, and its points with its event. Above
// scale 0 samples go as int16 counts of that size. It waits while too many
// messages are under way, also for a broker that is away.
func (p *Publisher) Publish(ctx context.Context, r asset.Reading, scale float64) error {
	base := p.opt.Prefix + "/" + escape(string(r.Asset))
	if r.Wave != nil {
		if err := p.Raw(ctx, base+"/wave/"+escape(r.Wave.Channel), ingest.EncodeWave(nil, *r.Wave, scale)); err != nil {
			return err
		}
	}
	if len(r.Points) == 0 && r.Event == nil {
		return nil
	}
	b, err := ingest.EncodeTelemetry(r)
	if err != nil {
		return err
	}
	return p.Raw(ctx, base+"/telemetry", b)
}

// Raw sends a payload as it is; it is the publisher's until the broker has it.
func (p *Publisher) Raw(ctx context.Context, topic string, payload []byte) error {
	if n := len(topic) + len(payload); n > p.opt.MaxPacket {
		return fmt.Errorf("%s: a message of %d bytes on %s is not allowed: want at most %d (max_packet)", p.opt.name(), n, topic, p.opt.MaxPacket)
	}
	if err := p.settle(ctx, underway-1, underwayBytes-len(payload)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := sent{Publication: Publication{Topic: topic, Payload: payload, QoS: 1}}
	if p.over != nil {
		s.id = p.over.publish(s.Publication, false)
	}
	p.waiting = append(p.waiting, s)
	p.bytes += len(payload)
	return nil
}

// settle waits until no more than so much is under way; a message of its own may be longer.
func (p *Publisher) settle(ctx context.Context, messages, bytes int) error {
	for {
		p.mu.Lock()
		n, why := len(p.waiting), p.why
		enough := n <= messages && (n == 0 || p.bytes <= bytes)
		p.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-p.fewer:
		case <-ctx.Done():
			if why != nil {
				return fmt.Errorf("%d messages are not acknowledged: %w (%w)", n, why, ctx.Err())
			}
			return fmt.Errorf("%s: %d messages are not acknowledged: %w", p.opt.name(), n, ctx.Err())
		}
	}
}

// Flush waits until the broker has acknowledged everything.
func (p *Publisher) Flush(ctx context.Context) error { return p.settle(ctx, 0, 0) }

// Close disconnects.
func (p *Publisher) Close() {
	p.stop()
	p.linked.Wait()
}
