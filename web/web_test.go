package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/web"
)

func request(method, path, tag string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	tag := request("GET", "/app.js", "").Header().Get("ETag")
	for name, tc := range map[string]struct {
		method, path, tag string
		code              int
		kind              string
	}{
		"page":              {"GET", "/", "", http.StatusOK, "text/html"},
		"script":            {"GET", "/app.js", "", http.StatusOK, "text/javascript"},
		"styles":            {"GET", "/page.css", "", http.StatusOK, "text/css"},
		"picture":           {"GET", "/favicon.svg", "", http.StatusOK, "image/svg+xml"},
		"still the same":    {"GET", "/app.js", tag, http.StatusNotModified, "text/javascript"},
		"unknown":           {"GET", "/asset/WT-01", "", http.StatusNotFound, "text/plain"},
		"not to be written": {"POST", "/", "", http.StatusMethodNotAllowed, "text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			w := request(tc.method, tc.path, tc.tag)
			if w.Code != tc.code || !strings.HasPrefix(w.Header().Get("Content-Type"), tc.kind) {
				t.Errorf("%s %s: %d %s, want %d %s", tc.method, tc.path, w.Code, w.Header().Get("Content-Type"), tc.code, tc.kind)
			}
		})
	}
}

// The page works offline and under a policy that allows nothing but itself.
func TestPageNeedsNobodyElse(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(src|href)="?https?://|url\(["']?https?://|@import|import\("|<script>|style="`)
	for _, path := range []string{"/", "/app.js", "/page.css"} {
		if m := outside.FindString(request("GET", path, "").Body.String()); m != "" {
			t.Errorf("%s holds %q", path, m)
		}
	}
	if html := request("GET", "/", "").Body.String(); !strings.Contains(html, `lang="en"`) || !strings.Contains(html, `id="main"`) {
		t.Error("the page does not name its language or its main part")
	}
}

// Every identifier that tests and scripts look for is in the source.
func TestStableIdentifiers(t *testing.T) {
	files, err := filepath.Glob("src/*.ts")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d source files, %v", len(files), err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for _, id := range []string{"fleet-row", "open-alert", "evidence-row", "work-order", "erp-number"} {
		if !strings.Contains(all.String(), `"data-testid": "`+id+`"`) {
			t.Errorf("no element carries data-testid %q", id)
		}
	}
}

func ExampleHandler() {
	w := request("GET", "/", "")
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 200 text/html; charset=utf-8
}
