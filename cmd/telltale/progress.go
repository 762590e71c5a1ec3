package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
)

// progress tells how far a run has come: a bar on a terminal, otherwise a plain
// line now and then. It is safe for concurrent use.
type progress struct {
	mu      sync.Mutex
	to      io.Writer
	bar     *progressbar.ProgressBar
	quiet   bool
	samples int64
	points  int64
	risks   int64
	alerts  int64
	through time.Time
	began   time.Time
	said    time.Time
	shown   map[asset.Reason]int
}

// linesEvery is how often a plain line is written.
const linesEvery = 5 * time.Second

func newProgress(to io.Writer, quiet bool) *progress {
	p := &progress{to: to, quiet: quiet, began: time.Now(), said: time.Now(), shown: map[asset.Reason]int{}}
	if f, ok := to.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(to), progressbar.OptionSetDescription("backtest"), progressbar.OptionThrottle(200*time.Millisecond))
	}
	return p
}

// kept counts a committed batch.
func (p *progress) kept(fx pipeline.Effects) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples += fx.Counts["samples"]
	p.points += fx.Counts["points"]
	p.risks += int64(len(fx.Risks))
	p.alerts += int64(len(fx.Alerts))
	if fx.Through.After(p.through) {
		p.through = fx.Through
	}
	switch {
	case p.quiet:
	case p.bar != nil:
		p.bar.Describe(p.line())
		_ = p.bar.Add64(fx.Counts["samples"] + fx.Counts["points"])
	case time.Since(p.said) >= linesEvery:
		p.said = time.Now()
		fmt.Fprintln(p.to, p.line())
	}
}

func (p *progress) line() string {
	return fmt.Sprintf("event time %s, %.1f M samples, %d points, %d risks, %d alert changes, %.1f M samples/s",
		p.through.Format("2006-01-02 15:04:05"), float64(p.samples)/1e6, p.points, p.risks, p.alerts, float64(p.samples)/1e6/time.Since(p.began).Seconds())
}

// refused writes the first few refusals of each reason; all are counted.
func (p *progress) refused(inv *asset.Invalid) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown[inv.Reason]++
	switch n := p.shown[inv.Reason]; {
	case n <= 3:
		fmt.Fprintf(p.to, "refused: %s\n", inv)
	case n == 4:
		fmt.Fprintf(p.to, "refused: more with reason %s are counted in summary.json\n", inv.Reason)
	}
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(p.to)
	}
	if !p.quiet {
		fmt.Fprintln(p.to, p.line())
	}
}
