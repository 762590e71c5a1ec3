package models

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Step is what somebody did to a version: a change of stage, or a note.
type Step struct {
	Version string    `json:"version,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Who     string    `json:"who,omitempty"`
	From    Stage     `json:"from,omitempty"`
	To      Stage     `json:"to,omitempty"`
	Scope   Scope     `json:"scope,omitempty"`
	Share   float64   `json:"share,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Note    string    `json:"note,omitempty"` // its key
	Text    string    `json:"text,omitempty"` // empty: the note was removed
	Outside bool      `json:"moved_outside,omitempty"`
}

// String is how people read it.
func (s Step) String() string {
	if s.Note != "" {
		return "note " + s.Note + "=" + s.Text
	}
	text := Place{Stage: s.To, Scope: s.Scope, Share: s.Share}.String()
	if s.From != "" {
		text = string(s.From) + " to " + text
	}
	if s.Outside {
		text += ", moved outside telltale"
	}
	return text
}

// By is who does something to a version and why.
type By struct{ Who, Reason string }

// book is one name as it stands.
type book struct {
	name string
	Shelf
	tags map[string]Descriptor // numbers and places
}

// openBook resolves the tags of versions and stages that are wanted; nil: all.
func openBook(ctx context.Context, name string, s Shelf, want func(tag string) bool) (*book, error) {
	tags, err := s.Tags(ctx, func(tag string) bool {
		_, place := ParsePlace(tag)
		return (place || isNumber(tag)) && (want == nil || want(tag))
	})
	if err != nil {
		return nil, err
	}
	return &book{name: name, Shelf: s, tags: tags}, nil
}

// numbers lists the versions by age.
func (b *book) numbers() []string {
	out := slices.DeleteFunc(slices.Collect(maps.Keys(b.tags)), func(tag string) bool { return !isNumber(tag) })
	slices.SortFunc(out, func(x, y string) int { return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)) })
	return out
}

// places lists where a version stands.
func (b *book) places(d Descriptor) []Place {
	var out []Place
	for _, tag := range slices.Sorted(maps.Keys(b.tags)) {
		if p, ok := ParsePlace(tag); ok && b.tags[tag].Digest == d.Digest {
			out = append(out, p)
		}
	}
	return out
}

// version reads a version and where it stands.
func (b *book) version(ctx context.Context, d Descriptor) (Version, Manifest, error) {
	m, err := versionManifest(ctx, b, d)
	if err != nil {
		return Version{}, m, err
	}
	v := Version{Version: m.Annotations[annotationVersion], Manifest: d.Digest}
	body, err := b.Fetch(ctx, m.Config)
	if err == nil {
		err = json.Unmarshal(body, &v.Record)
	}
	if err != nil {
		return v, m, err
	}
	if want := "sha256:" + v.Digest; m.Layers[0].Digest != want {
		return v, m, fmt.Errorf("%w: its record names the file %.19s…, its manifest %.19s…", ErrContract, want, m.Layers[0].Digest)
	}
	v.Name = b.name // where it lies now: a registry may have copied it
	v.Places = b.places(d)
	for _, p := range v.Places {
		if v.Stage == "" || p.Scope == "" && (p.Stage == Production || v.Stage != Production) {
			v.Stage, v.Share = p.Stage, p.Share
		}
	}
	return v, m, nil
}

// steps reads what was done to a version, oldest first.
func (b *book) steps(ctx context.Context, d Descriptor, number string) ([]Step, error) {
	attached, err := b.Attached(ctx, d)
	if err != nil {
		return nil, err
	}
	var out []Step
	for _, a := range attached {
		if a.MediaType != MediaManifest {
			continue
		}
		m, err := readManifest(ctx, b, a) // some registries list artifacts under a type of their own
		if err != nil {
			return nil, err
		}
		if m.ArtifactType != mediaStep {
			continue
		}
		for _, layer := range m.Layers {
			body, err := content(ctx, b, layer)
			if err != nil {
				return nil, err
			}
			s := Step{}
			if err := json.Unmarshal(body, &s); err != nil {
				return nil, fmt.Errorf("step %.19s…: %w", a.Digest, err)
			}
			s.Version = number
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y Step) int { return cmp.Or(x.At.Compare(y.At), strings.Compare(x.Note, y.Note)) })
	return out, nil
}

// story fills in what was done to a version, and what became of it.
func (b *book) story(ctx context.Context, d Descriptor, v *Version) error {
	steps, err := b.steps(ctx, d, v.Version)
	if err != nil {
		return err
	}
	last := map[Scope]Step{}
	for _, s := range steps {
		switch {
		case s.Note == "":
			last[s.Scope] = s
		case s.Text == "":
			delete(v.Notes, s.Note)
		default:
			if v.Notes == nil {
				v.Notes = map[string]string{}
			}
			v.Notes[s.Note] = s.Text
		}
	}
	moved := b.outside(v.Version, v.Places, last)
	for _, s := range moved {
		last[s.Scope] = s
	}
	v.History = append(steps, moved...)
	if v.Stage == "" {
		v.Stage = Candidate
		for _, s := range last {
			if s.To == Archived && (s.Scope == "" || last[""].To == "" || last[""].To == Candidate) {
				v.Stage = Archived
			}
		}
	}
	return nil
}

