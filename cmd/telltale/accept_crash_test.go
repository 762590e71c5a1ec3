//go:build accept

package main

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/postgres"
	"github.com/telltale-iot/telltale/store/postgres/postgrestest"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sandbox"
)

const (
	crashTopic      = "presses"
	crashPartitions = 6
	crashProcesses  = 3
	crashReadAgain  = 10 * time.Second // of event time, at most
	crashLong       = 50               // kills from which servers are killed as well
)

// crash is processes that share a topic, a database and an ERP, all of which fail.
type crash struct {
	t        *testing.T
	dice     *rand.Rand
	kills    int // to be done
	done     int
	busy     int // of done, of a process that had partitions
	feed     *feeder
	url      string // of the store, not by way of the network that is broken
	work     []*worker
	serve    *worker
	faults   []fault
	happened map[string]int
	took     []time.Duration // from a start to everything that was sent before it being kept
}

// TestAcceptCrash kills processes with signal 9 at random moments, again and again, while
// readings arrive and the database, the broker and the ways to both fail. Afterwards the store
// has what an undisturbed run makes of the same readings, and the ERP each order once.
func TestAcceptCrash(t *testing.T) {
	home := kafkaHome(t)
	kills := numberOf(t, "TELLTALE_KILLS", 12)
	readings := numberOf(t, "TELLTALE_READINGS", max(18000, 500*kills))
	seed := numberOf(t, "TELLTALE_SEED", int(time.Now().UnixNano()%1e9))
	db := postgrestest.Start(t, "fsync=off") // a killed server loses nothing that it wrote
	t.Parallel()
	t.Logf("%d kills, %d readings, seed %d", kills, readings, seed)
	c := &crash{t: t, dice: rand.New(rand.NewPCG(uint64(seed), 1)), kills: kills, url: db.In("crash"), happened: map[string]int{}} //nolint:gosec // dice
	broker, brokers, toBroker := apacheKafka(t, home, crashTopic, crashPartitions)
	t.Cleanup(func() { broker.kill() })
	erp, err := sandbox.Open(filepath.Join(t.TempDir(), "erp.jsonl"), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer erp.Close() //nolint:errcheck // everything is on disk
	desk := httptest.NewServer(erp)
	defer desk.Close()
	toStore, toERP := network(t, portOf(t, db.Addr())), network(t, portOf(t, desk.Listener.Addr().String()))
	run := &farmRun{readings: pressReadings(t, readings)}
	c.feed = newFeeder(t, brokers, crashTopic, run.readings)
	first := c.begin(toBroker.address(), toStore.address(), toERP.address())
	if run.w, _, err = wireConfig(first); err != nil {
		t.Fatal(err)
	}
	c.faultsOf(db, broker, toStore, toBroker, toERP)

	feeding, stop := context.WithCancel(t.Context())
	fed := make(chan error, 1)
	go func() { fed <- c.feed.run(feeding) }()
	defer func() {
		stop()
		<-fed //nolint:errcheck // it was told to end
	}()
	c.rounds()
	c.feed.allow(1, 3000)
	err = <-fed
	fed <- nil
	if err != nil {
		t.Fatal(err)
	}
	c.catchUp(nil)
	c.account(erp, run)
}

// begin starts the processes by way of networks that can be broken, and returns the file of
// one's configuration.
func (c *crash) begin(toBroker, toStore, toERP string) (file string) {
	c.t.Helper()
	url, err := neturl.Parse(c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	password, _ := url.User.Password()
	url.User, url.Host = neturl.User(url.User.Username()), toStore
	env, classes, program := []string{"PGPASSWORD=" + password}, pressClasses(c.t), made(c.t, shop.program)
	write := func() string {
		dir := c.t.TempDir()
		body, err := yaml.Marshal(map[string]any{
			"data": filepath.Join(dir, "data"), "listen": "127.0.0.1:0", "classes": classes, "assets": pressPlates(), "store": map[string]any{"url": url.String()},
			"source": map[string]any{"max_past": "87600h", "kafka": map[string]any{"brokers": []string{toBroker}, "topics": []string{crashTopic}, "group": "crash"}},
			"erp":    map[string]any{"kind": "sandbox", "url": "http://" + toERP, "hold_unknown": "1s"},
		})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "telltale.yaml"), body, 0o600)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		return filepath.Join(dir, "telltale.yaml")
	}
	for i := range crashProcesses {
		file = write()
		c.work = append(c.work, newWorker(c.t, "process-"+strconv.Itoa(i), program, env, "run", "-c", file, "--role", "process"))
	}
	c.serve = newWorker(c.t, "serve", program, env, "run", "-c", write(), "--role", "serve")
	return file
}

