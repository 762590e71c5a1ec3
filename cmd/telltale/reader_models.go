package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/models"
)

var _ api.Models = reader{}

// Models lists what the repository holds of the models.
func (r reader) Models(ctx context.Context, name string) ([]api.ModelVersion, error) {
	if r.w.use == nil || r.w.use.repo == nil {
		return nil, nil
	}
	var names []string
	if name != "" {
		names = append(names, name)
	}
	all, err := r.w.use.repo.List(ctx, names...)
	if errors.Is(err, models.ErrNotFound) {
		return nil, fmt.Errorf("model %s: %w", name, api.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	out := []api.ModelVersion{}
	for _, v := range all {
		if v.Kind == models.KindModel {
			out = append(out, r.modelVersion(v))
		}
	}
	return out, nil
}

func (r reader) modelVersion(v models.Version) api.ModelVersion {
	out := api.ModelVersion{
		Name: v.Name, Version: v.Version, Digest: v.Digest, Kind: v.Kind, Class: v.Class, Component: v.Component, Pushed: v.Pushed, By: v.By,
		Stages: []api.ModelStage{}, InUse: slices.ContainsFunc(r.w.use.digests(), func(d string) bool { return d == v.Ref()+"@"+v.Digest }),
	}
	for _, p := range v.Places {
		out.Stages = append(out.Stages, api.ModelStage{Stage: string(p.Stage), Share: p.Share, Scope: p.Scope.String()})
	}
	if len(out.Stages) == 0 {
		out.Stages = append(out.Stages, api.ModelStage{Stage: string(v.Stage)})
	}
	return out
}

// moveTime is how long a change of stage may take: a registry may be far away.
const moveTime = time.Minute

// Move brings a version to a stage and puts in use what follows from it.
func (r reader) Move(ctx context.Context, m api.Move) (api.ModelVersion, error) {
	u := r.w.use
	if u == nil || u.repo == nil {
		return api.ModelVersion{}, api.ErrReadOnly
	}
	// A caller that hangs up must not leave half of a change.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moveTime)
	defer cancel()
	by := models.By{Who: m.By, Reason: m.Reason}
	if by.Who == "" {
		by.Who = "api"
	}
	var scope models.Scope
	if m.Asset != "" {
		scope = models.ForAsset(m.Asset)
	}
	var v models.Version
	var err error
	if m.Stage == "rollback" {
		v, err = u.repo.Rollback(ctx, m.Name, scope, by)
	} else {
		v, err = promoted(ctx, u.repo, m.Name+":"+m.Version, models.Stage(m.Stage), m.Share, scope, by, m.Despite)
	}
	switch {
	case errors.Is(err, models.ErrNotFound):
		return api.ModelVersion{}, fmt.Errorf("%w: %w", api.ErrNotFound, err)
	case errors.Is(err, models.ErrContract) || errors.Is(err, errGates):
		return api.ModelVersion{}, fmt.Errorf("%w: %w", api.ErrRefused, err)
	case err != nil:
		return api.ModelVersion{}, err
	}
	r.guard.look(ctx)
	return r.modelVersion(v), nil
}

// loopback holds for an address that only this machine reaches.
func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
