package ingest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// told is what a message comes to, in a line: asset, number, and for each reading its
// time since t0, points, event and waveform; or the reason and text of its refusal.
func told(t *testing.T, p *ingest.Payloads, m ingest.Message) string {
	t.Helper()
	all, err := p.Decode(t.Context(), m)
	if bad, ok := errors.AsType[*asset.Invalid](err); ok {
		return string(bad.Reason) + ": " + bad.Text
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range all {
		s := fmt.Sprint(r.Asset, " ", r.Time.Sub(t0))
		if r.Seq != 0 {
			s += fmt.Sprint(" #", r.Seq)
		}
		for _, p := range r.Points {
			s += fmt.Sprintf(" %s=%.9g%s", p.Metric, p.Value, p.Unit)
		}
		if r.Event != nil {
			s += " " + r.Event.Kind
		}
		if r.Wave != nil {
			s += fmt.Sprint(" ", r.Wave.Channel, r.Wave.Counts, r.Wave.Samples)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

const onePoint = `{"asset":"wt1","time":"2024-03-01T12:00:00Z","seq":7,"points":[{"metric":"a","value":1,"unit":"g"}]}`

func someWave() []byte {
	return ingest.EncodeWave(nil, asset.Waveform{Start: t0, RateHz: 2, Unit: "g", Counts: []int16{1, 2, 3}, Scale: 1}, 0)
}

func TestPayloadsAreToldByContent(t *testing.T) {
	proto := ingest.AppendTelemetry(nil, asset.Reading{Asset: "wt1", Time: t0, Seq: 7, Points: []asset.Point{{Metric: "a", Value: 1, Unit: "g"}}})
	waveProto := ingest.AppendTelemetry(nil, asset.Reading{Asset: "wt1", Wave: &asset.Waveform{Channel: "x", Start: t0, RateHz: 2, Samples: []float32{1, 2, 3}}})
	both := ingest.AppendTelemetry(nil, asset.Reading{
		Asset: "wt1", Time: t0.Add(500 * time.Millisecond), Event: &asset.Event{Kind: "status"},
		Wave: &asset.Waveform{Channel: "x", Start: t0, RateHz: 2, Samples: []float32{1, 2, 3}},
	})
	long := ingest.EncodeWave(nil, asset.Waveform{Start: t0, RateHz: 0.5, Unit: "g", Counts: make([]int16, 300), Scale: 1}, 0)
	for name, tc := range map[string]struct {
		m    ingest.Message
		want string
	}{
		"JSON":                    {ingest.Message{Payload: []byte(onePoint)}, "wt1 0s #7 a=1g"},
		"JSON after white space":  {ingest.Message{Payload: []byte("\r\n\t " + onePoint + "\n")}, "wt1 0s #7 a=1g"},
		"JSON after a mark":       {ingest.Message{Payload: []byte("\uFEFF" + onePoint)}, "wt1 0s #7 a=1g"},
		"Protobuf":                {ingest.Message{Payload: proto}, "wt1 0s #7 a=1g"},
		"waveform in Protobuf":    {ingest.Message{Payload: waveProto}, "wt1 500ms x[] [1 2]; wt1 1s x[] [3]"},
		"parts of one time":       {ingest.Message{Payload: both}, "wt1 500ms status x[] [1 2]; wt1 1s x[] [3]"},
		"raw waveform":            {ingest.Message{Asset: "wt1", Channel: "x", Payload: someWave()}, "wt1 500ms x[1 2] []; wt1 1s x[3] []"},
		"raw waveform of whom":    {ingest.Message{Channel: "x", Payload: someWave()}, "undecodable: nothing says of which asset it is: want it in topic, key, header or payload"},
		"raw waveform of what":    {ingest.Message{Asset: "wt1", Payload: someWave()}, "undecodable: nothing says of which channel it is: want it in topic, header or payload"},
		"a slow and long one":     {ingest.Message{Asset: "wt1", Channel: "x", Payload: long}, "oversize: 300 samples at 0.5 Hz, at most 256 s are read from a message of 641 bytes"},
		"nothing":                 {ingest.Message{Asset: "wt1"}, "undecodable: an empty message"},
		"of a registry":           {ingest.Message{Payload: append([]byte{0, 0, 0, 0, 1, 0}, proto...)}, "undecodable: it begins with the wire header of a schema registry, and none is configured"},
		"a list":                  {ingest.Message{Payload: []byte("[" + onePoint + "]")}, "undecodable: no JSON telemetry: byte 0: want {"},
		"text":                    {ingest.Message{Payload: []byte("hello, world")}, "undecodable: no Protobuf of telltale.v1.Telemetry: proto: mismatching end group marker"},
		"of whom":                 {ingest.Message{Payload: []byte(strings.Replace(onePoint, `"asset":"wt1",`, "", 1))}, "undecodable: nothing says of which asset it is: want it in topic, key, header or payload"},
		"of the key":              {ingest.Message{Asset: "wt2", Payload: []byte(strings.Replace(onePoint, `"asset":"wt1",`, "", 1))}, "wt2 0s #7 a=1g"},
		"not of the key":          {ingest.Message{Asset: "wt2", Payload: []byte(onePoint)}, `not-allowed: the payload is of asset "wt1", topic, key or header of "wt2"`},
		"not of the topic":        {ingest.Message{Asset: "wt1", Channel: "y", Payload: waveProto}, `not-allowed: the payload is of channel "x", topic or header of "y"`},
		"a name that never ends":  {ingest.Message{Payload: []byte(strings.Replace(onePoint, "wt1", strings.Repeat("w", 401), 1))}, "undecodable: the asset's name is 401 bytes long, want 1–100 characters of UTF-8"},
		"a metric that is none":   {ingest.Message{Payload: []byte(strings.Replace(onePoint, `"metric":"a"`, `"metric":"`+strings.Repeat("a", 401)+`"`, 1))}, "undecodable: a name or unit of a point is 401 bytes long, want at most 100 characters"},
		"an event that goes on":   {ingest.Message{Payload: []byte(strings.Replace(onePoint, `"seq"`, `"event":{"kind":"status","text":"`+strings.Repeat("a", 4097)+`"},"seq"`, 1))}, "oversize: a text of an event is 4097 bytes long, at most 4096 are read"},
		"a unit that is none":     {ingest.Message{Asset: "wt1", Payload: field(nil, 7, field(field(field(nil, 1, "x"), 4, strings.Repeat("g", 401)), 11, float32(1)))}, "undecodable: the unit of a waveform is 401 bytes long, want at most 100 characters"},
		"nested deep":             {ingest.Message{Payload: []byte(strings.Repeat(`{"x":`, 40) + "1" + strings.Repeat("}", 40))}, "undecodable: no JSON telemetry: byte 165: want values nested at most 32 deep"},
		"metadata too long":       {ingest.Message{Payload: []byte(strings.Replace(onePoint, `"unit"`, `"metadata":"`+strings.Repeat("x", 4096)+`","unit"`, 1))}, "oversize: 4098 bytes of metadata of a point, at most 4096 are read"},
		"two lists of points":     {ingest.Message{Payload: []byte(strings.Replace(onePoint, `"points"`, `"points":[],"points"`, 1))}, "undecodable: no JSON telemetry: byte 74: want each list once"},
		"too many points":         {ingest.Message{Payload: []byte(`{"asset":"a","points":[` + strings.Repeat("{},", ingest.MaxPoints) + `{}]}`)}, "oversize: more than 65536 points in a message"},
		"no UTF-8":                {ingest.Message{Payload: []byte(strings.Replace(onePoint, "wt1", "\xff", 1))}, "undecodable: no JSON telemetry: it is not UTF-8"},
		"a number beyond float64": {ingest.Message{Payload: []byte(strings.Replace(onePoint, `"value":1`, `"value":1e999`, 1))}, "undecodable: no JSON telemetry: byte 90: want a number that a float64 can hold"},
	} {
		t.Run(name, func(t *testing.T) {
			var p ingest.Payloads
			if got := strings.ReplaceAll(told(t, &p, tc.m), "\u00a0", " "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestASourceSpeaksForItsAssetsAlone(t *testing.T) {
	p := &ingest.Payloads{Allow: ingest.Allow{"wt1", "farm2-*"}}
	for id, want := range map[asset.ID]string{
		"wt1": "wt1 0s #7 a=1g", "farm2-wt9": "farm2-wt9 0s #7 a=1g",
		"wt2": `not-allowed: asset "wt2" is none of those that this source may speak for`, "farm2/wt9": `not-allowed: asset "farm2/wt9" is none of those that this source may speak for`,
	} {
		inPayload := []byte(strings.Replace(onePoint, "wt1", string(id), 1))
		if got := told(t, p, ingest.Message{Payload: inPayload}); got != want {
			t.Errorf("%s in the payload: %s, want %s", id, got, want)
		}
		byTopic := []byte(strings.Replace(onePoint, `"asset":"wt1",`, "", 1))
		if got := told(t, p, ingest.Message{Asset: id, Payload: byTopic}); got != want {
			t.Errorf("%s in the topic: %s, want %s", id, got, want)
		}
	}
	for _, bad := range []string{"[", ""} {
		if err := (ingest.Allow{"wt1", bad}).Validate(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is not allowed", bad)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := (ingest.Allow{"wt1", "*"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestCloudEvents(t *testing.T) {
	event := func(more string) []byte {
		return []byte(`{"id":"1","source":"/plc","type":"telemetry",` + more + `,"specversion":"1.0"}`)
	}
	coded := func(b []byte) string { return `"data_base64":"` + base64.StdEncoding.EncodeToString(b) + `"` }
	headers := func(more ...string) map[string]string {
		h := map[string]string{"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/plc", "ce_type": "telemetry"}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	proto := ingest.AppendTelemetry(nil, asset.Reading{Asset: "wt1", Time: t0, Seq: 7, Points: []asset.Point{{Metric: "a", Value: 1, Unit: "g"}}})
	for name, tc := range map[string]struct {
		m    ingest.Message
		want string
	}{
		"JSON":                  {ingest.Message{Payload: event(`"data":` + onePoint)}, "wt1 0s #7 a=1g"},
		"JSON of a dialect":     {ingest.Message{Payload: event(`"datacontenttype":"application/x+json; charset=utf-8","data":` + onePoint)}, "wt1 0s #7 a=1g"},
		"Protobuf":              {ingest.Message{Payload: event(`"datacontenttype":"application/protobuf",` + coded(proto))}, "wt1 0s #7 a=1g"},
		"waveform":              {ingest.Message{Payload: event(`"datacontenttype":"application/octet-stream","subject":"wt1/x",` + coded(someWave()))}, "wt1 500ms x[1 2] []; wt1 1s x[3] []"},
		"waveform by its type":  {ingest.Message{Payload: event(`"datacontenttype":"` + ingest.WaveType + `","subject":"wt1/x%2Fy",` + coded(someWave()))}, "wt1 500ms x/y[1 2] []; wt1 1s x/y[3] []"},
		"binary":                {ingest.Message{Headers: headers("content-type", "application/json"), Payload: []byte(onePoint)}, "wt1 0s #7 a=1g"},
		"binary by content":     {ingest.Message{Headers: headers("ce_subject", "wt1"), Payload: proto}, "wt1 0s #7 a=1g"},
		"binary waveform":       {ingest.Message{Headers: headers("ce_subject", "wt1/x"), Payload: someWave()}, "wt1 500ms x[1 2] []; wt1 1s x[3] []"},
		"JSON that is Protobuf": {ingest.Message{Headers: headers("content-type", "application/json"), Payload: proto}, "undecodable: no JSON telemetry: it is not UTF-8"},
		"no id":                 {ingest.Message{Payload: []byte(`{"specversion":"1.0","source":"/plc","type":"t","data":` + onePoint + `}`)}, "undecodable: a CloudEvent without id, which it has to have"},
		"binary without source": {ingest.Message{Headers: headers("ce_source", ""), Payload: []byte(onePoint)}, "undecodable: a CloudEvent without source, which it has to have"},
		"of a later version":    {ingest.Message{Headers: headers("ce_specversion", "2.0"), Payload: []byte(onePoint)}, `undecodable: a CloudEvent of version "2.0", known is 1.0`},
		"odd time":              {ingest.Message{Headers: headers("ce_time", "noon"), Payload: []byte(onePoint)}, `undecodable: time of a CloudEvent is "noon", want RFC 3339`},
		"of another subject":    {ingest.Message{Payload: event(`"subject":"wt2","data":` + onePoint)}, `not-allowed: the payload is of asset "wt1", topic, key or header of "wt2"`},
		"of another key":        {ingest.Message{Asset: "wt3", Payload: event(`"subject":"wt1","data":` + onePoint)}, `not-allowed: the payload is of asset "wt1", topic, key or header of "wt3"`},
		"an odd subject":        {ingest.Message{Payload: event(`"subject":"wt1/","data":` + onePoint)}, `undecodable: subject of a CloudEvent is "wt1/": want ASSET or ASSET/CHANNEL`},
		"an event inside":       {ingest.Message{Payload: event(`"datacontenttype":"application/cloudevents+json","data":` + string(event(`"data":`+onePoint)))}, "undecodable: a CloudEvent in a CloudEvent"},
		"an unknown type":       {ingest.Message{Payload: event(`"datacontenttype":"text/xml","data":"<a/>"`)}, `undecodable: the content type is "text/xml", want application/json, application/protobuf, application/vnd.telltale.wave or application/octet-stream`},
		"two data":              {ingest.Message{Payload: event(`"data":1,"data_base64":""`)}, "undecodable: a CloudEvent with both data and data_base64"},
		"no base64":             {ingest.Message{Payload: event(`"data_base64":"*"`)}, "undecodable: data_base64 of a CloudEvent: illegal base64 data at input byte 0"},
		"no data":               {ingest.Message{Payload: event(`"subject":"wt1"`)}, "undecodable: no JSON telemetry: byte 0: want {"},
		"of a registry inside":  {ingest.Message{Payload: event(`"datacontenttype":"application/octet-stream",` + coded(append([]byte{0}, proto...)))}, "undecodable: it begins with the wire header of a schema registry, and none is configured"},
		"cut off":               {ingest.Message{Payload: []byte(`{"specversion":"1.0","id":"1`)}, "undecodable: no CloudEvent in JSON: byte 26: want a string that ends"},
		"no event":              {ingest.Message{Payload: []byte(strings.Replace(onePoint, `"unit"`, `"metadata":{"specversion":"1.0"},"unit"`, 1))}, "wt1 0s #7 a=1g"},
	} {
		t.Run(name, func(t *testing.T) {
			var p ingest.Payloads
			if got := told(t, &p, tc.m); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// Many use one decoder, and more names than it keeps are still told apart.
func TestPayloadsAreSafeForConcurrentUse(t *testing.T) {
	var p ingest.Payloads
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 5000 {
				r := asset.Reading{Asset: "wt1", Time: t0, Points: []asset.Point{{Metric: fmt.Sprintf("metric_%d", (i+1)*n), Value: 1, Unit: "g", Quality: 100}}}
				got, err := p.Decode(t.Context(), ingest.Message{Payload: ingest.AppendTelemetry(nil, r)})
				if err != nil || len(got) != 1 || !equal(got[0], r) {
					t.Errorf("got %+v, %v; want %+v", got, err, r)
					return
				}
			}
		})
	}
	all.Wait()
}
