package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/telltale-iot/telltale/ingest"
)

// ill is a registry that answers as it is told; nil: as a good one.
type ill struct {
	*httptest.Server
	how   atomic.Pointer[http.HandlerFunc]
	asked atomic.Int64
}

func newIll(t *testing.T) *ill {
	t.Helper()
	i := &ill{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		if how := i.how.Load(); how != nil {
			(*how)(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		_ = json.NewEncoder(w).Encode(map[string]any{"schema": ingest.TelemetryProto(), "schemaType": "PROTOBUF"})
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *ill) be(how http.HandlerFunc) {
	if how == nil {
		i.how.Store(nil)
		return
	}
	i.how.Store(&how)
}

func saying(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TestARegistryThatIsIllCostsNoMessage: whatever stands at its address, the answer is to
// try again, with a text that says what is wrong; and then it is asked again.
func TestARegistryThatIsIllCostsNoMessage(t *testing.T) {
	const js = "application/json"
	body := protoBytes(t, ingest.TelemetryProto(), onePoint)
	for name, c := range map[string]struct {
		how  http.HandlerFunc
		want string
	}{
		"a broken server":               {saying(500, js, `{"error_code":50001,"message":"store"}`), "HTTP 500"},
		"too many requests":             {saying(429, "text/plain", "slow down"), "slow down"},
		"a proxy's page":                {saying(200, "text/html; charset=utf-8", "<html>"), "want JSON"},
		"a page that says it is JSON":   {saying(200, js, "<html>"), "unable to decode"},
		"a page for what is not there":  {saying(404, "text/html", "<html>nothing here"), "HTTP 404"},
		"a 404 of another service":      {saying(404, js, `{"error_code":404,"message":"HTTP 404 Not Found"}`), "HTTP 404"},
		"nothing in it":                 {saying(200, js, `{}`), "holds no schema"},
		"nothing at all":                {saying(200, "", ""), "unable to decode"},
		"an answer of 5 MiB":            {saying(200, js, `{"schema":"`+strings.Repeat(" ", 5<<20)+`"}`), "more than 4194304 bytes"},
		"a refusal of 5 MiB":            {saying(500, js, strings.Repeat("x", 5<<20)), "more than 4194304 bytes"},
		"a login page":                  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "HTTP 302"},
		"no access":                     {saying(401, js, `{"error_code":401,"message":"Unauthorized"}`), "access refused without user or token"},
		"a connection that is cut":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"an answer that never ends":     {func(w http.ResponseWriter, r *http.Request) { dribble(w, r) }, "no answer"},
		"a server that does not answer": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some of them wait for the timeout
			i := newIll(t)
			i.be(c.how)
			d := opened(t, Config{URLs: []string{i.URL}, Timeout: 2 * time.Second}).Decoder(newBehind(t))
			m := ingest.Message{Topic: "t", Payload: headed(1, append([]byte{0}, body...)...)}
			_, err := d.Decode(t.Context(), m)
			if err == nil || reason(err) != "" || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000 {
				t.Fatalf("%.2000v, want an error that is no verdict and says %q", err, c.want)
			}
			i.be(nil)
			if got, err := d.Decode(t.Context(), m); err != nil || len(got) != 1 {
				t.Errorf("once it is well: %v, %v", got, err)
			}
		})
	}
}

func dribble(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for r.Context().Err() == nil {
		_, _ = w.Write([]byte(" "))
		w.(http.Flusher).Flush() //nolint:forcetypeassert // of httptest
		time.Sleep(5 * time.Millisecond)
	}
}

func TestARegistryThatWentAwayStopsOnlyNewSchemas(t *testing.T) {
	f := srfake.New()
	id := register(t, f, "t-value", ingest.TelemetryProto(), sr.TypeProtobuf)
	d := opened(t, Config{URLs: []string{f.URL()}}).Decoder(newBehind(t))
	known := ingest.Message{Topic: "t", Payload: headed(id, append([]byte{0}, protoBytes(t, ingest.TelemetryProto(), onePoint)...)...)}
	if _, err := d.Decode(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := d.Decode(t.Context(), known); err != nil {
		t.Errorf("a schema that is known: %v", err)
	}
	if _, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(id+1, 0)}); err == nil || reason(err) != "" {
		t.Errorf("a new schema: %v, want an error that is no verdict", err)
	}
}

func TestTheSecondAddressAnswersForTheFirst(t *testing.T) {
	i := newIll(t)
	d := opened(t, Config{URLs: []string{"http://127.0.0.1:1", i.URL}}).Decoder(newBehind(t))
	if _, err := d.Decode(t.Context(), ingest.Message{Payload: headed(1, 0)}); err != nil {
		t.Error(err)
	}
}

