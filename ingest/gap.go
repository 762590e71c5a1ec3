package ingest

import (
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// GapEvent is the kind of an event that says from when to when nothing arrived.
const GapEvent = "gap"

// Gap records that nothing of an asset arrived over a source from one instant to
// another. Nothing is invented for the time between.
func Gap(id asset.ID, from, to time.Time, source string, why error) asset.Reading {
	exact := func(t time.Time) string { return t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano) }
	text := fmt.Sprintf("nothing from %s to %s", exact(from), exact(to))
	if why != nil {
		text += ": " + why.Error()
	}
	return asset.Reading{Asset: id, Time: to, Event: &asset.Event{Kind: GapEvent, Code: source, Text: text}}
}

func isGap(r asset.Reading) bool { return r.Event != nil && r.Event.Kind == GapEvent }
