package sqlite_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/storetest"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sandbox"
)

// What a child process of TestForwarderKilled forwards from, to, and where it dies.
const (
	forwardFrom = "TELLTALE_FORWARD_FROM"
	forwardTo   = "TELLTALE_FORWARD_TO"
	forwardDie  = "TELLTALE_FORWARD_DIE" // before or after the create
)

// suicidal kills its process around a create.
type suicidal struct {
	workorders.ERP
	when string
}

func (s suicidal) Create(ctx context.Context, o workorders.Order) (string, error) {
	if s.when == "after" {
		if _, err := s.ERP.Create(ctx, o); err != nil {
			return "", err
		}
	}
	return "", syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// Every one of 20 forwarders is killed within a create, before or after the ERP
// committed; in the end each order is in the ERP once.
func TestForwarderKilled(t *testing.T) {
	opt := workorders.Options{
		HoldUnknown: 50 * time.Millisecond, Timeout: 100 * time.Millisecond, LookUp: 10 * time.Millisecond,
		Lease: 100 * time.Millisecond, Poll: 5 * time.Millisecond, Follow: time.Hour,
	}
	if dir := os.Getenv(forwardFrom); dir != "" {
		erp := suicidal{sandbox.NewClient(os.Getenv(forwardTo), nil), os.Getenv(forwardDie)}
		err := workorders.NewForwarder(open(t, dir, nil), erp, "sandbox", opt).Run(t.Context())
		t.Fatalf("the forwarder ended: %v", err)
	}
	dir := t.TempDir()
	erp, err := sandbox.Open(filepath.Join(dir, "erp.jsonl"), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(erp)
	defer web.Close()
	s := open(t, dir, storetest.Plan)
	if _, err := s.Claim(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for k := range int64(20) {
		if err := s.Keep(t.Context(), pipeline.Effects{Epoch: 1, Next: k + 1, Alerts: []asset.Alert{storetest.Alert(strconv.FormatInt(k, 10), 2)}}); err != nil {
			t.Fatal(err)
		}
		when := []string{"after", "before"}[k%2]
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestForwarderKilled$") //nolint:gosec // this test itself
		child.Env = append(os.Environ(), forwardFrom+"="+dir, forwardTo+"="+web.URL, forwardDie+"="+when)
		var exit *exec.ExitError
		if out, err := child.CombinedOutput(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("the forwarder ended by itself: %v\n%s", err, out)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f := workorders.NewForwarder(s, sandbox.NewClient(web.URL, nil), "sandbox", opt)
	for sent := 0; sent < 20 && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		if _, err := f.Once(ctx); err != nil {
			t.Fatal(err)
		}
		list, err := s.Orders(ctx, store.OrderFilter{Status: workorders.Sent})
		if err != nil {
			t.Fatal(err)
		}
		sent = len(list)
	}
	seen := map[string]int{}
	for _, o := range erp.Orders() {
		seen[o.Key]++
		if seen[o.Key] > 1 {
			t.Errorf("order %s is in the ERP %d times", o.Key, seen[o.Key])
		}
	}
	if len(seen) != 20 {
		t.Errorf("%d orders in the ERP, want 20", len(seen))
	}
}

// Four forwarders share an outbox of 40 orders; each order is in the ERP once.
func TestForwardersShareAnOutbox(t *testing.T) {
	dir := t.TempDir()
	erp, err := sandbox.Open(filepath.Join(dir, "erp.jsonl"), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(erp)
	defer web.Close()
	s := open(t, dir, storetest.Plan)
	if _, err := s.Claim(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	fx := pipeline.Effects{Epoch: 1, Next: 1}
	for k := range 40 {
		fx.Alerts = append(fx.Alerts, storetest.Alert(strconv.Itoa(k), 2))
	}
	if err := s.Keep(t.Context(), fx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 4 {
		go func() {
			f := workorders.NewForwarder(s, sandbox.NewClient(web.URL, nil), "sandbox", workorders.Options{Batch: 3})
			for n, err := f.Once(t.Context()); n > 0 || err != nil; n, err = f.Once(t.Context()) {
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	sent, err := s.Orders(t.Context(), store.OrderFilter{Status: workorders.Sent})
	if err != nil || len(sent) != 40 || len(erp.Orders()) != 40 {
		t.Errorf("%d orders sent, %d in the ERP, %v; want 40 of each", len(sent), len(erp.Orders()), err)
	}
}
