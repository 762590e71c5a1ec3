package ingest

import (
	"fmt"
	"path"

	"github.com/telltale-iot/telltale/asset"
)

// Allow lists the assets that a source may speak for: IDs, or patterns of path.Match such
// as "farm1-*", whose wildcards do not go over a "/". An empty list allows all.
type Allow []string

// Allows reports whether an asset is on the list.
func (a Allow) Allows(id asset.ID) bool {
	for _, pattern := range a {
		if ok, err := path.Match(pattern, string(id)); ok && err == nil {
			return true
		}
	}
	return len(a) == 0
}

// Validate names the first pattern that is none.
func (a Allow) Validate() error {
	for _, pattern := range a {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("%q is not allowed: want an asset's ID or a pattern such as farm1-*", pattern)
		}
	}
	return nil
}
