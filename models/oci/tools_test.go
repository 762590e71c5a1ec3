package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	orasoci "oras.land/oras-go/v2/content/oci"
	orasregistry "oras.land/oras-go/v2/registry"

	"github.com/telltale-iot/telltale/models"
)

// request talks to a registry without any of our code.
func request(t *testing.T, method, url, mediaType string, body []byte) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", v1.MediaTypeImageManifest)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, got
}

// retag moves a tag as other tools do: oras in a layout, GET and PUT at a registry.
func retag(t *testing.T, p place, from, to string) {
	t.Helper()
	if p.host == "" {
		s, err := orasoci.New(filepath.Join(p.where, ae))
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Resolve(t.Context(), from)
		if err == nil {
			err = s.Tag(t.Context(), d, to)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	manifests := "http://" + p.host + "/v2/plant/models/" + ae + "/manifests/"
	_, h, body := request(t, http.MethodGet, manifests+from, "", nil)
	if code, _, said := request(t, http.MethodPut, manifests+to, h.Get("Content-Type"), body); code != http.StatusCreated {
		t.Fatalf("PUT %s: %d %s", to, code, said)
	}
}

func TestATagMovedByAnotherToolIsASwap(t *testing.T) {
	for name, p := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			push(t, r, "good")
			two := push(t, r, "good2")
			promote(t, r, "1", models.Production, 0, "")
			for _, tag := range []string{"production", "shadow.asset.wt03", "canary-12.5.class.wind-turbine", "latest", "canary-0"} {
				retag(t, p, "2", tag)
			}
			if got, want := lineup(t, r), "2 production, 2 canary 12.5 % for class wind-turbine, 2 shadow for asset wt03"; got != want {
				t.Errorf("line-up %s, want %s", got, want)
			}
			if v, _, err := r.Get(t.Context(), ae); err != nil || v.Digest != two.Digest {
				t.Errorf("Get = %s, %v; want version 2", v.Ref(), err)
			}
			if got, want := stages(t, r), "archived production"; got != want {
				t.Errorf("stages %s, want %s", got, want)
			}
			steps, err := r.History(t.Context(), ae)
			if err != nil {
				t.Fatal(err)
			}
			var outside []string
			for _, s := range steps {
				if s.Outside {
					outside = append(outside, s.Version+" "+s.String())
				}
			}
			want := []string{
				"1 production to archived, moved outside telltale",
				"2 candidate to production, moved outside telltale",
				"2 shadow for asset wt03, moved outside telltale",
				"2 canary 12.5 % for class wind-turbine, moved outside telltale",
			}
			slices.Sort(outside)
			slices.Sort(want)
			if !slices.Equal(outside, want) {
				t.Errorf("moved outside: %q, want %q", outside, want)
			}
			if v, err := r.Rollback(t.Context(), ae, "", by); err != nil || v.Version != "1" {
				t.Errorf("Rollback = %s, %v; want 1", v.Version, err)
			}
		})
	}
}

func TestATagOnAStrangeArtifactIsRefused(t *testing.T) {
	p := registryAt(t, true, nil)
	r := p.open(t)
	push(t, r, "good")
	body := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageManifest + `","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`)
	if code, _, said := request(t, http.MethodPut, "http://"+p.host+"/v2/plant/models/"+ae+"/manifests/production", v1.MediaTypeImageManifest, body); code != http.StatusCreated {
		t.Fatalf("%d %s", code, said)
	}
	if _, err := r.Lineup(t.Context(), ae); !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), ae+":production") {
		t.Errorf("Lineup = %v, want ErrContract and the tag", err)
	}
}

