package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// TooLarge is why a message is refused before it is read.
const TooLarge asset.Reason = "too-large"

// batch reads the records of one batch and leaves next after it.
func (p *partition) batch(ctx context.Context, b batch, high int64) error {
	skip := p.isVoid(b)
	if b.is(control) || skip {
		p.next = b.last + 1
		return p.done(ctx)
	}
	err, anew := error(nil), p.next <= b.first
	if !b.whole() {
		err = fmt.Errorf("a batch of %d bytes: %w, which is %d", b.size, errTooLarge, p.s.opt.MaxBytes)
	} else {
		err = b.read(p.in, func(r record) bool {
			if r.offset < p.next {
				return true
			}
			if p.hold(ctx, r, high) != nil {
				return false
			}
			p.next = r.offset + 1
			return true
		})
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if n := b.last + 1 - b.first - int64(b.count); err == nil && anew && n > 0 {
		p.hole(ctx, b.first, n)
	}
	if errors.Is(err, errCorrupt) && p.doubt != b.first { // on the way, or in the log?
		p.doubt = b.first
		return err
	}
	if err != nil {
		if err := p.refuseRest(ctx, b, err); err != nil {
			return err
		}
	}
	if p.next <= b.last {
		p.next = b.last + 1
		return p.done(ctx)
	}
	return nil
}

// isVoid follows the transactions in the order of the log: what an aborted one wrote, up to
// the mark that ends it, was never said.
func (p *partition) isVoid(b batch) bool {
	p.ends = slices.DeleteFunc(p.ends, func(a aborted) bool {
		if a.first > b.last {
			return false
		}
		p.void[a.producer] = true
		return true
	})
	if b.is(control) {
		if b.whole() && b.aborts() {
			delete(p.void, b.producer)
		}
		return false
	}
	return b.is(transactional) && p.void[b.producer]
}

// done notes that everything before next needs nothing more.
func (p *partition) done(ctx context.Context) error {
	if !p.deliver(ctx, item{from: p, blank: true, next: p.next}) {
		return ctx.Err()
	}
	return nil
}

// deliver waits for room in the queue and reports whether ctx outlived it.
func (p *partition) deliver(ctx context.Context, it item) bool {
	select {
	case p.queue <- it:
		return true
	case <-ctx.Done():
		return false
	}
}

// hold decodes a record and delivers what it says; the error is that of ctx.
func (p *partition) hold(ctx context.Context, r record, high int64) error {
	m := p.message(r)
	if r.bad != nil {
		return p.refuse(ctx, m, r, &asset.Invalid{Reason: TooLarge, Where: p.at(r.offset), Text: r.bad.Error()})
	}
	all, err := p.decode(ctx, m)
	if bad, ok := errors.AsType[*asset.Invalid](err); ok {
		return p.refuse(ctx, m, r, bad)
	}
	if err != nil {
		return err
	}
	p.s.meter.Heard(time.Now(), r.bytes)
	if len(all) == 0 {
		if !p.deliver(ctx, item{from: p, blank: true, next: r.offset + 1}) {
			return ctx.Err()
		}
		return nil
	}
	for i, x := range all {
		it := item{from: p, reading: x, next: -1, at: Position(r.offset, i+1)}
		if i == len(all)-1 {
			it.next, it.at = r.offset+1, Position(r.offset+1, 0)
		}
		if !p.deliver(ctx, it) {
			return ctx.Err()
		}
	}
	p.s.hear(p.place, all)
	return nil
}

// decode asks the decoder until it has an answer: with an error that is no verdict the
// partition waits.
func (p *partition) decode(ctx context.Context, m ingest.Message) ([]asset.Reading, error) {
	if m.Asset != "" && !p.s.opt.Assets.Allows(m.Asset) {
		return nil, notAllowed(m.Asset)
	}
	wait := ingest.Backoff{First: 200 * time.Millisecond, Last: 5 * time.Second}
	for {
		all, err := p.s.opt.Decoder.Decode(ctx, m)
		switch bad, ok := errors.AsType[*asset.Invalid](err); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case ok:
			p.s.trouble(p.String(), nil)
			return nil, bad
		case err == nil:
			p.s.trouble(p.String(), nil)
			return all, p.mine(all)
		}
		p.s.trouble(p.String(), fmt.Errorf("waits for the decoder: %w", err))
		if !wait.Wait(ctx) {
			return nil, ctx.Err()
		}
	}
}

// mine refuses what these topics, or this partition, may not speak of.
func (p *partition) mine(all []asset.Reading) error {
	for _, r := range all {
		if !p.s.opt.Assets.Allows(r.Asset) {
			return notAllowed(r.Asset)
		}
		if p.among == 0 {
			continue
		}
		if at := partitioner(p.among)(string(r.Asset)); at != p.partition {
			return &asset.Invalid{
				Reason: WrongPartition, Where: string(r.Asset),
				Text: fmt.Sprintf("came in partition %d, belongs into %d of %d: send it with the asset as key and the partitioner of Kafka's own clients (murmur2)", p.partition, at, p.among),
			}
		}
	}
	return nil
}

