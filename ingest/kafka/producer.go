package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Record is a message to be sent. Its asset is the key, which says into which partition it
// goes, as the Java client would put it; within an asset the order is kept.
type Record struct {
	Asset   asset.ID
	Channel string // of a waveform; a header
	Headers map[string]string
	Payload []byte
}

// ErrRefused is the cluster's no to everything: no right to write, a wrong password,
// another number of partitions than configured. To send again helps after a person did.
var ErrRefused = errors.New("kafka: the cluster refuses")

// ProducerOptions are those of a producer; zero values mean the defaults given.
type ProducerOptions struct {
	Produce
	Lost func(error) // hears of what goes wrong and is tried again, and of a changed number of partitions; called from several goroutines; nil: nobody does
}

// Producer sends records. It holds what Send was given and no more. It is safe for
// concurrent use: what is sent at the same time has no order.
type Producer struct {
	opt       ProducerOptions
	client    *kafka.Client
	transport *kafka.Transport
	meter     *ingest.Meter

	mu         sync.Mutex // guards what follows
	lanes      map[int]chan struct{}
	partitions int
}

// NewProducer connects when there is something to send.
func NewProducer(opt ProducerOptions) (*Producer, error) {
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	opt.Produce = opt.withDefaults()
	if opt.Lost == nil {
		opt.Lost = func(error) {}
	}
	t, err := opt.transport(opt.Topic)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Producer{
		opt: opt, transport: t, client: &kafka.Client{Addr: kafka.TCP(opt.Brokers...), Transport: t},
		meter: ingest.NewMeter("kafka", opt.name()+"/"+opt.Topic), lanes: map[int]chan struct{}{},
	}, nil
}

// Status is how the producer stands; Messages and Bytes are what was acknowledged.
func (p *Producer) Status() ingest.SourceStatus { return p.meter.Status(0) }

// Close closes the connections.
func (p *Producer) Close() { p.transport.CloseIdleConnections() }

// mostLanes is to how many partitions a Send writes at once, each over a connection.
const mostLanes = 16

// Send returns when all replicas in sync have every record. What fails for now is tried
// again until ctx ends; to send the same again after an error doubles some and loses none.
// The error may join several, *ingest.Rejected among them.
func (p *Producer) Send(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	n, err := p.count(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", p.meter.Name(), err)
	}
	of := map[int][]int{} // indices of each partition's records, in order
	balance := partitioner(n)
	for i, r := range records {
		at := balance(string(r.Asset))
		of[at] = append(of[at], i)
	}
	errs := make([]error, len(of))
	var lanes sync.WaitGroup
	room := make(chan struct{}, mostLanes)
	for k, at := range slices.Sorted(maps.Keys(of)) {
		room <- struct{}{}
		lanes.Go(func() {
			defer func() { <-room }()
			errs[k] = p.sendTo(ctx, at, records, of[at])
		})
	}
	lanes.Wait()
	return errors.Join(errs...)
}

// partitioner says where the Java client puts a key in a topic of n partitions.
func partitioner(n int) func(key string) int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return func(key string) int {
		return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(key)}, all...)
	}
}

// count is how many partitions the topic has. It waits for a cluster that is away.
func (p *Producer) count(ctx context.Context) (int, error) {
	n := 0
	err := p.insist(ctx, func(ctx context.Context) (err error) {
		n, err = partitionsOf(ctx, p.client, p.opt.Topic)
		return err
	})
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	was := p.partitions
	p.partitions = n
	p.mu.Unlock()
	if was != 0 && was != n {
		p.opt.Lost(fmt.Errorf("%s: the topic has %d partitions, it had %d: assets may go to others from now on, where their order begins anew", p.meter.Name(), n, was))
	}
	if p.opt.Partitions != 0 && n != p.opt.Partitions {
		err := fmt.Errorf("%w: the topic has %d partitions, configured are %d", ErrRefused, n, p.opt.Partitions)
		p.meter.Down(time.Now(), err)
		return 0, err
	}
	return n, nil
}

// lane is held while a batch is under way to a partition: there is never a second one,
// which a retry of the first could come after.
func (p *Producer) lane(at int) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes[at] == nil {
		p.lanes[at] = make(chan struct{}, 1)
	}
	return p.lanes[at]
}

