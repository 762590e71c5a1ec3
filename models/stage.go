package models

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// Stage is what a version is used for. In each scope of a name, one version at
// most is in production, one in shadow and one in canary.
type Stage string

// The stages of a version's life. The three that are used are tags.
const (
	Candidate  Stage = "candidate"  // pushed, used by nothing
	Shadow     Stage = "shadow"     // scores beside production, is only logged
	Canary     Stage = "canary"     // scores a share of the assets
	Production Stage = "production" // scores
	Archived   Stage = "archived"   // was in production
)

// ParseStage reads a stage as people name it; "staging" is a candidate.
func ParseStage(s string) (Stage, error) {
	switch st := Stage(s); st {
	case Candidate, Shadow, Canary, Production, Archived:
		return st, nil
	case "staging":
		return Candidate, nil
	}
	return "", fmt.Errorf("%w: stage %q: candidate, shadow, canary, production or archived", ErrContract, s)
}

// Scope is for what a stage holds: for everything when empty, for one class or
// for one asset. It is written as the end of a tag.
type Scope string

// The beginnings of the scopes.
const (
	classScope Scope = "class."
	assetScope Scope = "asset."
)

// ForClass is the scope of a class of machines.
func ForClass(class string) Scope { return classScope + Scope(escape(class)) }

// ForAsset is the scope of one asset.
func ForAsset(id asset.ID) Scope { return assetScope + Scope(escape(string(id))) }

// String is how people read it: "asset wt03".
func (s Scope) String() string {
	for _, kind := range []Scope{classScope, assetScope} {
		if rest, ok := strings.CutPrefix(string(s), string(kind)); ok {
			return strings.TrimSuffix(string(kind), ".") + " " + unescape(rest)
		}
	}
	return ""
}

// of says whether the scope holds an asset, and how narrow it is.
func (s Scope) of(class string, id asset.ID) (width int, ok bool) {
	switch s {
	case "":
		return 0, true
	case ForClass(class):
		return 1, class != ""
	case ForAsset(id):
		return 2, id != ""
	}
	return 0, false
}

// maxEscaped keeps the longest tag within the 128 characters that OCI allows;
// hashed begins what would be longer.
const (
	maxEscaped = 100
	hashed     = ".."
)

// escape writes any text with the characters of a tag: letters, digits, dash and
// underscore stand for themselves, any other byte is a dot and its two hexadecimal
// digits. What would be too long is two dots and the beginning of its SHA-256.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, ".%02x", c)
		}
	}
	if b.Len() > maxEscaped {
		sum := sha256.Sum256([]byte(s))
		return hashed + hex.EncodeToString(sum[:])[:40]
	}
	return b.String()
}

var escaped = regexp.MustCompile(`\.[0-9a-f]{2}`)

func unescape(s string) string {
	if strings.HasPrefix(s, hashed) {
		return s
	}
	return escaped.ReplaceAllStringFunc(s, func(e string) string {
		b, err := hex.DecodeString(e[1:])
		if err != nil {
			return e
		}
		return string(b)
	})
}

// Place is where a version stands.
type Place struct {
	Stage Stage   `json:"stage"`
	Scope Scope   `json:"scope,omitempty"`
	Share float64 `json:"share,omitempty"` // of the assets, in canary
}

// Tag is the tag that stands for the place, such as "production",
// "canary-5.class.wind-turbine" or "shadow.asset.wt03".
func (p Place) Tag() string {
	tag := string(p.Stage)
	if p.Stage == Canary {
		tag += "-" + strconv.FormatFloat(percent(p.Share), 'f', -1, 64)
	}
	if p.Scope != "" {
		tag += "." + string(p.Scope)
	}
	return tag
}

// percent is a share to a ten-thousandth of a percent.
func percent(share float64) float64 { return math.Round(share*1e6) / 1e4 }

// String is how people read it.
func (p Place) String() string {
	s := string(p.Stage)
	if p.Stage == Canary {
		s += fmt.Sprintf(" %g %%", percent(p.Share))
	}
	if p.Scope != "" {
		s += " for " + p.Scope.String()
	}
	return s
}

var placeTag = regexp.MustCompile(`^(?:(production|shadow)|canary-([0-9]+(?:\.[0-9]+)?))(?:\.((?:class|asset)\.[A-Za-z0-9_.-]+))?$`)

// ParsePlace reads a tag; false when it stands for no stage.
func ParsePlace(tag string) (Place, bool) {
	m := placeTag.FindStringSubmatch(tag)
	if m == nil {
		return Place{}, false
	}
	p := Place{Stage: Stage(m[1]), Scope: Scope(m[3])}
	if m[1] == "" {
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil || !(n > 0 && n < 100) {
			return Place{}, false
		}
		p.Stage, p.Share = Canary, n/100
	}
	return p, p.Tag() == tag && p.Scope.written()
}

