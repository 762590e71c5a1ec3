package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Waveforms reads windows that were kept as they were measured.
type Waveforms interface {
	// Waveforms lists windows that begin within [from, to], newest first, at most limit. An
	// empty channel means all.
	Waveforms(ctx context.Context, id asset.ID, channel string, from, to time.Time, limit int) ([]Waveform, error)
	// Waveform opens one by its key, with its size, or ErrNotFound. A key is anything that a
	// client may send. The caller closes it.
	Waveform(ctx context.Context, id asset.ID, key string) (io.ReadCloser, int64, error)
}

// Waveform is a window that is kept.
type Waveform struct {
	Asset   asset.ID  `json:"asset"`
	Channel string    `json:"channel"`
	Start   time.Time `json:"start"`
	Bytes   int64     `json:"bytes"`
	Key     string    `json:"key"`
	Href    string    `json:"href"` // where to get it
}

func (s *server) waveforms(r *http.Request) (any, error) {
	plate, err := s.plate(asset.ID(r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	from, to, err := span(r)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", 100, 1000)
	if err != nil {
		return nil, err
	}
	list, err := s.opt.Waveforms.Waveforms(r.Context(), plate.ID, r.URL.Query().Get("channel"), from, to, limit)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Href = "/api/v1/assets/" + url.PathEscape(string(plate.ID)) + "/evidence/" + escapeKey(list[i].Key)
	}
	return map[string]any{"evidence": noNil(list)}, nil
}

// escapeKey makes a key part of an address.
func escapeKey(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// waveform sends one window's file.
func (s *server) waveform(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	key := r.PathValue("key")
	plate, err := s.plate(asset.ID(r.PathValue("id")))
	var body io.ReadCloser
	var size int64
	if err == nil {
		body, size, err = s.opt.Waveforms.Waveform(ctx, plate.ID, key)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, fmt.Sprintf("%s: list what there is with GET /api/v1/assets/%s/evidence", err, url.PathEscape(r.PathValue("id"))))
		return
	case err != nil:
		s.opt.Log(r.Method+" "+r.URL.Path, err)
		fail(w, http.StatusInternalServerError, "the evidence could not be read: see the service's log")
		return
	}
	defer body.Close() //nolint:errcheck // it was only read
	channel, _, _ := strings.Cut(key, "/")
	name := url.PathEscape(string(plate.ID)) + "-" + channel + "-" + path.Base(key)
	h := w.Header()
	h.Set("Content-Type", "application/vnd.apache.parquet")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, body); err != nil {
		s.opt.Log(r.Method+" "+r.URL.Path, err)
	}
}
