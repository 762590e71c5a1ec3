package api_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
)

// drawer is one window of every asset.
type drawer struct{ fail error }

const drawerKey = "D%2FE/2026/01/02/20260102T000000.000000Z.parquet"

func (s drawer) Waveforms(_ context.Context, id asset.ID, channel string, from, to time.Time, limit int) ([]api.Waveform, error) {
	start := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	if channel != "D/E" || start.Before(from) || start.After(to) || limit != 7 {
		return nil, s.fail
	}
	return []api.Waveform{{Asset: id, Channel: "D/E", Start: start, Bytes: 4, Key: drawerKey}}, s.fail
}

func (s drawer) Waveform(_ context.Context, _ asset.ID, key string) (io.ReadCloser, int64, error) {
	if s.fail != nil {
		return nil, 0, s.fail
	}
	if key != drawerKey {
		return nil, 0, api.ErrNotFound
	}
	return io.NopCloser(strings.NewReader("PAR1")), 4, nil
}

func TestEvidenceIsListedAndSent(t *testing.T) {
	opt := newPlant().options()
	opt.Waveforms = drawer{}
	h := api.New(opt)
	id := string(opt.Twins.Nameplates()[0].ID)
	at := "/api/v1/assets/" + id + "/evidence"
	list := ask(t, h, "GET", at+"?channel=D/E&limit=7&from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z").Body.String()
	href := at + "/D%252FE/2026/01/02/20260102T000000.000000Z.parquet"
	if !strings.Contains(list, `"href":"`+href+`"`) || !strings.Contains(list, `"start":"2026-01-02T00:00:00Z"`) {
		t.Fatalf("listed as %s", list)
	}
	w := ask(t, h, "GET", href)
	if w.Code != 200 || w.Body.String() != "PAR1" || w.Header().Get("Content-Type") != "application/vnd.apache.parquet" || w.Header().Get("Content-Length") != "4" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if d := w.Header().Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") || !strings.Contains(d, "20260102T000000.000000Z.parquet") {
		t.Errorf("saved as %s", d)
	}
	for path, code := range map[string]int{
		at + "?channel=D/E&limit=7&from=2026-01-03T00:00:00Z": 200,
		at + "?from=yesterday":                                400,
		at + "?limit=1001":                                    400,
		"/api/v1/assets/nobody/evidence":                      404,
		"/api/v1/assets/nobody/evidence/" + "x":               404,
		at + "/nothing":                                       404,
		at + "/..%2f..%2fetc%2fpasswd":                        404,
	} {
		if w := ask(t, h, "GET", path); w.Code != code {
			t.Errorf("%s: %d, want %d: %s", path, w.Code, code, w.Body)
		}
	}
	if w := ask(t, h, "DELETE", href); w.Code != 405 {
		t.Errorf("DELETE: %d, want 405", w.Code)
	}
	opt.Waveforms = drawer{errors.New("no bucket")}
	if w := ask(t, api.New(opt), "GET", href); w.Code != 500 || strings.Contains(w.Body.String(), "bucket") {
		t.Errorf("a bucket that is away: %d %s, want 500 without details", w.Code, w.Body)
	}
}
