package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/ingest"
)

// apicurio is a registry that is not ours, in a process of its own; what it knows outlives it.
type apicurio struct {
	t    *testing.T
	jar  string
	port string
	data string
	cmd  *exec.Cmd
}

func startApicurio(t *testing.T) *apicurio {
	t.Helper()
	dir := os.Getenv("TELLTALE_APICURIO")
	if dir == "" {
		t.Skip("skipped: TELLTALE_APICURIO names no folder with Apicurio Registry")
	}
	jars, err := filepath.Glob(filepath.Join(dir, "apicurio-registry-app-*-runner.jar"))
	if err != nil || len(jars) != 1 {
		t.Fatalf("%s holds %d programs of Apicurio Registry, want 1", dir, len(jars))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	a := &apicurio{t: t, jar: jars[0], port: port, data: filepath.Join(t.TempDir(), "db")}
	a.start()
	t.Cleanup(a.kill)
	return a
}

func (a *apicurio) url() string { return "http://127.0.0.1:" + a.port + "/apis/ccompat/v7" }

func (a *apicurio) start() {
	a.t.Helper()
	out, err := os.CreateTemp(a.t.TempDir(), "log")
	if err != nil {
		a.t.Fatal(err)
	}
	defer out.Close()                                                                                                                                       //nolint:errcheck // the child has its own
	a.cmd = exec.Command("java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port="+a.port, //nolint:gosec // the tester's own; killed below
		"-Dapicurio.datasource.url=jdbc:h2:file:"+a.data+";WRITE_DELAY=0", "-jar", a.jar)
	a.cmd.Stdout, a.cmd.Stderr = out, out
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	deadline := time.Now().Add(90 * time.Second)
	for time.Now().Before(deadline) {
		ctx, stop := context.WithTimeout(a.t.Context(), 5*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url()+"/subjects", http.NoBody)
		if err != nil {
			a.t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		stop()
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	said, _ := os.ReadFile(out.Name())
	a.t.Fatalf("Apicurio Registry does not come up:\n%.4000s", said)
}

func (a *apicurio) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

func (a *apicurio) client() *sr.Client {
	a.t.Helper()
	c, err := sr.NewClient(sr.URLs(a.url()), sr.HTTPClient(&http.Client{Timeout: 30 * time.Second}))
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// TestApicurio shares one registry: a Java process takes seconds to come up.
func TestApicurio(t *testing.T) {
	a := startApicurio(t)
	t.Run("schema evolution", func(t *testing.T) { apicurioEvolution(t, a) })
	t.Run("both ways", func(t *testing.T) { apicurioBothWays(t, a) })
	t.Run("incompatible", func(t *testing.T) { apicurioIncompatible(t, a) })
	t.Run("killed", func(t *testing.T) { apicurioKilled(t, a) })
}

// apicurioEvolution asks under which rules the registry would take each change.
func apicurioEvolution(t *testing.T, a *apicurio) { //nolint:thelper // a test, whose failures have lines of their own
	c := a.client()
	for i, e := range evolutions() {
		for format, f := range map[string]struct {
			e       edit
			shipped string
			kind    sr.SchemaType
		}{"Avro": {e.avro, ingest.TelemetryAvro(), sr.TypeAvro}, "Protobuf": {e.prot, ingest.TelemetryProto(), sr.TypeProtobuf}} {
			if f.e.from == "" {
				continue
			}
			old, changed := f.e.texts(t, f.shipped)
			subject := fmt.Sprintf("evolution-%s-%d", format, i)
			if _, err := c.CreateSchema(t.Context(), subject, sr.Schema{Schema: old, Type: f.kind}); err != nil {
				t.Fatal(err)
			}
			var fits []string
			for _, level := range []sr.CompatibilityLevel{sr.CompatBackward, sr.CompatForward, sr.CompatFull} {
				if r := c.SetCompatibility(t.Context(), sr.SetCompatibility{Level: level}, subject); r[0].Err != nil {
					t.Fatal(r[0].Err)
				}
				r, err := c.CheckCompatibility(sr.WithParams(t.Context(), sr.Verbose), subject, -1, sr.Schema{Schema: changed, Type: f.kind})
				if err != nil {
					t.Fatal(err)
				}
				if r.Is {
					fits = append(fits, level.String())
				}
			}
			if got := cmp.Or(strings.Join(fits, ", "), noRule); got != f.e.registry {
				t.Errorf("%s, %s: the registry allows it under %q, expected %q", e.name, format, got, f.e.registry)
			}
		}
	}
}

// apicurioBothWays sends what is wrapped through the decoder of another process's registry.
func apicurioBothWays(t *testing.T, a *apicurio) { //nolint:thelper // a test, whose failures have lines of their own
	body := ingest.AppendTelemetry(nil, power)
	first := opened(t, Config{URLs: []string{a.url()}})
	one, err := first.Wrap(t.Context(), "both", body)
	if err != nil {
		t.Fatal(err)
	}
	second := opened(t, Config{URLs: []string{a.url()}, LookupOnly: true})
	two, err := second.Wrap(t.Context(), "both", body)
	if err != nil || string(one) != string(two) {
		t.Errorf("wrapped as %x and, looked up, as %x, %v", one, two, err)
	}
	d := second.Decoder(&ingest.Payloads{})
	got, err := d.Decode(t.Context(), ingest.Message{Topic: "both", Payload: one})
	if err != nil || len(got) != 1 || got[0].Points[0].Value != power.Points[0].Value {
		t.Errorf("got %+v, %v", got, err)
	}
	c, changed := a.client(), strings.Replace(ingest.TelemetryAvro(), avroUnit, "", 1)
	if _, err := c.CreateSchema(t.Context(), "single-value", sr.Schema{Schema: changed, Type: sr.TypeAvro}); err != nil {
		t.Fatal(err)
	}
	type withoutUnit struct {
		Metric   string   `avro:"metric"`
		Value    float64  `avro:"value"`
		Quality  *float64 `avro:"quality"`
		Metadata string   `avro:"metadata"`
	}
	single, err := avro.MustParse(changed).AppendSingleObject(nil, map[string]any{
		"asset": "W1", "time_unix_ns": int64(1e18), "points": []withoutUnit{{Metric: "power", Value: 7}}, "event": nil, "wave": nil, "hits": []any{}, "sequence": int64(0),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err = d.Decode(t.Context(), ingest.Message{Topic: "single", Payload: single})
	if err != nil || len(got) != 1 || got[0].Points[0].Value != 7 {
		t.Errorf("by its fingerprint: %+v, %v", got, err)
	}
}

func apicurioIncompatible(t *testing.T, a *apicurio) { //nolint:thelper // a test, whose failures have lines of their own
	c := a.client()
	other := strings.Replace(ingest.TelemetryProto(), protoValue, "string value = 2;", 1)
	if _, err := c.CreateSchema(t.Context(), "taken-value", sr.Schema{Schema: other, Type: sr.TypeProtobuf}); err != nil {
		t.Fatal(err)
	}
	if r := c.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatBackward}, "taken-value"); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	if _, err := opened(t, Config{URLs: []string{a.url()}}).Wrap(t.Context(), "taken", nil); !errors.Is(err, ErrIncompatible) {
		t.Errorf("%v, want %v", err, ErrIncompatible)
	}
	if v, err := c.SubjectVersions(t.Context(), "taken-value"); err != nil || len(v) != 1 {
		t.Errorf("versions are %v, %v, want the one that was there", v, err)
	}
	if _, err := opened(t, Config{URLs: []string{a.url()}, LookupOnly: true}).Wrap(t.Context(), "nobody", nil); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("%v, want %v", err, ErrNotRegistered)
	}
}

// apicurioKilled goes on with what it knows, waits with what it does not, and goes on when
// the registry is back.
func apicurioKilled(t *testing.T, a *apicurio) { //nolint:thelper // a test, whose failures have lines of their own
	r := opened(t, Config{URLs: []string{a.url()}})
	d := r.Decoder(&ingest.Payloads{})
	body := ingest.AppendTelemetry(nil, power)
	known, err := r.Wrap(t.Context(), "known", body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(t.Context(), ingest.Message{Payload: known}); err != nil {
		t.Fatal(err)
	}
	c := a.client()
	changed := strings.Replace(ingest.TelemetryProto(), protoUnit, protoUnit+" string origin = 6;", 1)
	id, err := c.RegisterSchema(t.Context(), "later-value", sr.Schema{Schema: changed, Type: sr.TypeProtobuf}, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	a.kill()
	later := ingest.Message{Topic: "later", Payload: headed(id, append([]byte{0}, body...)...)}
	if _, err := d.Decode(t.Context(), ingest.Message{Payload: known}); err != nil {
		t.Errorf("a known schema while the registry is away: %v", err)
	}
	if _, err := r.Wrap(t.Context(), "known", body); err != nil {
		t.Errorf("a known topic while the registry is away: %v", err)
	}
	if _, err := d.Decode(t.Context(), later); err == nil || reason(err) != "" {
		t.Errorf("a new schema while the registry is away: %v, want an error that is no verdict", err)
	}
	if _, err := r.Wrap(t.Context(), "fresh", body); err == nil || errors.Is(err, ErrIncompatible) || errors.Is(err, ErrNotRegistered) {
		t.Errorf("a new topic while the registry is away: %v, want an error worth trying again", err)
	}
	a.start()
	if got, err := d.Decode(t.Context(), later); err != nil || len(got) != 1 {
		t.Errorf("a new schema when the registry is back: %v, %v", got, err)
	}
	if _, err := r.Wrap(t.Context(), "fresh", body); err != nil {
		t.Errorf("a new topic when the registry is back: %v", err)
	}
}
