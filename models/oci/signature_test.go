package oci

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/telltale-iot/telltale/models"
)

// openssl runs the program, which is nothing of ours.
func openssl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %q: %v: %s", args, err, out)
	}
}

// keys are the algorithms, with what openssl needs to make a key, to sign and to verify.
var keys = map[string]struct{ gen, sign, verify []string }{
	"ecdsa":   {[]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, []string{"-digest", "sha256"}, nil},
	"rsa":     {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-digest", "sha256"}, nil},
	"ed25519": {[]string{"-algorithm", "ED25519"}, nil, nil},
}

// pair makes a key with openssl: the files of its private and its public half.
func pair(t *testing.T, kind string) (private, public string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	private, public = filepath.Join(dir, "private.pem"), filepath.Join(dir, "public.pem")
	openssl(t, append([]string{"genpkey", "-out", private}, keys[kind].gen...)...)
	openssl(t, "pkey", "-in", private, "-pubout", "-out", public)
	return private, public
}

func publicKey(t *testing.T, path string) crypto.PublicKey {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := models.ParsePublicKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// with opens the repository of someone who has a key.
func (p place) with(t *testing.T, public string) *models.Repository {
	t.Helper()
	r, err := Open(t.Context(), p.where, Options{Now: clock(), Key: publicKey(t, public), DockerConfig: filepath.Join(t.TempDir(), "none.json")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// simple is what cosign signs for a manifest, by its SIGNATURE_SPEC.md.
func simple(manifest string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"plant/models/x"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, manifest)
}

// signedBy is the signature that openssl makes.
func signedBy(t *testing.T, kind, private string, payload []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "payload"), filepath.Join(dir, "signature")
	if err := os.WriteFile(in, payload, 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, append([]string{"pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", in, "-out", out}, keys[kind].sign...)...)
	s, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// upload puts a signature into a registry as cosign does, with none of our code:
// under its tag, or attached to the manifest.
func upload(t *testing.T, p place, v models.Version, payload, signature []byte, attached bool) {
	t.Helper()
	base := "http://" + p.host + "/v2/plant/models/" + ae
	blob := func(b []byte, mediaType string) string {
		code, h, _ := request(t, http.MethodPost, base+"/blobs/uploads/", "", nil)
		if code != http.StatusAccepted {
			t.Fatalf("upload: %d", code)
		}
		d := sha256Of(b)
		if code, _, said := request(t, http.MethodPut, "http://"+p.host+h.Get("Location")+"?digest="+url.QueryEscape(d), "application/octet-stream", b); code != http.StatusCreated {
			t.Fatalf("blob: %d %s", code, said)
		}
		return fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q`, mediaType, len(b), d)
	}
	config := blob([]byte(`{"architecture":"","rootfs":{"type":"layers","diff_ids":[]}}`), "application/vnd.oci.image.config.v1+json") + "}"
	layer := blob(payload, "application/vnd.dev.cosign.simplesigning.v1+json")
	layer += fmt.Sprintf(`,"annotations":{"dev.cosignproject.cosign/signature":%q}}`, base64.StdEncoding.EncodeToString(signature))
	manifest := `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageManifest + `","config":` + config + `,"layers":[` + layer + `]`
	tag := strings.Replace(v.Manifest, ":", "-", 1) + ".sig"
	if attached {
		_, h, body := request(t, http.MethodGet, base+"/manifests/"+v.Manifest, "", nil)
		manifest += fmt.Sprintf(`,"subject":{"mediaType":%q,"size":%d,"digest":%q}`, h.Get("Content-Type"), len(body), v.Manifest)
	}
	manifest += "}"
	if attached {
		tag = sha256Of([]byte(manifest))
	}
	if code, _, said := request(t, http.MethodPut, base+"/manifests/"+tag, v1.MediaTypeImageManifest, []byte(manifest)); code != http.StatusCreated {
		t.Fatalf("manifest: %d %s", code, said)
	}
}

func TestASignatureOfOpenSSLLetsAVersionBeUsed(t *testing.T) {
	for kind := range keys {
		for how, attached := range map[string]bool{"tag": false, "referrer": true} {
			t.Run(kind+" by "+how, func(t *testing.T) {
				private, public := pair(t, kind)
				_, other := pair(t, kind)
				p := registryAt(t, true, nil)
				v, w := push(t, p.open(t), "good"), push(t, p.open(t), "good2")
				if _, _, err := p.with(t, public).Get(t.Context(), v.Ref()); !errors.Is(err, models.ErrUnsigned) {
					t.Errorf("not signed: %v", err)
				}
				body := simple(v.Manifest)
				upload(t, p, v, body, signedBy(t, kind, private, body), attached)
				if got, file, err := p.with(t, public).Get(t.Context(), v.Ref()); err != nil || got.Digest != v.Digest || len(file) == 0 {
					t.Errorf("signed: %v", err)
				}
				if _, _, err := p.with(t, other).Get(t.Context(), v.Ref()); !errors.Is(err, models.ErrUnsigned) {
					t.Errorf("signed by another key: %v", err)
				}
				if _, _, err := p.with(t, public).Get(t.Context(), w.Ref()); !errors.Is(err, models.ErrUnsigned) {
					t.Errorf("another version: %v", err)
				}
			})
		}
	}
}

func TestASignatureOfSomethingElseDoesNotCount(t *testing.T) {
	private, public := pair(t, "ecdsa")
	for name, tc := range map[string]struct {
		signed, shown func(v, w models.Version) []byte
	}{
		"of another version's manifest": {
			func(_, w models.Version) []byte { return simple(w.Manifest) },
			func(_, w models.Version) []byte { return simple(w.Manifest) },
		},
		"changed after it was signed": {
			func(_, w models.Version) []byte { return simple(w.Manifest) },
			func(v, _ models.Version) []byte { return simple(v.Manifest) },
		},
		"of the file and not of the manifest": {
			func(v, _ models.Version) []byte { return simple("sha256:" + v.Digest) },
			func(v, _ models.Version) []byte { return simple("sha256:" + v.Digest) },
		},
		"of another type": {
			func(v, _ models.Version) []byte {
				return []byte(strings.Replace(string(simple(v.Manifest)), "cosign container image signature", "atomic container signature", 1))
			},
			func(v, _ models.Version) []byte {
				return []byte(strings.Replace(string(simple(v.Manifest)), "cosign container image signature", "atomic container signature", 1))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := registryAt(t, true, nil)
			v, w := push(t, p.open(t), "good"), push(t, p.open(t), "good2")
			upload(t, p, v, tc.shown(v, w), signedBy(t, "ecdsa", private, tc.signed(v, w)), false)
			if _, _, err := p.with(t, public).Get(t.Context(), v.Ref()); !errors.Is(err, models.ErrUnsigned) {
				t.Errorf("Get = %v, want ErrUnsigned", err)
			}
		})
	}
}

// TestWhatWeSignOpenSSLVerifies reads the signature as cosign would, and lets
// openssl say what it is worth.
func TestWhatWeSignOpenSSLVerifies(t *testing.T) {
	for kind := range keys {
		for name, p := range everywhere(t) {
			t.Run(name, func(t *testing.T) {
				private, public := pair(t, kind)
				text, err := os.ReadFile(private)
				if err != nil {
					t.Fatal(err)
				}
				key, err := models.ParsePrivateKey(text)
				if err != nil {
					t.Fatal(err)
				}
				r := p.open(t)
				v := push(t, r, "good")
				other, _ := pair(t, "ecdsa")
				for _, path := range []string{other, private} { // a second signature is put beside the first
					text, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					k, err := models.ParsePrivateKey(text)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := r.Sign(t.Context(), v.Ref(), k, by); err != nil {
						t.Fatal(err)
					}
				}
				if got, _, err := p.with(t, public).Get(t.Context(), v.Ref()); err != nil || got.Digest != v.Digest {
					t.Errorf("%s: Get = %v", kind, err)
				}
				_ = key
				payload, signature := stored(t, p, v)
				dir := t.TempDir()
				in, sig := filepath.Join(dir, "payload"), filepath.Join(dir, "signature")
				if err := errors.Join(os.WriteFile(in, payload, 0o600), os.WriteFile(sig, signature, 0o600)); err != nil {
					t.Fatal(err)
				}
				openssl(t, append([]string{"pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", in, "-sigfile", sig}, keys[kind].sign...)...)
				var said struct {
					Critical struct {
						Image map[string]string `json:"image"`
						Type  string            `json:"type"`
					} `json:"critical"`
				}
				if err := json.Unmarshal(payload, &said); err != nil || said.Critical.Image["docker-manifest-digest"] != v.Manifest || said.Critical.Type != "cosign container image signature" {
					t.Errorf("payload %s, %v", payload, err)
				}
			})
		}
	}
}

// stored reads the last signature of a version without our code.
func stored(t *testing.T, p place, v models.Version) (payload, signature []byte) {
	t.Helper()
	tag := strings.Replace(v.Manifest, ":", "-", 1) + ".sig"
	base := "http://" + p.host + "/v2/plant/models/" + ae
	var body []byte
	if p.host == "" {
		var index v1.Index
		b, err := os.ReadFile(filepath.Join(p.where, ae, "index.json"))
		if err == nil {
			err = json.Unmarshal(b, &index)
		}
		for _, m := range index.Manifests {
			if m.Annotations[v1.AnnotationRefName] == tag {
				body, err = os.ReadFile(filepath.Join(p.where, ae, "blobs", "sha256", m.Digest.Encoded()))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	} else {
		_, _, body = request(t, http.MethodGet, base+"/manifests/"+tag, "", nil)
	}
	var m v1.Manifest
	if err := json.Unmarshal(body, &m); err != nil || len(m.Layers) != 2 {
		t.Fatalf("%d signatures in %s, %v; want 2", len(m.Layers), body, err)
	}
	last := m.Layers[len(m.Layers)-1]
	signature, err := base64.StdEncoding.DecodeString(last.Annotations["dev.cosignproject.cosign/signature"])
	if err != nil || last.MediaType != "application/vnd.dev.cosign.simplesigning.v1+json" {
		t.Fatal(last.MediaType, err)
	}
	if p.host == "" {
		payload, err = os.ReadFile(filepath.Join(p.where, ae, "blobs", "sha256", last.Digest.Encoded()))
		if err != nil {
			t.Fatal(err)
		}
		return payload, signature
	}
	_, _, payload = request(t, http.MethodGet, base+"/blobs/"+last.Digest.String(), "", nil)
	return payload, signature
}

func TestKeysThatAreNotTaken(t *testing.T) {
	private, public := pair(t, "ecdsa")
	dir := t.TempDir()
	small, curve, locked, sec1 := filepath.Join(dir, "rsa"), filepath.Join(dir, "p384"), filepath.Join(dir, "locked"), filepath.Join(dir, "sec1")
	openssl(t, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", small)
	openssl(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", curve)
	openssl(t, "pkey", "-in", private, "-aes256", "-passout", "pass:x", "-out", locked)
	openssl(t, "ec", "-in", private, "-out", sec1)
	for path, ok := range map[string]bool{private: true, sec1: true, small: false, curve: false, locked: false, public: false, file("good"): false} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := models.ParsePrivateKey(text); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
	for path, ok := range map[string]bool{public: true, private: false, file("good"): false} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := models.ParsePublicKey(text); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
}
