package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Record is to be sent. Its asset is the partition key.
type Record struct {
	Asset   asset.ID
	Payload []byte
}

// What Send decides by itself.
var (
	ErrRefused  = errors.New("kinesis: the stream refuses")           // no right to write, or no such stream: to send again helps after a person did
	ErrTooLarge = errors.New("kinesis: more than 1 MiB with its key") // of one record
)

// ProducerOptions are those of a producer; zero values mean the defaults given.
type ProducerOptions struct {
	Produce
	Lost func(error) // hears of what goes wrong and is tried again; called from several goroutines; nil: nobody does
}

// Producer sends records. It holds what Send was given and no more. It is safe for concurrent
// use: one Send waits for the other.
type Producer struct {
	opt    ProducerOptions
	client *kinesis.Client
	meter  *ingest.Meter
	turn   sync.Mutex // held by a Send
}

// Limits of one request.
const (
	mostRecords = 500
	mostBytes   = 4 << 20 // of 5 MiB
	largest     = 1 << 20
)

// NewProducer connects when there is something to send.
func NewProducer(ctx context.Context, opt ProducerOptions) (*Producer, error) {
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("kinesis: %w", err)
	}
	if opt.Lost == nil {
		opt.Lost = func(error) {}
	}
	client, err := opt.client(ctx)
	if err != nil {
		return nil, err
	}
	return &Producer{opt: opt, client: client, meter: ingest.NewMeter("kinesis", "kinesis "+opt.Region+"/"+opt.Name)}, nil
}

// Status is how the producer stands; Messages and Bytes are what was acknowledged.
func (p *Producer) Status() ingest.SourceStatus { return p.meter.Status(0) }

// Send returns when the stream has every record, those of an asset in their order. What fails
// for now is tried again until ctx ends; to send the same again after an error doubles some
// and loses none. The error may join several, *ingest.Rejected among them.
//
// Of a request any record may fail alone, so that none carries two of an asset.
func (p *Producer) Send(ctx context.Context, records []Record) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	var rejected []error
	waiting := make([]int, 0, len(records)) // indices, in order
	for i, r := range records {
		switch {
		case len(r.Asset) == 0:
			rejected = append(rejected, &ingest.Rejected{Index: i, Err: errors.New("no asset, which is the partition key")})
		case len(r.Asset)+len(r.Payload) > largest:
			rejected = append(rejected, &ingest.Rejected{Index: i, Err: ErrTooLarge})
		default:
			waiting = append(waiting, i)
		}
	}
	wait := ingest.Backoff{First: 50 * time.Millisecond, Last: 2 * time.Second}
	told := ""
	for len(waiting) > 0 {
		under, left := share(records, waiting)
		failed, err := p.put(ctx, records, under)
		waiting = append(failed, left...)
		slices.Sort(waiting)
		if err == nil {
			p.meter.Up(time.Now())
			wait.Reset()
			continue
		}
		if forGood(err) {
			err = fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if len(failed) == len(under) { // not only some of them, which is how a stream brakes
			p.meter.Down(time.Now(), err)
		}
		if err.Error() != told { // the same again is no news
			told = err.Error()
			p.opt.Lost(fmt.Errorf("%s: %w", p.meter.Name(), err))
		}
		if errors.Is(err, ErrRefused) || !wait.Wait(ctx) {
			return errors.Join(append(rejected, fmt.Errorf("%s: %w", p.meter.Name(), errors.Join(ctx.Err(), err)))...)
		}
	}
	return errors.Join(rejected...)
}

// share takes the first record of each asset, as many as a request may carry.
func share(records []Record, waiting []int) (under, left []int) {
	has := map[asset.ID]bool{}
	bytes := 0
	for _, i := range waiting {
		r := records[i]
		if size := len(r.Asset) + len(r.Payload); !has[r.Asset] && len(under) < mostRecords && bytes+size <= mostBytes {
			under, bytes = append(under, i), bytes+size
		} else {
			left = append(left, i)
		}
		has[r.Asset] = true // also when it has to wait: none may overtake it
	}
	return under, left
}

// put sends one request and returns what of it failed.
func (p *Producer) put(ctx context.Context, records []Record, under []int) (failed []int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	in := &kinesis.PutRecordsInput{StreamName: &p.opt.Name}
	for _, i := range under {
		key := string(records[i].Asset)
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &key, Data: records[i].Payload})
	}
	out, err := p.client.PutRecords(ctx, in)
	if err != nil {
		return slices.Clone(under), err
	}
	if len(out.Records) != len(under) {
		return slices.Clone(under), fmt.Errorf("%d answers to %d records", len(out.Records), len(under))
	}
	for k, r := range out.Records {
		if r.ErrorCode == nil {
			p.meter.Heard(time.Now(), len(records[under[k]].Payload))
			continue
		}
		failed = append(failed, under[k])
		text := ""
		if r.ErrorMessage != nil {
			text = *r.ErrorMessage
		}
		err = fmt.Errorf("%s: %s", *r.ErrorCode, text)
	}
	return failed, err
}

// forGood tells what does not pass by itself.
func forGood(err error) bool {
	var missing *types.ResourceNotFoundException
	var denied *types.AccessDeniedException
	var wrong *types.InvalidArgumentException
	return errors.As(err, &missing) || errors.As(err, &denied) || errors.As(err, &wrong)
}
