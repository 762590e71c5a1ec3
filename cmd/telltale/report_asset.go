package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store"
)

// Bounds of the report, so that it stays small enough to mail.
const (
	reportAll      = 12  // up to so many assets, all have a section
	reportWorst    = 3   // assets without an alert that have one beyond that
	reportSections = 60  // at most
	reportAlerts   = 20  // of an asset, with their evidence
	reportTrends   = 4   // features drawn for an asset
	reportSpectra  = 4   // spectra drawn for an asset
	reportShare    = 2e4 // points of a kind of series over all sections
)

// reportAsset is the section of one asset.
type reportAsset struct {
	Plate    asset.Nameplate
	Rows     []fleetRow
	Alerts   []alertRow       // the first of them
	More     int              // alerts beyond those
	Evidence []asset.Evidence // of the worst instant, when no alert says more
	WorstAt  time.Time
	Charts   []int // places in the page's charts
}

// alertRow is an alert with what the truth says of it.
type alertRow struct {
	asset.Alert
	Now     asset.Mode
	Verdict string
}

// reportBuilder makes the sections of a page.
type reportBuilder struct {
	db     store.Store
	page   *reportPage
	tracks map[part]*track
	alerts []asset.Alert
	points int
}

// sections chooses the assets and describes each.
func (b *reportBuilder) sections(ctx context.Context, w *works) error {
	ids := b.chosen(w)
	b.page.Left = len(w.ids) - len(ids)
	b.points = int(math.Min(reportPoints, math.Max(150, reportShare/float64(max(len(ids), 1)))))
	for _, id := range ids {
		if err := b.section(ctx, w.plates[id]); err != nil {
			return fmt.Errorf("asset %s: %w", id, err)
		}
	}
	return nil
}

// chosen are all assets when they are few, else those with alerts and the worst
// of the others.
func (b *reportBuilder) chosen(w *works) []asset.ID {
	if len(w.ids) <= reportAll {
		return w.ids
	}
	var out []asset.ID
	quiet := 0
	for i := range b.page.Fleet { // sorted: alerts first, then by risk
		row := &b.page.Fleet[i]
		if slices.Contains(out, row.Asset) {
			continue
		}
		if row.Alerts == 0 {
			if quiet++; quiet > reportWorst {
				break
			}
		}
		if len(out) == reportSections {
			break
		}
		out = append(out, row.Asset)
	}
	return out
}

func (b *reportBuilder) section(ctx context.Context, plate asset.Nameplate) error {
	s := reportAsset{Plate: plate}
	for i := range b.page.Fleet {
		if row := &b.page.Fleet[i]; row.Asset == plate.ID {
			row.Section = true
			s.Rows = append(s.Rows, *row)
		}
	}
	var own []asset.Alert
	for _, a := range b.alerts {
		if a.Asset == plate.ID {
			own = append(own, a)
			if len(own) > reportAlerts {
				s.More++
				continue
			}
			now, _ := a.Current()
			s.Alerts = append(s.Alerts, alertRow{a, now, b.verdict(a)})
		}
	}
	tracks := tracksOf(b.tracks, plate.ID)
	var worst asset.Risk
	worst.Risk = asset.Missing()
	for _, t := range tracks {
		if t.worst.Risk.Known() && !(worst.Risk >= t.worst.Risk) {
			worst = t.worst
		}
	}
	if len(own) == 0 {
		s.Evidence, s.WorstAt = worst.Evidence, worst.Time
	}
	frame := b.frame(plate, tracks, own)
	s.Charts = append(s.Charts, b.risk(frame, tracks))
	if i, ok := b.rul(frame, tracks); ok {
		s.Charts = append(s.Charts, i)
	}
	trends, err := b.trends(ctx, frame, plate, own, worst)
	if err != nil {
		return err
	}
	spectra, err := b.spectra(ctx, frame, plate, own, worst)
	if err != nil {
		return err
	}
	s.Charts = slices.Concat(s.Charts, trends, spectra)
	b.page.Sections = append(b.page.Sections, s)
	return nil
}

// verdict says of an alert what can be said for certain.
func (b *reportBuilder) verdict(a asset.Alert) string {
	t := b.page.Truth
	if t == nil {
		return ""
	}
	if a.Mode == asset.SensorFault {
		return "sensor: blames no machine"
	}
	labels, over := 0, 0
	for _, c := range t.PerAsset {
		if c.Asset != a.Asset {
			continue
		}
		if c.Alert == a.ID {
			return hours(float64(c.LeadH)) + " before the end of the labelled " + c.Kind
		}
		labels++
		i := slices.IndexFunc(b.alerts, func(o asset.Alert) bool { return o.ID == c.Alert })
		if i >= 0 && a.Opened.Sub(b.alerts[i].Opened).Hours() > float64(c.LeadH) {
			over++
		}
	}
	switch labels {
	case 0:
		return "false: no fault of this asset is labelled"
	case over:
		return "false: opened after the labelled end"
	}
	return "not the first on a labelled asset"
}
