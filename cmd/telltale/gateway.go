package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/spool"
	"github.com/telltale-iot/telltale/pipeline"
)

// gateway carries readings from the field to a cluster. Between them lies a spool: what
// is acknowledged to a source is on disk, and stays there until the cluster has it.
type gateway struct {
	spool *spool.Spool
	out   backbone
	ids   []asset.ID // whose loss it may be where a record does not say
	log   *slog.Logger

	packer
	extraction *extraction   // nil: waveforms go out as they came
	sendTime   time.Duration // of one attempt; default 1 min
	pause      ingest.Backoff

	intake   atomic.Pointer[intake] // nil: the sources are not open yet
	readings atomic.Int64           // on disk
	sent     atomic.Int64           // records
	rejected atomic.Int64           // records
	away     atomic.Pointer[string] // why the cluster takes nothing; nil: it does

	letters *ingest.Letters // of what the cluster rejected; nil: it is not kept
}

// backbone is where a gateway's messages go.
type backbone interface {
	// Send returns when every message is safe there, those of an asset in their order.
	// What is never taken comes back by its index, with the reason. After an error all are
	// sent again: some may arrive twice.
	Send(ctx context.Context, messages []ingest.Message) (rejected map[int]error, err error)
}

// How much is put on disk at once, and for how long a reading may wait for others.
const (
	gatherRecords = 1000
	gatherBytes   = 4 << 20
	gatherTime    = 100 * time.Millisecond
)

// gatewayOnce is one round of the gateway role.
func gatewayOnce(ctx context.Context, w *works, conf *config, log *slog.Logger, stdout io.Writer) error {
	c := conf.Gateway
	s, err := spool.Open(spool.Options{
		Dir: cmp.Or(c.Spool, filepath.Join(conf.Data, "spool")), MaxBytes: int64(cmp.Or(c.MaxBytes, 10<<30)), MaxAge: cmp.Or(c.MaxAge, 168*time.Hour),
	})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // everything accepted is on disk already
	letters, err := ingest.OpenLetters(filepath.Join(conf.Data, "rejected"), 0)
	if err != nil {
		return err
	}
	defer letters.Close() //nolint:errcheck // each letter is written when it is put
	g := &gateway{spool: s, ids: w.ids, log: log, letters: letters}
	out, err := openBackbone(ctx, c, g.lost)
	if err != nil {
		return err
	}
	defer out.Close()
	g.out = out
	var next int64
	through := s.Newest()
	if c.Features != nil {
		if g.extraction, err = openExtraction(ctx, w, conf); err != nil {
			return err
		}
		defer g.extraction.Close()
		next = g.extraction.next
	}
	if st := s.Status(); st.Torn > 0 || st.Repeats {
		log.Warn("spool was not closed", "bytes cut off", st.Torn, "records come again", st.Repeats)
	}
	return g.serve(ctx, cmp.Or(conf.Listen, "127.0.0.1:8080"), cmp.Or(c.Drain, defaultDrain), func(ctx context.Context) (*intake, error) {
		return openIntake(ctx, conf, next, through, g.extraction != nil || hasJournal(conf.Data), log)
	}, func(url string) {
		fmt.Fprintf(stdout, "telltale: gateway listening on %s, %d asset(s), %d record(s) in the spool\n", url, len(w.ids), s.Status().Records)
	})
}

// serve runs the gateway until ctx ends, then stops the sources, keeps what they
// delivered, and passes on what it can in the time to drain.
func (g *gateway) serve(ctx context.Context, addr string, drain time.Duration, open func(context.Context) (*intake, error), ready func(url string)) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	work, ctx := errgroup.WithContext(ctx)
	if err := g.listen(ctx, work, addr, ready); err != nil {
		return err
	}
	work.Go(func() error { return g.drain(sending) })
	work.Go(func() error {
		defer stop()
		in, err := open(ctx)
		if err != nil {
			return err
		}
		g.intake.Store(in)
		err = g.read(ctx, in)
		in.Close()
		g.rest(ctx, drain)
		return err
	})
	return quiet(work.Wait())
}

// read collects, and watches for silence meanwhile.
func (g *gateway) read(ctx context.Context, in *intake) error {
	watching, stop := context.WithCancel(ctx)
	var watch errgroup.Group
	watch.Go(func() error { return in.watch(watching) })
	collect := g.collect
	if g.extraction != nil {
		collect = g.extract
	}
	err := collect(ctx, in)
	stop()
	return errors.Join(err, watch.Wait())
}

// rest gives the drain time to empty the spool; a new configuration goes on with it anyway.
func (g *gateway) rest(ctx context.Context, most time.Duration) {
	if errors.Is(context.Cause(ctx), errReload) {
		return
	}
	for end := time.Now().Add(most); g.spool.Status().Records > 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if left := g.spool.Status().Records; left > 0 {
		g.log.Warn("stopped with records in the spool, which the next start passes on", "records", left)
	}
}

// collect puts readings on disk and acknowledges them, until ctx ends or the source does.
func (g *gateway) collect(ctx context.Context, src pipeline.Source) error {
	for {
		records, at, err := g.gather(ctx, src)
		if len(records) > 0 {
			if !g.keep(ctx, records) {
				return nil // not acknowledged, so not lost where the source keeps it
			}
			g.readings.Add(int64(len(records)))
			src.Ack(at)
		}
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil //nolint:nilerr // a source that ended, or was told to, has not failed
		case err != nil:
			return err
		}
	}
}

