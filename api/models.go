package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// What a repository answers to a change of stage that it does not carry out.
var (
	ErrRefused  = errors.New("refused")  // as things stand: a gate that does not pass, a model that does not fit
	ErrReadOnly = errors.New("not here") // there is no repository
)

// Models reads and moves the versions of the learned models. It is safe for
// concurrent use.
type Models interface {
	// Models lists every version of every model, by name and then by age. An empty
	// name means all.
	Models(ctx context.Context, name string) ([]ModelVersion, error)
	// Move brings a version to a stage, or back to the one before it; ErrNotFound,
	// or ErrRefused with the reason.
	Move(ctx context.Context, m Move) (ModelVersion, error)
}

// ModelVersion is one version of a model and what it does here.
type ModelVersion struct {
	Name      string       `json:"name"`
	Version   string       `json:"version"`
	Digest    string       `json:"digest"`
	Kind      string       `json:"kind"`
	Class     string       `json:"asset_class,omitempty"`
	Component string       `json:"component,omitempty"`
	Pushed    time.Time    `json:"pushed"`
	By        string       `json:"by,omitempty"`
	Stages    []ModelStage `json:"stages"`
	InUse     bool         `json:"in_use"` // by this service, now
}

// ModelStage is what a version is used for, and for whom.
type ModelStage struct {
	Stage string  `json:"stage"`           // candidate, shadow, canary, production, archived
	Share float64 `json:"share,omitempty"` // of the assets, in canary
	Scope string  `json:"scope,omitempty"` // empty: all that it serves; "asset/ID", "class/KIND"
}

// Move asks for a change of stage.
type Move struct {
	Name    string   `json:"-"`
	Version string   `json:"version"`           // of a rollback: empty
	Stage   string   `json:"stage"`             // candidate, shadow, canary, production, archived, or rollback
	Share   float64  `json:"share,omitempty"`   // of the assets, in canary
	Asset   asset.ID `json:"asset,omitempty"`   // this one alone
	Reason  string   `json:"reason"`            // for the history
	By      string   `json:"by,omitempty"`      // who asks
	Despite bool     `json:"despite,omitempty"` // production although gates do not pass
}

func (s *server) models(r *http.Request) (any, error) {
	list, err := s.opt.Models.Models(r.Context(), r.PathValue("name"))
	if err == nil && len(list) == 0 && r.PathValue("name") != "" {
		err = fmt.Errorf("model %s: %w", r.PathValue("name"), ErrNotFound)
	}
	if list == nil {
		list = []ModelVersion{}
	}
	return map[string]any{"models": list}, err
}

// move is the one route that changes something.
func (s *server) move(r *http.Request) (any, error) {
	var m Move
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, &requestError{http.StatusBadRequest, "the body: " + err.Error() + `: {"version": "2", "stage": "shadow", "reason": "…"} is wanted`}
	}
	m.Name = r.PathValue("name")
	switch m.Stage {
	case "candidate", "shadow", "canary", "production", "archived":
		if m.Version == "" {
			return nil, badRequest("version", "", "the number of a version is wanted")
		}
	case "rollback":
	default:
		return nil, badRequest("stage", m.Stage, "one of candidate, shadow, canary, production, archived, rollback is allowed")
	}
	if m.Reason == "" {
		return nil, badRequest("reason", "", "a reason is wanted: it stands in the history")
	}
	v, err := s.opt.Models.Move(r.Context(), m)
	switch {
	case errors.Is(err, ErrRefused):
		return nil, &requestError{http.StatusConflict, err.Error()}
	case errors.Is(err, ErrReadOnly):
		return nil, &requestError{http.StatusConflict, "this service has no model repository: name one in its configuration"}
	}
	return v, err
}

// changing lets a request through that changes something: only with the token where
// there is one, and never one that a page of another origin could have sent.
func (s *server) changing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case s.opt.Token == "" && !s.opt.Trusted:
			fail(w, http.StatusForbidden, "this service takes no changes: give it a token (api.token_file) or let it listen on the loopback alone")
		case s.opt.Token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.opt.Token)) != 1:
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "send the token: Authorization: Bearer …")
		case err != nil || kind != "application/json":
			fail(w, http.StatusUnsupportedMediaType, "Content-Type: application/json is wanted")
		case site != "" && site != "same-origin" && site != "none":
			fail(w, http.StatusForbidden, "a page of another origin may not change anything here")
		case s.opt.Token == "" && forwarded(r.Header):
			fail(w, http.StatusForbidden, "behind a proxy changes need a token: name one in api.token_file")
		case s.opt.Token == "" && !loopbackHost(r.Host):
			fail(w, http.StatusForbidden, "without a token the service is asked as localhost, 127.0.0.1 or [::1]")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// forwarded says whether a proxy speaks for somebody else.
func forwarded(h http.Header) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}
