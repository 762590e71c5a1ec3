package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store"
)

// reportFiles are the page's template, style and script, and uPlot (MIT License).
//
//go:embed report
var reportFiles embed.FS

// reportPage is all that report.html shows.
type reportPage struct {
	S        *summary
	Headline string
	Caveats  []string // what the figures do not prove
	Tiles    []reportTile
	Fleet    []fleetRow
	Sections []reportAsset
	Left     int // assets without a section of their own
	Orders   []plannedOrder
	Truth    *reportTruth
	Ablation *reportAblation
	Counts   []reportCount
	Charts   []reportChart
	Style    template.CSS
	Script   template.JS
	Licence  template.HTML
}

// reportTile is one figure in large letters.
type reportTile struct{ Name, Value, Note string }

// reportCount is one counter: what went in, came out, was refused or is missing.
type reportCount struct {
	Group, Name string
	N           int64
}

// writeReport writes report.html: one page without any reference outside itself.
func writeReport(ctx context.Context, path string, s *summary, db store.Store, w *works, alerts []asset.Alert, orders []plannedOrder) error {
	tracks, err := readTracks(ctx, db)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	p := &reportPage{S: s, Orders: orders, Counts: reportCounts(s), Truth: newReportTruth(s), Ablation: newReportAblation(s.Ablation), Caveats: caveats(s, w, tracks)}
	p.Headline, p.Tiles = headline(s, alerts), tiles(s)
	p.Fleet = fleet(s, w, tracks, alerts)
	b := &reportBuilder{db: db, page: p, tracks: tracks, alerts: alerts}
	if err := b.sections(ctx, w); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	page, err := p.render()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return replace(path, func(f *bufio.Writer) error {
		_, err := f.Write(page)
		return err
	})
}

// render fills the template.
func (p *reportPage) render() ([]byte, error) {
	text := map[string]string{}
	for _, name := range []string{"uPlot.min.css", "report.css", "uPlot.iife.min.js", "report.js", "uPlot.LICENSE"} {
		body, err := reportFiles.ReadFile("report/" + name)
		if err != nil {
			return nil, err
		}
		text[name] = string(body)
	}
	p.Style = template.CSS(text["uPlot.min.css"] + text["report.css"])                                  //nolint:gosec // embedded at build time
	p.Script = template.JS(text["uPlot.iife.min.js"] + "\n" + text["report.js"])                        //nolint:gosec // embedded at build time
	p.Licence = template.HTML("<!-- uPlot, drawn with by this page:\n" + text["uPlot.LICENSE"] + "-->") //nolint:gosec // embedded at build time
	t, err := template.New("report.html.tmpl").Funcs(reportFuncs()).ParseFS(reportFiles, "report/report.html.tmpl")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
