package ingest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// list is a source of n readings whose positions count by step.
type list struct {
	id    asset.ID
	n     int
	step  int64
	fail  error // instead of the end
	given int64
	acked int64
}

func (l *list) Next(context.Context) (asset.Reading, asset.Position, error) {
	if l.given == int64(l.n) {
		if l.fail != nil {
			return asset.Reading{}, asset.Position{}, l.fail
		}
		return asset.Reading{}, asset.Position{}, io.EOF
	}
	l.given++
	return asset.Reading{Asset: l.id, Time: time.Unix(l.given, 0)}, asset.Position{Offset: l.given * l.step}, nil
}

func (l *list) Ack(p asset.Position) { l.acked = p.Offset }

func TestJoinedSourcesKeepTheirOrderAndAreAcknowledgedApart(t *testing.T) {
	a, b := &list{id: "a", n: 50, step: 1}, &list{id: "b", n: 30, step: 7}
	j := Join(t.Context(), 1000, a, b)
	defer j.Close()
	newest := map[asset.ID]time.Time{}
	count := map[asset.ID]int64{}
	upTo := map[asset.ID]int64{}
	for i := int64(1); ; i++ {
		r, p, err := j.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || p.Offset != 1000+i || !r.Time.After(newest[r.Asset]) {
			t.Fatalf("%d: %v at %d, %v after %v", i, err, p.Offset, r.Time, newest[r.Asset])
		}
		newest[r.Asset] = r.Time
		count[r.Asset]++
		if i <= 40 {
			upTo[r.Asset] = count[r.Asset]
		}
	}
	if count["a"] != 50 || count["b"] != 30 {
		t.Errorf("read %v", count)
	}
	j.Ack(asset.Position{Offset: 1040})
	if a.acked != upTo["a"] || b.acked != 7*upTo["b"] {
		t.Errorf("acknowledged a up to %d and b up to %d, want %d and %d", a.acked, b.acked, upTo["a"], 7*upTo["b"])
	}
	j.Ack(asset.Position{Offset: 1080})
	if a.acked != 50 || b.acked != 210 {
		t.Errorf("acknowledged a up to %d and b up to %d at the end", a.acked, b.acked)
	}
}

func TestASourceThatFailsFailsAll(t *testing.T) {
	j := Join(t.Context(), 0, &list{n: 3, step: 1}, &list{n: 1, step: 1, fail: errors.New("no broker")})
	defer j.Close()
	for {
		if _, _, err := j.Next(t.Context()); err != nil {
			if !strings.Contains(err.Error(), "no broker") {
				t.Errorf("ended with %v", err)
			}
			return
		}
	}
}
