package oci

import (
	"errors"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/telltale-iot/telltale/models"
)

// A registry says how large a manifest is before it sends it: what no manifest can be
// is not asked for, let alone kept.
func TestAManifestIsNoLargerThanAManifest(t *testing.T) {
	r := &repository{kept: map[string][]byte{}} // any request would panic
	_, err := r.Fetch(t.Context(), models.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: "sha256:00", Size: maxManifest + 1})
	if !errors.Is(err, models.ErrContract) {
		t.Errorf("got %v, want %v", err, models.ErrContract)
	}
}
