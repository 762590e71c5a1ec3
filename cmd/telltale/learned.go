package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/physics"
)

// parameterSet is what "telltale learn" takes from the history of a class, kept
// as a version in the repository: NAME "learned", by class, and by asset for the
// sets that left one out.
type parameterSet struct {
	Class   string                 `json:"class"`
	Without asset.ID               `json:"without,omitempty"` // the asset whose history was left out
	Dataset string                 `json:"dataset"`
	Assets  []asset.ID             `json:"assets"` // whose history it holds
	Growth  map[string]growthLearn `json:"growth"` // by law
	Limits  map[string]limitLearn  `json:"limits"` // by feature: what healthy machines of the class reach

	Regressions map[string]regressionLearn    `json:"regressions,omitempty"` // by law
	Cracks      map[string]physics.CrackPrior `json:"cracks,omitempty"`      // by law: what earlier cracks say of the next one
	Calibration *calibrationLearn             `json:"calibration,omitempty"` // of the fused risk; nil in sets from before there was one
}

// regressionLearn is how earlier lives tell the remaining one.
type regressionLearn struct {
	Lives int                   `json:"lives"`
	Fit   physics.RegressionFit `json:"fit"`
}

// growthLearn is what earlier lives tell of one indicator.
type growthLearn struct {
	Lives  int                 `json:"lives"`
	FailAt float64             `json:"fail_at"` // indicator at failure: the median over lives; 0 where the law knows better
	Paths  []physics.PathPoint `json:"paths"`
	Life   physics.Weibull     `json:"life"`

	Duty    float64               `json:"duty,omitempty"`    // of the rolling bearing that Life and its table are of (physics.Rolling); 0: of every duty
	Kernel  physics.LifeKernel    `json:"kernel,omitzero"`   // the lives themselves, beside the age
	Earlier []physics.EarlierLife `json:"earlier,omitempty"` // lives to be compared with
	Told    string                `json:"told,omitempty"`    // which knowledge was chosen
	Judged  []judgedKnowledge     `json:"judged,omitempty"`  // and between which

	Table []physics.SurvivalPoint `json:"life_table,omitempty"` // what Life was fitted to, for a person to look at
}

// limitLearn is the distribution of a feature while healthy.
type limitLearn struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// paramsName is the parameter sets' name in the repository.
const paramsName = "learned"

// learned holds the parameter sets in force: for an asset, the one that left it
// out, otherwise its class's.
type learned struct {
	sets map[string]parameterSet // by class, or class/asset
	refs []string                // name:version@digest, sorted
	roms map[string]physics.ROM  // reduced-order models that laws name, by class/name
}

// useLearned reads the sets that the repository has for the assets at hand.
func useLearned(ctx context.Context, repo *models.Repository, plates map[asset.ID]asset.Nameplate, classes class.Set) (*learned, error) {
	if repo == nil {
		return nil, nil //nolint:nilnil // nothing was learned: the zero of learned says so
	}
	l := &learned{sets: map[string]parameterSet{}}
	lineups := map[string]models.Lineup{}
	for _, id := range slices.Sorted(maps.Keys(plates)) {
		kind := classes.Of(plates[id].Kind).Kind
		lineup, ok := lineups[kind]
		if !ok {
			var err error
			if lineup, err = repo.Lineup(ctx, models.ParamsName(paramsName, kind)); err != nil {
				return nil, fmt.Errorf("learned parameters of %s: %w", kind, err)
			}
			lineups[kind] = lineup
		}
		for _, who := range []asset.ID{"", id} {
			key := strings.TrimSuffix(kind+"/"+string(who), "/")
			if _, ok := l.sets[key]; ok {
				continue
			}
			stands, ok := lineup.In(models.Production, kind, who)
			if !ok || who != "" && stands.Scope != models.ForAsset(who) {
				continue // its class's set serves it
			}
			v, body, err := repo.Get(ctx, stands.Ref())
			if err != nil {
				return nil, fmt.Errorf("learned parameters of %s: %w", key, err)
			}
			var p parameterSet
			if err := json.Unmarshal(body, &p); err != nil {
				return nil, fmt.Errorf("learned parameters %s: %w", v.Ref(), err)
			}
			l.sets[key] = p
			l.refs = append(l.refs, v.Ref()+"@"+v.Digest)
		}
	}
	if err := l.useROMs(ctx, repo, plates, classes); err != nil {
		return nil, err
	}
	slices.Sort(l.refs)
	return l, nil
}

// of returns the set for an asset.
func (l *learned) of(c class.Class, plate asset.Nameplate) (parameterSet, bool) {
	if l == nil {
		return parameterSet{}, false
	}
	if p, ok := l.sets[c.Kind+"/"+string(plate.ID)]; ok {
		return p, true
	}
	p, ok := l.sets[c.Kind]
	return p, ok
}

// growth fills a growth law's options with what was learned of earlier lives.
func (l *learned) growth(c class.Class, plate asset.Nameplate, part asset.Component, law string, o physics.GrowthOptions) physics.GrowthOptions {
	p, ok := l.of(c, plate)
	if !ok {
		return o
	}
	return p.Growth[law].under(dutyOf(plate, part.Name)).into(o)
}

// regression fills a regression law's options; false when nothing was learned for it.
func (l *learned) regression(c class.Class, plate asset.Nameplate, law string, o physics.RegressionOptions) (physics.RegressionOptions, bool) {
	p, _ := l.of(c, plate)
	r, ok := p.Regressions[law]
	o.Fit = r.Fit
	return o, ok
}

func (l *learned) digest() string {
	if l == nil || len(l.refs) == 0 {
		return "none"
	}
	sum := sha256.Sum256([]byte(strings.Join(l.refs, "\n")))
	return hex.EncodeToString(sum[:])
}
