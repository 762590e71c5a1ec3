package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// saved is one series in the saved state.
type saved struct {
	Asset asset.ID `json:"a"`
	Name  string   `json:"n"`
	Wave  bool     `json:"w,omitempty"`
	Last  int64    `json:"t"`           // ns
	Seq   uint64   `json:"s,omitempty"` // the sender's count; then Name is empty
}

// Save returns the newest time of every series, as of the readings checked so
// far: the same bytes for the same state. It belongs to the commit of the last
// reading that was checked; saved with an earlier one, it would refuse the
// readings between as duplicates after a restart.
func (v *Validator) Save() []byte {
	all := make([]saved, 0, len(v.last)+len(v.counts))
	for k, t := range v.last {
		all = append(all, saved{Asset: k.asset, Name: k.name, Wave: k.wave, Last: t})
	}
	for id, c := range v.counts {
		all = append(all, saved{Asset: id, Last: c.at, Seq: c.seq})
	}
	slices.SortFunc(all, func(a, b saved) int {
		if c := strings.Compare(string(a.Asset), string(b.Asset)); c != 0 {
			return c
		}
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		if a.Wave == b.Wave {
			return 0
		}
		if a.Wave {
			return 1
		}
		return -1
	})
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(all); err != nil {
		panic("ingest: " + err.Error()) // strings and integers always encode
	}
	return b.Bytes()
}

// Load takes over a saved state.
func (v *Validator) Load(b []byte) error {
	var all []saved
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("ingest: saved times: %w", err)
	}
	clear(v.last)
	clear(v.counts)
	for _, s := range all {
		if s.Seq > 0 {
			v.counts[s.Asset] = count{s.Seq, s.Last}
			continue
		}
		v.last[key{s.Asset, s.Name, s.Wave}] = s.Last
	}
	return nil
}

// Rewind forgets that anything at t or later was seen. A source that is ordered
// by time and goes on from an older reading than the saved state knows (the
// low-water position) is rewound to that reading's oldest sample: what is read
// again is then judged as it was the first time.
func (v *Validator) Rewind(t time.Time) {
	before := t.UnixNano() - 1
	for k, last := range v.last {
		v.last[k] = min(last, before)
	}
	for id, c := range v.counts {
		if c.at > before {
			delete(v.counts, id)
		}
	}
}