// sendTo sends the records of one partition, batch after batch.
func (p *Producer) sendTo(ctx context.Context, at int, records []Record, indices []int) error {
	lane := p.lane(at)
	select {
	case lane <- struct{}{}:
		defer func() { <-lane }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var rejected []error
	for len(indices) > 0 {
		n, bytes := 0, 0
		for n < len(indices) {
			bytes += records[indices[n]].size()
			if n > 0 && bytes > p.opt.BatchBytes {
				break
			}
			n++
		}
		no, err := p.sendBatch(ctx, at, records, indices[:n])
		rejected = append(rejected, no...)
		if err != nil {
			return errors.Join(append(rejected, fmt.Errorf("%s: %w", p.meter.Name(), err))...)
		}
		indices = indices[n:]
	}
	return errors.Join(rejected...)
}

// sendBatch sends a batch and, where the cluster finds it too large or takes offence at one
// of its records, its halves.
func (p *Producer) sendBatch(ctx context.Context, at int, records []Record, indices []int) (rejected []error, err error) {
	err = p.insist(ctx, func(ctx context.Context) error { return p.produce(ctx, at, records, indices) })
	switch {
	case err == nil:
		bytes := 0
		for _, i := range indices {
			bytes += records[i].size()
			p.meter.Heard(time.Now(), records[i].size())
		}
		return nil, nil
	case !ofRecord(err):
		return nil, err
	case len(indices) == 1:
		p.meter.Refused(TooLarge)
		return []error{&ingest.Rejected{Index: indices[0], Err: err}}, nil
	}
	half := len(indices) / 2
	first, err := p.sendBatch(ctx, at, records, indices[:half])
	if err != nil {
		return first, err
	}
	second, err := p.sendBatch(ctx, at, records, indices[half:])
	return append(first, second...), err
}

// ofRecord tells errors that one record is to blame for.
func ofRecord(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.InvalidRecord) || errors.Is(err, kafka.InvalidTimestamp) || errors.Is(err, kafka.RecordListTooLarge)
}

// insist does something until it succeeds, is refused for good, or ctx ends.
func (p *Producer) insist(ctx context.Context, do func(context.Context) error) error {
	wait := ingest.Backoff{First: 50 * time.Millisecond, Last: 2 * time.Second}
	var told string
	for {
		err := do(ctx)
		switch {
		case err == nil:
			p.meter.Up(time.Now())
			return nil
		case ofRecord(err):
			return err
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		}
		p.meter.Down(time.Now(), err)
		if forGood(err) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if err.Error() != told {
			told = err.Error()
			p.opt.Lost(fmt.Errorf("%s: %w", p.meter.Name(), err))
		}
		if !wait.Wait(ctx) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// forGood tells what does not pass by itself.
func forGood(err error) bool {
	for _, no := range []kafka.Error{kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.InvalidTopic} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// produce sends one batch once.
func (p *Producer) produce(ctx context.Context, at int, records []Record, indices []int) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	out := make([]kafka.Record, len(indices))
	now := time.Now()
	for k, i := range indices {
		out[k] = kafka.Record{Time: now, Key: kafka.NewBytes([]byte(records[i].Asset)), Value: kafka.NewBytes(records[i].Payload), Headers: records[i].headers()}
	}
	r, err := p.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: p.opt.Topic, Partition: at, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(out...), Compression: p.opt.codec(),
	})
	if err != nil {
		return err
	}
	return r.Error
}

func (r Record) headers() []kafka.Header {
	var out []kafka.Header
	if r.Channel != "" {
		out = append(out, kafka.Header{Key: "channel", Value: []byte(r.Channel)})
	}
	for _, k := range slices.Sorted(maps.Keys(r.Headers)) {
		out = append(out, kafka.Header{Key: k, Value: []byte(r.Headers[k])})
	}
	return out
}

// size is at least what the record takes in a batch.
func (r Record) size() int {
	n := 40 + len(r.Asset) + len(r.Channel) + len(r.Payload)
	for k, v := range r.Headers {
		n += 10 + len(k) + len(v)
	}
	return n
}
