package workorders

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// titleLength is what an ERP's short text holds.
const titleLength = 40

func title(a asset.Alert, s state) string {
	part := words(a.Component)
	name := strings.TrimSpace(strings.TrimSuffix(part, " bearing") + " " + modeName(s.mode))
	if !strings.HasPrefix(modeName(s.mode), "bearing") {
		name = strings.TrimSpace(part + " " + modeName(s.mode))
	}
	var rest string
	switch {
	case s.rul.P50.Known():
		rest = ", RUL " + span(float64(s.rul.P50))
	case s.rul.P10.Known():
		rest = ", RUL " + span(float64(s.rul.P10))
	case s.risk.Known():
		rest = ", risk " + percent(s.risk)
	}
	if name = capital(name); utf8.RuneCountInString(name+rest) <= titleLength {
		return name + rest
	}
	return Cut(name, titleLength)
}

// Cut shortens s to at most n runes, the last of which is then an ellipsis.
func Cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return strings.TrimRightFunc(string(runes[:max(n-1, 0)]), unicode.IsSpace) + "…"
}

// text is the order's long text; why says what the costs chose, line by line.
func (p Policy) text(a asset.Alert, s state, plate asset.Nameplate, o Order, why []string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s expected on %s of asset %s.", capital(modeName(s.mode)), words(a.Component), a.Asset)
	if s.risk.Known() && a.HorizonH > 0 {
		line("Probability of failure: %s within %s.", percent(s.risk), span(a.HorizonH))
	}
	if life := lifeText(s.rul); life != "" {
		line("Remaining life: %s.", life)
	}
	line("Finish by %s.", o.RequiredEnd.UTC().Format("2006-01-02 15:04 UTC"))
	if s.rul.P10.Known() && float64(s.rul.P10) < p.Lead.Hours() && s.mode != asset.SensorFault {
		line("The early end of life lies within the lead time of %s: reduce load or stop until the work is done.", span(p.Lead.Hours()))
	}
	for _, l := range why {
		line("%s", l)
	}
	if len(a.Evidence) > 0 {
		line("Evidence:")
		for _, e := range a.Evidence {
			line("- %s", evidenceLine(e))
		}
	}
	line("To check:")
	for _, step := range advice(s.mode) {
		line("- %s", step)
	}
	if plate.Criticality > 0 {
		line("Criticality of the asset: %d of 5.", plate.Criticality)
	}
	if p.AlertURL != "" {
		line("Details: %s%s", p.AlertURL, a.ID)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func lifeText(r asset.RUL) string {
	var parts []string
	if r.P50.Known() {
		parts = append(parts, "about "+span(float64(r.P50)))
	}
	if r.P10.Known() {
		parts = append(parts, "90 % sure to exceed "+span(float64(r.P10)))
	}
	if r.P90.Known() {
		parts = append(parts, "10 % chance to exceed "+span(float64(r.P90)))
	}
	return strings.Join(parts, ", ")
}

func evidenceLine(e asset.Evidence) string {
	line := strings.TrimSpace(e.Source + " " + e.Name)
	if e.Value.Known() && !math.IsInf(float64(e.Value), 0) {
		line += " = " + strconv.FormatFloat(float64(e.Value), 'g', 4, 64)
	}
	if e.Limit.Known() && !math.IsInf(float64(e.Limit), 0) {
		line += " (limit " + strconv.FormatFloat(float64(e.Limit), 'g', 4, 64) + ")"
	}
	if e.Text != "" {
		line += ": " + e.Text
	}
	return line
}

func percent(n asset.Number) string {
	return strconv.FormatFloat(100*min(max(float64(n), 0), 1), 'f', 0, 64) + " %"
}

// span writes hours as a person says them.
func span(h float64) string {
	switch {
	case h < 48:
		return strconv.FormatFloat(max(h, 0), 'f', 0, 64) + " h"
	case h > 3*365*24:
		return "over 3 years"
	}
	return strconv.FormatFloat(h/24, 'f', 0, 64) + " d"
}

// words turns an identifier into words.
func words(id string) string {
	return strings.Join(strings.FieldsFunc(id, func(r rune) bool { return r == '_' || r == '-' || unicode.IsSpace(r) }), " ")
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