// written says whether a scope is written as ForClass and ForAsset write it.
func (s Scope) written() bool {
	for _, kind := range []Scope{classScope, assetScope} {
		if rest, ok := strings.CutPrefix(string(s), string(kind)); ok {
			return strings.HasPrefix(rest, hashed) || escape(unescape(rest)) == rest
		}
	}
	return s == ""
}

// valid refuses a place that no tag can stand for.
func (p Place) valid() error {
	pc := percent(p.Share)
	if (p.Stage == Canary) != (pc > 0 && pc < 100) || p.Stage != Canary && p.Share != 0 {
		return fmt.Errorf("%w: a share within 0 and 1 belongs to a canary, got %g", ErrContract, p.Share)
	}
	return nil
}

// Staged is a version where it stands.
type Staged struct {
	Place
	Name     string `json:"name"`
	Version  string `json:"version"`
	Kind     string `json:"kind"`
	Digest   string `json:"digest"`   // SHA-256 of the file
	Manifest string `json:"manifest"` // digest of the manifest
}

// Ref is how a person names the version.
func (s Staged) Ref() string { return s.Name + ":" + s.Version }

// Exactly is a reference that nobody can move: the manifest that was seen there.
func (s Staged) Exactly() string { return s.Name + "@" + s.Manifest }

// Serves says whether the version scores an asset that its scope holds: all in
// production, the same share of them for good in canary, none in shadow.
func (s Staged) Serves(id asset.ID) bool {
	if s.Stage == Canary {
		sum := sha256.Sum256([]byte(s.Name + "\x00" + string(id)))
		return strings.HasPrefix(string(s.Scope), string(assetScope)) || float64(binary.BigEndian.Uint32(sum[:]))/(1<<32) < s.Share
	}
	return s.Stage == Production
}

// Lineup is what stands where under one name: by stage, then by scope.
type Lineup []Staged

// In is what a stage holds for an asset: for the asset itself before its class
// before everything.
func (l Lineup) In(stage Stage, class string, id asset.ID) (Staged, bool) {
	best, at := Staged{}, -1
	for _, s := range l {
		if width, ok := s.Scope.of(class, id); ok && s.Stage == stage && width > at {
			best, at = s, width
		}
	}
	return best, at >= 0
}

// Scores is the version that scores an asset: of the narrowest scope that has
// one in production, or in canary with the asset in its share, which comes first.
func (l Lineup) Scores(class string, id asset.ID) (Staged, bool) {
	best, at := Staged{}, -1
	for _, s := range l {
		if r := s.rank(class, id); r > at {
			best, at = s, r
		}
	}
	return best, at >= 0
}

// rank orders those that may score an asset, highest first; -1 for one that may not.
func (s Staged) rank(class string, id asset.ID) int {
	width, ok := s.Scope.of(class, id)
	switch {
	case !ok || !s.Serves(id):
		return -1
	case s.Stage == Canary:
		return 2*width + 1
	}
	return 2 * width
}

// Replaced is the version in production that another one takes over from in a scope:
// the one of the scope, or for a class the one for everything. What one asset is given
// replaces nothing for the others, unless it had a version of its own.
func (l Lineup) Replaced(scope Scope) (Staged, bool) {
	best, ok := Staged{}, false
	for _, s := range l {
		wider := s.Scope == "" && strings.HasPrefix(string(scope), string(classScope))
		if s.Stage == Production && (s.Scope == scope || wider && !ok) {
			best, ok = s, true
		}
	}
	return best, ok
}

// sorted orders a line-up; of two canaries of one scope, which only another tool
// can have made, the smaller share stays.
func (l Lineup) sorted() Lineup {
	rank := map[Stage]int{Production: 0, Canary: 1, Shadow: 2}
	slices.SortFunc(l, func(a, b Staged) int {
		return cmp.Or(cmp.Compare(rank[a.Stage], rank[b.Stage]), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Share, b.Share))
	})
	return slices.CompactFunc(l, func(a, b Staged) bool { return a.Stage == b.Stage && a.Scope == b.Scope })
}

var nameGrammar = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// reserved are what lies in the folder of an OCI layout itself.
var reserved = []string{"blobs", "ingest", "index.json", "oci-layout"}

// CheckName refuses what is no name of an OCI repository.
func CheckName(name string) error {
	if len(name) > 128 || !nameGrammar.MatchString(name) {
		return fmt.Errorf("name %q: lower-case letters and digits with single dots or underscores or dashes between them, parts divided by a slash, at most 128", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if slices.Contains(reserved, part) {
			return fmt.Errorf("name %q: %s is what an OCI layout calls a file of its own", name, part)
		}
	}
	return nil
}

// ParamsName is the name under which the parameter sets of a class are kept. A
// class that is no part of a name is written in hexadecimal.
func ParamsName(name, class string) string {
	if CheckName(class) != nil || strings.Contains(class, "/") || strings.HasPrefix(class, "x--") || len(class) > 100 {
		class = "x--" + hex.EncodeToString([]byte(class))
	}
	return name + "/" + class
}

func isNumber(tag string) bool {
	n, err := strconv.Atoi(tag)
	return err == nil && n > 0 && strconv.Itoa(n) == tag
}
