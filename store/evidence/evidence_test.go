package evidence_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store/evidence"
)

var start = time.Date(2025, 12, 30, 22, 0, 0, 678000, time.UTC)

// bucket is a bucket of an S3 server for tests, which is ended with the test.
func bucket(t *testing.T) (place string, keys func() []string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	backend := s3mem.New()
	if err := backend.CreateBucket("windows"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return "s3://windows?region=eu-central-1&use_path_style=true&endpoint=" + server.URL, func() (all []string) {
		list, err := backend.ListBucket("windows", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Contents {
			all = append(all, o.Key)
		}
		return all
	}
}

func open(t *testing.T, place string) *evidence.Store {
	t.Helper()
	s, err := evidence.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(t *testing.T, s *evidence.Store, id asset.ID, channel string, at time.Time, body string) {
	t.Helper()
	if err := s.Put(t.Context(), id, channel, at, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, s *evidence.Store, id asset.ID, channel string, from, to time.Time, limit int) []evidence.Window {
	t.Helper()
	all, err := s.List(t.Context(), id, channel, from, to, limit)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var ever = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

func TestWindowsAreKeptInAFolderAndInABucket(t *testing.T) {
	for name, place := range map[string]func(t *testing.T) (string, func() []string){
		"folder": func(t *testing.T) (string, func() []string) {
			t.Helper()
			dir := filepath.Join(t.TempDir(), "evidence")
			return dir, func() (all []string) {
				err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
					if err == nil && !d.IsDir() {
						all = append(all, "evidence/"+filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator))))
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return all
			}
		},
		"bucket": bucket,
	} {
		t.Run(name, func(t *testing.T) {
			at, keys := place(t)
			s := open(t, at)
			for i := range 5 { // across a month and a year
				put(t, s, "pump", "DE", start.Add(time.Duration(i)*12*time.Hour), fmt.Sprint("DE", i))
			}
			put(t, s, "pump", "DE", start, "DE0") // a second time: the same object
			put(t, s, "pump", "NDE", start.Add(time.Hour), "NDE")
			put(t, s, "pump2", "DE", start, "other")
			if got := keys(); len(got) != 7 || !slices.Contains(got, "evidence/pump/DE/2025/12/30/20251230T220000.000678Z.parquet") {
				t.Errorf("keys %v", got)
			}
			some := list(t, s, "pump", "DE", start.Add(time.Hour), start.Add(36*time.Hour), 10)
			if len(some) != 3 || !some[0].Start.Equal(start.Add(36*time.Hour)) || !some[2].Start.Equal(start.Add(12*time.Hour)) || some[0].Bytes != 3 || some[0].Channel != "DE" {
				t.Errorf("within a span: %+v", some)
			}
			all := list(t, s, "pump", "", time.Unix(0, 0), ever, 10)
			if len(all) != 6 || all[4].Channel != "NDE" {
				t.Errorf("all channels: %+v", all)
			}
			if two := list(t, s, "pump", "DE", time.Unix(0, 0), ever, 2); len(two) != 2 || !two[0].Start.Equal(start.Add(48*time.Hour)) {
				t.Errorf("the newest two: %+v", two)
			}
			r, n, err := s.Read(t.Context(), "pump", some[1].Key)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil || string(body) != "DE2" || n != 3 {
				t.Errorf("read %q of %d bytes, %v", body, n, err)
			}
			gone, err := s.Prune(t.Context(), start.Add(24*time.Hour))
			if err != nil || gone != 4 {
				t.Errorf("%d pruned, %v, want DE 0 and 1, NDE and the other pump's", gone, err)
			}
			if left := list(t, s, "pump", "", time.Unix(0, 0), ever, 10); len(left) != 3 || !left[2].Start.Equal(start.Add(24*time.Hour)) {
				t.Errorf("left: %+v", left)
			}
		})
	}
}

// Names of assets and channels are not paths, and a key that nobody wrote is not looked for.
func TestKeysStayBelowTheirAsset(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.parquet"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(dir, "evidence")
	s := open(t, place)
	names := []string{"..", ".", "a/b", "../../x", "ü %2F", `c:\d`, "a*b?", "…"}
	for _, id := range names {
		for _, channel := range names {
			put(t, s, asset.ID(id), channel, start, id+channel)
			found := list(t, s, asset.ID(id), channel, start, start, 9)
			if len(found) != 1 || found[0].Channel != channel {
				t.Fatalf("%q %q: %+v", id, channel, found)
			}
			r, _, err := s.Read(t.Context(), asset.ID(id), found[0].Key)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil || string(body) != id+channel {
				t.Errorf("%q %q: %q, %v", id, channel, body, err)
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("beside the folder lies %v, %v", left, err)
	}
	for _, key := range []string{
		"", "/", "../secret.parquet", "../../secret.parquet", "..", "DE/../../secret.parquet", "DE/2025/12/30/../30/20251230T220000.000678Z.parquet",
		"DE//2025/12/30/20251230T220000.000678Z.parquet", "DE/2025/12/31/20251230T220000.000678Z.parquet", "%2e%2E/2025/12/30/20251230T220000.000678Z.parquet",
	} {
		if r, _, err := s.Read(t.Context(), "..", key); !errors.Is(err, evidence.ErrNotFound) {
			t.Errorf("%q: %v, %v, want ErrNotFound", key, r, err)
		}
	}
}

func TestPlacesAreChecked(t *testing.T) {
	for place, good := range map[string]bool{
		"data/evidence": true, "/var/lib/x": true, "s3://bucket": true, "s3://bucket?region=eu-central-1&prefix=a/": true,
		"s3://": false, "s3://key:secret@bucket": false, "s3://bucket/folder": false, "gs://bucket": false, "https://bucket.example.org": false,
	} {
		if err := evidence.Check(place); (err == nil) != good {
			t.Errorf("%s: %v", place, err)
		}
	}
	at, keys := bucket(t)
	s := open(t, at+"&prefix=plant-7/")
	put(t, s, "pump", "DE", start, "x")
	if got := keys(); len(got) != 1 || !strings.HasPrefix(got[0], "plant-7/pump/DE/") {
		t.Errorf("keys with a prefix of one's own: %v", got)
	}
	if err := open(t, strings.Replace(at, "windows", "nobodys", 1)).Put(t.Context(), "pump", "DE", start, []byte("x")); err == nil {
		t.Error("a bucket that is not there takes windows")
	}
}
