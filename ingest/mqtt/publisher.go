package mqtt

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// underway is how many messages a publisher sends before it waits for the first.
const underway = 256

// Publisher publishes readings at QoS 1. It is used by one goroutine.
type Publisher struct {
	opt    Options
	client paho.Client
	tokens []paho.Token
}

// NewPublisher connects; it waits for the broker as long as ctx does.
func NewPublisher(ctx context.Context, opt Options) (*Publisher, error) {
	opt = opt.withDefaults()
	p := &Publisher{opt: opt, client: paho.NewClient(clientOptions(opt).SetCleanSession(true))}
	if err := wait(ctx, p.client.Connect()); err != nil {
		p.client.Disconnect(0)
		return nil, fmt.Errorf("mqtt %s: %w", opt.Broker, err)
	}
	return p, nil
}

// Publish sends a reading: its waveform, and its points with its event. Above
// scale 0 samples go as int16 counts of that size. It waits while too many
// messages are under way.
func (p *Publisher) Publish(ctx context.Context, r asset.Reading, scale float64) error {
	base := p.opt.Prefix + "/" + escape(string(r.Asset))
	if r.Wave != nil {
		if err := p.send(ctx, base+"/wave/"+escape(r.Wave.Channel), ingest.EncodeWave(nil, *r.Wave, scale)); err != nil {
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
	return p.send(ctx, base+"/telemetry", b)
}

// Raw sends a payload as it is.
func (p *Publisher) Raw(ctx context.Context, topic string, payload []byte) error {
	return p.send(ctx, topic, payload)
}

func (p *Publisher) send(ctx context.Context, topic string, payload []byte) error {
	if len(p.tokens) >= underway {
		if err := p.settle(ctx, 1); err != nil {
			return err
		}
	}
	p.tokens = append(p.tokens, p.client.Publish(topic, 1, false, payload))
	return nil
}

func (p *Publisher) settle(ctx context.Context, n int) error {
	for range n {
		if err := wait(ctx, p.tokens[0]); err != nil {
			return fmt.Errorf("mqtt %s: publish: %w", p.opt.Broker, err)
		}
		p.tokens = p.tokens[1:]
	}
	return nil
}

// Flush waits until the broker has acknowledged everything.
func (p *Publisher) Flush(ctx context.Context) error { return p.settle(ctx, len(p.tokens)) }

// Close disconnects.
func (p *Publisher) Close() { p.client.Disconnect(250) }

// escape makes a name one level of a topic.
func escape(name string) string {
	return strings.ReplaceAll(url.PathEscape(name), "+", "%2B")
}
