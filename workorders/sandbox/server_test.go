package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sandbox"
)

// open starts the sandbox kept at path behind a prefix, as the demo does.
func open(tb testing.TB, path string) (*sandbox.Server, *sandbox.Client, string) {
	tb.Helper()
	s, err := sandbox.Open(path, sandbox.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	web := httptest.NewServer(http.StripPrefix("/erp", s))
	tb.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s, sandbox.NewClient(web.URL+"/erp/", web.Client()), web.URL + "/erp/"
}

func order(id string) workorders.Order {
	return workorders.Order{ID: id, Key: workorders.KeyOf(id), Status: workorders.Open, Asset: "T07", Title: "Gearbox <bearing>", Text: "Evidence", Priority: 1}
}

func TestAnOrdersLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	_, c, _ := open(t, path)
	if n, err := c.Find(t.Context(), "none"); n != "" || err != nil {
		t.Fatalf("found %q, %v in an empty book", n, err)
	}
	number, err := c.Create(t.Context(), order("a"))
	if err != nil || number != "10000001" {
		t.Fatalf("%s, %v", number, err)
	}
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"number":"1000`); err != nil {
		t.Fatal(err)
	}
	if err := torn.Close(); err != nil {
		t.Fatal(err)
	}

	s, c, address := open(t, path) // a second start after a write was cut short
	if n, err := c.Find(t.Context(), workorders.KeyOf("a")); n != number || err != nil {
		t.Errorf("found %q, %v after a restart", n, err)
	}
	if done, err := c.Done(t.Context(), number); done || err != nil {
		t.Errorf("done %v, %v before the work", done, err)
	}
	post(t, address+"orders/"+number+"/complete", "application/json", "", http.StatusOK)
	if done, err := c.Done(t.Context(), number); !done || err != nil {
		t.Errorf("done %v, %v after the work", done, err)
	}
	if n, err := c.Create(t.Context(), order("a")); n != "10000002" || err != nil {
		t.Errorf("%s, %v: the sandbox must not notice a second create", n, err)
	}
	if got := len(s.Orders()); got != 2 {
		t.Errorf("%d orders, want 2", got)
	}
	s, _, _ = open(t, path)
	if orders := s.Orders(); len(orders) != 2 || orders[0].Status != "completed" || orders[0].Completed.IsZero() {
		t.Errorf("orders after another restart: %+v", orders)
	}
}

func post(t *testing.T, address, kind, body string, want int) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	if answer.StatusCode != want {
		t.Errorf("%s: %d, want %d", address, answer.StatusCode, want)
	}
	return answer
}

func TestPage(t *testing.T) {
	_, c, address := open(t, filepath.Join(t.TempDir(), "orders.jsonl"))
	if _, err := c.Create(t.Context(), order("a")); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(text), "Gearbox &lt;bearing&gt;") || strings.Contains(string(text), `="/`) {
		t.Errorf("page: %v\n%s", err, text)
	}
	done := post(t, address+"orders/10000001/complete", "application/x-www-form-urlencoded", "", http.StatusSeeOther)
	if back, err := done.Location(); err != nil || back.Path != "/erp/" {
		t.Errorf("the button leads to %v, %v", back, err)
	}
}

func TestRefusals(t *testing.T) {
	_, c, address := open(t, filepath.Join(t.TempDir(), "orders.jsonl"))
	for body, want := range map[string]int{
		"":                             http.StatusBadRequest,
		"[]":                           http.StatusBadRequest,
		`{"bogus":1}`:                  http.StatusBadRequest,
		`{"title":"x"}`:                http.StatusUnprocessableEntity,
		`{"key":"x"}`:                  http.StatusUnprocessableEntity,
		strings.Repeat(" ", 257*1024):  http.StatusRequestEntityTooLarge,
		`{"key":"x","title":"x"} tail`: http.StatusBadRequest,
	} {
		post(t, address+"orders", "application/json", body, want)
	}
	if _, err := c.Done(t.Context(), "../x"); !errors.Is(err, workorders.ErrRefused) {
		t.Errorf("an order that is not there: %v", err)
	}
	if _, err := sandbox.Open(filepath.Join(t.TempDir(), "none", "x"), sandbox.Options{}); err == nil {
		t.Error("a book in a folder that is not there was opened")
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("no order\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Open(broken, sandbox.Options{}); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a damaged book: %v", err)
	}
}

// box is an outbox of one order, which survives its forwarder.
type box struct{ order workorders.Order }

func (b *box) Due(_ context.Context, now time.Time, _ time.Duration, _ int) ([]workorders.Order, error) {
	if s := b.order.Status; b.order.NotBefore.After(now) || (s != workorders.Open && s != workorders.Sent) {
		return nil, nil
	}
	return []workorders.Order{b.order}, nil
}

func (b *box) Update(_ context.Context, o workorders.Order) error {
	b.order = o
	return nil
}

// killed ends the forwarder right after its create, before the answer is written down.
type killed struct{ workorders.ERP }

func (k killed) Create(ctx context.Context, o workorders.Order) (string, error) {
	number, err := k.ERP.Create(ctx, o)
	panic(fmt.Sprint("killed: ", number, err))
}

func TestKilledBetweenCreateAndUpdate(t *testing.T) {
	s, c, _ := open(t, filepath.Join(t.TempDir(), "orders.jsonl"))
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	opt := workorders.Options{Now: func() time.Time { return now }}
	for i := range 20 {
		b := &box{order(fmt.Sprint(i))}
		func() {
			defer func() {
				if recover() == nil {
					t.Fatal("the forwarder was not killed")
				}
			}()
			workorders.NewForwarder(b, killed{c}, "sandbox", opt).Once(t.Context()) //nolint:errcheck,gosec // it does not return
		}()
		now = now.Add(time.Minute)
		if _, err := workorders.NewForwarder(b, c, "sandbox", opt).Once(t.Context()); err != nil || b.order.Status != workorders.Sent {
			t.Fatalf("order %d: %+v, %v", i, b.order, err)
		}
	}
	seen := map[string]int{}
	for _, o := range s.Orders() {
		seen[o.Key]++
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("key %s: %d orders", key, n)
		}
	}
	if len(seen) != 20 {
		t.Errorf("%d orders, want 20", len(seen))
	}
}
