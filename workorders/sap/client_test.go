package sap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sap"
)

const service = "/sap/opu/odata/sap/API_MAINTNOTIFICATION"

// gateway plays the part of SAP's session handling; handle has the rest.
type gateway struct {
	mu      sync.Mutex
	token   string
	fetches int
	bodies  []map[string]any
	handle  func(w http.ResponseWriter, r *http.Request, posted map[string]any)
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if user, _, ok := r.BasicAuth(); !ok || user != "u" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet && r.Header.Get("X-CSRF-Token") == "Fetch" {
		g.fetches++
		g.token = fmt.Sprint("token", g.fetches)
		http.SetCookie(w, &http.Cookie{Name: "SID", Value: g.token, Path: "/"})
		w.Header().Set("X-CSRF-Token", g.token)
	}
	var posted map[string]any
	if r.Method == http.MethodPost {
		cookie, err := r.Cookie("SID")
		if err != nil || cookie.Value != g.token || r.Header.Get("X-CSRF-Token") != g.token {
			w.Header().Set("X-CSRF-Token", "Required")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		text, _ := io.ReadAll(r.Body)
		if json.Unmarshal(text, &posted) == nil {
			g.bodies = append(g.bodies, posted)
		}
	}
	g.handle(w, r, posted)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body) //nolint:errcheck,gosec // the client notices
}

// normal answers look-ups with nothing and creates with a number.
func normal(w http.ResponseWriter, r *http.Request, posted map[string]any) {
	if posted != nil {
		answer(w, http.StatusCreated, `{"d":{"MaintenanceNotification":"10000020"}}`)
		return
	}
	answer(w, http.StatusOK, `{"d":{"results":[]}}`)
}

func start(t *testing.T, g *gateway, opt sap.Options) *sap.Client {
	t.Helper()
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	opt.URL, opt.User, opt.Password = server.URL+"/", "u", "p"
	c, err := sap.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func order() workorders.Order {
	return workorders.Order{
		ID: "id", Key: workorders.KeyOf("episode"), Asset: "T07", Title: "Gearbox bearing outer-race, RUL 6 d", Text: "Evidence", Priority: 2,
		RequiredEnd: time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC),
		Window:      &workorders.Window{Start: time.Date(2026, 11, 25, 4, 30, 0, 0, time.UTC), End: time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC)},
	}
}

func TestCreateSendsWhatSAPKeeps(t *testing.T) {
	g := &gateway{handle: normal}
	c := start(t, g, sap.Options{PlanningPlant: "1010", Objects: map[asset.ID]sap.Object{"T07": {Equipment: "210100094"}}})
	number, err := c.Create(t.Context(), order())
	if err != nil || number != "10000020" {
		t.Fatalf("%s, %v", number, err)
	}
	want := map[string]any{
		"NotificationText": "Gearbox bearing outer-race, RUL 6 d", "NotificationType": "M1", "MaintNotifExtReferenceNumber": workorders.KeyOf("episode"),
		"MaintNotifLongTextForEdit": "Evidence", "TechnicalObject": "000000000210100094", "TechObjIsEquipOrFuncnlLoc": "EAMS_EQUI",
		"MaintenancePlanningPlant": "1010", "RequiredEndDate": "/Date(1795564800000)/", "RequiredEndTime": "PT12H30M00S",
		"RequiredStartDate": "/Date(1795564800000)/", "RequiredStartTime": "PT04H30M00S",
	}
	if got := fmt.Sprint(g.bodies[0]); got != fmt.Sprint(want) {
		t.Errorf("sent %s\nwant %s", got, fmt.Sprint(want))
	}
}

func TestTextsAreCutBetweenCharacters(t *testing.T) {
	g := &gateway{handle: normal}
	c := start(t, g, sap.Options{})
	o := order()
	o.Title, o.Text = strings.Repeat("ä", 39)+"😀!", strings.Repeat("€", 2000)
	if _, err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	title, text := g.bodies[0]["NotificationText"].(string), g.bodies[0]["MaintNotifLongTextForEdit"].(string)
	if title != strings.Repeat("ä", 39) {
		t.Errorf("title %q: an emoji takes two of the 40 units", title)
	}
	if n := len(utf16.Encode([]rune(text))); n != 1333 || !utf8.ValidString(text) {
		t.Errorf("long text of %d units", n)
	}
}

func TestOpenWorkOnTheObjectIsNamed(t *testing.T) {
	g := &gateway{handle: func(w http.ResponseWriter, r *http.Request, posted map[string]any) {
		if strings.Contains(r.URL.Query().Get("$filter"), "TechnicalObject eq 'WT-07'") {
			answer(w, http.StatusOK, `{"d":{"results":[{"MaintenanceNotification":"9","NotificationText":"Noise at gearbox"}]}}`)
			return
		}
		normal(w, r, posted)
	}}
	c := start(t, g, sap.Options{Objects: map[asset.ID]sap.Object{"T07": {FunctionalLocation: "WT-07"}}})
	if _, err := c.Create(t.Context(), order()); err != nil {
		t.Fatal(err)
	}
	if got := g.bodies[0]["MaintNotifLongTextForEdit"]; got != "Evidence\nOpen on the same object:\n- 9 Noise at gearbox" {
		t.Errorf("long text %q", got)
	}
}

