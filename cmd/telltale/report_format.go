package main

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// dash stands for what is not known.
const dash = "–"

// reportFuncs are what the report's template formats with.
func reportFuncs() template.FuncMap {
	return template.FuncMap{
		"pct": pct, "num": func(n asset.Number) string { return digits(float64(n)) }, "count": count, "life": life, "view": viewTitle,
		"count64": func(n int) string { return count(int64(n)) },
		"bar": func(n asset.Number) template.CSS {
			if !n.Known() {
				return "width:0"
			}
			return template.CSS(fmt.Sprintf("width:%.0f%%", 100*float64(n))) //nolint:gosec // a number
		},
		"hours": func(n asset.Number) string { return hours(float64(n)) },
		"sort": func(n asset.Number) string {
			if !n.Known() {
				return ""
			}
			return strconv.FormatFloat(float64(n), 'g', -1, 64)
		},
		"time": func(t time.Time) string {
			if t.IsZero() {
				return dash
			}
			return t.UTC().Format("2006-01-02 15:04:05")
		},
		"text": func(v any) string {
			if s := fmt.Sprint(v); s != "" {
				return s
			}
			return dash
		},
	}
}

func pct(n asset.Number) string {
	switch {
	case !n.Known():
		return dash
	case n > 0 && n < 0.001:
		return "<0.1 %"
	}
	return strconv.FormatFloat(100*float64(n), 'f', 1, 64) + " %"
}

func digits(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return dash
	}
	if a := math.Abs(x); a >= 1e4 && a < 1e7 {
		return count(int64(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

// hours writes a length of time in the unit that suits it.
func hours(h float64) string {
	if math.IsNaN(h) || math.IsInf(h, 0) {
		return dash
	}
	for _, u := range []struct {
		above, per float64
		unit       string
	}{{2 * 8766, 8766, "years"}, {72, 24, "d"}, {2, 1, "h"}, {1.0 / 30, 1.0 / 60, "min"}} {
		if math.Abs(h) >= u.above {
			return strconv.FormatFloat(h/u.per, 'f', 1, 64) + " " + u.unit
		}
	}
	return strconv.FormatFloat(h*3600, 'f', 1, 64) + " s"
}

func life(r asset.RUL) string {
	if !r.P50.Known() {
		return dash
	}
	end := "beyond the horizon"
	if r.P90.Known() {
		end = hours(float64(r.P90))
	}
	return fmt.Sprintf("%s (%s – %s)", hours(float64(r.P50)), hours(float64(r.P10)), end)
}

// count groups the digits of a number by threes.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	var out []string
	for len(s) > 3 {
		out = append([]string{s[len(s)-3:]}, out...)
		s = s[:len(s)-3]
	}
	return sign + strings.Join(append([]string{s}, out...), "\u202f")
}
