package features

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// ErrOptions marks detector options that cannot be met; the error names them.
var ErrOptions = errors.New("features: detector options")

// DetectorOptions configures one detector. Zero means the documented default.
type DetectorOptions struct {
	// Type is level, defect, residual, multivariate, novelty, zone, sensor, ewma, cusum,
	// page-hinkley, bocpd or spot.
	Type string
	// Name is the source of its assessments; default Type.
	Name string
	// Component it speaks for. Default: each component with its own channels, and
	// the asset's first component for telemetry.
	Component string
	// Fields it reads, as "channel/name" or "metric/value"; either side may be "*".
	// Defaults: level "*/rms", "*/envelope_rms", "*/velocity_rms"; defect "*/defect_*",
	// "*/found_*", "*/comb_*" and "*/kurtosis";
	// multivariate and novelty "*/value"; sensor "*/value", "*/rms", "*/kurtosis"; zone "*/velocity_rms"; residual "*/residual_z_*";
	// spot as level; ewma, cusum, page-hinkley and bocpd "*/residual_z".
	Fields []string
	// Optional leaves out fields whose channel or metric the asset does not declare,
	// and the detector when none is left, instead of an error.
	Optional bool
	// Mode it suspects; default overheating for residual, none otherwise.
	Mode asset.Mode
	// Limit on the score's own scale, a floor under the learned one, which may be twice
	// as high at most. Defaults: level 7 (σ; about a doubling of an energy), defect 15 (dB), residual 3 (σ), novelty 5 (σ), multivariate none.
	// For ewma, cusum, page-hinkley, bocpd (a probability) and spot a plain floor,
	// default what normal noise asks for, 0.5 and none.
	Limit float64
	// Watch is the level from which evidence is given; default defect 10 (dB),
	// otherwise Limit.
	Watch float64
	// P is the probability per evaluation that a healthy machine exceeds the learned
	// limit; default 1e-3. For ewma, cusum, page-hinkley, bocpd and spot it is that of
	// an alarm's beginning, over all their fields; default 1e-4.
	P float64
	// M of the last N evaluations over the limit make it abnormal; at most 64.
	// Default 3 of 4 for level, else 1 of 1.
	M, N int
	// Smooth is the weight of the newest value in the running mean of each field's
	// z; default 0.3.
	Smooth float64
	// SmoothScore is the same for the multivariate distance; default 0.1.
	SmoothScore float64
	// Side is "high", "low" or "both": which departure counts; default "high" for
	// level, residual and spot, "both" for novelty and the others.
	Side string
	// Harmonics of a defect frequency that must be found for an alert; default 2.
	Harmonics int
	// Zones is the row of the zone table; default by the component's type, else
	// "iso10816-3_g2_rigid".
	Zones string
	// Drift of the CUSUM in σ (the allowance k). Default 0: level uses the running
	// mean instead of the CUSUM. For cusum, default 0.5, and for page-hinkley, default
	// 0.25, the change in σ that is tolerated.
	Drift float64
	// Hold is how long a novelty verdict stands after the last exceedance, as a share
	// of the learning span's rows; default 0.5, for page-hinkley, which begins anew
	// after an alarm, 0.1.
	Hold float64
	// Recent is how many values back a change of regime still counts for bocpd;
	// default 20.
	Recent int
	// PeriodH is the time in hours over which a zone is judged, from the energy mean
	// of what was taken at RatedKW·20 % or more of Power and while Speed changed by
	// 10 % at most. Power and Speed are metrics; one that is not named does not
	// exclude anything. Default 0: each value by itself.
	PeriodH float64
	Power   string
	Speed   string
	RatedKW float64
}

// detectorDefaults by type: floor of the limit, watch, m, n, side, mode, fields.
var detectorDefaults = map[string]DetectorOptions{
	"level":        {Limit: 7, M: 3, N: 4, Side: "high", Fields: []string{"*/rms", "*/envelope_rms", "*/velocity_rms"}},
	"defect":       {Limit: 15, Watch: 10, M: 1, N: 1, Side: "high", Harmonics: 2, Fields: []string{"*/defect_*", "*/found_*", "*/comb_*", "*/kurtosis"}},
	"residual":     {Limit: 3, M: 1, N: 1, Side: "high", Mode: asset.Overheating, Fields: []string{"*/residual_z_*"}},
	"multivariate": {M: 1, N: 1, Side: "both", Fields: []string{"*/value"}},
	"novelty":      {Limit: 5, Hold: 0.5, M: 1, N: 1, Side: "both", Fields: []string{"*/value"}},
	"zone":         {M: 1, N: 1, Side: "high", Fields: []string{"*/velocity_rms"}},
	"ewma":         {M: 1, N: 1, Side: "both", P: 1e-4, Fields: []string{"*/residual_z"}},
	"cusum":        {M: 1, N: 1, Side: "both", P: 1e-4, Drift: 0.5, Fields: []string{"*/residual_z"}},
	"page-hinkley": {M: 1, N: 1, Side: "both", P: 1e-4, Drift: 0.25, Hold: 0.1, Fields: []string{"*/residual_z"}},
	"bocpd":        {M: 1, N: 1, Side: "both", P: 1e-4, Recent: 20, Fields: []string{"*/residual_z"}},
	"spot":         {M: 1, N: 1, Side: "high", P: 1e-4, Fields: []string{"*/rms", "*/envelope_rms", "*/velocity_rms"}},
	"sensor":       {M: 1, N: 1, Side: "both", Mode: asset.SensorFault, Fields: []string{"*/value", "*/rms", "*/kurtosis"}},
}

