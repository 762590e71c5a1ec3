package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/ingest/opcua"
)

func TestACertificateIsWrittenOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	var said strings.Builder
	write := func(more ...string) int {
		said.Reset()
		return run(t.Context(), append([]string{"opcua", "certificate", "--out", dir, "--host", "h.example"}, more...), io.Discard, &said)
	}
	if code := write(); code != 0 {
		t.Fatal(said.String())
	}
	s := opcua.Server{Endpoint: "opc.tcp://h:4840", Certificate: dir + "/telltale.pem", Key: dir + "/telltale-key.pem", Trust: []string{dir + "/telltale.der"}, Nodes: []opcua.Node{{ID: "i=1", Asset: "a", Metric: "m", Unit: "1"}}}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(s.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	key := string(fileBytes(t, s.Key))
	if code := write(); code != 1 || !strings.Contains(said.String(), "use --force") || string(fileBytes(t, s.Key)) != key {
		t.Errorf("a second one: %d, %q; the key stays: %t", code, said.String(), string(fileBytes(t, s.Key)) == key)
	}
	if code := write("--force"); code != 0 || string(fileBytes(t, s.Key)) == key {
		t.Errorf("with --force: %d, %q", code, said.String())
	}
	if code := write("--uri", "plant", "--name", "x"); code != 2 || !strings.Contains(said.String(), `--uri: "plant"`) {
		t.Errorf("a bad URI: %d, %q", code, said.String())
	}
}

func fileBytes(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
