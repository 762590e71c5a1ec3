// Package store names what survives a restart: the effects of every committed
// micro-batch, the position each shard goes on from, the carried state, and the
// outbox of work orders.
//
// A store is a sub-folder (store/sqlite is the embedded one). It implements
// pipeline.Keeper and workorders.Outbox and answers the readers. What every
// store has to hold is written as a test suite in store/storetest.
package store

import (
	"errors"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
)

// What a caller decides on.
var (
	ErrFenced   = errors.New("store: shard claimed by another instance") // stop stepping this shard
	ErrNotFound = errors.New("store: no such entry")
)

// Checkpoint is where a shard goes on from.
type Checkpoint struct {
	Epoch   int64     // to be put into every Effects of the shard
	Next    int64     // position of the first reading whose effects are not stored
	Low     int64     // position to read from, to rebuild the open windows
	Through time.Time // event time reached; zero before the first commit
}

// Planner decides which order an alert asks for; false means none. It has to be
// a pure function of the alert, so that a replay plans the same order.
type Planner func(asset.Alert) (workorders.Order, bool)

// AlertFilter selects alerts; its zero selects all.
type AlertFilter struct {
	Asset     asset.ID
	Component string
	OpenOnly  bool
	Limit     int // newest first; 0 means no limit
}

// OrderFilter selects orders; its zero selects all.
type OrderFilter struct {
	Asset  asset.ID
	Alert  string
	Status workorders.Status
	Limit  int // newest first; 0 means no limit
}

// ScoreFilter selects scores; its zero selects all.
type ScoreFilter struct {
	Asset     asset.ID
	Component string
	Models    []string  // NAME:VERSION; empty: any
	Digests   []string  // SHA-256 of model files; empty: any
	From, To  time.Time // both included; a zero From or To does not bound
}

// ScoreCount says how one version of a model did at one stage.
type ScoreCount struct {
	Model    string // NAME:VERSION
	Digest   string
	Stage    string
	N        int64 // answers, with a score or without
	Abnormal int64
	Missing  int64 // had too little to read
	Failed   int64 // the model failed, or answered with no number
}

// Series is the course of one feature, oldest point first.
type Series struct {
	Key    string // channel/feature
	Unit   string
	Points []Point
}

// Point is one value of a series; it may be missing.
type Point struct {
	Time  time.Time
	Value asset.Number
}
