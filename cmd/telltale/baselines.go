package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/store"
)

// baselines are what monitors learned of healthy assets: the file baselines.json
// of a finished run.
type baselines struct {
	Version string              `json:"features"` // features.Version they were learned with
	Assets  map[asset.ID]learnt `json:"assets"`
	kinds   map[string]asset.ID // the asset that stands for a kind
	budgets []falseAlarms       // of every detector, when collected from a store
	body    []byte
}

type learnt struct {
	Kind     string                     `json:"kind"`
	Baseline json.RawMessage            `json:"baseline"`
	Laws     map[string]json.RawMessage `json:"laws,omitempty"` // states of the twin's laws, by carried part
}

// readBaselines reads what a run in dir left behind.
func readBaselines(dir string) (*baselines, error) {
	path := filepath.Join(dir, "baselines.json")
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w (want the --out folder of a finished backtest)", err)
	}
	b, err := parseBaselines(body)
	if err != nil {
		return nil, fmt.Errorf("baseline %s: %w", path, err)
	}
	return b, nil
}

func parseBaselines(body []byte) (*baselines, error) {
	b := &baselines{body: body, kinds: map[string]asset.ID{}}
	if err := json.Unmarshal(body, b); err != nil {
		return nil, err
	}
	if b.Version != features.Version {
		return nil, fmt.Errorf("learned with feature version %q, this program has %q: run the backtest that learns them again", b.Version, features.Version)
	}
	for id, l := range b.Assets {
		if first, ok := b.kinds[l.Kind]; !ok || id < first {
			b.kinds[l.Kind] = id
		}
	}
	return b, nil
}

// of returns the baseline for an asset: its own, or that of the first of its kind.
func (b *baselines) of(plate asset.Nameplate) []byte {
	if b == nil {
		return nil
	}
	if l, ok := b.Assets[plate.ID]; ok {
		return l.Baseline
	}
	if id, ok := b.kinds[plate.Kind]; ok {
		return b.Assets[id].Baseline
	}
	return nil
}

// laws returns the states that the asset's laws go on from. Another asset of the
// kind lends what it identified, but not its age.
func (b *baselines) laws(plate asset.Nameplate) map[string][]byte {
	if b == nil {
		return nil
	}
	from, own := b.Assets[plate.ID]
	if !own {
		from = b.Assets[b.kinds[plate.Kind]]
	}
	out := map[string][]byte{}
	for part, body := range from.Laws {
		if own || !strings.Contains(part, "/bearing-life/") {
			out[part] = body
		}
	}
	return out
}

func (b *baselines) digest() string {
	if b == nil {
		return "none"
	}
	sum := sha256.Sum256(b.body)
	return hex.EncodeToString(sum[:])
}

// collectBaselines reads every asset's frozen baseline back from a store.
func collectBaselines(ctx context.Context, w *works, db store.Store) (*baselines, error) {
	b := &baselines{Version: features.Version, Assets: map[asset.ID]learnt{}}
	for _, id := range w.ids {
		plate := w.plates[id]
		parts, err := db.Parts(ctx, id)
		if err != nil {
			return nil, err
		}
		m, err := w.monitor(w.classes.Of(plate.Kind), plate)
		if err != nil {
			return nil, err
		}
		own := map[string][]byte{}
		for name, body := range parts {
			if rest, ok := strings.CutPrefix(name, "monitor/"); ok {
				own[rest] = body
			}
		}
		if err := m.Load(own); err != nil {
			return nil, fmt.Errorf("asset %s: %w", id, err)
		}
		b.budgets = append(b.budgets, budgetOf(id, m)...)
		if body := m.Export(); body != nil {
			laws := map[string]json.RawMessage{}
			for name, body := range parts {
				if part, ok := strings.CutPrefix(name, "twin/"); ok && strings.HasPrefix(part, "law/") {
					laws[part] = body
				}
			}
			b.Assets[id] = learnt{Kind: plate.Kind, Baseline: body, Laws: laws}
		}
	}
	return b, nil
}