// gather takes what arrives within a moment of the first reading.
func (g *gateway) gather(ctx context.Context, src pipeline.Source) (records []spool.Record, at asset.Position, err error) {
	r, at, err := src.Next(ctx)
	if err != nil {
		return nil, at, err
	}
	records = append(records, g.record(r))
	moment, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	for size := len(records[0].Payload); len(records) < gatherRecords && size < gatherBytes; {
		r, p, err := src.Next(moment)
		if err != nil {
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			return records, at, err
		}
		at = p
		records = append(records, g.record(r))
		size += len(records[len(records)-1].Payload)
	}
	return records, at, nil
}

// keep puts records on disk, as soon as there is room; meanwhile nobody reads the sources.
// Once ctx has ended there is one attempt.
func (g *gateway) keep(ctx context.Context, records []spool.Record) bool {
	wait := ingest.Backoff{First: 50 * time.Millisecond, Last: time.Second}
	var told string
	for {
		err := g.spool.Append(records...)
		if err == nil {
			if told != "" {
				g.log.Info("spool accepts again: the sources are read on")
			}
			return true
		}
		if errors.Is(err, spool.ErrTooLarge) {
			if len(records) == 1 {
				g.lose(records[0].Key, err)
				return true
			}
			half := len(records) / 2
			return g.keep(ctx, records[:half]) && g.keep(ctx, records[half:])
		}
		if text := fullText(err); text != told {
			told = text
			g.log.Error("spool refuses: the sources are not read until it accepts again", "error", err)
		}
		if !wait.Wait(ctx) {
			return false
		}
	}
}

// fullText is an error without the numbers that differ from one attempt to the next.
func fullText(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}

// drain passes records on until ctx ends.
func (g *gateway) drain(ctx context.Context) error {
	if g.pause == (ingest.Backoff{}) {
		g.pause = ingest.Backoff{First: 200 * time.Millisecond, Last: 10 * time.Second}
	}
	for ctx.Err() == nil {
		if err := g.pass(ctx); err != nil && ctx.Err() == nil {
			g.lost(err)
			if !g.pause.Wait(ctx) {
				break
			}
			continue
		}
		g.pause.Reset()
	}
	return nil
}

// lost notes why nothing is passed on: an attempt tells as soon as it meets it, and goes on
// trying. What it says of each partition, and each time, is one piece of news.
func (g *gateway) lost(err error) {
	first, _, _ := strings.Cut(err.Error(), "\n")
	if old := g.away.Swap(&first); old == nil {
		g.log.Warn("nothing is passed on", "error", first, "records waiting", g.spool.Status().Records)
	}
}

// pass waits for a batch and passes it on.
func (g *gateway) pass(ctx context.Context) error {
	batch, err := g.spool.Next(ctx, spool.Limit{})
	if err != nil {
		return err
	}
	messages := g.gaps(batch.Lost)
	for _, r := range batch.Records {
		messages = append(messages, message(r))
	}
	for len(messages) > 0 {
		rejected, err := g.send(ctx, messages)
		if err != nil {
			return err
		}
		g.sent.Add(int64(len(messages) - len(rejected)))
		messages = g.instead(messages, rejected)
	}
	if g.away.Swap(nil) != nil {
		g.log.Info("records are passed on again", "records waiting", g.spool.Status().Records)
	}
	return g.spool.Done(batch.End)
}

func (g *gateway) send(ctx context.Context, messages []ingest.Message) (map[int]error, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(g.sendTime, time.Minute))
	defer cancel()
	return g.out.Send(ctx, messages)
}

// rejectedLetter is a message in the form in which it can be sent again.
func rejectedLetter(m ingest.Message, why error) ingest.DeadLetter {
	headers := maps.Clone(m.Headers)
	headers["asset"] = string(m.Asset)
	if m.Channel != "" {
		headers[channelHeader] = m.Channel
	}
	m.Headers = headers
	return m.Letter("gateway", time.Now(), &asset.Invalid{Reason: rejectedReason, Where: string(m.Asset), Text: why.Error()})
}

// rejectedReason is why a message came back from the cluster.
const rejectedReason asset.Reason = "rejected"

// instead are gaps in the place of messages that nobody takes.
func (g *gateway) instead(messages []ingest.Message, rejected map[int]error) (gaps []ingest.Message) {
	for i, why := range rejected {
		m := messages[i]
		g.lose(string(m.Asset), why)
		if g.letters != nil {
			g.letters.Put(rejectedLetter(m, why))
		}
		if m.Headers[gapHeader] == "" { // not for ever
			t, _ := time.Parse(time.RFC3339Nano, m.Headers[timeHeader])
			gaps = append(gaps, gapMessage(m.Asset, t, t, why))
		}
	}
	slices.SortFunc(gaps, func(a, b ingest.Message) int { return cmp.Compare(a.Asset, b.Asset) })
	return gaps
}

func (g *gateway) lose(id string, why error) {
	g.rejected.Add(1)
	g.log.Error("record lost", "asset", id, "error", why)
}

// gaps says what the spool could not keep, to those who read the records after it.
func (g *gateway) gaps(lost []spool.Loss) (out []ingest.Message) {
	for _, x := range lost {
		g.log.Error("records lost in the spool", "asset", x.Key, "records", x.Records, "from", x.From, "to", x.To, "why", x.Why)
		ids := []asset.ID{asset.ID(x.Key)}
		if x.Key == "" {
			ids = g.ids // of any
		}
		for _, id := range ids {
			out = append(out, gapMessage(id, x.From, x.To, fmt.Errorf("%d record(s) in the gateway's spool: %w", x.Records, x.Why)))
		}
	}
	return out
}