func TestAnExpiredSessionIsRenewedOnce(t *testing.T) {
	g := &gateway{handle: normal}
	c := start(t, g, sap.Options{})
	for range 2 {
		if _, err := c.Create(t.Context(), order()); err != nil {
			t.Fatal(err)
		}
		g.mu.Lock()
		g.token = "expired"
		g.mu.Unlock()
	}
	if g.fetches != 2 || len(g.bodies) != 2 {
		t.Errorf("%d tokens for %d creates, want 2 for 2", g.fetches, len(g.bodies))
	}
}

func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		create error
		find   error
	}{
		"bad request":       {400, `{"error":{"code":"IM/160","message":{"lang":"en","value":"type M9 does not exist"}}}`, workorders.ErrRefused, workorders.ErrRefused},
		"not found":         {404, "", workorders.ErrRefused, workorders.ErrRefused},
		"unprocessable":     {422, "", workorders.ErrRefused, workorders.ErrRefused},
		"logon failed":      {401, "<html>Logon failed</html>", workorders.ErrDenied, workorders.ErrDenied},
		"no authorisation":  {403, "", workorders.ErrDenied, workorders.ErrDenied},
		"to a login page":   {302, "", workorders.ErrDenied, workorders.ErrDenied},
		"busy":              {503, "<html>ICM error</html>", workorders.ErrUnavailable, workorders.ErrUnavailable},
		"too many":          {429, "", workorders.ErrUnavailable, workorders.ErrUnavailable},
		"error inside":      {500, "", workorders.ErrUnknown, workorders.ErrUnavailable},
		"gateway timed out": {504, "", workorders.ErrUnknown, workorders.ErrUnavailable},
		"a page, not JSON":  {200, "<html>", workorders.ErrUnknown, workorders.ErrUnavailable},
		"no number":         {201, `{"d":{}}`, workorders.ErrUnknown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			reads := false
			g := &gateway{}
			g.handle = func(w http.ResponseWriter, r *http.Request, posted map[string]any) {
				if posted != nil || reads {
					w.Header().Set("Retry-After", "7")
					answer(w, tc.status, tc.body)
					return
				}
				normal(w, r, posted)
			}
			c := start(t, g, sap.Options{})
			_, err := c.Create(t.Context(), order())
			if !errors.Is(err, tc.create) {
				t.Errorf("Create: %v, want %v", err, tc.create)
			}
			var fault *workorders.CallError
			if errors.As(err, &fault) && tc.status >= 400 && fault.After != 7*time.Second {
				t.Errorf("retry after %v", fault.After)
			}
			reads = true
			if _, err := c.Find(t.Context(), "K"); !errors.Is(err, tc.find) {
				t.Errorf("Find: %v, want %v", err, tc.find)
			}
		})
	}
}

func TestACutConnectionIsUnknownOnlyAfterItWasSent(t *testing.T) {
	g := &gateway{handle: func(w http.ResponseWriter, r *http.Request, posted map[string]any) {
		if posted != nil {
			panic(http.ErrAbortHandler)
		}
		normal(w, r, posted)
	}}
	c := start(t, g, sap.Options{})
	if _, err := c.Create(t.Context(), order()); !errors.Is(err, workorders.ErrUnknown) {
		t.Errorf("connection cut in a create: %v", err)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	c, err := sap.New(sap.Options{URL: closed.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), order()); !errors.Is(err, workorders.ErrUnavailable) {
		t.Errorf("no connection: %v", err)
	}
}

func TestDone(t *testing.T) {
	for name, tc := range map[string]struct {
		notification, order string
		want                bool
	}{
		"outstanding":       {`"NotifProcessingPhase":"1"`, "", false},
		"completed":         {`"NotifProcessingPhase":"4"`, "", true},
		"completed, status": {`"NotifProcessingPhase":"3","ConcatenatedActiveSystStsName":"NOCO ORAS"`, "", true},
		"order released":    {`"MaintenanceOrder":"4000100"`, "REL  CNF  PRC", false},
		"order complete":    {`"MaintenanceOrder":"4000100"`, "TECO CNF", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gateway{handle: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
				switch {
				case r.URL.Path == service+"/MaintenanceNotification('1''0')":
					answer(w, 200, `{"d":{`+tc.notification+`}}`)
				case strings.HasSuffix(r.URL.Path, "/MaintenanceOrder('4000100')"):
					answer(w, 200, `{"d":{"SystemStatusText":"`+tc.order+`"}}`)
				default:
					answer(w, 404, "")
				}
			}}
			done, err := start(t, g, sap.Options{}).Done(t.Context(), "1'0")
			if err != nil || done != tc.want {
				t.Errorf("done %v, %v; want %v", done, err, tc.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, address := range []string{"", "sap.example", "ftp://sap", "https://", "http://[::1"} {
		if _, err := sap.New(sap.Options{URL: address}); err == nil {
			t.Errorf("url %q was accepted", address)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"d":{"results":[{"MaintenanceNotification":"1"}]}}`)
	f.Add(400, `{"error":{"code":"x","message":{"value":"y"}}}`)
	f.Add(200, `{"d":null}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		c, err := sap.New(sap.Options{URL: "http://sap", HTTP: &http.Client{Transport: transport(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
		})}})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []func() error{
			func() error { _, err := c.Find(context.Background(), "K"); return err },
			func() error { _, err := c.Create(context.Background(), order()); return err },
			func() error { _, err := c.Done(context.Background(), "1"); return err },
		} {
			var fault *workorders.CallError
			if err := call(); err != nil && !errors.As(err, &fault) {
				t.Errorf("an error of no kind: %v", err)
			}
		}
	})
}

type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
