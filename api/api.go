// Package api is what people and their scripts see over HTTP: the fleet by
// risk, one asset, its trends and spectra, alerts with their evidence, work
// orders, and a stream of what changes.
//
// It reads, but for the stages of models. Whoever starts it hands in the readers it declares here; each
// is asked with the request's context and must be safe for concurrent use.
// Times are RFC 3339 in UTC, a missing number is null, errors are RFC 9457
// problem documents with one line that says what to do.
package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/workorders"
)

// ErrNotFound is what a reader answers when nothing has the ID that was asked for.
var ErrNotFound = errors.New("not found")

// Twins gives published copies of what the twins know now.
type Twins interface {
	// Nameplates lists every asset, sorted by ID. The caller does not change it.
	Nameplates() []asset.Nameplate
	// View is the newest published copy of one asset; false before its first reading.
	View(id asset.ID) (View, bool)
}

// Risks reads fused verdicts.
type Risks interface {
	// LatestRisks is the newest verdict of every component of every asset.
	LatestRisks(ctx context.Context) ([]asset.Risk, error)
	// Risks lists verdicts within [from, to], oldest first, evenly thinned to at
	// most limit. An empty component means all.
	Risks(ctx context.Context, id asset.ID, component string, from, to time.Time, limit int) ([]asset.Risk, error)
}

// History reads features as they were.
type History interface {
	// Trend gives a series for each key (channel/feature), thinned to at most
	// limit points within [from, to], oldest first.
	Trend(ctx context.Context, id asset.ID, keys []string, from, to time.Time, limit int) ([]Series, error)
	// Spectra are the newest spectra of a channel at or before an instant, one of
	// each kind, and when the newest of them was taken.
	Spectra(ctx context.Context, id asset.ID, channel string, at time.Time) ([]features.Spectrum, time.Time, error)
}

// Alerts reads episodes.
type Alerts interface {
	// Alerts lists episodes that pass the filter, newest first.
	Alerts(ctx context.Context, f AlertFilter) ([]asset.Alert, error)
	// Alert finds one episode, or ErrNotFound.
	Alert(ctx context.Context, id string) (asset.Alert, error)
}

// Orders reads the outbox.
type Orders interface {
	// Orders lists work orders that pass the filter, newest first.
	Orders(ctx context.Context, f OrderFilter) ([]workorders.Order, error)
	// Order finds one work order, or ErrNotFound.
	Order(ctx context.Context, id string) (workorders.Order, error)
}

// Journal reads what was counted and what happened.
type Journal interface {
	// Counts is what went in, came out and was refused, by reason.
	Counts(ctx context.Context) (map[string]int64, error)
	// Events lists the newest limit steps of an asset's history (empty: of all), newest first.
	Events(ctx context.Context, id asset.ID, limit int) ([]Event, error)
}

// Series is one feature over time. Times and Values are parallel.
type Series struct {
	Key    string         `json:"key"`
	Unit   string         `json:"unit"`
	Limit  asset.Number   `json:"limit"` // at which a source speaks up, where one is known
	Times  []time.Time    `json:"times"`
	Values []asset.Number `json:"values"`
}

// Spectrum is a stored spectrum and when it was taken.
type Spectrum struct {
	Time time.Time `json:"time"`
	features.Spectrum
}

// Event is one step in an asset's recorded history.
type Event struct {
	Asset asset.ID  `json:"asset"`
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"`
	Text  string    `json:"text"`
}

// View is what a twin publishes of one asset.
type View struct {
	Time     time.Time // of the newest reading
	State    string    // of its life cycle, such as active or maintenance
	Learning bool
	SpeedRpm asset.Number
	LoadN    asset.Number
	Features []Quantity // newest value of each feature; Component is empty
	Physics  []Quantity // what the laws know of each component
}