func TestASchemaIsFetchedOnce(t *testing.T) {
	i := newIll(t)
	release := make(chan struct{})
	i.be(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"schema": ingest.TelemetryProto(), "schemaType": "PROTOBUF"})
	})
	d := opened(t, Config{URLs: []string{i.URL}}).Decoder(newBehind(t))
	m := ingest.Message{Topic: "t", Payload: headed(1, append([]byte{0}, protoBytes(t, ingest.TelemetryProto(), onePoint)...)...)}
	impatient, giveUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _, _ = d.Decode(impatient, m) })
	for i.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 50 {
		all.Go(func() {
			if _, err := d.Decode(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	giveUp() // who gives up does not take the others along
	time.Sleep(10 * time.Millisecond)
	close(release)
	all.Wait()
	for range 100 {
		if _, err := d.Decode(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("%d requests, want the one given up and one more", n)
	}
}

func TestAnUnknownNumberIsAskedForAgainLater(t *testing.T) {
	i := newIll(t)
	i.be(saying(404, "application/json", `{"error_code":40403,"message":"Schema not found"}`))
	now := time.Unix(0, 0)
	own, err := telemetryReaders()
	if err != nil {
		t.Fatal(err)
	}
	r, err := open(Config{URLs: []string{i.URL}, Unknown: 10 * time.Second}, own, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := r.Decoder(newBehind(t))
	m := ingest.Message{Topic: "t", Payload: headed(1, 0)}
	for range 5 {
		if _, err := d.Decode(t.Context(), m); reason(err) != UnknownSchema || !strings.HasPrefix(err.Error(), "t: the registry knows no schema 1") {
			t.Errorf("%v, want %s", err, UnknownSchema)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("it was asked for %d times within 10 s, want 1", n)
	}
	i.be(nil)
	now = now.Add(11 * time.Second)
	if _, err := d.Decode(t.Context(), m); err != nil {
		t.Errorf("after 11 s, when it is there: %v", err)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newCache[int, int](3, time.Now)
	loads := 0
	ask := func(key int) {
		v, err := c.get(t.Context(), key, func(context.Context) (int, time.Time, error) { loads++; return 10 * key, time.Time{}, nil })
		if err != nil || v != 10*key {
			t.Fatalf("%d: %d, %v", key, v, err)
		}
	}
	for _, key := range []int{1, 2, 3, 1, 4, 1} { // 2 is the one longest unused when 4 comes
		ask(key)
	}
	if loads != 4 || len(c.entries) != 3 || c.used.Len() != 3 {
		t.Errorf("%d loads, %d kept, want 4 and 3", loads, len(c.entries))
	}
	ask(3)
	ask(2)
	if loads != 5 {
		t.Errorf("%d loads after 3 and 2, want 5", loads)
	}
}

func TestWhoWaitsForASchemaMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int, int](3, time.Now)
		var all sync.WaitGroup
		all.Go(func() {
			_, _ = c.get(t.Context(), 1, func(context.Context) (int, time.Time, error) { time.Sleep(time.Hour); return 1, time.Time{}, nil })
		})
		synctest.Wait()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		began := time.Now()
		if _, err := c.get(ctx, 1, nil); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s, want an error after 1 s", err, time.Since(began))
		}
		all.Wait()
	})
}

func TestSecretsAreReadAtEachRequest(t *testing.T) {
	var said atomic.Value
	i := newIll(t)
	i.be(func(w http.ResponseWriter, r *http.Request) {
		said.Store(r.Header.Get("Authorization"))
		saying(403, "application/json", `{"error_code":40301,"message":"no"}`)(w, r)
	})
	file := filepath.Join(t.TempDir(), "secret")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	bearer := opened(t, Config{URLs: []string{i.URL}, TokenFile: file}).Decoder(newBehind(t))
	user := opened(t, Config{URLs: []string{i.URL}, User: "u", PasswordFile: file}).Decoder(newBehind(t))
	for _, c := range []struct {
		d            *Decoder
		secret, want string
		text         string
	}{
		{bearer, "one\n", "Bearer one", "with the token of token_file"},
		{bearer, "two", "Bearer two", ""},
		{user, "one", "Basic dTpvbmU=", `as user "u"`},
	} {
		write(c.secret)
		_, err := c.d.Decode(t.Context(), ingest.Message{Payload: headed(1, 0)})
		if said.Load() != c.want || !strings.Contains(fmt.Sprint(err), c.text) || strings.Contains(fmt.Sprint(err), strings.TrimSpace(c.secret)) {
			t.Errorf("sent %q, want %q; error %v, want it to say %q and no secret", said.Load(), c.want, err, c.text)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := user.Decode(t.Context(), ingest.Message{Payload: headed(1, 0)}); err == nil || !strings.Contains(err.Error(), "password_file") {
		t.Errorf("without its file: %v", err)
	}
}