// withDefaults fills in what is zero and refuses what is not allowed.
func (o DetectorOptions) withDefaults() (DetectorOptions, error) {
	d, ok := detectorDefaults[o.Type]
	if !ok {
		return o, fmt.Errorf("%w: type %q: allowed are %s", ErrOptions, o.Type, strings.Join(slices.Sorted(maps.Keys(detectorDefaults)), ", "))
	}
	o.Name = cmp.Or(o.Name, o.Type)
	o.Mode = cmp.Or(o.Mode, d.Mode)
	o.Limit, o.Watch, o.P = cmp.Or(o.Limit, d.Limit), cmp.Or(o.Watch, d.Watch), cmp.Or(o.P, d.P, 1e-3)
	o.M, o.N = cmp.Or(o.M, d.M), cmp.Or(o.N, d.N)
	o.Smooth, o.SmoothScore = cmp.Or(o.Smooth, 0.3), cmp.Or(o.SmoothScore, 0.1)
	o.Hold, o.Drift, o.Recent = cmp.Or(o.Hold, d.Hold), cmp.Or(o.Drift, d.Drift), cmp.Or(o.Recent, d.Recent)
	o.Side, o.Harmonics = cmp.Or(o.Side, d.Side), cmp.Or(o.Harmonics, d.Harmonics)
	if len(o.Fields) == 0 {
		o.Fields = d.Fields
	}
	return o, o.check()
}

// check names the first value that is not allowed.
func (o DetectorOptions) check() error {
	bad := func(field string, value any, allowed string) error {
		return fmt.Errorf("%w: %s: %s = %v: allowed %s", ErrOptions, o.Name, field, value, allowed)
	}
	switch {
	case !(o.P > 0 && o.P < 1):
		return bad("P", o.P, "(0, 1)")
	case o.N < 1 || o.N > 64:
		return bad("N", o.N, "1 to 64")
	case o.M < 1 || o.M > o.N:
		return bad("M", o.M, fmt.Sprintf("1 to N = %d", o.N))
	case !(o.Smooth > 0 && o.Smooth <= 1):
		return bad("Smooth", o.Smooth, "(0, 1]")
	case !(o.SmoothScore > 0 && o.SmoothScore <= 1):
		return bad("SmoothScore", o.SmoothScore, "(0, 1]")
	case o.Side != "high" && o.Side != "low" && o.Side != "both":
		return bad("Side", o.Side, "high, low, both")
	case !(o.Limit >= 0) || !(o.Watch >= 0) || !(o.Drift >= 0) || !(o.Hold >= 0) || o.Harmonics < 0:
		return bad("Limit, Watch, Drift, Hold, Harmonics", []float64{o.Limit, o.Watch, o.Drift, o.Hold, float64(o.Harmonics)}, "0 or more")
	case o.Recent < 0 || o.Recent > 100:
		return bad("Recent", o.Recent, "1 to 100")
	case o.Type == "bocpd" && o.Limit >= 1:
		return bad("Limit", o.Limit, "a probability below 1")
	case !(o.PeriodH >= 0) || !(o.RatedKW >= 0) || math.IsInf(o.PeriodH, 0):
		return bad("PeriodH, RatedKW", []float64{o.PeriodH, o.RatedKW}, "0 or more")
	}
	for _, f := range o.Fields {
		if ch, name, ok := strings.Cut(f, "/"); !ok || ch == "" || name == "" {
			return bad("Fields", f, `"channel/name", either may be "*"`)
		}
	}
	return nil
}

// sided is the departure that counts.
func (o DetectorOptions) sided(z float64) float64 {
	switch o.Side {
	case "high":
		return z
	case "low":
		return -z
	}
	return math.Abs(z)
}

// matches reports whether the detector reads the field.
func (o DetectorOptions) matches(f Field) bool {
	for _, p := range o.Fields {
		ch, name, _ := strings.Cut(p, "/")
		if glob(ch, f.Channel) && glob(name, f.Name) {
			return true
		}
	}
	return false
}

// glob matches a pattern with at most one trailing star.
func glob(pattern, s string) bool {
	if head, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(s, head)
	}
	return pattern == s
}
