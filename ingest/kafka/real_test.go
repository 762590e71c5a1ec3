package kafka

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

func TestOnlyWhoIsTrustedIsSpokenTo(t *testing.T) {
	t.Parallel()
	b := needsApache(t)
	password, wrong := filepath.Join(t.TempDir(), "right"), filepath.Join(t.TempDir(), "wrong")
	for path, text := range map[string]string{password: "alice-secret\n", wrong: "bob-secret"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	both, account := "127.0.0.1:"+b.ports[1], "127.0.0.1:"+b.ports[2]
	named := b.tls("ca", "client")
	named.ServerName = "broker.example"
	topic := newTopic(t, b.plain(), 1, nil)
	for name, tc := range map[string]struct {
		at   Cluster
		want string // in the error; empty: it works
	}{
		"certificates of both":              {Cluster{Brokers: []string{both}, TLS: b.tls("ca", "client")}, ""},
		"no certificate of ours":            {Cluster{Brokers: []string{both}, TLS: b.tls("ca", "")}, "tls: "},
		"another authority":                 {Cluster{Brokers: []string{both}, TLS: b.tls("other", "client")}, "certificate"},
		"another name":                      {Cluster{Brokers: []string{both}, TLS: named}, "broker.example"},
		"no TLS where there is":             {Cluster{Brokers: []string{both}}, "EOF"},
		"scram-sha-256":                     {Cluster{Brokers: []string{account}, TLS: b.tls("ca", ""), SASL: &SASL{"scram-sha-256", "alice", password}}, ""},
		"scram-sha-512":                     {Cluster{Brokers: []string{account}, TLS: b.tls("ca", ""), SASL: &SASL{"scram-sha-512", "alice", password}}, ""},
		"plain over TLS":                    {Cluster{Brokers: []string{account}, TLS: b.tls("ca", ""), SASL: &SASL{"plain", "alice", password}}, ""},
		"a wrong password":                  {Cluster{Brokers: []string{account}, TLS: b.tls("ca", ""), SASL: &SASL{"scram-sha-512", "alice", wrong}}, "SASL Authentication Failed"},
		"a wrong password, plain":           {Cluster{Brokers: []string{account}, TLS: b.tls("ca", ""), SASL: &SASL{"plain", "alice", wrong}}, "SASL Authentication Failed"},
		"no account where one is asked for": {Cluster{Brokers: []string{account}, TLS: b.tls("ca", "")}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := producer(t, Produce{Cluster: tc.at, Topic: topic})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if tc.want != "" {
				ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
			}
			defer cancel()
			err := p.Send(ctx, []Record{reading(asset.ID(strings.ReplaceAll(name, " ", "-")), 0)})
			s, _ := open(t, Options{Consume: Consume{Cluster: tc.at, Topics: []string{topic}, Group: "g " + name}})
			defer s.Close()
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				for one := ""; one != strings.ReplaceAll(name, " ", "-")+" 0"; {
					one, _ = next(t, s)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the producer says %v, want %q in it", err, tc.want)
			}
			eventually(t, "the source says why", func() bool { st := s.Status(); return !st.Up && strings.Contains(st.Why, tc.want) })
			if strings.Contains(fmt.Sprint(err, s.Status()), "secret") {
				t.Error("the password is in what it says")
			}
		})
	}
}

