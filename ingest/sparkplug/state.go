package sparkplug

import (
	"encoding/json"
	"fmt"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// hostState is the payload of a host application's STATE.
type hostState struct {
	Online    *bool  `json:"online"`
	Timestamp *int64 `json:"timestamp"` // ms since 1970 UTC
}

// mostStateBytes is the longest STATE that is looked at.
const mostStateBytes = 4096

func (h *Host) state(online bool, stampMS int64) Publication {
	return Publication{Topic: stateTopic + h.opt.HostID, Payload: fmt.Appendf(nil, `{"online":%t,"timestamp":%d}`, online, stampMS), QoS: 1, Retained: true}
}

// handleState answers a STATE that says we are offline while we are not, such as the will
// of a connection of ours that died late.
func (h *Host) handleState(id, topic string, b []byte) error {
	if id != h.opt.HostID {
		return nil // another host application's
	}
	refuse := func(text string) error {
		return &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: text}
	}
	if len(b) > mostStateBytes {
		return refuse(fmt.Sprintf("%d bytes, at most %d are read", len(b), mostStateBytes))
	}
	var s hostState
	if err := json.Unmarshal(b, &s); err != nil {
		return refuse("no STATE: " + err.Error())
	}
	if s.Online == nil || s.Timestamp == nil {
		return refuse("no STATE: want online and timestamp")
	}
	if !*s.Online && h.up {
		h.out.publish = append(h.out.publish, h.state(true, h.willMS))
	}
	return nil
}
