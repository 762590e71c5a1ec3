//go:build accept

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/simulate"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/postgres"
	"github.com/telltale-iot/telltale/store/postgres/postgrestest"
)

// Three processes share a topic; one is killed, one stands still for longer than the group
// waits and wakes up again. What they leave in their store is what one process makes of it.
func TestAcceptProcessesShareATopic(t *testing.T) {
	home := kafkaHome(t)
	db := postgrestest.Start(t, "fsync=off") // it is not what is tried
	t.Parallel()
	const topic, partitions = "telemetry", 6
	_, brokers, _ := apacheKafka(t, home, topic, partitions)
	url := db.In("processes")
	bare, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := bare.User.Password()
	bare.User = neturl.User(bare.User.Username())
	farm, cut := processFarm(t)
	conf := func() map[string]any {
		return map[string]any{
			"assets": farm.plates(), "baseline": baselineFolder(t), "store": map[string]any{"url": bare.String()},
			"source": map[string]any{"max_past": "87600h", "kafka": map[string]any{"brokers": brokers, "topics": []string{topic}, "group": "proof"}},
		}
	}
	all := make([]*collector, 3)
	for i := range all {
		all[i] = &collector{t: t, dir: t.TempDir(), args: []string{"--role", "process"}, env: []string{"PGPASSWORD=" + password}}
		all[i].open(conf())
	}
	page := &collector{t: t, dir: t.TempDir(), args: []string{"--role", "serve"}, env: all[0].env}
	page.open(conf())
	producer, err := kafka.NewProducer(kafka.ProducerOptions{Produce: kafka.Produce{Cluster: kafka.Cluster{Brokers: brokers}, Topic: topic}})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	sent := 0
	send := func(share float64) {
		t.Helper()
		n := int(share * float64(len(farm.readings)))
		for _, r := range farm.readings[sent:n] {
			if err := producer.Send(t.Context(), []kafka.Record{{Asset: r.Asset, Payload: ingest.AppendTelemetry(nil, r)}}); err != nil {
				t.Fatal(err)
			}
		}
		sent = n
	}
	counted := func() int64 { return storedCounts(t, url)["readings"] }
	send(0.3)
	waits(t, "all three work", func() bool {
		return !slices.ContainsFunc(all, func(s *collector) bool { return s.committed() == 0 })
	})
	all[0].kill()
	send(0.5)
	stands := all[1].cmd.Process
	if err := stands.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	send(0.8)
	waits(t, "the third does the work of all", func() bool { return counted() == int64(sent) })
	if err := stands.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	claimedByNobody(t, url, partitions)
	send(1)
	waits(t, "everything is committed", func() bool { return counted() == int64(sent) })
	before := all[1].committed()
	waits(t, "the one that stood still is in the group again", func() bool { return all[1].metric("telltale_source_up{source=\"kafka "+brokers[0]+"/proof\"}") == 1 })
	t.Logf("%d readings in %d partitions; the one that stood still has committed %d points", sent, partitions, before)
	waits(t, "the page shows a twin and the alerts that others made", func() bool {
		code, twin := fetch(t, page.url+"/api/v1/assets/wt01")
		_, alerts := fetch(t, page.url+"/api/v1/alerts")
		return code == http.StatusOK && strings.Contains(twin, `"gearbox_oil_temperature`) && strings.Contains(alerts, `"wt01"`)
	})
	all[1].stop()
	all[2].stop()
	page.stop()
	movedOn(t, page)

	ref := filepath.Join(t.TempDir(), "one.db")
	if err := farm.run(t.Context(), ref, nil, nil); err != nil {
		t.Fatal(err)
	}
	one, err := openFile(t.Context(), ref, farm.w.order)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close() //nolint:errcheck // only read
	many, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer many.Close() //nolint:errcheck // only read
	want, got := left(t, one, cut), left(t, many, cut)
	for _, what := range []string{"frames", "risks", "alerts", "orders"} {
		same(t, what, got[what], want[what])
	}
	t.Logf("%d frames, %d risks, %d alerts, %d orders", len(got["frames"]), len(got["risks"]), len(got["alerts"]), len(got["orders"]))
}

