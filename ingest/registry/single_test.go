package registry

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/ingest"
)

// evolved is a later version of our Avro schema, with a message in single-object encoding.
func evolved(t *testing.T, field string) (text string, single []byte) {
	t.Helper()
	text = strings.Replace(ingest.TelemetryAvro(), avroUnit, avroUnit+`{"name": "`+field+`", "type": "string", "default": "?"},`, 1)
	s := avro.MustParse(text)
	sample, ok := avroSample(s.Root(), naming{}).(map[string]any)
	if !ok {
		t.Fatal("the sample is no record")
	}
	single, err := s.AppendSingleObject(nil, sample)
	if err != nil {
		t.Fatal(err)
	}
	return text, single
}

// A process that starts anew knows no schema by its fingerprint: what it reads must not
// depend on which numbers came before.
func TestASingleObjectIsLookedUpUnderItsTopic(t *testing.T) {
	f := fake(t)
	var asked atomic.Int64
	f.Intercept(func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
	register(t, f, "t-value", ingest.TelemetryAvro(), sr.TypeAvro)
	text, single := evolved(t, "origin")
	register(t, f, "t-value", text, sr.TypeAvro)
	later, soon := evolved(t, "place")
	_, never := evolved(t, "nowhere")

	now := time.Unix(0, 0)
	own, err := telemetryReaders()
	if err != nil {
		t.Fatal(err)
	}
	r, err := open(Config{URLs: []string{f.URL()}, Unknown: 10 * time.Second}, own, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	d := r.Decoder(newBehind(t))
	try := func(what string, payload []byte, topic, want string, requests int64) {
		t.Helper()
		asked.Store(0)
		got, err := d.Decode(t.Context(), ingest.Message{Topic: topic, Payload: payload})
		if string(reason(err)) != want || err == nil && (len(got) != 1 || got[0].Points[0].Metric != "text") {
			t.Errorf("%s: %+v, %v, want reason %q", what, got, err, want)
		}
		if n := asked.Load(); n != requests {
			t.Errorf("%s: %d requests, want %d", what, n, requests)
		}
	}
	try("a version of the subject", single, "t", "", 3) // the versions, and each of two
	try("the same again", single, "t", "", 0)
	try("another that nobody registered", never, "t", "unknown-schema", 0)
	try("of a topic without a subject", single, "other", "unknown-schema", 1)
	register(t, f, "t-value", later, sr.TypeAvro)
	try("one that is new, too soon", soon, "t", "unknown-schema", 0)
	now = now.Add(11 * time.Second)
	try("one that is new", soon, "t", "", 4)
	now = now.Add(time.Hour)
	try("the first after an hour", single, "t", "", 0)
	try("one that nobody registered, after an hour", never, "t", "unknown-schema", 4)
	f.Close()
	now = now.Add(time.Hour)
	if _, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: never}); err == nil || reason(err) != "" {
		t.Errorf("while the registry is away: %v, want an error that is no verdict", err)
	}
	try("ours while the registry is away", ourSingle(t), "t", "", 0)
}

func ourSingle(t *testing.T) []byte {
	t.Helper()
	b, err := avro.MustParse(ingest.TelemetryAvro()).AppendSingleObject(nil, &telemetry{Asset: "a", TimeNs: 1, Points: []point{{Metric: "text"}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The fingerprint of "int" is 8247732601305521295 in Avro's own tests (schema-tests.txt).
func TestFingerprintIsThatOfTheSpecification(t *testing.T) {
	if got, want := fingerprintOf(avro.MustParse(`"int"`)), (fingerprint{0x8f, 0x5c, 0x39, 0x3f, 0x1a, 0xd5, 0x75, 0x72}); got != want {
		t.Errorf("fingerprint of int is %x, want %x", got, want)
	}
}

func TestDecodeEndsWithItsContext(t *testing.T) {
	i := newIll(t)
	i.be(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	d := opened(t, Config{URLs: []string{i.URL}, Timeout: time.Minute}).Decoder(newBehind(t))
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := d.Decode(ctx, ingest.Message{Payload: headed(1, 0)}); err == nil || reason(err) != "" {
		t.Errorf("%v, want an error that is no verdict", err)
	}
}
