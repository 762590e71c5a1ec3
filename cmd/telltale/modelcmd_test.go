package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

func TestModelLife(t *testing.T) {
	repo := t.TempDir()
	file := filepath.Join("..", "..", "models", "testdata", "good.onnx")
	v := parsed[models.Version](t, "model", "push", file, "--repo", repo, "--json")
	if v.Stage != models.Candidate || v.Version != "1" {
		t.Fatalf("pushed: %+v", v)
	}
	again := parsed[models.Version](t, "model", "push", file, "--repo", repo, "--json")
	if again.Digest != v.Digest || again.Version != v.Version {
		t.Errorf("the same file again: %+v, want %+v", again, v)
	}
	for _, step := range []struct {
		args []string
		want models.Stage
	}{
		{[]string{"shadow", v.Ref()}, models.Shadow},
		{[]string{"canary", v.Ref(), "--share", "0.25"}, models.Canary},
		{[]string{"promote", v.Ref(), "production"}, models.Production},
	} {
		got := parsed[models.Version](t, append(append([]string{"model"}, step.args...), "--repo", repo, "--json")...)
		if got.Stage != step.want {
			t.Errorf("%q: stage %s, want %s", step.args, got.Stage, step.want)
		}
	}
	noted := parsed[models.Version](t, "model", "note", v.Ref(), "approved", "yes", "--repo", repo, "--json")
	if noted.Notes["approved"] != "yes" {
		t.Errorf("notes %v", noted.Notes)
	}
	if list := parsed[[]models.Version](t, "model", "list", "--repo", repo, "--json"); len(list) != 1 {
		t.Errorf("%d versions, want 1", len(list))
	}
	if shown := parsed[shownModel](t, "model", "show", v.Digest[:8], "--repo", repo, "--json"); shown.Contract == nil || len(shown.Contract.Features) == 0 {
		t.Errorf("shown without its contract: %+v", shown)
	}
	pinned := parsed[models.Version](t, "model", "pin", v.Ref(), "--asset", "WTG 03", "--repo", repo, "--as", "ada", "--reason", "as before", "--json")
	if len(pinned.Places) != 2 || pinned.Places[1].Tag() != "production.asset.WTG.2003" {
		t.Errorf("pinned: %+v", pinned.Places)
	}
	steps := parsed[[]models.Step](t, "model", "history", v.Name, "--repo", repo, "--json")
	if n := len(steps); n != 6 || steps[n-1].Who != "ada" || steps[n-1].Reason != "as before" || steps[0].Who == "" {
		t.Errorf("history %+v", steps)
	}
	if code, out, bad := typed(t, "model", "history", v.Name, "--repo", repo); code != 0 || !strings.Contains(out, "production for asset WTG 03") || !strings.Contains(out, "ada") {
		t.Errorf("history: exit %d: %s%s", code, out, bad)
	}
	bad := filepath.Join("..", "..", "models", "testdata", "missing-key.onnx")
	if code, _, said := typed(t, "model", "push", bad, "--repo", repo); code != 1 || said == "" {
		t.Errorf("push of a file without its metadata: exit %d %q, want 1 and why", code, said)
	}
	if code, out, bad := typed(t, "model", "show", v.Ref(), "--repo", repo); code != 0 {
		t.Errorf("show: exit %d: %s%s", code, out, bad)
	}
}

// keyFiles makes a key: the files of its private and its public half.
func keyFiles(t *testing.T) (private, public string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte, err error) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err = errors.Join(err, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	private = write("private.pem", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(pub)
	return private, write("public.pem", "PUBLIC KEY", der, err)
}

func TestOnlyWhatTheKeySignedIsUsed(t *testing.T) {
	repo := t.TempDir()
	v := parsed[models.Version](t, "model", "push", filepath.Join("..", "..", "models", "testdata", "good.onnx"), "--repo", repo, "--json")
	private, public := keyFiles(t)
	_, other := keyFiles(t)
	use := func(key string) error {
		t.Helper()
		r, err := openRepository(t.Context(), modelsConfig{Repository: repo, Key: key}, nil)
		if err == nil {
			_, _, err = r.Get(t.Context(), v.Ref())
		}
		return err
	}
	if err := use(public); !errors.Is(err, models.ErrUnsigned) {
		t.Errorf("not signed: %v", err)
	}
	if code, _, bad := typed(t, "model", "verify", v.Ref(), "--key", public, "--repo", repo); code != 1 || !strings.Contains(bad, "not signed") {
		t.Errorf("verify before sign: exit %d, %s", code, bad)
	}
	parsed[models.Version](t, "model", "sign", v.Ref(), "--key", private, "--repo", repo, "--json")
	parsed[models.Version](t, "model", "verify", v.Ref(), "--key", public, "--repo", repo, "--json")
	if err := use(public); err != nil {
		t.Error(err)
	}
	for _, key := range []string{other, private, filepath.Join(repo, "none.pem")} {
		if err := use(key); err == nil {
			t.Errorf("key %s: the version is used", key)
		}
	}
}
