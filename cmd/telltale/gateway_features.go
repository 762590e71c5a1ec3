package main

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/spool"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// extraction is the first half of the flow, in a gateway: readings are checked, put in
// order and cut into windows, whose features go out in the place of their samples.
// Everything else goes out as it came, in the order of event time. Where it stands is
// kept beside the spool, so that a restart loses no window.
type extraction struct {
	w      *works
	opt    gatewayFeatures
	db     store.Store
	shards []*pipeline.Shard
	out    [][]asset.Reading // by shard: of the batch under way; its goroutine owns it
	next   int64             // position to count on from
	counts flowCounts
}

func openExtraction(ctx context.Context, w *works, conf *config) (*extraction, error) {
	db, err := openFile(ctx, filepath.Join(conf.Data, "gateway.db"), nil)
	if err != nil {
		return nil, err
	}
	n := cmp.Or(conf.Shards, defaultShards)
	x := &extraction{
		w: w, opt: *conf.Gateway.Features, db: db, out: make([][]asset.Reading, n),
		counts: newFlowCounts(),
	}
	if x.shards, x.next, _, err = claimShards(ctx, db, n, nil, x.plant); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// Close ends it; everything that went out is on disk.
func (x *extraction) Close() {
	x.db.Close() //nolint:errcheck,gosec // everything committed is on disk already
}

// plant gives a shard the lines of assets whose features are computed and not judged.
func (x *extraction) plant(shard int32) pipeline.Plant {
	space := features.NewWorkspace()
	return func(id asset.ID) (*pipeline.Line, bool) {
		plate, ok := x.w.plates[id]
		if !ok {
			return nil, false
		}
		c := x.w.classes.Of(plate.Kind)
		e, err := newExtractor(c, plate, space)
		if err != nil { // works.check has proved that there is none
			return nil, false
		}
		f := &fieldLine{plate: plate, out: &x.out[shard], evidence: newEvidenceRule(x.opt)}
		return &pipeline.Line{
			Plate: plate, Window: windows(c, plate), Checker: ingest.NewValidator([]asset.Nameplate{plate}, limits(c)),
			Extractor: fieldExtractor{e, f}, Monitor: f, Twin: noTwin{},
		}, true
	}
}

// extract is collect with features in the place of samples.
func (g *gateway) extract(ctx context.Context, src pipeline.Source) error {
	f := pipeline.Flow{Source: src, Keeper: fieldKeeper{g, ctx}, Shards: g.extraction.shards, Batch: pipeline.Batch{Eager: true}}
	return quiet(f.Run(ctx))
}

// fieldKeeper puts what goes out into the spool, then keeps where the shard stands. What
// an end between the two brings a second time is refused by its receiver.
type fieldKeeper struct {
	g   *gateway
	ctx context.Context //nolint:containedctx // ends the waiting for room; that of Keep goes on until all is kept
}

// Keep is pipeline.Keeper's.
func (k fieldKeeper) Keep(ctx context.Context, fx pipeline.Effects) error {
	g, x := k.g, k.g.extraction
	records := make([]spool.Record, len(x.out[fx.Shard]))
	for i, r := range x.out[fx.Shard] {
		records[i] = g.record(r)
	}
	if len(records) > 0 && !g.keep(k.ctx, records) {
		return context.Canceled // not acknowledged: it comes again
	}
	g.readings.Add(int64(len(records)))
	clear(x.out[fx.Shard])
	x.out[fx.Shard] = x.out[fx.Shard][:0]
	x.counts.add(fx.Counts)
	return x.db.Keep(ctx, pipeline.Effects{Shard: fx.Shard, Epoch: fx.Epoch, Next: fx.Next, Low: fx.Low, Through: fx.Through, State: fx.State})
}

// fieldLine is what leaves the gateway of one asset. It is owned by the asset's shard.
type fieldLine struct {
	plate    asset.Nameplate
	out      *[]asset.Reading
	points   []asset.Point    // of the moment under way
	features []asset.Features // and its windows
	evidence *evidenceRule
	clock    time.Time // of the newest reading that went out
	saved    time.Time
}

// Observe sends what there is of a moment. Its windows may end before what went out
// already: the reading is of now, and each window says when it ended.
func (f *fieldLine) Observe(s *features.Snapshot) []asset.Assessment {
	if s.Time.After(f.clock) {
		f.clock = s.Time
	}
	r := asset.Reading{Asset: f.plate.ID, Time: f.clock, Points: f.points, Features: f.features}
	for len(r.Features) > ingest.MaxFeatured {
		*f.out = append(*f.out, asset.Reading{Asset: r.Asset, Time: r.Time, Features: r.Features[:ingest.MaxFeatured]})
		r.Features = r.Features[ingest.MaxFeatured:]
	}
	for i := range s.Events {
		r.Event = &s.Events[i]
		*f.out = append(*f.out, r)
		r = asset.Reading{Asset: r.Asset, Time: r.Time}
	}
	if !r.Blank() {
		*f.out = append(*f.out, r)
	}
	f.points, f.features = nil, nil
	f.evidence.moment(evidenceSamples)
	return nil
}

// Save is pipeline.Carried's.
func (f *fieldLine) Save() map[string][]byte {
	if f.clock.Equal(f.saved) {
		return nil
	}
	f.saved = f.clock
	b, err := json.Marshal(f.clock)
	if err != nil {
		panic("gateway: " + err.Error()) // the years of readings can be written
	}
	return map[string][]byte{"clock": b}
}

// Load is pipeline.Carried's.
func (f *fieldLine) Load(parts map[string][]byte) error {
	if len(parts["clock"]) == 0 {
		return nil
	}
	err := json.Unmarshal(parts["clock"], &f.clock)
	f.saved = f.clock
	return err
}

// fieldExtractor notes what the flow extracts of an asset.
type fieldExtractor struct {
	*features.WaveExtractor
	line *fieldLine
}

// Extract is pipeline.Extractor's.
func (e fieldExtractor) Extract(w asset.Window, _ bool) (features.Vector, []features.Spectrum, error) {
	if w.Channel == "" {
		e.line.points = w.Points
		return features.Vector{}, nil, nil
	}
	v, _, err := e.WaveExtractor.Extract(w, false)
	if err != nil {
		return v, nil, err
	}
	f := asset.Features{Channel: w.Channel, Start: w.Start, End: w.End, RateHz: w.RateHz, Samples: w.Len(), Quality: v.Quality, Values: make([]asset.Feature, len(v.Fields))}
	for i, name := range v.Fields {
		f.Values[i] = asset.Feature{Name: name.Name, Unit: name.Unit, Value: v.Values[i]}
		if v.Reasons != nil {
			f.Values[i].Reason = v.Reasons[i]
		}
	}
	if e.line.evidence.due(w, v) {
		f.Evidence = evidenceOf(w, e.line.plate)
	}
	e.line.features = append(e.line.features, f)
	return v, nil, nil
}

// noTwin stands where nobody derives anything.
type noTwin struct{}

func (noTwin) Step(features.Snapshot) []asset.Assessment { return nil }
func (noTwin) Judge(asset.Risk)                          {}
func (noTwin) Save() map[string][]byte                   { return nil }
func (noTwin) Load(map[string][]byte) error              { return nil }