// TestORASReadsTheFolder holds the layout against the reader of another project.
func TestORASReadsTheFolder(t *testing.T) {
	p := place{where: t.TempDir()}
	r := p.open(t)
	v := push(t, r, "good")
	promote(t, r, "1", models.Production, 0, "")
	s, err := orasoci.NewFromFS(t.Context(), os.DirFS(filepath.Join(p.where, ae)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Resolve(t.Context(), "production")
	if err != nil || string(d.Digest) != v.Manifest {
		t.Fatalf("production is %s, %v; want %s", d.Digest, err, v.Manifest)
	}
	body, err := content.FetchAll(t.Context(), s, d)
	if err != nil {
		t.Fatal(err)
	}
	var m v1.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if m.ArtifactType != "application/vnd.telltale.model.v1" || m.Layers[0].Annotations[v1.AnnotationTitle] != ae+".onnx" {
		t.Errorf("manifest %s", body)
	}
	got, err := content.FetchAll(t.Context(), s, m.Layers[0])
	want, _ := os.ReadFile(file("good"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file is %d bytes, %v; want %d", len(got), err, len(want))
	}
	if steps, err := orasregistry.Referrers(t.Context(), s, d, "application/vnd.telltale.step.v1+json"); err != nil || len(steps) != 2 {
		t.Errorf("%d steps, %v; want 2", len(steps), err)
	}
	names, err := layouts{p.where}.Names(t.Context())
	if err != nil || !slices.Equal(names, []string{ae}) {
		t.Errorf("Names = %v, %v", names, err)
	}
}

// TestAskingForTheLineUpIsCheap counts what a poll asks a registry for: the list
// of tags and one HEAD for each place.
func TestAskingForTheLineUpIsCheap(t *testing.T) {
	var heads, others atomic.Int32
	p := registryAt(t, true, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.Method == http.MethodHead {
				heads.Add(1)
			} else {
				others.Add(1)
			}
			next.ServeHTTP(w, q)
		})
	})
	r := p.open(t)
	for _, f := range []string{"good", "good2", "forecaster", "mahalanobis"} {
		push(t, r, f)
	}
	promote(t, r, "1", models.Production, 0, "")
	promote(t, r, "2", models.Shadow, 0, "")
	lineup(t, r)
	heads.Store(0)
	others.Store(0)
	lineup(t, r)
	if h, o := heads.Load(), others.Load(); h != 2 || o != 1 {
		t.Errorf("%d HEADs and %d other requests, want 2 and 1", h, o)
	}
}

// TestAChangedFileIsRefused flips one bit of a model on its way.
func TestAChangedFileIsRefused(t *testing.T) {
	var flip atomic.Bool
	for name, p := range map[string]place{
		"folder": {where: t.TempDir()},
		"registry": registryAt(t, true, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if flip.Load() && strings.Contains(q.URL.Path, "/blobs/") {
					w = flipper{w}
				}
				next.ServeHTTP(w, q)
			})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			r := p.open(t)
			v := push(t, r, "good")
			path := filepath.Join(p.where, ae, "blobs", "sha256", v.Digest)
			if p.host == "" {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				b[len(b)/2] ^= 1
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			flip.Store(true)
			if _, _, err := r.Get(t.Context(), v.Ref()); !errors.Is(err, models.ErrContract) {
				t.Errorf("Get = %v, want ErrContract", err)
			}
			flip.Store(false)
			push(t, r, "good2")
			if p.host == "" {
				if _, err := r.Push(t.Context(), file("good"), "other", by, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// flipper changes a bit of every long answer.
type flipper struct{ http.ResponseWriter }

func (f flipper) Write(b []byte) (int, error) {
	if len(b) > 1000 {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
	}
	return f.ResponseWriter.Write(b)
}

// TestTheRegistryIsAskedWithTheAccount holds what is sent against a Docker
// configuration, and against the account of the options.
func TestTheRegistryIsAskedWithTheAccount(t *testing.T) {
	p := registryAt(t, true, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if user, password, _ := q.BasicAuth(); user != "ada" || password != "pw" {
				w.Header().Set("WWW-Authenticate", `Basic realm="plant"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, q)
		})
	})
	docker := filepath.Join(t.TempDir(), "config.json")
	account := base64.StdEncoding.EncodeToString([]byte("ada:pw"))
	if err := os.WriteFile(docker, []byte(`{"auths":{"`+p.host+`":{"auth":"`+account+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none.json")
	for name, tc := range map[string]struct {
		opt Options
		ok  bool
	}{
		"docker":  {Options{DockerConfig: docker}, true},
		"options": {Options{User: "ada", Password: "pw"}, true},
		"wrong":   {Options{User: "ada", Password: "other"}, false},
		"nothing": {Options{DockerConfig: none}, false},
	} {
		r, err := Open(t.Context(), p.where, tc.opt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Push(t.Context(), file("good"), "", by, nil); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, where := range []string{"https://registry.example.org/models", "oci://", "oci:///models", "oci://registry.example.org/Models"} {
		if _, err := Open(t.Context(), where, Options{}); err == nil || !strings.Contains(err.Error(), "oci://HOST/PREFIX") {
			t.Errorf("%s: %v", where, err)
		}
	}
	for host, want := range map[string]bool{"localhost:5000": true, "127.0.0.1": true, "[::1]:5000": true, "10.0.0.1:5000": false, "registry.example.org": false, "localhost.example.org": false} {
		if got := loopback(host); got != want {
			t.Errorf("loopback(%s) = %v", host, got)
		}
	}
	p := place{where: t.TempDir()}
	push(t, p.open(t), "good")
	if _, err := Open(t.Context(), filepath.Join(p.where, ae), Options{}); err == nil || !strings.Contains(err.Error(), "folder above") {
		t.Errorf("the layout of one model: %v", err)
	}
}

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
