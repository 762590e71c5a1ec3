package registry

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// power is a reading that is sent.
var power = asset.Reading{Asset: "WT-1", Time: time.Unix(1_700_000_000, 0).UTC(), Points: []asset.Point{{Metric: "power", Value: 1500.5, Unit: "kW", Quality: 100}}}

func TestWrapRegistersOnceUnderEachName(t *testing.T) {
	for naming, want := range map[string]string{"": "a/b-value", ByTopic: "a/b-value", ByRecord: "telltale.v1.Telemetry", ByTopicAndRecord: "a/b-telltale.v1.Telemetry"} {
		f := fake(t)
		var posts []string
		var mu sync.Mutex
		f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			posts = append(posts, r.Method+" "+r.URL.Path)
			return false
		})
		r := opened(t, Config{URLs: []string{f.URL()}, Subjects: naming})
		body := ingest.AppendTelemetry(nil, power)
		for range 3 {
			got, err := r.Wrap(t.Context(), "a/b", body)
			if want := append([]byte{0, 0, 0, 0, 1, 0}, body...); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: wrapped as %x, %v, want %x", naming, got, err, want)
			}
			back, err := r.Decoder(&ingest.Payloads{}).Decode(t.Context(), ingest.Message{Topic: "a/b", Payload: got})
			if err != nil || len(back) != 1 || back[0].Points[0] != power.Points[0] || !back[0].Time.Equal(power.Time) {
				t.Errorf("%s: read again: %+v, %v", naming, back, err)
			}
		}
		if s, ok := f.GetSchema(want, 1); !ok || s.Schema.Schema != ingest.TelemetryProto() || s.Type != sr.TypeProtobuf {
			t.Errorf("%s: %s holds %v, want our Protobuf schema", naming, want, s.Type)
		}
		if len(posts) != 4 { // look up, compatibility, register, and the reader's own
			t.Errorf("%s: requests are %v, want 4", naming, posts)
		}
	}
}

func TestWrapDoesNotForceItsSchemaOnASubject(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		answer func(r *http.Request) (status int, body string)
		want   error
	}{
		"readers could not read it": {Config{}, func(r *http.Request) (int, string) {
			if strings.HasPrefix(r.URL.Path, "/compatibility/") {
				return 200, `{"is_compatible":false,"messages":["field 2 retyped"]}`
			}
			return 404, `{"error_code":40403,"message":"Schema not found"}`
		}, ErrIncompatible},
		"somebody was quicker": {Config{}, func(r *http.Request) (int, string) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/compatibility/"):
				return 200, `{"is_compatible":true}`
			case strings.HasSuffix(r.URL.Path, "/versions"):
				return 409, `{"error_code":409,"message":"incompatible"}`
			}
			return 404, `{"error_code":40401,"message":"Subject not found"}`
		}, ErrIncompatible},
		"it may only be looked up": {Config{LookupOnly: true}, func(*http.Request) (int, string) {
			return 404, `{"error_code":40401,"message":"Subject not found"}`
		}, ErrNotRegistered},
	} {
		i := newIll(t)
		now := time.Unix(0, 0)
		registered := false
		i.be(func(w http.ResponseWriter, r *http.Request) {
			status, body := c.answer(r)
			registered = registered || r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/versions") && status == 200
			saying(status, "application/json", body)(w, r)
		})
		c.config.URLs = []string{i.URL}
		own, err := telemetryReaders()
		if err != nil {
			t.Fatal(err)
		}
		r, err := open(c.config, own, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range 3 {
			if _, err := r.Wrap(t.Context(), "t", nil); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "t-value") {
				t.Errorf("%s: %v, want %v under t-value", name, err, c.want)
			}
		}
		if n := i.asked.Load(); n > 3 || registered {
			t.Errorf("%s: %d requests, registered %v", name, n, registered)
		}
		i.be(saying(200, "application/json", `{"id":7,"version":1}`))
		now = now.Add(11 * time.Second)
		if got, err := r.Wrap(t.Context(), "t", nil); err != nil || !bytes.Equal(got, []byte{0, 0, 0, 0, 7, 0}) {
			t.Errorf("%s: once a person has mended it: %x, %v", name, got, err)
		}
	}
}

func TestWrapTriesAgainWhenTheRegistryIsIll(t *testing.T) {
	i := newIll(t)
	r := opened(t, Config{URLs: []string{i.URL}})
	for _, ill := range []http.HandlerFunc{saying(500, "", ""), saying(404, "text/html", "<html>"), saying(401, "", ""), saying(200, "application/json", `{"id":0}`), saying(200, "application/json", `{"id":-4}`)} {
		i.be(ill)
		if _, err := r.Wrap(t.Context(), "t", nil); err == nil || errors.Is(err, ErrIncompatible) || errors.Is(err, ErrNotRegistered) {
			t.Errorf("%v, want an error worth trying again", err)
		}
	}
	i.be(saying(200, "application/json", `{"id":3}`))
	if _, err := r.Wrap(t.Context(), "t", nil); err != nil {
		t.Error(err)
	}
}