// faultsOf are those of the network, and of the servers in a long trial.
func (c *crash) faultsOf(db *postgrestest.Server, broker *peer, toStore, toBroker, toERP *between) {
	cut := func(name string, way *between) fault {
		return fault{name, way.proxy.Stop, func() {
			if err := way.proxy.Start(); err != nil {
				c.t.Fatal(err)
			}
		}, time.Second}
	}
	poisoned := func(name, kind, attributes string, way *between) fault {
		return fault{name, func() { way.poison(kind, attributes) }, way.heal, 2 * time.Second}
	}
	c.faults = []fault{
		{"database killed", func() { db.Kill(c.t) }, func() { db.Restart(c.t, "fsync=off") }, time.Second},
		poisoned("orders broken off", "limit_data", `"bytes": 600`, toERP),
		cut("database cut off", toStore),
		cut("broker cut off", toBroker),
	}
	if c.kills >= crashLong {
		c.faults = append(
			c.faults,
			fault{"broker killed", broker.kill, broker.start, time.Second},
			poisoned("answers of the database broken off", "limit_data", `"bytes": 1500`, toStore),
			poisoned("messages broken off", "limit_data", `"bytes": 1500`, toBroker),
			fault{"page and forwarder killed", func() { c.serve.kill() }, func() {}, 0},
			poisoned("database half-open", "timeout", `"timeout": 0`, toStore),
		)
	}
}

// rounds kill until it is enough. In most of them everything is waited for then, in the rest
// the next kill comes before.
func (c *crash) rounds() {
	c.t.Helper()
	c.feed.allow(0.02, 400)
	waits(c.t, "something is sent", func() bool { return len(c.feed.ends()) == crashPartitions })
	c.catchUp(nil)
	every := 1 // rounds from one fault to the next
	if c.kills >= crashLong {
		every = 3
	}
	for round := 0; c.done < c.kills; round++ {
		c.feed.allow(float64(c.done+8)/float64(c.kills+8), len(c.feed.readings)/(3*c.kills))
		if round%every == 0 && round/every < len(c.faults)*max(1, c.kills/crashLong) {
			c.suffer(c.faults[round/every%len(c.faults)])
		}
		var hit []*worker
		for range min(1+c.dice.IntN(5), c.kills-c.done) {
			time.Sleep(time.Duration(c.dice.IntN(1000)) * time.Millisecond)
			w := c.work[c.dice.IntN(len(c.work))]
			if w.kill() {
				c.busy++
			}
			c.done++
			if !slices.Contains(hit, w) {
				hit = append(hit, w)
			}
		}
		if c.dice.IntN(4) == 0 {
			time.Sleep(time.Duration(c.dice.IntN(5000)) * time.Millisecond)
			continue
		}
		c.catchUp(hit)
		time.Sleep(time.Duration(c.dice.IntN(500)) * time.Millisecond)
	}
}

func (c *crash) suffer(f fault) {
	c.happened[f.name]++
	f.begin()
	time.Sleep(f.outlasts)
	f.end()
}

// catchUp waits until everything is kept that is sent now, notes how long after their starts
// that was, and waits until every process has partitions.
func (c *crash) catchUp(since []*worker) {
	c.t.Helper()
	goal := c.feed.ends()
	minded := func(is func() bool) func() bool {
		return func() bool {
			for _, w := range append([]*worker{c.serve}, c.work...) {
				w.mind()
			}
			return is()
		}
	}
	waits(c.t, "what was sent is kept", minded(func() bool { return c.reached(goal) }))
	for _, w := range since {
		c.took = append(c.took, time.Since(w.started))
	}
	waits(c.t, "every process has partitions", minded(func() bool {
		return !slices.ContainsFunc(c.work, func(w *worker) bool { return !w.owns() })
	}))
}

// reached reports whether the store goes on behind these messages; false while it is away.
func (c *crash) reached(goal map[int]int64) bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return false
	}
	defer db.Close(ctx) //nolint:errcheck // only read
	rows, err := db.Query(ctx, "SELECT shard, next >> 20 FROM shard")
	if err != nil {
		return false
	}
	got := map[int]int64{}
	var shard int
	var next int64
	if _, err := pgx.ForEachRow(rows, []any{&shard, &next}, func() error { got[shard] = next; return nil }); err != nil {
		return false
	}
	for p, n := range goal {
		if got[p] < n {
			return false
		}
	}
	return true
}

