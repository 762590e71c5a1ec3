// Package web is the page that a reliability engineer looks at, embedded as it
// was bundled. Its source is in src; bundle writes dist, which is committed so
// that building needs neither Node nor a network.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed dist
var dist embed.FS

// file is one part of the page with what its answer needs.
type file struct {
	body []byte
	kind string
	tag  string
}

// Handler serves the page at / and its parts beside it. Routes inside the page
// live behind the #, so every other path is not found. A browser asks each time
// whether its copy is still the right one, so a new build shows at once.
func Handler() http.Handler {
	files := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		}
		f, ok := files[name]
		switch {
		case !ok:
			http.Error(w, "no such page: the page is at /", http.StatusNotFound)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is only read: use GET", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.tag)
		if r.Header.Get("If-None-Match") == f.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if r.Method == http.MethodGet {
			_, _ = w.Write(f.body)
		}
	})
}

// load reads the embedded files. A file that cannot be read cannot have been
// embedded, so it panics with "web: ...".
func load() map[string]file {
	files := map[string]file{}
	entries, err := fs.ReadDir(dist, "dist")
	if err != nil {
		panic("web: " + err.Error())
	}
	for _, e := range entries {
		body, err := dist.ReadFile("dist/" + e.Name())
		if err != nil {
			panic("web: " + err.Error())
		}
		sum := sha256.Sum256(body)
		kind := mime.TypeByExtension(path.Ext(e.Name()))
		if path.Ext(e.Name()) == ".js" { // whatever the machine's own table says
			kind = "text/javascript; charset=utf-8"
		}
		files[e.Name()] = file{body: body, kind: kind, tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return files
}
