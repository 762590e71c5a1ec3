package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
)

const alertID = "0b54e3a6-54f3-5b0e-9c6e-000000000001"

func ask(t *testing.T, h http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

func TestFleetIsOrderedByUrgency(t *testing.T) {
	w := ask(t, api.New(newPlant().options()), "GET", "/api/v1/assets")
	got := decode[struct{ Assets []api.Summary }](t, w).Assets
	if len(got) != 8 {
		t.Fatalf("%d assets, want 8", len(got))
	}
	if a := got[0]; a.ID != "WT-03" || a.Component != "gearbox-hss-bearing" || a.Mode != asset.OuterRace || a.Severity == nil || *a.Severity != 2 || a.State != "alert" {
		t.Errorf("first is %+v, want WT-03 with an alert of severity 2 on its bearing", a)
	}
	states := map[asset.ID]string{}
	for _, a := range got {
		states[a.ID] = a.State
	}
	if states["WT-07"] != "learning" || states["WT-08"] != "silent" || states["WT-01"] != "healthy" || states["WT-05"] != "watch" {
		t.Errorf("states are %v", states)
	}
	if !strings.Contains(w.Body.String(), `"id":"WT-08","kind":"wind-turbine","group":"north","criticality":3,"state":"silent","component":"","mode":"","risk":null,"horizon_h":null,"rul_h":{"p10":null,"p50":null,"p90":null,"fail_48h":null},"severity":null`) {
		t.Errorf("an asset that was never heard of has numbers: %s", w.Body)
	}
}

func TestAssetTellsOfEachComponent(t *testing.T) {
	d := decode[api.Detail](t, ask(t, api.New(newPlant().options()), "GET", "/api/v1/assets/WT-03"))
	if len(d.Components) != 3 || d.Operation != "active" || d.SpeedRpm != 1487 {
		t.Fatalf("got %+v", d)
	}
	c := d.Components[0]
	if c.Verdict == nil || c.Verdict.Mode != asset.OuterRace || c.Alert == nil || *c.Alert != alertID || len(c.Physics) != 2 || c.Verdict.Modes["outer-race"] != 0.8 {
		t.Errorf("bearing is %+v", c)
	}
	if len(d.Metrics) == 0 {
		t.Error("no metrics")
	}
}

func TestAlertBringsWhatIsNeededToCheckIt(t *testing.T) {
	a := decode[api.AlertDetail](t, ask(t, api.New(newPlant().options()), "GET", "/api/v1/alerts/"+alertID))
	if a.Current.Mode != asset.OuterRace || a.Current.Severity != 2 || !a.Current.Open || a.Mode != asset.Unknown {
		t.Errorf("mode %q now %+v, want unknown as opened and outer-race of severity 2 now", a.Mode, a.Current)
	}
	v := a.Views
	if len(v.ML) != 2 || len(v.Physics) != 1 || len(v.Rules) != 1 || len(v.Against) != 1 || len(v.State) != 2 {
		t.Errorf("evidence is sorted as %d ml, %d physics, %d rules, %d against, %d of state", len(v.ML), len(v.Physics), len(v.Rules), len(v.Against), len(v.State))
	}
	if len(v.Trends) == 0 || v.Trends[0] != (api.TrendRef{Key: "gearbox_acc/defect_bpfo", Limit: 0.21, Unit: "m/s²"}) {
		t.Errorf("trends %+v, want the defect with its limit first", v.Trends)
	}
	if slices.ContainsFunc(v.Trends, func(r api.TrendRef) bool { return r.Key == "gearbox-hss-bearing/damage" }) {
		t.Error("a state of a law is offered as a trend")
	}
	if v.Spectrum == nil || v.Spectrum.Channel != "gearbox_acc" || !v.Spectrum.At.Equal(a.Opened) {
		t.Errorf("spectrum %+v", v.Spectrum)
	}
	if len(a.Orders) != 1 || a.Orders[0].ERPNumber == "" || a.Now == nil || a.Now.Risk < 0.5 {
		t.Errorf("orders %+v, now %+v", a.Orders, a.Now)
	}
}

func TestAnswers(t *testing.T) {
	h := api.New(newPlant().options())
	for target, want := range map[string]string{
		"/api/v1/assets/WT-03/risks?component=gearbox-hss-bearing&max=10":                  `"mode":"outer-race"`,
		"/api/v1/assets/WT-03/trend?key=gearbox_acc/defect_bpfo&from=2026-03-19T00:00:00Z": `"limit":0.21`,
		"/api/v1/assets/WT-03/trend?key=a/b&key=c/d&max=5":                                 `"key":"c/d"`,
		"/api/v1/assets/WT-03/spectra?channel=gearbox_acc&at=2026-03-14T00:00:00Z":         `"time":"2026-03-14T00:00:00Z","channel":"gearbox_acc","kind":"envelope"`,
		"/api/v1/assets/WT-03/spectra":                                                     `"channel":"generator_acc"`,
		"/api/v1/alerts?asset=WT-03&state=open":                                            alertID,
		"/api/v1/alerts?asset=WT-01":                                                       `{"alerts":[]}`,
		"/api/v1/orders?status=sent&limit=5":                                               `"erp_number":"000010000042"`,
		"/api/v1/orders/5e6b1c1e-0000-5000-8000-000000000001":                              `"status":"sent"`,
		"/api/v1/events?asset=WT-03":                                                       `"kind":"maintenance"`,
		"/api/v1/status":                                                                   `"event_time":"2026-03-20T14:00:00Z","speed":3600,"notes":["Commissioned`,
		"/healthz":                                                                         `{"status":"ok"}`,
		"/readyz":                                                                          `{"ready":true,"reasons":[]}`,
	} {
		if w := ask(t, h, "GET", target); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %.300s, want %s", target, w.Code, w.Body, want)
		}
	}
}

