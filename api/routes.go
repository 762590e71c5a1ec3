package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of one request.
const (
	maxHeader  = 16 << 10
	maxBody    = 64 << 10
	maxQuery   = 4 << 10
	answerTime = 20 * time.Second
)

// answer computes the JSON body of a request, or the error that is its problem.
type answer func(r *http.Request) (any, error)

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	get := func(pattern string, a answer) {
		mux.Handle("GET /api/v1/"+pattern, s.timed(pattern, s.json(a)))
	}
	get("assets", s.fleet)
	get("assets/{id}", s.asset)
	get("assets/{id}/risks", s.risks)
	get("assets/{id}/trend", s.trend)
	get("assets/{id}/spectra", s.spectra)
	if s.opt.Waveforms != nil {
		get("assets/{id}/evidence", s.waveforms)
		mux.Handle("GET /api/v1/assets/{id}/evidence/{key...}", s.timed("assets/{id}/evidence/{key}", http.HandlerFunc(s.waveform)))
	}
	get("alerts", s.alerts)
	get("alerts/{id}", s.alert)
	get("orders", s.orders)
	get("orders/{id}", s.order)
	get("events", s.events)
	get("status", s.status)
	if s.opt.Sources != nil {
		get("sources", s.sources)
		get("dead-letters", s.deadLetters)
	}
	if s.opt.Models != nil {
		get("models", s.models)
		get("models/{name}", s.models)
		mux.Handle("POST /api/v1/models/{name}/stage", s.timed("models/{name}/stage", s.changing(s.json(s.move))))
	}
	mux.HandleFunc("GET /api/v1/stream", s.stream)
	mux.HandleFunc("/api/", s.unknown)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.opt.Metrics, promhttp.HandlerOpts{}))
	for pattern, h := range s.opt.Mounts {
		mux.Handle(pattern, h)
	}
	if s.opt.Page != nil {
		mux.Handle("/", s.opt.Page)
	}
	return guard(mux, s.opt.Mounts)
}

// NewServer wraps a handler with the limits of a server that faces a network:
// time to send a request, time to take an answer, size of its head.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: h, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 2 * answerTime, IdleTimeout: 2 * time.Minute,
	}
}

// guard sets the security headers and refuses oversized requests. A mounted
// handler brings its own content security policy.
func guard(mux *http.ServeMux, mounts map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if _, pattern := mux.Handler(r); mounts[pattern] == nil {
			h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'")
		}
		if len(r.URL.RawQuery) > maxQuery {
			fail(w, http.StatusRequestURITooLong, "the query is longer than 4096 bytes: ask for fewer keys at once")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

// timed records how long a route took and what it answered.
func (s *server) timed(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, seen := time.Now(), &codeWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r)
		s.seconds.WithLabelValues(route, strconv.Itoa(seen.code)).Observe(time.Since(start).Seconds())
	})
}

type codeWriter struct {
	http.ResponseWriter
	code int
}

func (c *codeWriter) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

// json answers with what a computes, or with its problem.
func (s *server) json(a answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		v, err := a(r.WithContext(ctx))
		var p *requestError
		switch {
		case err == nil:
			write(w, http.StatusOK, v)
		case errors.As(err, &p):
			fail(w, p.status, p.detail)
		case errors.Is(err, ErrNotFound):
			fail(w, http.StatusNotFound, err.Error()+": list what there is with GET /api/v1/assets, alerts or orders")
		case errors.Is(err, context.DeadlineExceeded):
			fail(w, http.StatusGatewayTimeout, "the store did not answer within 20 s: ask for a shorter span")
		default:
			s.opt.Log(r.Method+" "+r.URL.Path, err)
			fail(w, http.StatusInternalServerError, "the store could not be read: see the service's log")
		}
	})
}

func (s *server) unknown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "nothing is changed here: use GET")
		return
	}
	fail(w, http.StatusNotFound, "no such path: try /api/v1/assets, alerts, orders, events, models or status")
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	reasons := s.opt.NotReady()
	if len(reasons) == 0 {
		write(w, http.StatusOK, map[string]any{"ready": true, "reasons": []string{}})
		return
	}
	write(w, http.StatusServiceUnavailable, map[string]any{"ready": false, "reasons": reasons})
}

func (s *server) status(r *http.Request) (any, error) {
	st := s.opt.Status()
	if st.Notes == nil {
		st.Notes = []string{}
	}
	counts, err := s.opt.Journal.Counts(r.Context())
	if err != nil {
		return nil, err
	}
	st.Counts = counts
	return st, nil
}

// loopbackHost holds for the names of this machine alone: a page that was rebound to
// its address still calls it by another.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// write sends v as JSON. It is encoded before the head is sent, so that an
// error becomes a problem and not half an answer.
func write(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, "the answer could not be written as JSON")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}
