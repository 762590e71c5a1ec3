package models

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// ErrUnsigned is a version that the configured key did not sign.
var ErrUnsigned = errors.New("not signed by the configured key")

// Where cosign keeps a signature, and what it signs (its SIGNATURE_SPEC.md).
const (
	mediaSignature      = "application/vnd.dev.cosign.simplesigning.v1+json"
	annotationSignature = "dev.cosignproject.cosign/signature"
	signatureType       = "cosign container image signature"
)

// payload is what is signed: the digest of a manifest, in the form of a simple
// signature.
type payload struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]string `json:"optional"`
}

// signatureTag is the tag under which cosign looks for the signatures of a manifest.
func signatureTag(d Descriptor) string { return strings.Replace(d.Digest, ":", "-", 1) + ".sig" }

// ParsePublicKey reads a public key in PEM: ECDSA P-256, RSA or Ed25519.
func ParsePublicKey(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("key: %w: a public key in PEM is expected, beginning with -----BEGIN PUBLIC KEY-----", ErrContract)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return key, allowed(key)
}

// ParsePrivateKey reads a private key in PEM that is not encrypted, in PKCS #8,
// PKCS #1 or SEC 1.
func ParsePrivateKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" {
		block, text = pem.Decode(text)
	}
	if block == nil {
		return nil, fmt.Errorf("key: %w: a private key in PEM is expected", ErrContract)
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("key: %w: %q: a private key in PEM that is not encrypted is expected", ErrContract, block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key: %w: %T signs nothing", ErrContract, key)
	}
	return signer, allowed(signer.Public())
}

func allowed(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() >= 2048 {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("key: %w: ECDSA on P-256, RSA of 2048 bits and more, or Ed25519 is expected", ErrContract)
}

// Sign signs the manifest of a version and stores the signature where cosign
// would, beside those that are there.
func (r *Repository) Sign(ctx context.Context, ref string, key crypto.Signer, by By) (Version, error) {
	return r.edit(ctx, ref, by, func(e *editor, d Descriptor) error {
		var p payload
		p.Critical.Identity.Reference, p.Critical.Image.Digest, p.Critical.Type = e.name, d.Digest, signatureType
		body, err := json.Marshal(p)
		if err != nil {
			return err
		}
		signature, err := sign(key, body)
		if err != nil {
			return fmt.Errorf("sign %s: %w", ref, err)
		}
		layer, err := put(ctx, e.w, mediaSignature, body)
		if err != nil {
			return err
		}
		layer.Annotations = map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(signature)}
		m, err := signatures(ctx, e, d)
		if err != nil {
			return err
		}
		if m.Config, err = put(ctx, e.w, mediaConfig, []byte("{}")); err != nil {
			return err
		}
		m.Layers = append(m.Layers, layer)
		stored, err := putManifest(ctx, e.w, m)
		if err != nil {
			return err
		}
		return e.w.Tag(ctx, stored, signatureTag(d))
	})
}

// signatures is the manifest with the signatures of another; empty when there is none.
func signatures(ctx context.Context, s Shelf, d Descriptor) (Manifest, error) {
	tag := signatureTag(d)
	tags, err := s.Tags(ctx, func(t string) bool { return t == tag })
	if err != nil {
		return Manifest{}, err
	}
	at, ok := tags[tag]
	if !ok {
		return Manifest{}, nil
	}
	return readManifest(ctx, s, at)
}

// signed proves that the key signed the manifest: by a signature under cosign's
// tag, or attached to the manifest.
func signed(ctx context.Context, s Shelf, d Descriptor, key crypto.PublicKey) error {
	m, err := signatures(ctx, s, d)
	if err != nil {
		return err
	}
	layers := m.Layers
	attached, err := s.Attached(ctx, d)
	if err != nil {
		return err
	}
	for _, a := range attached {
		if a.MediaType != MediaManifest {
			continue
		}
		m, err := readManifest(ctx, s, a)
		if err != nil {
			return err
		}
		layers = append(layers, m.Layers...)
	}
	why := "there is no signature"
	for _, layer := range layers {
		if layer.MediaType != mediaSignature {
			continue
		}
		body, err := s.Fetch(ctx, layer)
		if err != nil {
			return err
		}
		if why = wrong(layer, body, d, key); why == "" {
			return nil
		}
	}
	return fmt.Errorf("%w: %s for manifest %.19s…", ErrUnsigned, why, d.Digest)
}

// wrong says why a signature does not count; empty when it does.
func wrong(layer Descriptor, body []byte, d Descriptor, key crypto.PublicKey) string {
	signature, err := base64.StdEncoding.DecodeString(layer.Annotations[annotationSignature])
	if err != nil || !verified(key, body, signature) {
		return "a signature there is of another key or another text"
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil || p.Critical.Type != signatureType {
		return "what was signed there is no simple signature"
	}
	if p.Critical.Image.Digest != d.Digest {
		return fmt.Sprintf("a signature there is for manifest %.19s…, none", p.Critical.Image.Digest)
	}
	return ""
}

// sign and verified use SHA-256 with ECDSA (ASN.1) and RSA (PKCS #1 v1.5), and
// Ed25519 on the text itself, as cosign does.
func sign(key crypto.Signer, body []byte) ([]byte, error) {
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		return key.Sign(rand.Reader, body, crypto.Hash(0))
	}
	sum := sha256.Sum256(body)
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

func verified(key crypto.PublicKey, body, signature []byte) bool {
	sum := sha256.Sum256(body)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, body, signature)
	}
	return false
}
