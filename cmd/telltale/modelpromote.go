package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/telltale-iot/telltale/models"
)

// gatesNote is the note of a version that says against which other its gates passed.
const gatesNote = "gates"

// passedAgainst is how that note begins.
func passedAgainst(digest string) string { return "passed against " + digest[:min(12, len(digest))] }

// promoted brings a version to a stage. Into production, where it replaces another
// version, it comes only after its gates have passed against that one, or despite them:
// the history then says so. One asset may be given any version.
func promoted(ctx context.Context, repo *models.Repository, ref string, to models.Stage, share float64, scope models.Scope, by models.By, despite bool) (models.Version, error) {
	if to != models.Production {
		return repo.Promote(ctx, ref, to, share, scope, by)
	}
	v, _, err := repo.Show(ctx, ref)
	if err != nil {
		return v, err
	}
	stands, err := repo.Lineup(ctx, v.Name)
	if err != nil {
		return v, err
	}
	s, ok := stands.Replaced(scope)
	if v.Kind == models.KindModel && ok && s.Digest != v.Digest && !strings.HasPrefix(v.Notes[gatesNote], passedAgainst(s.Digest)) {
		if !despite {
			return v, fmt.Errorf("promote %s: %w against %s, which is in production (%s): run \"telltale model gates %s\", or go on despite them with a reason (--despite-gates, \"despite\" by the API)",
				v.Ref(), errGates, s.Ref(), cmp.Or(v.Notes[gatesNote], "not asked yet"), v.Ref())
		}
		by.Reason = strings.TrimSuffix("despite the gates: "+by.Reason, ": ")
	}
	return repo.Promote(ctx, ref, to, share, scope, by)
}
