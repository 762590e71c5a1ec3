package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRolesThatShareAStoreSayWhatTheyLack(t *testing.T) {
	const kafka = "source:\n  kafka: {brokers: [\"k:9092\"], topics: [telemetry], group: telltale}\n"
	const store = "store: {url: \"postgres://telltale@db/telltale\"}\n"
	for name, tc := range map[string]struct {
		role, conf string
		want       []string
	}{
		"all there":        {"process", kafka + store, nil},
		"no store":         {"process", kafka, []string{"store.url: is empty: want a PostgreSQL store"}},
		"two topics":       {"process", strings.ReplaceAll(kafka, "telemetry", "a, b") + store, []string{"source.kafka: want one topic"}},
		"another source":   {"process", kafka + "  mqtt: {url: \"tcp://b:1883\", client_id: x}\n" + store, []string{"source: something beside kafka: want a gateway"}},
		"nothing":          {"process", "source:\n  mqtt: {url: \"tcp://b:1883\", client_id: x}\n", []string{"store.url", "source.kafka", "something beside"}},
		"a page":           {"serve", kafka + store, nil},
		"a page of a file": {"serve", kafka, []string{"store.url: is empty: want the PostgreSQL store that processes write to"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "conf.yaml")
			if err := os.WriteFile(path, []byte(someAssets+tc.conf), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := roleNamed(tc.role)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = r.wire(path)
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v, want %s", err, w)
				}
			}
		})
	}
}
