package sap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sap"
)

// standIn is the SAP stand-in at TELLTALE_SAP_URL.
type standIn struct {
	t   *testing.T
	url string
}

func needStandIn(t *testing.T) standIn {
	t.Helper()
	url := os.Getenv("TELLTALE_SAP_URL")
	if url == "" {
		t.Skip("skipped: no SAP stand-in at TELLTALE_SAP_URL")
	}
	return standIn{t, strings.TrimRight(url, "/")}
}

func (s standIn) client(opt sap.Options) *sap.Client {
	s.t.Helper()
	opt.URL, opt.User, opt.Password = s.url, "PDM_COMM", "Secret123"
	opt.PlanningPlant = "1010"
	opt.Objects = map[asset.ID]sap.Object{"T07": {Equipment: "210100094"}}
	c, err := sap.New(opt)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// call sends a request and returns the answer's body.
func (s standIn) call(method, path, body string) string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("PDM_COMM", "Secret123")
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode > 299 {
		s.t.Fatalf("%s: %d %s, %v", path, answer.StatusCode, text, err)
	}
	return string(text)
}

// count is how many notifications hold a key.
func (s standIn) count(key string) string {
	s.t.Helper()
	return s.call(http.MethodGet, service+"/MaintenanceNotification/$count?$filter=MaintNotifExtReferenceNumber%20eq%20'"+key+"'", "")
}

// outbox holds one order.
type outbox struct {
	order workorders.Order
}

func (b *outbox) Due(_ context.Context, now time.Time, _ time.Duration, _ int) ([]workorders.Order, error) {
	if s := b.order.Status; b.order.NotBefore.After(now) || (s != workorders.Open && s != workorders.Sent) {
		return nil, nil
	}
	return []workorders.Order{b.order}, nil
}

func (b *outbox) Update(_ context.Context, o workorders.Order) error {
	b.order = o
	return nil
}

func fresh(name string) workorders.Order {
	o := order()
	o.Key, o.Status = workorders.KeyOf(fmt.Sprint(name, time.Now().UnixNano())), workorders.Open
	return o
}

