package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/api"
)

// shelf is a repository of one model that notes what it is asked.
type shelf struct{ moved []api.Move }

func (s *shelf) Models(_ context.Context, name string) ([]api.ModelVersion, error) {
	if name != "" && name != "ae" {
		return nil, nil
	}
	return []api.ModelVersion{{Name: "ae", Version: "2", Stages: []api.ModelStage{{Stage: "canary", Share: 0.05}}}}, nil
}

func (s *shelf) Move(_ context.Context, m api.Move) (api.ModelVersion, error) {
	switch {
	case m.Version == "9":
		return api.ModelVersion{}, fmt.Errorf("version %s: %w", m.Version, api.ErrNotFound)
	case m.Stage == "production" && !m.Despite:
		return api.ModelVersion{}, fmt.Errorf("%w: gate replay: not enough to tell", api.ErrRefused)
	}
	s.moved = append(s.moved, m)
	return api.ModelVersion{Name: m.Name, Version: m.Version}, nil
}

func TestModelsAreListed(t *testing.T) {
	opt := newPlant().options()
	opt.Models = &shelf{}
	h := api.New(opt)
	for target, want := range map[string]int{"models": 200, "models/ae": 200, "models/none": 404} {
		if w := ask(t, h, "GET", "/api/v1/"+target); w.Code != want {
			t.Errorf("%s: %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
	got := decode[struct{ Models []api.ModelVersion }](t, ask(t, h, "GET", "/api/v1/models/ae")).Models
	if len(got) != 1 || got[0].Stages[0].Share != 0.05 {
		t.Errorf("got %+v", got)
	}
}

func TestWhoMayMoveAVersion(t *testing.T) {
	const good = `{"version":"2","stage":"shadow","reason":"trial"}`
	for name, tc := range map[string]struct {
		trusted bool
		token   string
		host    string
		head    map[string]string
		body    string
		code    int
		text    string
	}{
		"on the loopback":        {trusted: true, host: "127.0.0.1:8080", body: good, code: 200},
		"rebound name":           {trusted: true, host: "evil.example", body: good, code: 403, text: "localhost"},
		"behind a proxy":         {trusted: true, host: "127.0.0.1", head: map[string]string{"X-Forwarded-For": "10.0.0.9"}, body: good, code: 403, text: "token_file"},
		"no token, open":         {host: "127.0.0.1", body: good, code: 403, text: "api.token_file"},
		"with the token":         {token: "s", host: "plant.example", head: map[string]string{"Authorization": "Bearer s"}, body: good, code: 200},
		"wrong token":            {token: "s", trusted: true, host: "127.0.0.1", head: map[string]string{"Authorization": "Bearer t"}, body: good, code: 401, text: "Bearer"},
		"no token sent":          {token: "s", host: "127.0.0.1", body: good, code: 401, text: "Bearer"},
		"a form of another page": {trusted: true, host: "localhost", head: map[string]string{"Content-Type": "text/plain"}, body: good, code: 415, text: "application/json"},
		"another page's script":  {trusted: true, host: "localhost", head: map[string]string{"Sec-Fetch-Site": "cross-site"}, body: good, code: 403, text: "another origin"},
		"no reason":              {trusted: true, host: "localhost", body: `{"version":"2","stage":"shadow"}`, code: 400, text: "reason"},
		"no version":             {trusted: true, host: "localhost", body: `{"stage":"shadow","reason":"x"}`, code: 400, text: "version"},
		"unknown stage":          {trusted: true, host: "localhost", body: `{"version":"2","stage":"live","reason":"x"}`, code: 400, text: "rollback"},
		"unknown field":          {trusted: true, host: "localhost", body: `{"version":"2","stage":"shadow","force":true}`, code: 400, text: "force"},
		"gates do not pass":      {trusted: true, host: "localhost", body: `{"version":"2","stage":"production","reason":"x"}`, code: 409, text: "not enough to tell"},
		"no such version":        {trusted: true, host: "localhost", body: `{"version":"9","stage":"shadow","reason":"x"}`, code: 404, text: "version 9"},
		"rollback":               {trusted: true, host: "[::1]:80", body: `{"stage":"rollback","reason":"it screams"}`, code: 200},
	} {
		t.Run(name, func(t *testing.T) {
			s, opt := &shelf{}, newPlant().options()
			opt.Models, opt.Token, opt.Trusted = s, tc.token, tc.trusted
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/models/ae/stage", strings.NewReader(tc.body))
			r.Host = tc.host
			r.Header.Set("Content-Type", "application/json")
			for k, v := range tc.head {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			api.New(opt).ServeHTTP(w, r)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.text) {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, tc.code, tc.text)
			}
			if (len(s.moved) == 1) != (tc.code == http.StatusOK) || tc.code == http.StatusOK && s.moved[0].Name != "ae" {
				t.Errorf("moved %+v", s.moved)
			}
		})
	}
}