// account compares what is there with what has to be.
func (c *crash) account(erp *sandbox.Server, run *farmRun) {
	t := c.t
	t.Helper()
	db, err := postgres.Open(t.Context(), c.url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	for _, w := range c.work {
		w.stop()
	}
	var orders []workorders.Order
	for due := -1; due != 0; { // as long as it gets on
		waits(t, "the ERP gets on with the orders that no other stands for", func() bool {
			if orders, err = db.Orders(t.Context(), store.OrderFilter{}); err != nil {
				t.Fatal(err)
			}
			c.serve.mind()
			n := len(slices.DeleteFunc(slices.Clone(orders), func(o workorders.Order) bool { return o.Status == workorders.Sent || represented(o) }))
			on := due < 0 || n < due
			due = n
			return on || n == 0
		})
	}
	c.serve.stop()
	counts, err := db.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := counts["readings"]; n != int64(len(run.readings)) {
		t.Errorf("%d readings are counted, %d were sent", n, len(run.readings))
	}
	clean(t, counts)
	inERP(t, erp.Orders(), orders)

	ref := filepath.Join(t.TempDir(), "one.db")
	if err := run.run(t.Context(), ref, nil, nil); err != nil {
		t.Fatal(err)
	}
	one, err := openFile(t.Context(), ref, run.w.order)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()                                                     //nolint:errcheck // only read
	last := run.readings[len(run.readings)-1].Time.Add(-10 * time.Second) // windows before it are complete in both
	want, got := left(t, one, last), left(t, db, last)
	for _, what := range []string{"frames", "risks", "alerts", "clears", "orders"} {
		same(t, what, got[what], want[what])
	}
	t.Logf("%d readings, %d frames, %d risks, %d alerts, %d orders, %d in the ERP", counts["readings"], len(got["frames"]), len(got["risks"]), len(got["alerts"]), len(orders), len(erp.Orders()))
	c.figures()
}

// inERP wants every order there once that was sent, and no other.
func inERP(t *testing.T, there []sandbox.Order, orders []workorders.Order) {
	t.Helper()
	times := map[string]int{}
	for _, o := range there {
		times[o.Key]++
	}
	for _, o := range orders {
		if n := times[o.Key]; n > 1 || (n == 1) != (o.Status == workorders.Sent) {
			t.Errorf("order %s (%s) is %d times in the ERP", o.Key, o.Status, n)
		}
		delete(times, o.Key)
	}
	if len(times) > 0 {
		t.Errorf("the ERP has orders that the store does not know: %v", slices.Sorted(maps.Keys(times)))
	}
}

// represented says that the order of another press that ran hot at the same time stands for
// this one, so that it is not sent.
func represented(o workorders.Order) bool {
	return o.Status == workorders.Parked && strings.HasPrefix(o.Problem, "one cause with other assets")
}

// figures says how long it took to recover, and holds what was read again to its limit.
func (c *crash) figures() {
	c.t.Helper()
	deaths := c.serve.deaths
	var again []time.Duration
	for _, w := range c.work {
		deaths += w.deaths
		for _, k := range w.claims() {
			d, err := c.feed.span(k.partition, k.low, k.next)
			if err != nil {
				c.t.Errorf("partition %d goes on from %d to %d: %v", k.partition, k.low, k.next, err)
			}
			if again = append(again, d); d > crashReadAgain {
				c.t.Errorf("partition %d: %s were read again, want %s at most", k.partition, d, crashReadAgain)
			}
		}
	}
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(c.happened)) {
		faults = append(faults, strconv.Itoa(c.happened[name])+" × "+name)
	}
	c.t.Logf("%d kills, %d of them of a process with partitions; %s; %d times a process ended by itself", c.done, c.busy, strings.Join(faults, ", "), deaths)
	if c.busy < c.kills/3 {
		c.t.Errorf("only %d of %d kills met a process with partitions: that proves little", c.busy, c.kills)
	}
	for what, all := range map[string][]time.Duration{"from a start to caught up": c.took, "event time read again at a takeover": again} {
		if len(all) == 0 {
			c.t.Errorf("%s: nothing was measured", what)
			continue
		}
		slices.Sort(all)
		at := func(p int) time.Duration { return all[(len(all)-1)*p/100].Round(time.Millisecond) }
		c.t.Logf("%s: p50 %s, p99 %s, longest %s (%d)", what, at(50), at(99), at(100), len(all))
	}
}

// numberOf is a whole number of the environment, from 1.
func numberOf(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	n, err := strconv.Atoi(cmp.Or(text, strconv.Itoa(otherwise)))
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a whole number from 1", name, text)
	}
	return n
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
