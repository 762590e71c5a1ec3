package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// editor is a book that is being written in.
type editor struct {
	*book
	w      ShelfWriter
	now    time.Time
	by     By
	failed string // digest of the manifest that a rollback takes away
}

// change lends a name for writing; f answers with the version it is about.
func (r *Repository) change(ctx context.Context, name string, by By, f func(*editor) (Descriptor, error)) (Version, error) {
	var v Version
	if by.Who == "" {
		return v, fmt.Errorf("%s: %w: nobody is named who does it", name, ErrContract)
	}
	if err := CheckName(name); err != nil {
		return v, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	err := r.store.Change(ctx, name, func(w ShelfWriter) error {
		b, err := openBook(ctx, name, w, nil)
		if err != nil {
			return fmt.Errorf("model %s: %w", name, err)
		}
		e := &editor{book: b, w: w, now: r.opt.Now().UTC(), by: by}
		d, err := f(e)
		if err != nil {
			return err
		}
		v, err = e.full(ctx, d)
		return err
	})
	return v, err
}

// Promote brings a version to a stage of a scope; the version that held a stage
// of which there is one goes back: from production to the archive, else to the
// candidates. share is of the assets, for Canary only.
func (r *Repository) Promote(ctx context.Context, ref string, to Stage, share float64, scope Scope, by By) (Version, error) {
	to, err := ParseStage(string(to))
	p := Place{Stage: to, Scope: scope, Share: share}
	if err == nil {
		err = p.valid()
	}
	if err != nil {
		return Version{}, fmt.Errorf("promote %s: %w", ref, err)
	}
	return r.edit(ctx, ref, by, func(e *editor, d Descriptor) error { return e.move(ctx, d, p) })
}

// Annotate sets a note of a version, or removes it when text is empty.
func (r *Repository) Annotate(ctx context.Context, ref, key, text string, by By) (Version, error) {
	return r.edit(ctx, ref, by, func(e *editor, d Descriptor) error {
		if key == "" {
			return fmt.Errorf("note of %s: %w: it has no key", ref, ErrContract)
		}
		return e.step(ctx, d, Step{Note: key, Text: text})
	})
}

// edit finds a version and changes what is said of it.
func (r *Repository) edit(ctx context.Context, ref string, by By, f func(*editor, Descriptor) error) (Version, error) {
	name, pick, err := r.locate(ctx, ref)
	if err != nil {
		return Version{}, err
	}
	return r.change(ctx, name, by, func(e *editor) (Descriptor, error) {
		d, err := e.find(ctx, pick)
		if err != nil {
			return d, err
		}
		return d, f(e, d)
	})
}

// Rollback brings the version back that was in production before in that scope.
// The one that it replaces has failed: no rollback returns to it.
// With NAME:VERSION it happens only while that version stands there.
func (r *Repository) Rollback(ctx context.Context, name string, scope Scope, by By) (Version, error) {
	name, only, _ := strings.Cut(name, ":")
	return r.change(ctx, name, by, func(e *editor) (Descriptor, error) {
		place := Place{Stage: Production, Scope: scope}
		failed, ok := e.tags[place.Tag()]
		if !ok {
			return failed, fmt.Errorf("rollback %s: %w: nothing is in %s", name, ErrNotFound, place)
		}
		if stands, _, err := e.version(ctx, failed); err != nil || only != "" && stands.Version != only {
			return failed, errors.Join(err, fmt.Errorf("rollback %s: %w: version %s is in %s, not %s", name, ErrContract, stands.Version, place, only))
		}
		before, err := e.previous(ctx, failed, scope)
		if err != nil {
			return failed, err
		}
		if before == nil {
			v, _, err := e.version(ctx, failed)
			if err != nil {
				return failed, err
			}
			return failed, fmt.Errorf("rollback %s: %w: nothing was in %s before version %s", name, ErrNotFound, place, v.Version)
		}
		e.failed = failed.Digest
		if err := e.step(ctx, failed, Step{From: Production, To: Candidate, Scope: scope, Reason: cmp.Or(e.by.Reason, "rolled back")}); err != nil {
			return failed, err
		}
		return *before, e.move(ctx, *before, place)
	})
}

// previous is the version that left production of the scope last and did not fail.
func (e *editor) previous(ctx context.Context, but Descriptor, scope Scope) (*Descriptor, error) {
	var found *Descriptor
	var left time.Time
	for _, n := range e.numbers() {
		d := e.tags[n]
		if d.Digest == but.Digest {
			continue
		}
		last, err := e.last(ctx, d, scope)
		if err != nil {
			return nil, err
		}
		// One whose last step led into production was taken out by another tool.
		out := last.To == Archived || last.To == Production
		if out && (found == nil || !last.At.Before(left)) {
			found, left = &d, last.At
		}
	}
	return found, nil
}

// last is the last change of a version's stage in a scope.
func (e *editor) last(ctx context.Context, d Descriptor, scope Scope) (Step, error) {
	steps, err := e.steps(ctx, d, "")
	if err != nil {
		return Step{}, err
	}
	for _, s := range slices.Backward(steps) {
		if s.Note == "" && s.Scope == scope {
			return s, nil
		}
	}
	return Step{}, nil
}

// move brings a version to a place and the one that stood there away. The steps
// are written before the tags are moved.
func (e *editor) move(ctx context.Context, d Descriptor, to Place) error {
	last, err := e.last(ctx, d, to.Scope)
	if err != nil {
		return err
	}
	used := to.Stage != Candidate && to.Stage != Archived
	mine, others := e.standing(d, to)
	if used && e.tags[to.Tag()].Digest == d.Digest && last.To == to.Stage && len(mine)+len(others) == 1 {
		return nil // it stands there
	}
	from := cmp.Or(last.To, Candidate)
	for _, p := range mine {
		from = p.Stage
	}
	for _, p := range others {
		back := Candidate
		if p.Stage == Production {
			back = Archived
		}
		if other := e.tags[p.Tag()]; other.Digest != e.failed {
			if err := e.step(ctx, other, Step{From: p.Stage, To: back, Scope: p.Scope}); err != nil {
				return err
			}
		}
	}
	if err := e.step(ctx, d, Step{From: from, To: to.Stage, Scope: to.Scope, Share: to.Share}); err != nil {
		return err
	}
	if used {
		if err := e.tag(ctx, d, to.Tag()); err != nil {
			return err
		}
	}
	for _, p := range append(mine, others...) {
		if used && p.Tag() == to.Tag() {
			continue
		}
		if err := e.w.Tag(ctx, Descriptor{}, p.Tag()); err != nil {
			return err
		}
		delete(e.tags, p.Tag())
	}
	return nil
}

// standing lists where a version stands in the scope of a place, and where others
// stand in its stage.
func (e *editor) standing(d Descriptor, to Place) (mine, others []Place) {
	for _, tag := range slices.Sorted(maps.Keys(e.tags)) {
		p, ok := ParsePlace(tag)
		switch {
		case !ok || p.Scope != to.Scope:
		case e.tags[tag].Digest == d.Digest:
			mine = append(mine, p)
		case p.Stage == to.Stage:
			others = append(others, p)
		}
	}
	return mine, others
}

func (e *editor) tag(ctx context.Context, d Descriptor, tag string) error {
	e.tags[tag] = d
	return e.w.Tag(ctx, d, tag)
}

// step attaches to a version what is done to it, after everything that was done before.
func (e *editor) step(ctx context.Context, d Descriptor, s Step) error {
	steps, err := e.steps(ctx, d, "")
	if err != nil {
		return err
	}
	s.At, s.Who, s.Reason = cmp.Or(s.At, e.now), cmp.Or(s.Who, e.by.Who), cmp.Or(s.Reason, e.by.Reason)
	if n := len(steps); n > 0 && !s.At.After(steps[n-1].At) {
		s.At = steps[n-1].At.Add(time.Nanosecond)
	}
	return attach(ctx, e.w, d, mediaStep, s, s.At)
}

// Restore stores a version as it was kept elsewhere: with its times, its steps
// and where it stood, and with its number where that is free.
func (r *Repository) Restore(ctx context.Context, v Version, file []byte) (Version, error) {
	if digest(file) != v.Digest {
		return Version{}, fmt.Errorf("restore %s: %w: its file was changed, digest %.12s… is expected", v.Ref(), ErrContract, v.Digest)
	}
	media, ending := mediaONNX, ".onnx"
	if v.Kind == KindParams {
		media, ending = mediaParams, ".json"
	}
	if c, err := Parse(file); v.Kind == KindModel && err == nil && v.Lineage == (Lineage{}) {
		v.Lineage = lineageOf(c)
	}
	return r.change(ctx, v.Name, By{Who: cmp.Or(v.By, "restored")}, func(e *editor) (Descriptor, error) {
		same, next, err := e.holding(ctx, v.Digest)
		if err != nil {
			return Descriptor{}, err
		}
		if same == nil {
			if _, taken := e.tags[v.Version]; isNumber(v.Version) && !taken {
				next, _ = strconv.Atoi(v.Version) // isNumber
			}
			n := strconv.Itoa(next)
			d, err := putVersion(ctx, e.w, v.Record, n, media, strings.ReplaceAll(v.Name, "/", "-")+ending, file)
			if err == nil {
				err = e.tag(ctx, d, n)
			}
			if err != nil {
				return d, err
			}
			same = &d
		}
		for _, s := range v.History {
			if err := attach(ctx, e.w, *same, mediaStep, s, s.At); err != nil {
				return *same, err
			}
		}
		for _, p := range v.Places {
			if err := e.tag(ctx, *same, p.Tag()); err != nil {
				return *same, err
			}
		}
		return *same, nil
	})
}

// historyOf puts the steps of versions in order.
func historyOf(all []Version) []Step {
	var out []Step
	for _, v := range all {
		out = append(out, v.History...)
	}
	slices.SortStableFunc(out, func(a, b Step) int {
		if a.At.IsZero() != b.At.IsZero() {
			if a.At.IsZero() {
				return 1
			}
			return -1
		}
		return a.At.Compare(b.At)
	})
	return out
}