func notAllowed(id asset.ID) *asset.Invalid {
	return &asset.Invalid{Reason: ingest.NotAllowed, Where: string(id), Text: "these topics may not speak of it: want one of assets in the configuration"}
}

func (p *partition) at(offset int64) string { return fmt.Sprintf("%s at %d", p.place, offset) }

// message is a record as decoders want it. The header asset names the asset, else the key.
func (p *partition) message(r record) ingest.Message {
	m := ingest.Message{Topic: p.topic, Headers: map[string]string{}, Payload: r.value}
	for _, h := range r.headers {
		m.Headers[strings.ToLower(h.Key)] = string(h.Value)
	}
	m.Channel = m.Headers["channel"]
	if id := m.Headers["asset"]; ingest.IsID(id) {
		m.Asset = asset.ID(id)
	} else if ingest.IsID(string(r.key)) {
		m.Asset = asset.ID(r.key)
	}
	return m
}

// refuse brings a message to where people look for it, and only then goes on.
func (p *partition) refuse(ctx context.Context, m ingest.Message, r record, bad *asset.Invalid) error {
	letter := m.Letter(p.s.meter.Name(), time.Now(), bad)
	letter.Partition, letter.Offset = int32(p.partition), r.offset //nolint:gosec // Kafka's own
	if err := p.post(ctx, letter, bytes.Clone(r.key)); err != nil {
		return err
	}
	p.s.meter.Heard(time.Now(), r.bytes)
	p.s.meter.Refused(bad.Reason)
	p.s.opt.Refused(letter)
	if !p.deliver(ctx, item{from: p, blank: true, next: r.offset + 1}) {
		return ctx.Err()
	}
	return nil
}

// refuseRest refuses what could not be read of a batch as one: with the bytes as they are
// in the log, compressed, unless they are too many.
func (p *partition) refuseRest(ctx context.Context, b batch, why error) error {
	bad := &asset.Invalid{Reason: ingest.Undecodable, Where: p.at(p.next), Text: fmt.Sprintf("messages %d to %d: %v", p.next, b.last, why)}
	m := ingest.Message{Topic: p.topic}
	if errors.Is(why, errTooLarge) {
		bad.Reason = TooLarge
	} else {
		m.Payload = b.raw
	}
	return p.refuse(ctx, m, record{offset: p.next, bytes: len(b.raw)}, bad)
}

// post sends a dead letter to its topic until the cluster has it.
func (p *partition) post(ctx context.Context, letter ingest.DeadLetter, key []byte) error {
	if p.s.letters == nil {
		return nil
	}
	record := Record{Asset: asset.ID(key), Headers: letterHeaders(letter), Payload: letter.Payload}
	wait := ingest.Backoff{First: 200 * time.Millisecond, Last: 5 * time.Second}
	for {
		err := p.s.letters.Send(ctx, []Record{record})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			p.s.trouble(p.String(), nil)
			return nil
		case errors.Is(err, kafka.MessageSizeTooLarge) && record.Payload != nil:
			record.Headers["payload-omitted"], record.Payload = fmt.Sprint(len(record.Payload)), nil
			continue
		case errors.Is(err, kafka.MessageSizeTooLarge) && letter.Headers != nil:
			letter.Headers = nil
			record.Headers = letterHeaders(letter)
			continue
		}
		p.s.trouble(p.String(), fmt.Errorf("waits for the topic of dead letters: %w", err))
		if !wait.Wait(ctx) {
			return ctx.Err()
		}
	}
}

// letterHeaders are those of the message and the letter's own, which go before.
func letterHeaders(l ingest.DeadLetter) map[string]string {
	h := maps.Clone(l.Headers)
	if h == nil {
		h = map[string]string{}
	}
	h["reason"], h["text"], h["source"] = string(l.Reason), strings.ToValidUTF8(l.Text[:min(len(l.Text), 1000)], "�"), l.Source
	h["topic"], h["partition"], h["offset"] = l.Topic, fmt.Sprint(l.Partition), fmt.Sprint(l.Offset)
	h["refused"] = l.Time.UTC().Format(time.RFC3339Nano)
	return h
}

// mostHeard bounds how many assets of a partition are remembered for gaps.
const mostHeard = 10_000

func (s *Source) hear(at place, all []asset.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.heard[at]
	if of == nil {
		of = map[asset.ID]time.Time{}
		s.heard[at] = of
	}
	for _, r := range all {
		if _, ok := of[r.Asset]; ok || len(of) < mostHeard {
			of[r.Asset] = r.Time
		}
	}
}

func (s *Source) lastHeard(at place) map[asset.ID]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.heard[at])
}