func TestKeysGoWhereTheJavaClientItselfPutsThem(t *testing.T) {
	t.Parallel()
	b := needsApache(t)
	topic := newTopic(t, b.plain(), 12, nil)
	args := []string{"testdata/Keys.java", b.plain().Brokers[0], topic}
	keys := []string{"WT01", "Wärmepumpe 7", "泵", "a"}
	for i := range 100 {
		keys = append(keys, fmt.Sprint("asset-", i*i))
	}
	out, err := b.java(t.Context(), append(args, keys...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Fields(string(out))
	if len(said) != len(keys) {
		t.Fatalf("%d partitions for %d keys", len(said), len(keys))
	}
	for i, k := range keys {
		if got := fmt.Sprint(partitioner(12)(k)); got != said[i] {
			t.Errorf("%q goes to %s, the Java client puts it into %s", k, got, said[i])
		}
	}
}

// TestKilledThreeTimesAndStopped kills the broker under a producer and a consumer, which are the same
// objects from the beginning to the end, and then stops it without closing a connection.
func TestKilledThreeTimesAndStopped(t *testing.T) {
	t.Parallel()
	needsApache(t)
	b, err := newBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.start(); err != nil {
		t.Fatal(err)
	}
	defer b.kill()
	topic := newTopic(t, b.plain(), 3, nil)
	p := producer(t, Produce{Cluster: b.plain(), Topic: topic, Partitions: 3})
	s, _ := open(t, Options{Consume: Consume{Cluster: b.plain(), Topics: []string{topic}, Group: topic}})
	ids := []asset.ID{"a", "b", "c", "d", "e"}
	sending, enough := context.WithCancel(t.Context())
	var work sync.WaitGroup
	sent := 0 // of each asset
	work.Go(func() {
		for sending.Err() == nil {
			var all []Record
			for _, id := range ids {
				all = append(all, reading(id, sent))
			}
			if err := p.Send(t.Context(), all); err != nil {
				t.Error(err)
				return
			}
			sent++
			ingest.Sleep(sending, 20*time.Millisecond)
		}
	})
	var plates []asset.Nameplate
	for _, id := range ids {
		plates = append(plates, asset.Nameplate{ID: id})
	}
	v := ingest.NewValidator(plates, ingest.Options{})
	var mu sync.Mutex
	accepted, refused := map[string]int{}, map[asset.Reason]int{}
	reading, done := context.WithCancel(t.Context())
	work.Go(func() {
		for {
			r, pos, err := s.Next(reading)
			if err != nil {
				return
			}
			ok, bad := v.Check(r)
			mu.Lock()
			for _, e := range bad {
				refused[e.Reason]++
			}
			if !ok.Blank() {
				accepted[say(ok)]++
			}
			mu.Unlock()
			if pos.Offset%7 == 0 {
				s.Ack(pos)
			}
		}
	})
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(accepted) }
	committed := func() bool {
		return len(s.Partitions()) == 3 && !slices.ContainsFunc(s.Partitions(), func(p Partition) bool { return p.Committed < p.End-100 })
	}
	eventually(t, "it flows", func() bool { return count() > 500 && committed() })
	for i := range 3 {
		b.kill()
		time.Sleep(time.Second)
		if err := b.start(); err != nil {
			t.Fatal(err)
		}
		back, was := time.Now(), count()
		eventually(t, "it flows again", func() bool { return count() > was+len(ids) })
		took := time.Since(back)
		t.Logf("kill %d: flows again %.1f s after the broker listens", i+1, took.Seconds())
		if took > 10*time.Second {
			t.Errorf("it took %s to flow again", took)
		}
		was = count()
		eventually(t, "it goes on", func() bool { return count() > was+500 && committed() })
	}
	// Connections that are open and carry nothing.
	if err := b.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is noticed", func() bool { return !s.Status().Up && !p.Status().Up })
	if err := b.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	back, was := time.Now(), count()
	eventually(t, "it flows again", func() bool { return count() > was+len(ids) })
	t.Logf("stopped: flows again %.1f s after the broker goes on", time.Since(back).Seconds())
	if took := time.Since(back); took > 10*time.Second {
		t.Errorf("it took %s to flow again", took)
	}
	enough()
	eventually(t, "all arrived", func() bool { return count() >= sent*len(ids) && sending.Err() != nil })
	done()
	work.Wait()
	for _, id := range ids {
		for i := range sent {
			if n := accepted[fmt.Sprint(id, " ", i)]; n != 1 {
				t.Errorf("%s %d was accepted %d times", id, i, n)
			}
		}
	}
	for why := range refused {
		if why != ingest.Duplicate && why != ingest.TimeBackwards {
			t.Errorf("refused for %s: %d", why, refused[why])
		}
	}
	t.Logf("%d readings of each of %d assets, all accepted once; what came twice was refused: %v", sent, len(ids), refused)
}

// member is a consumer in a process of its own that says slowly what it reads.
func member(spec string) {
	f := strings.Split(spec, ";")
	s, err := Open(context.Background(), Options{Consume: Consume{Cluster: Cluster{Brokers: f[:1]}, Topics: f[1:2], Group: f[2]}, Decoder: &decoder{}})
	if err != nil {
		panic(err)
	}
	for {
		r, pos, err := s.Next(context.Background())
		if err != nil {
			panic(err)
		}
		fmt.Println(say(r))
		s.Ack(pos)
		time.Sleep(20 * time.Millisecond)
	}
}

func TestAMemberThatWasStoppedTooLongDeliversNothingStale(t *testing.T) {
	t.Parallel()
	b := needsApache(t)
	topic := newTopic(t, b.plain(), 2, nil)
	p := producer(t, Produce{Cluster: b.plain(), Topic: topic})
	mine, others := apart()
	for i := range 400 {
		send(t, p, reading(mine, i), reading(others, i))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "TELLTALE_KAFKA_MEMBER="+strings.Join([]string{b.plain().Brokers[0], topic, topic}, ";"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var mu sync.Mutex
	var said []string
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			mu.Lock()
			said = append(said, lines.Text())
			mu.Unlock()
		}
	}()
	saying := func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(said) }
	eventually(t, "the other process reads", func() bool { return len(saying()) > 20 })
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	before := -1
	for n := len(saying()); n != before; n = len(saying()) { // what it had said may still be in the pipe
		before = n
		time.Sleep(300 * time.Millisecond)
	}

	s, _ := open(t, Options{Consume: Consume{Cluster: b.plain(), Topics: []string{topic}, Group: topic}})
	all := map[string]bool{}
	for _, n := range saying() {
		all[n] = true
	}
	for len(all) < 800 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		r, pos, err := s.Next(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%v after %d", err, len(all))
		}
		all[say(r)] = true
		s.Ack(pos)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are members", func() bool { return len(s.Partitions()) == 1 })
	time.Sleep(time.Second)
	after := saying()[before:]
	if len(after) > 1 { // the one that it had in hand
		t.Errorf("when it went on it said %d readings of partitions that were not its own any more: %.300v", len(after), after)
	}
}
