// Package sandbox is a small ERP of its own, for the demo and for tests: it
// takes orders over HTTP, gives them numbers, keeps them on disk and shows them
// on a page. Like SAP it does not notice when the same order is sent twice: that
// there is one of each is the forwarder's doing.
package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
)

// Order is what the sandbox keeps of one.
type Order struct {
	Number        string              `json:"number"`
	Key           string              `json:"key"` // external key of the sender; not unique here
	Asset         asset.ID            `json:"asset"`
	Component     string              `json:"component"`
	Priority      int                 `json:"priority"`
	Title         string              `json:"title"`
	Text          string              `json:"text"`
	RequiredEnd   time.Time           `json:"required_end,omitzero"`
	RequiredStart time.Time           `json:"required_start,omitzero"`
	Activity      workorders.Activity `json:"activity,omitempty"`
	Status        string              `json:"status"` // open, completed
	Created       time.Time           `json:"created"`
	Completed     time.Time           `json:"completed,omitzero"`
}

// Options of a Server. Its zero is usable.
type Options struct {
	Now func() time.Time // default time.Now
}

// Server is the sandbox. It is an http.Handler that works under any path
// prefix, once the prefix is stripped. It is safe for concurrent use.
type Server struct {
	now     func() time.Time
	handler http.Handler

	mu     sync.Mutex // guards what follows
	file   *os.File
	size   int64 // of the whole lines in file
	orders []Order
	number map[string]int // place in orders
}

// Open opens the sandbox that keeps its orders in the file at path, which it
// makes when there is none. A half-written last line is dropped.
func Open(path string, opt Options) (*Server, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Server{now: opt.Now, file: file, number: map[string]int{}}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox %s: %w", path, err), file.Close())
	}
	s.handler = s.routes()
	return s, nil
}

// load reads the orders back: each line is an order as it then stood.
func (s *Server) load() error {
	in := bufio.NewReader(s.file)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return s.file.Truncate(s.size)
		}
		if err != nil {
			return err
		}
		var o Order
		if err := json.Unmarshal(line, &o); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		s.put(o)
		s.size += int64(len(line))
	}
}

func (s *Server) put(o Order) {
	if i, ok := s.number[o.Number]; ok {
		s.orders[i] = o
		return
	}
	s.number[o.Number] = len(s.orders)
	s.orders = append(s.orders, o)
}

// keep writes o to disk, then takes it over. mu is held.
func (s *Server) keep(o Order) error {
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	_, err = s.file.WriteAt(line, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil { // leave no half of it
		return errors.Join(fmt.Errorf("order %s: %w", o.Number, err), s.file.Truncate(s.size))
	}
	s.size += int64(len(line))
	s.put(o)
	return nil
}

// Close closes the file. Everything answered is on disk already.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", s.create)
	mux.HandleFunc("GET /orders", s.list)
	mux.HandleFunc("GET /orders/{number}", s.get)
	mux.HandleFunc("POST /orders/{number}/complete", s.complete)
	mux.HandleFunc("GET /{$}", s.page)
	return http.NewCrossOriginProtection().Handler(mux) // a foreign page must not complete orders
}

// maxBody bounds an order.
const maxBody = 256 << 10

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "an order has at most 256 KiB")
		return
	}
	var o Order
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	switch err := decoder.Decode(&o); {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case decoder.More():
		refuse(w, http.StatusBadRequest, "one order at a time")
		return
	case o.Key == "" || len(o.Key) > 64:
		refuse(w, http.StatusUnprocessableEntity, "key: want 1–64 characters")
		return
	case o.Title == "":
		refuse(w, http.StatusUnprocessableEntity, "title: must not be empty")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Number = fmt.Sprint(10_000_001 + len(s.orders))
	o.Status, o.Created, o.Completed = "open", s.now().UTC(), time.Time{}
	if err := s.keep(o); err != nil {
		refuse(w, http.StatusInsufficientStorage, err.Error())
		return
	}
	answer(w, http.StatusCreated, o)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	key, all := r.URL.Query().Get("key"), !r.URL.Query().Has("key")
	found := []Order{}
	for _, o := range s.Orders() {
		if all || o.Key == key {
			found = append(found, o)
		}
	}
	answer(w, http.StatusOK, found)
}

// Orders returns a copy of all orders, oldest first.
func (s *Server) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Order(nil), s.orders...)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.number[r.PathValue("number")]
	if !ok {
		refuse(w, http.StatusNotFound, "no such order")
		return
	}
	answer(w, http.StatusOK, s.orders[i])
}

// complete reports the work as done. A second report changes nothing.
func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.number[r.PathValue("number")]
	if !ok {
		refuse(w, http.StatusNotFound, "no such order")
		return
	}
	if o := s.orders[i]; o.Status != "completed" {
		o.Status, o.Completed = "completed", s.now().UTC()
		if err := s.keep(o); err != nil {
			refuse(w, http.StatusInsufficientStorage, err.Error())
			return
		}
	}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" { // the page's button
		w.Header().Set("Location", "../../")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	answer(w, http.StatusOK, s.orders[i])
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) //nolint:errcheck,errchkjson,gosec // the client notices
}

func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]string{"error": why})
}
