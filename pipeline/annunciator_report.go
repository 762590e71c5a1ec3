package pipeline

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// ListReport says how an operator's alarm list did. EEMUA 191 and ISA-18.2 want about
// one alert in ten minutes on average, at most 144 to 300 a day, no floods, and
// severities of about 5, 15 and 80 % from the gravest on.
type ListReport struct {
	Alerts     int                  `json:"alerts"`
	Shown      int                  `json:"shown"`
	Suppressed map[asset.Reason]int `json:"suppressed"`
	Groups     []ListGroup          `json:"groups"`
	Floods     []Flood              `json:"floods"`
	PerDay     asset.Number         `json:"shown_per_day"` // on average; missing under one day
	MostPerDay int                  `json:"most_shown_per_day"`
	Severity   [4]asset.Number      `json:"severity_share"` // of those shown, 1 to 4
	Stale      []string             `json:"stale"`          // alerts open for longer than a day, at the end
}

// ListGroup is alerts of one cause.
type ListGroup struct {
	Group   string     `json:"group"`
	First   string     `json:"first"` // alert that stands for them
	Members []string   `json:"members"`
	Assets  []asset.ID `json:"assets"`
}

// Report says how the list stands at an instant at or after the last alert.
func (l *Annunciator) Report(at time.Time) ListReport {
	l.advance(at)
	r := ListReport{Alerts: len(l.order), Suppressed: map[asset.Reason]int{}, Groups: []ListGroup{}, Floods: append([]Flood{}, l.floods...), PerDay: asset.Missing(), Stale: []string{}}
	if l.flood != nil {
		r.Floods = append(r.Floods, *l.flood)
	}
	groups := map[string]int{}
	days := map[string]int{}
	var severity [4]int
	for _, e := range l.order {
		a, n := &e.alert, &e.notice
		if n.Group != "" {
			i, met := groups[n.Group]
			if !met {
				i = len(r.Groups)
				groups[n.Group] = i
				r.Groups = append(r.Groups, ListGroup{Group: n.Group, First: n.First})
			}
			g := &r.Groups[i]
			g.Members = append(g.Members, a.ID)
			if len(g.Assets) == 0 || g.Assets[len(g.Assets)-1] != a.Asset {
				g.Assets = append(g.Assets, a.Asset)
			}
		}
		if !e.closed && at.Sub(a.Opened).Hours() > l.opt.StaleH {
			r.Stale = append(r.Stale, a.ID)
		}
		if n.Suppressed != "" {
			r.Suppressed[n.Suppressed]++
			continue
		}
		r.Shown++
		days[a.Opened.UTC().Format(time.DateOnly)]++
		severity[min(max(a.Severity, 1), 4)-1]++
	}
	for _, n := range days {
		r.MostPerDay = max(r.MostPerDay, n)
	}
	if r.Shown > 0 {
		if d := at.Sub(l.order[0].alert.Opened).Hours() / 24; d >= 1 {
			r.PerDay = asset.Number(float64(r.Shown) / d)
		}
	}
	for i, n := range severity {
		if r.Severity[i] = asset.Missing(); r.Shown > 0 {
			r.Severity[i] = asset.Number(float64(n) / float64(r.Shown))
		}
	}
	return r
}