func TestStandIn(t *testing.T) {
	s := needStandIn(t)
	for name, tc := range map[string]struct {
		fault string
		hold  time.Duration
	}{
		"no fault":       {`{"n":0}`, time.Second},
		"503 twice":      {`{"n":2,"status":503,"retryAfter":1}`, time.Second},
		"502":            {`{"n":1,"status":502}`, time.Second},
		"500":            {`{"n":1,"status":500}`, time.Second},
		"answer lost":    {`{"n":1,"after":true}`, time.Second},
		"connection cut": {`{"n":1,"status":0}`, time.Second},
		"commits late":   {`{"n":1,"delayCommitMs":2500}`, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := standIn{t, s.url}
			box := &outbox{fresh(name)}
			c := s.client(sap.Options{})
			if _, err := c.Find(t.Context(), box.order.Key); err != nil { // has its session before the fault
				t.Fatal(err)
			}
			s.call(http.MethodPost, "/mock/fault", tc.fault)
			f := workorders.NewForwarder(box, c, "sap", workorders.Options{
				HoldUnknown: tc.hold, Timeout: 2 * time.Second,
				LookUp: 200 * time.Millisecond, BackoffMin: 100 * time.Millisecond, Follow: 10 * time.Millisecond,
			})
			began := time.Now()
			for box.order.Status != workorders.Sent {
				if _, err := f.Once(t.Context()); err != nil || time.Since(began) > 30*time.Second || box.order.Status == workorders.Parked {
					t.Fatalf("%v; order %+v", err, box.order)
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Logf("sent after %v and %d creates: %s", time.Since(began).Round(time.Millisecond), box.order.Attempts, box.order.ERPNumber)
			time.Sleep(100 * time.Millisecond)
			if n := s.count(box.order.Key); n != "1" {
				t.Errorf("%s notifications, want 1", n)
			}
		})
	}
}

func TestStandInSendingTwice(t *testing.T) {
	s := needStandIn(t)
	c, o := s.client(sap.Options{}), fresh("twice")
	first, err := c.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.call(http.MethodPost, "/mock/expire-sessions", "")
	again, err := c.Create(t.Context(), o)
	if err != nil || again != first || s.count(o.Key) != "1" {
		t.Errorf("sent twice: %s and %s, %v, %s notifications", first, again, err, s.count(o.Key))
	}
	s.call(http.MethodPost, "/mock/expire-sessions", "")
	if other, err := c.Create(t.Context(), fresh("other")); err != nil || other == first {
		t.Errorf("create after the session expired: %s, %v", other, err)
	}
}

func TestStandInRefuses(t *testing.T) {
	s := needStandIn(t)
	if _, err := s.client(sap.Options{Type: "Z9"}).Create(t.Context(), fresh("type")); !errors.Is(err, workorders.ErrRefused) || !strings.Contains(err.Error(), "IM/160") {
		t.Errorf("a type that does not exist: %v", err)
	}
	c, err := sap.New(sap.Options{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Find(t.Context(), "K"); !errors.Is(err, workorders.ErrDenied) {
		t.Errorf("no user: %v", err)
	}
}

func TestStandInOrderAndCompletion(t *testing.T) {
	s := needStandIn(t)
	c := s.client(sap.Options{Order: &sap.OrderOptions{WorkCenter: "RES-0100", WorkCenterPlant: "1010", Release: true}})
	o := fresh("order")
	plain, err := s.client(sap.Options{}).Create(t.Context(), o) // as if the process had died before the order
	if err != nil {
		t.Fatal(err)
	}
	if number, err := c.Find(t.Context(), o.Key); err != nil || number != "" {
		t.Fatalf("found %q without its order, %v", number, err)
	}
	number, err := c.Create(t.Context(), o)
	if err != nil || number != plain {
		t.Fatalf("notification %s, then %s, %v", plain, number, err)
	}
	if again, err := c.Create(t.Context(), o); err != nil || again != number {
		t.Errorf("sent again: %s, %v", again, err)
	}
	if found, err := c.Find(t.Context(), o.Key); err != nil || found != number {
		t.Errorf("found %q, %v", found, err)
	}
	if done, err := c.Done(t.Context(), number); err != nil || done {
		t.Errorf("done before the work: %v, %v", done, err)
	}
	orders := s.call(http.MethodGet, "/sap/opu/odata/sap/API_MAINTENANCEORDER/MaintenanceOrder?$format=json&$filter=MaintenanceNotification%20eq%20'"+number+"'", "")
	if strings.Count(orders, `"SystemStatusText":"REL"`) < 1 || strings.Count(orders, `"MaintenanceOrderType":"YA01"`) != 1 {
		t.Errorf("orders: %s", orders)
	}
	s.complete(number)
	if done, err := c.Done(t.Context(), number); err != nil || !done {
		t.Errorf("done after the work: %v, %v", done, err)
	}
}

// complete closes a notification as a planner does.
func (s standIn) complete(number string) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	token := "Fetch"
	for _, call := range [][2]string{{http.MethodGet, "/"}, {http.MethodPost, "/CompleteMaintNotification?MaintenanceNotification='" + number + "'"}} {
		r, err := http.NewRequestWithContext(s.t.Context(), call[0], s.url+service+call[1], nil)
		if err != nil {
			s.t.Fatal(err)
		}
		r.SetBasicAuth("PDM_COMM", "Secret123")
		r.Header.Set("X-Csrf-Token", token)
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		if answer.StatusCode > 299 {
			s.t.Fatalf("%s: %s", call[1], answer.Status)
		}
		token = answer.Header.Get("X-Csrf-Token")
		if err := answer.Body.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
}
