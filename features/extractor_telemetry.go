package features

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// minQuality below which a point is not used.
const minQuality = 50

// telemetry is one field for each declared metric, in the nameplate's order, and
// for each undeclared one that arrived, by name. Of a metric that came twice the
// last point counts. Quality is the least of the points used.
func (e *WaveExtractor) telemetry(w asset.Window) Vector {
	extra := make([]string, 0, 4)
	for _, p := range w.Points {
		if !slices.ContainsFunc(e.plate.Metrics, func(m asset.Metric) bool { return m.Name == p.Metric }) {
			extra = append(extra, p.Metric)
		}
	}
	slices.Sort(extra)
	extra = slices.Compact(extra)
	fields := make([]Field, 0, len(e.plate.Metrics)+len(extra))
	for _, m := range e.plate.Metrics {
		unit := m.Unit
		if _, canonical, ok := asset.Convert(0, m.Unit); ok {
			unit = canonical
		}
		fields = append(fields, Field{Channel: m.Name, Name: "value", Unit: unit})
	}
	for _, name := range extra {
		fields = append(fields, Field{Channel: name, Name: "value"})
	}
	d := e.draft(&layout{fields: fields}, w, 0)
	d.v.WindowS, d.v.Quality = 0, 100
	used := false
	for i := range fields {
		p, ok := last(w.Points, fields[i].Channel)
		if ok && i >= len(e.plate.Metrics) {
			fields[i].Unit = p.Unit
		}
		switch {
		case !ok:
			d.put(math.NaN(), ReasonAbsent)
		case p.Quality < minQuality:
			d.put(math.NaN(), ReasonQuality)
		default:
			d.put(p.Value, ReasonNonFinite)
			d.v.Quality, used = min(d.v.Quality, p.Quality), true
		}
	}
	if !used {
		d.v.Quality = 0
	}
	return d.done()
}

func last(points []asset.Point, metric string) (asset.Point, bool) {
	for _, p := range slices.Backward(points) {
		if p.Metric == metric {
			return p, true
		}
	}
	return asset.Point{}, false
}
