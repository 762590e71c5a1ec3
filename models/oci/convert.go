package oci

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// oldIndex is the index.json of a folder of format 1: every version, its file
// under blobs.
type oldIndex struct {
	Format        int          `json:"format"`
	SchemaVersion int          `json:"schemaVersion"` // of an OCI layout, which this is not
	Versions      []oldVersion `json:"versions"`
}

// oldVersion is a version in it. A parameter set is called NAME/CLASS or
// NAME/CLASS/ASSET.
type oldVersion struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Kind      string            `json:"kind"`
	Digest    string            `json:"digest"`
	Stage     string            `json:"stage"`
	Share     float64           `json:"share"`
	Class     string            `json:"asset_class"`
	Component string            `json:"component"`
	Output    string            `json:"output"`
	Pushed    time.Time         `json:"pushed"`
	Notes     map[string]string `json:"notes"`
	History   []struct {
		At   time.Time `json:"at"`
		From string    `json:"from"`
		To   string    `json:"to"`
	} `json:"history"`
}

// who is put where the older form did not say who did it.
const who = "unknown"

// convert brings a folder of the older form into the form of today. It can be
// stopped at any point and begins again; the older files stay.
func convert(ctx context.Context, dir string, o Options) error {
	path := filepath.Join(dir, "index.json")
	if old, err := readOld(path); err != nil || old == nil {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(dir, ".convert.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	old, err := readOld(path) // another process may have been faster
	if err != nil || old == nil {
		return err
	}
	to := models.NewRepository(layouts{dir}, models.RepositoryOptions{Now: o.Now})
	// Sets of a class come first, so that they keep their numbers.
	slices.SortStableFunc(old.Versions, func(a, b oldVersion) int { return cmp.Compare(len(a.asset()), len(b.asset())) })
	lost := 0
	for _, v := range old.Versions {
		file, err := os.ReadFile(filepath.Join(dir, "blobs", v.Digest))
		if err == nil {
			_, err = to.Restore(ctx, v.today(int64(len(file))), file)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, models.ErrContract):
			lost++
			o.Log.Warn("model is left behind", "model", v.Name+":"+v.Version, "error", err)
		case err != nil:
			return fmt.Errorf("convert %s:%s: %w", v.Name, v.Version, err)
		}
	}
	if err := os.Rename(path, path+".converted"); err != nil {
		return err
	}
	o.Log.Info("model repository was converted to OCI layouts; its older files may be removed", "folder", dir,
		"versions", len(old.Versions)-lost, "left_behind", lost, "older", filepath.Join(dir, "blobs"))
	return nil
}

// readOld is nil when the folder is not of the older form.
func readOld(path string) (*oldIndex, error) {
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	var x oldIndex
	if err := json.Unmarshal(body, &x); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	if x.SchemaVersion != 0 {
		return nil, errors.New("this is the OCI layout of one model: the folder above it is expected")
	}
	if x.Format != 1 {
		return nil, fmt.Errorf("index.json has format %d: this build converts 1", x.Format)
	}
	return &x, nil
}

// asset is the one that a parameter set left out.
func (v oldVersion) asset() asset.ID {
	if v.Kind != models.KindParams {
		return ""
	}
	_, rest, _ := strings.Cut(v.Name, "/")
	return asset.ID(strings.TrimPrefix(strings.TrimPrefix(rest, v.Class), "/"))
}

func stage(s string) models.Stage {
	st, err := models.ParseStage(s)
	if err != nil {
		return models.Candidate
	}
	return st
}

// today is the version as it is kept now.
func (v oldVersion) today(size int64) models.Version {
	out := models.Version{Version: v.Version, Record: models.Record{
		Name: v.Name, Kind: v.Kind, Digest: v.Digest, Size: size, Class: v.Class, Component: v.Component, Output: v.Output, Pushed: v.Pushed.UTC(), By: who,
	}}
	scope := models.Scope("")
	if v.Kind == models.KindParams {
		name, _, _ := strings.Cut(v.Name, "/")
		out.Name = models.ParamsName(name, v.Class)
		if of := v.asset(); of != "" {
			scope = models.ForAsset(of)
		}
	}
	if models.CheckName(out.Name) != nil {
		out.Name = strings.ToLower(out.Name)
	}
	if models.CheckName(out.Name) != nil {
		out.Name = "x--" + hex.EncodeToString([]byte(v.Name))
	}
	last := v.Pushed
	for _, s := range v.History {
		step := models.Step{At: s.At.UTC(), Who: who, To: stage(s.To), Scope: scope, Reason: "converted"}
		if s.From != "" {
			step.From = stage(s.From)
		}
		out.History = append(out.History, step)
		last = s.At
	}
	if st := stage(v.Stage); st == models.Production || st == models.Shadow || st == models.Canary {
		out.Places = []models.Place{{Stage: st, Scope: scope, Share: v.Share}}
		if n := len(out.History); n > 0 {
			out.History[n-1].Share = v.Share
		}
	}
	for _, key := range slices.Sorted(maps.Keys(v.Notes)) {
		last = last.Add(time.Nanosecond)
		out.History = append(out.History, models.Step{At: last.UTC(), Who: who, Note: key, Text: v.Notes[key], Reason: "converted"})
	}
	return out
}
