package registry

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchemasPage holds the user's page to what TestSchemaEvolution tries.
//
//	go test ./ingest/registry -run TestSchemasPage -update
func TestSchemasPage(t *testing.T) {
	const begin, end = "<!-- evolution: written by a test -->\n", "<!-- end -->"
	path := filepath.Join("..", "..", "docs", "schemas.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	want := before + begin + evolutionTable() + end + after
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s does not have the table of evolutions: write it with -update", path)
	}
}

var _ = flag.Bool("update", false, "write the table of docs/schemas.md")

func evolutionTable() string {
	var b strings.Builder
	b.WriteString("| change | format | new reader, old message | old reader, new message | Apicurio allows it under |\n|---|---|---|---|---|\n")
	for _, e := range evolutions() {
		for _, f := range []struct {
			format string
			edit   edit
		}{{"Avro", e.avro}, {"Protobuf", e.prot}} {
			if f.edit.from != "" {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.name, f.format, f.edit.newReads, f.edit.oldReads, f.edit.registry)
			}
		}
	}
	return b.String()
}
