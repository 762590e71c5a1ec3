package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/ingesttest"
)

// object is one by the standard library, which knows nothing of ours.
type object map[string]json.RawMessage

// take reads a member into v; one that is not there or null leaves v as it is.
func take[T any](o object, name string, v T) (T, error) {
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return v, nil
	}
	err := json.Unmarshal(raw, &v)
	return v, err
}

func takePoint(o object, metric, quality string) (p asset.Point, err error) {
	var errs [4]error
	p.Metric, errs[0] = take(o, metric, "")
	p.Value, errs[1] = take(o, "value", math.NaN())
	p.Unit, errs[2] = take(o, "unit", "")
	p.Quality, errs[3] = take(o, quality, 100.0)
	if raw := o["metadata"]; len(raw) > 0 && string(raw) != "null" {
		var b bytes.Buffer
		_ = json.Compact(&b, raw)
		p.Meta = b.String()
	}
	return p, errors.Join(errs[:]...)
}

// byStandardLibrary decodes a message without hits, slowly.
func byStandardLibrary(b []byte) (r asset.Reading, err error) {
	var o object
	if !utf8.Valid(b) {
		return r, errors.New("no UTF-8")
	}
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\uFEFF")), &o); err != nil || o == nil {
		return r, fmt.Errorf("no object: %w", err)
	}
	var errs [5]error
	r.Asset, errs[0] = take(o, "asset", asset.ID(""))
	r.Time, errs[1] = take(o, "time", time.Time{})
	stamp, err := take(o, "timestamp", time.Time{})
	errs[2] = err
	r.Seq, errs[3] = take(o, "seq", uint64(0))
	points, err := take(o, "points", []object(nil))
	errs[4] = err
	if err := errors.Join(errs[:]...); err != nil {
		return r, err
	}
	for _, q := range points {
		if q == nil {
			return r, errors.New("a point that is null")
		}
		p, err := takePoint(q, "metric", "quality")
		if err != nil {
			return r, err
		}
		r.Points = append(r.Points, p)
	}
	one, err := takePoint(o, "metric_name", "quality_code")
	if err != nil {
		return r, err
	}
	if name := o["metric_name"]; name != nil && string(name) != "null" {
		r.Points = append(r.Points, one)
		r.Time, stamp = stamp, r.Time
	}
	if r.Time.IsZero() {
		r.Time = stamp
	}
	r.Time = r.Time.UTC().Round(time.Microsecond)
	event, err := take(o, "event", object(nil))
	if err != nil || event == nil {
		return r, err
	}
	r.Event = &asset.Event{}
	var texts [4]error
	r.Event.Component, texts[0] = take(event, "component", "")
	r.Event.Kind, texts[1] = take(event, "kind", "")
	r.Event.Code, texts[2] = take(event, "code", "")
	r.Event.Text, texts[3] = take(event, "text", "")
	return r, errors.Join(texts[:]...)
}

// saysTwice reports whether an object of a right message has two members of a name.
func saysTwice(d *json.Decoder) bool {
	token, err := d.Token()
	open, ok := token.(json.Delim)
	if err != nil || !ok {
		return false
	}
	twice, seen := false, map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return false
			}
			twice = twice || seen[name.(string)]
			seen[name.(string)] = true
		}
		twice = saysTwice(d) || twice
	}
	_, _ = d.Token()
	return twice
}

// The scanner and the standard library agree on which messages are right and what they
// say. We ask for more in three things: half a character, deep nesting, and each value to
// be right, also one that is said again.
func TestJSONAgreesWithTheStandardLibrary(t *testing.T) {
	agreed, tried := 0, 0
	compare := func(b []byte) {
		tried++
		if bytes.Contains(b, []byte(`"hits"`)) {
			return
		}
		want, refErr := byStandardLibrary(b)
		got, err := ingest.DecodeTelemetry(b, "")
		if refErr == nil && (want.Asset == "" || len(want.Asset) > ingest.MaxNameBytes || want.Blank() || want.Time.IsZero()) {
			refErr = errors.New("nothing in it, or of nobody")
		}
		switch {
		case err != nil && refErr != nil:
		case err != nil:
			if strings.Contains(err.Error(), "an escape of JSON") || strings.Contains(err.Error(), "nested at most") || strings.Contains(err.Error(), "of metadata of a point") {
				return
			}
			if saysTwice(json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\uFEFF"))))) {
				return
			}
			t.Errorf("%s: refused: %v; the standard library reads %+v", b, err, want)
		case refErr != nil:
			t.Errorf("%s: read as %+v; the standard library says %v", b, got, refErr)
		case !equal(got, want):
			t.Errorf("%s: read as %+v, want %+v", b, got, want)
		default:
			agreed++
		}
	}
	corpus := [][]byte{[]byte(pointsJSON), []byte(oneJSON), []byte(onePoint), []byte("\uFEFF " + onePoint)}
	words := append(jsonWords(), `"metric_name":`, `"unit":null,`, `"seq":1e2,`, `"quality":-0.5e-3,`, `\ud800`, `\/`, `\b`, `"timestamp":"2024-03-01T12:00:00.123456789-07:00",`, `"event":{"kind":"status"},`, ` `, `true`)
	ingesttest.Mutate(t, ingesttest.Decoder{Decode: compare, Corpus: corpus, Words: words}, ingesttest.Options{Few: 60_000, Seed: 7, Floor: 1 << 30, Slow: time.Minute})
	if agreed < tried/40 {
		t.Errorf("only %d messages of %d were right by both", agreed, tried)
	}
}

