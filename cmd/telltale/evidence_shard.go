package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/evidence"
)

// shardEvidence is what a shard's batch under way leaves to keep. The shard's goroutine
// owns it. A nil one leaves nothing.
type shardEvidence struct {
	keeper *evidenceKeeper
	batch  []keptWindow
}

// of makes the shard's part anew; what a shard of that number left uncommitted is let go.
func (k *evidenceKeeper) of(shard int32) *shardEvidence {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if old := k.shards[shard]; old != nil {
		for _, w := range old.batch {
			k.waiting.Add(-int64(w.wave.Len()))
		}
	}
	k.shards[shard] = &shardEvidence{keeper: k}
	return k.shards[shard]
}

// kept hands over what the batch of a shard left, now that it is committed.
func (k *evidenceKeeper) kept(shard int32) {
	if k == nil {
		return
	}
	k.mu.Lock()
	s := k.shards[shard]
	k.mu.Unlock()
	if s == nil {
		return
	}
	for _, w := range s.batch {
		k.take(w)
	}
	clear(s.batch)
	s.batch = s.batch[:0]
}

// watch notes what the line extracts.
func (s *shardEvidence) watch(l *pipeline.Line) {
	if s != nil {
		wave := l.Extractor.(*features.WaveExtractor) // works.line makes no other
		l.Extractor = &watchedExtractor{wave, s, newEvidenceRule(gatewayFeatures{}), l.Plate}
	}
}

// watchedExtractor leaves windows to keep: those that came as evidence with features from
// elsewhere, and of windows that were cut here some by the gateway's rule.
type watchedExtractor struct {
	*features.WaveExtractor
	shard *shardEvidence
	rule  *evidenceRule
	plate asset.Nameplate
}

// Extract is pipeline.Extractor's.
func (e *watchedExtractor) Extract(w asset.Window, spectra bool) (features.Vector, []features.Spectrum, error) {
	v, s, err := e.WaveExtractor.Extract(w, spectra)
	switch {
	case err != nil || w.Channel == "":
	case w.Given == nil:
		k := e.shard.keeper
		e.rule.moment(evidenceWaiting - int(k.waiting.Load()))
		if e.rule.due(w, v) {
			e.leave(evidenceOf(w, e.plate))
		}
	case w.Given.Evidence != nil:
		e.leave(w.Given.Evidence)
	}
	return v, s, err
}

// leave puts a window to those of the batch, while there is room.
func (e *watchedExtractor) leave(wave *asset.Waveform) {
	k := e.shard.keeper
	if !k.reserve(wave.Len()) {
		k.counts.WithLabelValues("dropped").Inc()
		return
	}
	e.shard.batch = append(e.shard.batch, keptWindow{e.plate.ID, wave})
}

// waveforms shows what is kept.
type waveforms struct{ store *evidence.Store }

var _ api.Waveforms = waveforms{}

// Waveforms lists the kept windows of an asset.
func (r waveforms) Waveforms(ctx context.Context, id asset.ID, channel string, from, to time.Time, limit int) ([]api.Waveform, error) {
	all, err := r.store.List(ctx, id, channel, from, to, limit)
	if err != nil {
		return nil, err
	}
	out := make([]api.Waveform, len(all))
	for i, w := range all {
		out[i] = api.Waveform{Asset: w.Asset, Channel: w.Channel, Start: w.Start, Bytes: w.Bytes, Key: w.Key}
	}
	return out, nil
}

// Waveform opens one by its key.
func (r waveforms) Waveform(ctx context.Context, id asset.ID, key string) (io.ReadCloser, int64, error) {
	body, n, err := r.store.Read(ctx, id, key)
	if errors.Is(err, evidence.ErrNotFound) {
		err = fmt.Errorf("evidence %q of %s: %w", key, id, api.ErrNotFound)
	}
	return body, n, err
}