func TestRisksAreThinnedToTheHighest(t *testing.T) {
	h := api.New(newPlant().options())
	get := func(most int) []api.Verdict {
		w := ask(t, h, "GET", fmt.Sprintf("/api/v1/assets/WT-03/risks?component=gearbox-hss-bearing&max=%d", most))
		return decode[struct{ Risks []api.Verdict }](t, w).Risks
	}
	all, few := get(5000), get(7)
	if len(few) == 0 || len(few) > 7 || len(all) < 100 {
		t.Fatalf("%d of %d verdicts", len(few), len(all))
	}
	highest := func(v []api.Verdict) asset.Number {
		return slices.MaxFunc(v, func(a, b api.Verdict) int { return int(1e9 * (a.Risk - b.Risk)) }).Risk
	}
	if highest(all) != highest(few) || !few[len(few)-1].Time.Equal(all[len(all)-1].Time) {
		t.Error("the peak or the newest verdict was lost")
	}
}

func TestProblems(t *testing.T) {
	h := api.New(newPlant().options())
	for target, want := range map[string]struct {
		code int
		text string
	}{
		"/api/v1/assets/WT-99":                           {404, `asset \"WT-99\"`},
		"/api/v1/assets/WT-99/risks":                     {404, "not found"},
		"/api/v1/alerts/none":                            {404, "not found"},
		"/api/v1/orders/none":                            {404, "not found"},
		"/api/v1/nothing":                                {404, "no such path"},
		"/api/v1/assets/WT-03/trend":                     {400, "1 to 20 keys"},
		"/api/v1/assets/WT-03/trend?key=a/b&from=monday": {400, "RFC 3339"},
		"/api/v1/assets/WT-03/risks?max=0":               {400, "from 1 to 5000"},
		"/api/v1/assets/WT-03/spectra?at=1":              {400, "RFC 3339"},
		"/api/v1/alerts?state=closed":                    {400, "open, all"},
		"/api/v1/alerts?limit=9999":                      {400, "from 1 to 1000"},
		"/api/v1/orders?status=lost":                     {400, "parked"},
		"/api/v1/events?limit=x":                         {400, "whole number"},
		"/api/v1/assets?" + strings.Repeat("x", 5000):    {414, "4096"},
		"/api/v1/assets/WT-03/risks?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z": {400, "before from"},
	} {
		w := ask(t, h, "GET", target)
		p := decode[api.Problem](t, w)
		if w.Code != want.code || p.Status != want.code || !strings.Contains(w.Body.String(), want.text) || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%.80s: %d %s, want %d with %q", target, w.Code, w.Body, want.code, want.text)
		}
	}
	if w := ask(t, h, "DELETE", "/api/v1/assets"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d %s", w.Code, w.Body)
	}
}

