//go:build browser

package web_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestBrowser walks from the fleet to the work order of a running service, at
// the URL in TELLTALE_URL. TELLTALE_SHOTS names a folder for pictures, and
// TELLTALE_CHROMIUM a browser other than the one in the path.
func TestBrowser(t *testing.T) {
	url := strings.TrimSuffix(os.Getenv("TELLTALE_URL"), "/")
	if url == "" {
		t.Skip("TELLTALE_URL is not set")
	}
	b := open(t)
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url+"/"))
	alarmed := `//tr[@data-testid="fleet-row"][.//a[@data-testid="open-alert"]]`
	b.do(chromedp.WaitVisible(alarmed))
	b.shot("fleet")
	id := b.attribute(alarmed, "data-asset")

	b.do(chromedp.Click(alarmed + `//a[contains(@class,"row-link")]`))
	b.do(chromedp.WaitVisible(`[data-testid="component"] [data-testid="open-alert"]`))
	b.settled()
	b.contains("main h1", id)
	b.shot("turbine")

	component := b.attribute(`//*[@data-testid="component"][.//a[@data-testid="open-alert"]]`, "data-component")
	b.do(chromedp.Click(`[data-testid="open-alert"]`), chromedp.WaitVisible(`[data-testid="evidence-row"]`))
	b.settled()
	b.shot("alert")
	title := strings.ToLower(b.text(`[data-testid="alert-title"]`))
	words := strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(component))
	if what, mode, ok := strings.Cut(title, ": "); !ok || what != words || mode == "" {
		t.Errorf("alert is titled %q, want %q and a mode", title, words)
	}
	b.evidence()
	b.do(chromedp.WaitVisible(`[data-testid="work-order"]`))
	number := b.erpNumber()

	b.do(chromedp.Click(`[data-nav="orders"]`), chromedp.WaitVisible(`table [data-testid="work-order"]`))
	b.settled()
	b.contains("main", number)
	b.shot("orders")
	b.narrow(url, id)
	b.clean()
}

type browser struct {
	t     *testing.T
	ctx   context.Context
	shots string

	mu       sync.Mutex // guards problems, which the browser's events fill
	problems []string
}

func open(t *testing.T) *browser {
	t.Helper()
	path := os.Getenv("TELLTALE_CHROMIUM")
	flags := []chromedp.ExecAllocatorOption{
		chromedp.NoSandbox, chromedp.Flag("use-angle", "swiftshader"), chromedp.Flag("enable-unsafe-swiftshader", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true), chromedp.Flag("hide-scrollbars", true),
	}
	if path != "" {
		flags = append(flags, chromedp.ExecPath(path))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, shots: os.Getenv("TELLTALE_SHOTS")}
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(flags...), chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	if err := chromedp.Do(b.ctx); err != nil { // the browser lives as long as the context of its first call
		t.Fatal(err)
	}
	return b
}

// hear notes whatever a page complains of.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, fmt.Sprintf("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.problems = append(b.problems, fmt.Sprintf("console.%s: %v", e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.problems = append(b.problems, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.shot("failed")
		b.clean()
		b.t.Fatal(err)
	}
}

func ask[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *browser) text(sel string) string {
	b.t.Helper()
	return strings.TrimSpace(ask(b, chromedp.Text(sel)))
}

func (b *browser) attribute(sel, name string) string {
	b.t.Helper()
	return ask(b, chromedp.AttributeValue(sel, name)).Value
}

func (b *browser) contains(sel, want string) {
	b.t.Helper()
	if got := b.text(sel); !strings.Contains(got, want) {
		b.t.Errorf("%s reads %q, want %q in it", sel, got, want)
	}
}

// settled waits until the view has its answers and its charts are drawn.
func (b *browser) settled() {
	b.t.Helper()
	b.do(chromedp.WaitReady(`main > .page:not([aria-busy])`))
	time.Sleep(300 * time.Millisecond)
}

// evidence wants at least one row with a value and the limit it is held against.
func (b *browser) evidence() {
	b.t.Helper()
	rows := ask(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll('[data-testid="evidence-row"]')].map(r =>
		r.querySelector('[data-testid="evidence-value"]').textContent + "|" + r.querySelector('[data-testid="evidence-limit"]').textContent)`))
	for _, r := range rows {
		value, limit, _ := strings.Cut(r, "|")
		if strings.ContainsAny(value, "0123456789") && strings.ContainsAny(limit, "0123456789") {
			return
		}
	}
	b.t.Errorf("no evidence row has a value and a limit: %q", rows)
}

// erpNumber waits for the number, which comes when the order was forwarded.
func (b *browser) erpNumber() string {
	b.t.Helper()
	b.do(chromedp.WaitVisible(`[data-testid="erp-number"]`))
	number := b.text(`[data-testid="erp-number"]`)
	if !strings.ContainsAny(number, "0123456789") {
		b.t.Errorf("ERP number is %q", number)
	}
	return number
}

// narrow looks at every view on a telephone, where nothing may stick out.
func (b *browser) narrow(url, id string) {
	b.t.Helper()
	alert := ask(b, chromedp.AttributeValue(`table [data-testid="work-order"] a[href^="#/alert/"]`, "href")).Value
	b.do(chromedp.EmulateViewport(390, 844))
	for name, hash := range map[string]string{"fleet": "#/", "turbine": "#/asset/" + id, "alert": alert, "alerts": "#/alerts", "orders": "#/orders"} {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(url+"/"+hash), chromedp.WaitVisible("main h1"))
		b.settled()
		if over := ask(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); over > 0 {
			b.t.Errorf("%s sticks out by %d pixels at 390", name, over)
		}
		b.shot(name + "-390")
	}
}

func (b *browser) shot(name string) {
	b.t.Helper()
	if b.shots == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(b.shots, name+".png"), bytes.Clone(png), 0o600)
	}
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
	}
}

func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Error("the page complained:", p)
	}
	b.problems = nil
}
