package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/store"
)

// summary is summary.json.
type summary struct {
	Dataset    string           `json:"dataset"`
	Title      string           `json:"title,omitempty"`
	Version    string           `json:"version"`
	Assets     int              `json:"assets"`
	In         map[string]int64 `json:"in"`      // readings, samples, points
	Refused    map[string]int64 `json:"refused"` // by reason
	Missing    map[string]int64 `json:"missing"` // features that could not be computed, by reason
	Out        map[string]int64 `json:"out"`
	EventFrom  time.Time        `json:"event_from"`
	EventTo    time.Time        `json:"event_to"`
	WallS      float64          `json:"wall_s"`
	SamplesPS  float64          `json:"samples_per_s"`
	Resumed    bool             `json:"resumed"`
	Alerts     int              `json:"alerts"`
	Orders     int              `json:"work_orders"`
	Truth      *truthReport     `json:"truth,omitempty"`     // against labels.csv, where there is one
	AlarmList  *listReport      `json:"alarm_list"`          // what one operator for all assets would have seen
	Ablation   *ablation        `json:"ablation,omitempty"`  // what each view would say alone
	Prognosis  *prognosisReport `json:"prognosis,omitempty"` // remaining lives against labelled failures
	Features   string           `json:"feature_version"`
	Models     []string         `json:"models"`
	Baselines  string           `json:"baselines_sha256"`
	Parameters string           `json:"parameters"`
	Notes      []string         `json:"notes"`
}

type summaryInput struct {
	w       *works
	set     *dataset.Set
	db      store.Store
	dir     string
	refused map[string]int64
	alerts  []asset.Alert
	orders  int
	list    *operatorList
	took    time.Duration
	resumed bool
}

func summarize(ctx context.Context, in summaryInput) (*summary, error) {
	counts, err := in.db.Counts(ctx)
	if err != nil {
		return nil, err
	}
	s := &summary{
		Dataset: in.set.Name, Title: in.set.Title, Version: version, Assets: len(in.w.ids),
		In: map[string]int64{}, Refused: map[string]int64{}, Missing: map[string]int64{}, Out: map[string]int64{},
		WallS: in.took.Seconds(), Resumed: in.resumed, Alerts: len(in.alerts), Orders: in.orders,
		Features: features.Version, Models: in.w.use.digests(), Baselines: in.w.baselines.digest(), Parameters: in.w.learned.digest(),
	}
	for k, n := range in.refused {
		counts[k] += n
	}
	for k, n := range counts {
		switch room, reason, nested := strings.Cut(k, "/"); {
		case nested && room == "refused":
			s.Refused[reason] = n
		case nested && room == "missing":
			s.Missing[reason] = n
		case k == "late" || k == "duplicate" || k == "samples-abandoned":
			s.Refused[k] = n
		case k == "readings" || k == "samples" || k == "points":
			s.In[k] = n
		default:
			s.Out[k] = n
		}
	}
	if in.took > 0 {
		s.SamplesPS = float64(s.In["samples"]+s.In["points"]) / in.took.Seconds()
	}
	if s.Truth, s.Ablation, err = judge(ctx, in, s); err != nil {
		return nil, err
	}
	s.AlarmList = in.list.report(s.EventTo)
	s.Notes = notes(in)
	return s, nil
}

// notes say what the figures do not prove.
func notes(in summaryInput) []string {
	out := []string{}
	kinds := map[string]bool{}
	for _, id := range in.w.ids {
		kinds[in.w.plates[id].Kind] = true
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		if _, ok := in.w.classes[k]; !ok {
			out = append(out, fmt.Sprintf("kind %s has no class: the generic one was used", k))
		}
	}
	if !in.w.use.any() {
		out = append(out, "no learned view: no model in use for these assets")
	}
	if len(in.w.ids) < 10 {
		out = append(out, fmt.Sprintf("%d asset(s): a test of parts, no proof of the whole", len(in.w.ids)))
	}
	return out
}

func (s *summary) print(to io.Writer, out string) {
	fmt.Fprintf(to, "%s: %d asset(s), %d samples, %d points, event time %s to %s\n", s.Dataset, s.Assets, s.In["samples"], s.In["points"],
		s.EventFrom.Format(time.RFC3339), s.EventTo.Format(time.RFC3339))
	fmt.Fprintf(to, "%d alert(s), %d work order(s) in %.1f s\n", s.Alerts, s.Orders, s.WallS)
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		if n := s.Refused[reason]; n > 0 {
			fmt.Fprintf(to, "refused %s: %d\n", reason, n)
		}
	}
	if p := s.Prognosis; p != nil {
		fmt.Fprintln(to, p)
	}
	for _, n := range s.Notes {
		fmt.Fprintln(to, "note:", n)
	}
	fmt.Fprintf(to, "report: %s/report.html\n", out)
}
