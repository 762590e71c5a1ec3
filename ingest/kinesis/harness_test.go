package kinesis

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// stand is a stream in this process: of the service only what is asked of it.
type stand struct {
	mu     sync.Mutex
	shards []*pieces
	puts   int
	fails  func(n int) bool // whether the nth record that is put fails
}

type pieces struct {
	id, parent string
	closed     bool
	records    []map[string]any
}

type object = map[string]any

func (s *stand) serve(w http.ResponseWriter, r *http.Request) {
	var in object
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(s.answer(op, in))
}

func (s *stand) answer(op string, in object) object {
	switch op {
	case "DescribeStreamSummary":
		return object{"StreamDescriptionSummary": object{"RetentionPeriodHours": 24}}
	case "ListShards":
		var all []object
		for _, p := range s.shards {
			x := object{"ShardId": p.id, "HashKeyRange": object{"StartingHashKey": "0", "EndingHashKey": "1"}, "SequenceNumberRange": object{"StartingSequenceNumber": "0"}}
			if p.parent != "" {
				x["ParentShardId"] = p.parent
			}
			all = append(all, x)
		}
		return object{"Shards": all}
	case "GetShardIterator":
		at := "0"
		if after, ok := in["StartingSequenceNumber"].(string); ok {
			n, _ := strconv.Atoi(after)
			at = strconv.Itoa(n + 1)
		}
		if since, ok := in["Timestamp"].(float64); ok {
			for _, p := range s.shards {
				if p.id != in["ShardId"] {
					continue
				}
				n := 0
				for n < len(p.records) && p.records[n]["ApproximateArrivalTimestamp"].(float64) < since {
					n++
				}
				at = strconv.Itoa(n)
			}
		}
		return object{"ShardIterator": in["ShardId"].(string) + "/" + at}
	case "GetRecords":
		id, at, _ := strings.Cut(in["ShardIterator"].(string), "/")
		from, _ := strconv.Atoi(at)
		for _, p := range s.shards {
			if p.id != id {
				continue
			}
			to := min(from+3, len(p.records))
			out := object{"Records": p.records[from:to], "MillisBehindLatest": (len(p.records) - to) * 1000}
			if to < len(p.records) || !p.closed {
				out["NextShardIterator"] = fmt.Sprint(id, "/", to)
			}
			return out
		}
	case "PutRecords":
		var out []object
		for _, x := range in["Records"].([]any) {
			s.puts++
			if s.fails != nil && s.fails(s.puts) {
				out = append(out, object{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
				continue
			}
			data, _ := base64.StdEncoding.DecodeString(x.(object)["Data"].(string))
			out = append(out, object{"ShardId": s.shards[0].id, "SequenceNumber": s.shards[0].add(x.(object)["PartitionKey"].(string), data)})
		}
		return object{"Records": out, "FailedRecordCount": 0}
	}
	return object{"__type": "ValidationException"}
}

func (p *pieces) add(key string, data []byte) string {
	n := strconv.Itoa(len(p.records))
	p.records = append(p.records, object{"Data": data, "PartitionKey": key, "SequenceNumber": n, "ApproximateArrivalTimestamp": float64(time.Now().UnixMilli()) / 1000})
	return n
}

func newStand(t *testing.T, shards ...*pieces) (*stand, Stream) {
	t.Helper()
	credentials(t)
	s := &stand{shards: shards}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	return s, Stream{Name: "turbines", Region: "eu-central-1", Endpoint: server.URL}
}

func credentials(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// kinesalite starts the stand-in that is not ours and returns where it is.
func kinesalite(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TELLTALE_KINESALITE")
	if dir == "" {
		t.Skip("skipped: TELLTALE_KINESALITE names no folder with kinesalite")
	}
	credentials(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "node_modules/kinesalite/cli.js"), "--port", port, "--createStreamMs", "10", "--updateStreamMs", "10") //nolint:gosec // the tester's own
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "kinesalite listens", func() bool {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return "http://127.0.0.1:" + port
}

// decoder reads telemetry; it waits while away is set.
type decoder struct{ away atomic.Bool }

func (d *decoder) Decode(_ context.Context, m ingest.Message) ([]asset.Reading, error) {
	if d.away.Load() {
		return nil, errors.New("the registry is away")
	}
	r, err := ingest.DecodeTelemetry(m.Payload, m.Asset)
	return []asset.Reading{r}, err
}

// reading i of an asset, as a record.
func reading(id asset.ID, i int) Record {
	b, err := ingest.EncodeTelemetry(asset.Reading{Asset: id, Time: t0.Add(time.Duration(i) * time.Second), Points: []asset.Point{{Metric: "power", Value: float64(i), Unit: "kW", Quality: 100}}})
	if err != nil {
		panic(err)
	}
	return Record{Asset: id, Payload: b}
}

// log collects what a source says of itself.
type log struct {
	mu      sync.Mutex
	lost    []string
	letters []ingest.DeadLetter
}

func open(t *testing.T, opt Options) (*Source, *log) {
	t.Helper()
	l := &log{}
	opt.Lost = func(err error) { l.mu.Lock(); defer l.mu.Unlock(); l.lost = append(l.lost, err.Error()) }
	opt.Refused = func(d ingest.DeadLetter) { l.mu.Lock(); defer l.mu.Unlock(); l.letters = append(l.letters, d) }
	if opt.Decoder == nil {
		opt.Decoder = &decoder{}
	}
	opt.Refresh = 100 * time.Millisecond
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, l
}

func take(t *testing.T, s *Source, n int) (names []string, last asset.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range n {
		r, pos, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("%v after %v; status: %+v", err, names, s.Status())
		}
		names, last = append(names, fmt.Sprint(r.Asset, " ", r.Points[0].Value)), pos
	}
	return names, last
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 3000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("30 s went by and not: %s", what)
}