// Quantity is one named number with its meaning.
type Quantity struct {
	Component string       `json:"component,omitempty"`
	Source    string       `json:"source,omitempty"` // the law, for physics
	Name      string       `json:"name"`
	Value     asset.Number `json:"value"`
	Limit     asset.Number `json:"limit"`
	Unit      string       `json:"unit"`
	Text      string       `json:"text,omitempty"` // one sentence for a person
	Time      time.Time    `json:"time,omitzero"`
}

// AlertFilter narrows a list of episodes; zero passes all.
type AlertFilter struct {
	Asset     asset.ID
	Component string
	OpenOnly  bool
	Limit     int // 1–1000
}

// OrderFilter narrows a list of work orders; zero passes all.
type OrderFilter struct {
	Asset  asset.ID
	Alert  string
	Status workorders.Status
	Limit  int // 1–1000
}

// Options are what the API reads from and how it presents itself. Twins, Risks,
// History, Alerts, Orders and Journal are needed; the rest has defaults.
type Options struct {
	Twins   Twins
	Risks   Risks
	History History
	Alerts  Alerts
	Orders  Orders
	Journal Journal
	Models  Models  // nil: there are none
	Sources Sources // nil: there are none, as in a run from files

	Waveforms Waveforms // nil: none are kept

	Token   string // that a change has to bring; empty: see Trusted
	Trusted bool   // without a token, changes are taken from this machine: it listens on the loopback alone

	Hub      *Hub                        // live messages; default: a hub that nobody publishes to
	Status   func() Status               // default: an empty status
	NotReady func() []string             // why the service is not ready, empty when it is; default: always ready
	Metrics  *prometheus.Registry        // where metrics are kept; default: a registry of its own
	Page     http.Handler                // at /; default: none
	Mounts   map[string]http.Handler     // further handlers by pattern, such as "/erp/"; they see the whole path
	Origins  []string                    // further hosts whose pages may open the stream; default: this host alone
	Ping     time.Duration               // between pings on the stream; default 20s
	Log      func(msg string, err error) // told of errors that a caller only sees as a number; default: nobody
}

// Status says where the whole stands.
type Status struct {
	EventTime time.Time        `json:"event_time,omitzero"`
	Speed     float64          `json:"speed"` // event seconds for each second of the wall clock; 0 means live
	Notes     []string         `json:"notes"` // what a reader has to know to judge the figures
	Version   string           `json:"version"`
	Counts    map[string]int64 `json:"counts,omitempty"`
}

// server answers requests from its options; it has no state of its own.
type server struct {
	opt     Options
	seconds *prometheus.HistogramVec
}

// New returns the handler of the whole API. Missing readers are a programmer's
// mistake: it panics with "api: ... is needed".
func New(opt Options) http.Handler {
	for name, missing := range map[string]bool{
		"Twins": opt.Twins == nil, "Risks": opt.Risks == nil, "History": opt.History == nil,
		"Alerts": opt.Alerts == nil, "Orders": opt.Orders == nil, "Journal": opt.Journal == nil,
	} {
		if missing {
			panic("api: Options." + name + " is needed")
		}
	}
	s := &server{opt: opt.withDefaults()}
	s.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "telltale_api_request_seconds", Help: "Time to answer, by route and status.",
		Buckets: []float64{.001, .005, .02, .1, .5, 2, 10},
	}, []string{"route", "code"})
	if err := s.opt.Metrics.Register(s.seconds); err != nil {
		var again prometheus.AlreadyRegisteredError
		if !errors.As(err, &again) {
			panic("api: " + err.Error())
		}
		s.seconds = again.ExistingCollector.(*prometheus.HistogramVec)
	}
	return s.routes()
}

func (o Options) withDefaults() Options {
	if o.Hub == nil {
		o.Hub = NewHub(HubOptions{})
	}
	if o.Status == nil {
		o.Status = func() Status { return Status{} }
	}
	if o.NotReady == nil {
		o.NotReady = func() []string { return nil }
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Ping == 0 {
		o.Ping = 20 * time.Second
	}
	if o.Log == nil {
		o.Log = func(string, error) {}
	}
	return o
}