func TestAReaderThatFailsIsLoggedAndNotShown(t *testing.T) {
	p := newPlant()
	p.fail = errors.New("disk secret is gone")
	opt, logged := p.options(), ""
	opt.Log = func(msg string, err error) { logged = msg + ": " + err.Error() }
	h := api.New(opt)
	for _, target := range []string{"assets", "assets/WT-03", "assets/WT-03/risks", "assets/WT-03/trend?key=a/b", "assets/WT-03/spectra", "alerts", "alerts/" + alertID, "orders", "events", "status"} {
		logged = ""
		w := ask(t, h, "GET", "/api/v1/"+target)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") || !strings.Contains(logged, "secret") {
			t.Errorf("%s: %d %s; logged %q", target, w.Code, w.Body, logged)
		}
	}
}

func TestHeadersReadinessAndMetrics(t *testing.T) {
	opt := newPlant().options()
	opt.Metrics = prometheus.NewRegistry()
	opt.NotReady = func() []string { return []string{"the store is still opening"} }
	opt.Page = http.NotFoundHandler()
	opt.Mounts = map[string]http.Handler{"/erp/": http.RedirectHandler("/", http.StatusFound)}
	h := api.New(opt)
	w := ask(t, h, "GET", "/api/v1/assets")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", w.Header())
	}
	if w := ask(t, h, "GET", "/erp/x"); w.Header().Get("Content-Security-Policy") != "" || w.Code != http.StatusFound {
		t.Errorf("a mounted handler got %d and %v", w.Code, w.Header())
	}
	if w := ask(t, h, "GET", "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "still opening") {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
	if w := ask(t, h, "GET", "/metrics"); !strings.Contains(w.Body.String(), `telltale_api_request_seconds_count{code="200",route="assets"} 1`) {
		t.Errorf("metrics: %s", w.Body)
	}
	srv := api.NewServer("127.0.0.1:0", h)
	if srv.ReadHeaderTimeout == 0 || srv.ReadTimeout == 0 || srv.WriteTimeout == 0 || srv.IdleTimeout == 0 || srv.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", srv)
	}
}

func FuzzQuery(f *testing.F) {
	h := api.New(newPlant().options())
	for _, seed := range []string{"key=a/b&from=2026-01-01T00:00:00Z&max=3", "key=%00&to=x", "max=-1&at=2026", "limit=1e3&state=open;", "component=%ff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"assets/WT-03/trend", "assets/WT-03/risks", "assets/WT-03/spectra", "alerts", "orders", "events"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/"+path, nil)
			r.URL = &url.URL{Path: "/api/v1/" + path, RawQuery: query}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s?%q: %d %s", path, query, w.Code, w.Body)
			}
		}
	})
}

func ExampleNew() {
	srv := httptest.NewServer(api.New(newPlant().options()))
	defer srv.Close()
	r, err := http.Get(srv.URL + "/api/v1/alerts?state=closed")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = r.Body.Close() }()
	body, _ := io.ReadAll(r.Body)
	fmt.Print(r.Header.Get("Content-Type"), "\n", string(body))
	// Output:
	// application/problem+json
	// {"type":"about:blank","title":"Bad Request","status":400,"detail":"state=\"closed\": one of open, all is allowed"}
}
