package api_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
)

// gates are two sources, of which one is down, and what they refused.
type gates struct{ fail error }

func (gates) Sources() []api.Source {
	return []api.Source{
		{Name: "mqtt tcp://broker", Protocol: "mqtt", Up: true, Heard: time.Unix(1e9, 0), Readings: 3, Offset: 0.25, Drift: asset.Missing()},
		{Name: "modbus 10.0.0.7:502 unit 1", Protocol: "modbus", Why: "no route to host", Offset: asset.Missing(), Drift: asset.Missing()},
	}
}

func (g gates) DeadLetters(reason asset.Reason, limit int) ([]api.DeadLetter, error) {
	if reason != "undecodable" || limit != 5 {
		return nil, g.fail
	}
	return []api.DeadLetter{{Source: "mqtt tcp://broker", Reason: reason, Topic: "a/b", Payload: []byte{0xff, 0}}}, g.fail
}

func TestSourcesAreListed(t *testing.T) {
	opt := newPlant().options()
	opt.Sources = gates{}
	body := ask(t, api.New(opt), "GET", "/api/v1/sources").Body.String()
	for _, want := range []string{`"up":true`, `"clock_offset_s":0.25`, `"clock_drift_ppm":null`, `"why":"no route to host"`, `"heard":"2001-09-09T01:46:40Z"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	if w := ask(t, api.New(newPlant().options()), "GET", "/api/v1/sources"); w.Code != 404 {
		t.Errorf("without sources: %d, want 404", w.Code)
	}
}

func TestRefusedBytesCanBeFound(t *testing.T) {
	opt := newPlant().options()
	opt.Sources = gates{}
	h := api.New(opt)
	if got := ask(t, h, "GET", "/api/v1/dead-letters?reason=undecodable&limit=5").Body.String(); !strings.Contains(got, `"payload":"/wA="`) {
		t.Errorf("got %s", got)
	}
	if got := ask(t, h, "GET", "/api/v1/dead-letters").Body.String(); got != `{"dead_letters":[]}`+"\n" {
		t.Errorf("none: %s", got)
	}
	if w := ask(t, h, "GET", "/api/v1/dead-letters?limit=0"); w.Code != 400 {
		t.Errorf("limit 0: %d, want 400", w.Code)
	}
	opt.Sources = gates{errors.New("disk")}
	if w := ask(t, api.New(opt), "GET", "/api/v1/dead-letters"); w.Code != 500 {
		t.Errorf("a disk that cannot be read: %d, want 500", w.Code)
	}
}