func TestHitsBecomePoints(t *testing.T) {
	hit := func(channel string, ms int, more string) string {
		return fmt.Sprintf(`{"channel":%q,"time":%q%s}`, channel, t0.Add(time.Duration(ms)*time.Millisecond).Format(time.RFC3339Nano), more)
	}
	of := func(hits ...string) []byte {
		return []byte(`{"asset":"wt1","seq":4,"hits":[` + strings.Join(hits, ",") + `]}`)
	}
	many := make([]string, ingest.MaxHitChannels+1)
	for i := range many {
		many[i] = hit(fmt.Sprint("c", i), 0, "")
	}
	for name, tc := range map[string]struct {
		m    ingest.Message
		want string
	}{
		"of two channels": {
			ingest.Message{Payload: of(
				hit("ae1", 20, `,"amplitude_db":60,"duration_us":100,"rise_us":10,"counts":5,"energy":1.5`),
				hit("ae2", 10, `,"amplitude_db":-3.5`),
				hit("ae1", 5, `,"amplitude_db":72,"duration_us":300,"rise_us":20,"counts":7,"energy":2`),
				hit("ae1", 1, `,"energy":null`))},
			"wt1 10ms #4 ae2.hits=11 ae2.hit_amplitude_max=-3.5dB; wt1 20ms #4 ae1.hits=31 ae1.hit_amplitude_max=72dB ae1.hit_duration_mean=0.0002s ae1.hit_rise_mean=1.5e-05s ae1.hit_counts=121 ae1.hit_energy=3.51",
		},
		"beside points": {
			ingest.Message{Payload: []byte(`{"asset":"wt1","time":"2024-03-01T12:00:01Z","points":[{"metric":"a","value":1,"unit":"g"}],"hits":[` + hit("ae1", 0, "") + `]}`)},
			"wt1 0s ae1.hits=11; wt1 1s a=1g",
		},
		"the topic says the channel": {ingest.Message{Channel: "ae9", Payload: []byte(strings.Replace(string(of(hit("x", 0, ""))), `"channel":"x",`, "", 1))}, "wt1 0s #4 ae9.hits=11"},
		"of another channel":         {ingest.Message{Channel: "ae9", Payload: of(hit("ae1", 0, ""))}, `not-allowed: the payload is of channel "ae1", topic or header of "ae9"`},
		"of no channel":              {ingest.Message{Payload: of(hit("", 0, ""))}, "undecodable: nothing says of which channel it is: want it in topic, header or payload"},
		"without a time":             {ingest.Message{Payload: []byte(`{"asset":"wt1","hits":[{"channel":"a"}]}`)}, "undecodable: no JSON telemetry: a hit without a time"},
		"a negative duration":        {ingest.Message{Payload: of(hit("ae1", 0, `,"duration_us":-1`))}, "undecodable: no JSON telemetry: duration_us of a hit is -1, want at least 0"},
		"of too many channels":       {ingest.Message{Payload: of(many...)}, "oversize: hits of more than 64 channels in a message"},
		"of no hits":                 {ingest.Message{Payload: of()}, "undecodable: neither points nor event nor waveform nor hits nor features"},
		"in Protobuf": {
			ingest.Message{Payload: field(field(field(nil, 2, "wt1"), 8, field(field(field(field(field(field(field(nil, 1, "ae1"), 2, t0.UnixNano()), 3, 60.0), 4, 100.0), 5, 10.0), 6, 5), 7, 1.5)),
				8, field(field(nil, 1, "ae1"), 2, t0.Add(time.Millisecond).UnixNano()))},
			"wt1 1ms ae1.hits=21 ae1.hit_amplitude_max=60dB ae1.hit_duration_mean=5e-05s ae1.hit_rise_mean=5e-06s ae1.hit_counts=51 ae1.hit_energy=1.51",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var p ingest.Payloads
			if got := told(t, &p, tc.m); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
