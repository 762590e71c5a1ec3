package sandbox

import (
	"bytes"
	_ "embed" // the page's template
	"html/template"
	"net/http"
	"slices"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page lists the orders for people, newest first. Its links are relative.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	orders := s.Orders()
	slices.Reverse(orders)
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, orders); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'self'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(b.Bytes()) //nolint:errcheck,gosec // the browser notices
}
