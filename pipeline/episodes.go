package pipeline

import (
	"github.com/telltale-iot/telltale/asset"
)

// Episodes follows the alerts of one component over its risks: the very alarm that a
// shard runs, for whoever asks what another risk would have raised.
type Episodes struct{ alarm *alarm }

// NewEpisodes begins with no open alert.
func NewEpisodes(o AlarmOptions) Episodes { return Episodes{&alarm{opt: o.withDefaults()}} }

// Hear takes the risks in order of time; changed is true when the alert was opened,
// changed or cleared.
func (e Episodes) Hear(r asset.Risk) (alert asset.Alert, changed bool) { return e.alarm.hear(r) }

// Posterior is the risk that one log likelihood ratio alone comes to; missing with it.
func (o FusionOptions) Posterior(llr asset.Number) asset.Number {
	if !llr.Known() {
		return llr
	}
	o = o.withDefaults()
	return asset.Number(posterior(o.Prior, []float64{o.Curve.At(float64(llr))}))
}