// claimedByNobody claims all shards, as a process may that lost them and does not know yet,
// and does nothing with them.
func claimedByNobody(t *testing.T, url string, shards int32) {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it returns nil
	for i := range shards {
		if _, err := db.Claim(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
}

// movedOn looks at the positions as an operator does, and moves a partition.
func movedOn(t *testing.T, s *collector) {
	t.Helper()
	positions := func(args ...string) (rows []struct{ Partition, Epoch, Next, Low int64 }) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), s.cmd.Path, append([]string{"store", "positions", "-c", s.file}, args...)...) //nolint:gosec // the tester's own
		cmd.Env = append(os.Environ(), s.env...)
		out, err := cmd.Output()
		if err == nil && len(out) > 0 {
			err = json.Unmarshal(out, &rows)
		}
		if err != nil {
			t.Fatalf("store positions %v: %v: %s", args, err, out)
		}
		return rows
	}
	before := positions("--json")
	total := int64(0)
	for _, p := range before {
		total += p.Next
	}
	if len(before) != 6 || total == 0 {
		t.Fatalf("positions %+v", before)
	}
	at := before[3]
	positions("--partition", strconv.FormatInt(at.Partition, 10), "--to", strconv.FormatInt(at.Next+5, 10))
	if after := positions("--json")[3]; after.Next != at.Next+5 || after.Low != at.Next+5 || after.Epoch != at.Epoch+1 {
		t.Errorf("moved from %+v to %+v", at, after)
	}
}

// processFarm is ten days of six turbines with faults, as they are once they have been sent,
// and when the last of them ends that a later reading completes.
func processFarm(t *testing.T) (*farmRun, time.Time) {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	farm, err := simulate.New(simulate.Options{Turbines: 6, Duration: 10 * 24 * time.Hour, Start: start, WaveEvery: 12 * time.Hour, TelemetryEvery: 30 * time.Minute, Seed: 1, Faults: simulate.DemoScenario(6, 1, start)})
	if err != nil {
		t.Fatal(err)
	}
	f := &farmRun{}
	for r, ok := farm.Next(); ok; r, ok = farm.Next() {
		all, err := ingest.DecodeProtobuf(ingest.AppendTelemetry(nil, r), ingest.Message{})
		if err != nil {
			t.Fatal(err)
		}
		f.readings = append(f.readings, all...)
	}
	path := filepath.Join(t.TempDir(), "one.yaml")
	body, err := json.Marshal(map[string]any{
		"data": t.TempDir(), "assets": farm.Nameplates(), "baseline": baselineFolder(t),
		"source": map[string]any{"kafka": map[string]any{"brokers": []string{"k:1"}, "topics": []string{"t"}, "group": "g"}},
	})
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	if err == nil {
		f.w, _, err = wireConfig(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, start.Add(10*24*time.Hour - 12*time.Hour)
}

func (f *farmRun) plates() (all []asset.Nameplate) {
	for _, id := range f.w.ids {
		all = append(all, f.w.plates[id])
	}
	return all
}

// baselineFolder has the shipped baselines.
func baselineFolder(t *testing.T) string {
	t.Helper()
	b, err := shippedBaselines()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "baselines.json"), b.body, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// left is everything in a store up to a time, as text.
func left(t *testing.T, db store.Store, cut time.Time) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	add := func(what string, at time.Time, v any) {
		if at.After(cut) {
			return
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[what] = append(out[what], string(b))
	}
	err := db.EachFrame(t.Context(), func(f pipeline.Frame) error {
		for _, v := range f.Vectors {
			add("frames", f.Time, fmt.Sprint(f.Asset, f.Time.UTC(), vectorText(v)))
		}
		return nil
	})
	if err == nil {
		err = db.EachRisk(t.Context(), func(r asset.Risk) error { add("risks", r.Time, r); return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := db.Alerts(t.Context(), store.AlertFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts {
		add("alerts", a.Opened, []any{a.ID, a.Asset, a.Component, a.Opened.UTC()})
		if a.Cleared != nil {
			add("clears", *a.Cleared, []any{a.ID, a.Cleared.UTC()})
		}
	}
	orders, err := db.Orders(t.Context(), store.OrderFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range orders {
		add("orders", o.Created, []any{o.ID, o.Key, o.Alert, o.Asset})
	}
	slices.Sort(out["alerts"])
	slices.Sort(out["clears"])
	slices.Sort(out["orders"])
	return out
}

func storedCounts(t *testing.T, url string) map[string]int64 {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	counts, err := db.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return maps.Clone(counts)
}

// waits gives something four minutes.
func waits(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("four minutes went by and not: %s", what)
		}
	}
}