// outside finds the tags that were moved by another tool: they stand where the
// last step did not put them, or no longer where it did.
func (b *book) outside(number string, places []Place, last map[Scope]Step) []Step {
	stands := map[Scope]Place{}
	for _, p := range places {
		stands[p.Scope] = p
	}
	var out []Step
	for _, scope := range slices.Sorted(maps.Keys(stands)) {
		p, s := stands[scope], last[scope]
		if s.To != p.Stage || s.To == Canary && percent(s.Share) != percent(p.Share) {
			out = append(out, Step{Version: number, From: s.To, To: p.Stage, Scope: scope, Share: p.Share, Outside: true})
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(last)) {
		s := last[scope]
		if _, ok := stands[scope]; ok || s.To == Candidate || s.To == Archived {
			continue
		}
		to := Candidate
		if s.To == Production {
			to = Archived
		}
		out = append(out, Step{Version: number, From: s.To, To: to, Scope: scope, Outside: true})
	}
	return out
}

// full is a version with everything that is known of it.
func (b *book) full(ctx context.Context, d Descriptor) (Version, error) {
	v, _, err := b.version(ctx, d)
	if err == nil {
		err = b.story(ctx, d, &v)
	}
	return v, err
}

// lineup reads what stands where.
func (b *book) lineup(ctx context.Context) (Lineup, error) {
	var out Lineup
	for tag, d := range b.tags {
		p, ok := ParsePlace(tag)
		if !ok {
			continue
		}
		m, err := versionManifest(ctx, b, d)
		if err != nil {
			return nil, fmt.Errorf("%s:%s: %w", b.name, tag, err)
		}
		out = append(out, Staged{
			Place: p, Name: b.name, Version: m.Annotations[annotationVersion], Kind: kindOf(m),
			Digest: strings.TrimPrefix(m.Layers[0].Digest, "sha256:"), Manifest: d.Digest,
		})
	}
	return out.sorted(), nil
}

// find resolves what stands behind the colon of a reference: a number, a stage
// (of everything), a tag, the digest of a manifest, or @ and the beginning of a
// file's digest.
func (b *book) find(ctx context.Context, pick string) (Descriptor, error) {
	if want, ok := strings.CutPrefix(pick, "@"); ok {
		for _, n := range b.numbers() {
			m, err := versionManifest(ctx, b, b.tags[n])
			if err != nil {
				return Descriptor{}, err
			}
			if strings.HasPrefix(m.Layers[0].Digest, "sha256:"+want) {
				return b.tags[n], nil
			}
		}
		return Descriptor{}, fmt.Errorf("%w: %s", ErrNotFound, want)
	}
	if d, ok := b.tags[pick]; ok {
		return d, nil
	}
	if strings.HasPrefix(pick, "sha256:") {
		for _, d := range b.tags {
			if d.Digest == pick {
				return d, nil
			}
		}
	}
	if Stage(pick) == Canary {
		l, err := b.lineup(ctx)
		if err != nil {
			return Descriptor{}, err
		}
		if s, ok := l.In(Canary, "", ""); ok {
			return b.tags[s.Tag()], nil
		}
	}
	if len(b.tags) == 0 {
		return Descriptor{}, fmt.Errorf("%w: %s", ErrNotFound, b.name)
	}
	return Descriptor{}, fmt.Errorf("%w: %s:%s; there is %s", ErrNotFound, b.name, pick, strings.Join(b.what(), ", "))
}

// what lists the versions with where they stand.
func (b *book) what() []string {
	var out []string
	for _, n := range b.numbers() {
		var at []string
		for _, p := range b.places(b.tags[n]) {
			at = append(at, p.String())
		}
		if len(at) > 0 {
			n += " (" + strings.Join(at, ", ") + ")"
		}
		out = append(out, n)
	}
	return out
}

// holding is the version that holds a file, and the number for the next one.
func (b *book) holding(ctx context.Context, digest string) (same *Descriptor, next int, err error) {
	next = 1
	for _, tag := range b.numbers() {
		d := b.tags[tag]
		m, err := versionManifest(ctx, b, d)
		if err != nil {
			return nil, 0, fmt.Errorf("%s:%s: %w", b.name, tag, err)
		}
		if m.Layers[0].Digest == "sha256:"+digest {
			same = &d
		}
		n, err := strconv.Atoi(tag)
		if err != nil {
			return nil, 0, err
		}
		next = max(next, n+1)
	}
	return same, next, nil
}
