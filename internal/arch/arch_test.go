// Package arch holds the import table of ARCHITECTURE.md as a test. It parses the
// files itself: a test that asks the go command could pass from its cache.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/telltale-iot/telltale/"

// table says which rooms a room may import. A room also imports its own
// sub-folders; cmd imports all.
var table = map[string][]string{
	"asset":      {},
	"class":      {"asset"},
	"dsp":        {},
	"features":   {"asset", "dsp"},
	"models":     {"asset", "features"},
	"physics":    {"asset", "features"},
	"twin":       {"asset", "features", "physics"},
	"ingest":     {"asset"},
	"dataset":    {"asset"},
	"simulate":   {"asset", "physics"},
	"pipeline":   {"asset", "features", "twin"},
	"workorders": {"asset"},
	"store":      {"asset", "features", "models", "twin", "workorders", "pipeline"},
	"api":        {"asset", "features", "twin", "workorders"},
	"web":        {},
}

// thirdParty says which room may use a dependency; a test file may use any.
var thirdParty = map[string][]string{
	"github.com/parquet-go/parquet-go":       {"dataset"},
	"modernc.org/sqlite":                     {"store"},
	"github.com/jackc/pgx/v5":                {"store"},
	"github.com/influxdata/line-protocol/v2": {"cmd"},
	"gocloud.dev":                            {"store"},
	"github.com/yalue/onnxruntime_go":        {"models"},
	"oras.land/oras-go/v2":                   {"models"},
	"github.com/opencontainers/image-spec":   {"models"},
	"github.com/opencontainers/go-digest":    {"models"},
	"github.com/eclipse/paho.mqtt.golang":    {"ingest"},
	"github.com/mochi-mqtt/server/v2":        {"ingest"},
	"github.com/goburrow/modbus":             {"ingest"},
	"github.com/simonvetter/modbus":          {"ingest"},
	"github.com/gopcua/opcua":                {"ingest"},
	"github.com/klauspost/compress":          {"ingest"},
	"google.golang.org/protobuf":             {"ingest"},
	"github.com/twmb/franz-go/pkg/sr":        {"ingest"},
	"github.com/bufbuild/protocompile":       {"ingest"},
	"github.com/twmb/avro":                   {"ingest"},
	"github.com/segmentio/kafka-go":          {"ingest"},
	"github.com/aws/aws-sdk-go-v2":           {"ingest"},
	"github.com/coder/websocket":             {"api"},
	"github.com/prometheus/client_golang":    {"api", "cmd"},
	"gonum.org/v1/gonum":                     {"features", "physics", "cmd"},
	"github.com/goccy/go-yaml":               {"class", "dataset", "cmd"},
	"github.com/google/uuid":                 {"pipeline", "workorders"},
	"golang.org/x/sync":                      {"pipeline", "cmd"},
	"github.com/spf13/cobra":                 {"cmd"},
	"github.com/schollz/progressbar/v3":      {"cmd"},
	"golang.org/x/term":                      {"cmd"},
}

// clocks are the packages that the pure rooms must not know.
var clocks = []string{"os", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2"}

var pure = []string{"asset", "dsp", "features", "physics", "twin", "pipeline"}

func TestImportsFollowTheTable(t *testing.T) {
	seen := map[string]bool{}
	eachFile(t, func(path, room string, imports []string) {
		seen[room] = true
		for _, imp := range imports {
			if to, ok := strings.CutPrefix(imp, module); ok {
				target, _, _ := strings.Cut(to, "/")
				if room != "cmd" && target != room && !slices.Contains(table[room], target) {
					t.Errorf("%s: room %s imports room %s; allowed: %v", path, room, target, table[room])
				}
				continue
			}
			for dep, rooms := range thirdParty {
				if (imp == dep || strings.HasPrefix(imp, dep+"/")) && !slices.Contains(rooms, room) {
					t.Errorf("%s: room %s uses %s, which belongs to %v", path, room, dep, rooms)
				}
			}
			if slices.Contains(pure, room) && slices.Contains(clocks, imp) {
				t.Errorf("%s: room %s is pure and imports %s: hand it in", path, room, imp)
			}
		}
	})
	for room := range table {
		if !seen[room] {
			t.Errorf("room %s is in the table and has no Go file", room)
		}
	}
}

func TestEveryDependencyHasARoom(t *testing.T) {
	eachFile(t, func(path, room string, imports []string) {
		for _, imp := range imports {
			if !strings.Contains(strings.Split(imp, "/")[0], ".") || strings.HasPrefix(imp, module) {
				continue
			}
			known := slices.ContainsFunc(slices.Collect(maps.Keys(thirdParty)), func(dep string) bool {
				return imp == dep || strings.HasPrefix(imp, dep+"/")
			})
			if !known {
				t.Errorf("%s: %s is in no room's row: add it here and to the README's table, with a reason", path, imp)
			}
		}
	})
}

// TestPagesNameEveryRoomAndDependency keeps ARCHITECTURE.md and the README's table
// true to the tables above.
func TestPagesNameEveryRoomAndDependency(t *testing.T) {
	read := func(name string) string {
		body, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	rooms, readme := read("ARCHITECTURE.md"), read("README.md")
	for room, imports := range table {
		row := regexp.MustCompile("(?m)^\\| `" + room + "` \\|.*\\| ([^|]*) \\| [^|]* \\|$").FindStringSubmatch(rooms)
		if row == nil {
			t.Errorf("ARCHITECTURE.md has no row for room %s", room)
			continue
		}
		said := strings.FieldsFunc(row[1], func(r rune) bool { return r == ',' || r == ' ' || r == '–' })
		slices.Sort(said)
		if want := slices.Sorted(slices.Values(imports)); !slices.Equal(said, want) {
			t.Errorf("ARCHITECTURE.md says that room %s imports %v, the table here says %v", room, said, want)
		}
	}
	for dep := range thirdParty {
		if !strings.Contains(readme, "`"+dep+"`") {
			t.Errorf("the README gives no reason for %s", dep)
		}
	}
}

// eachFile visits the production files of every room.
func eachFile(t *testing.T, visit func(path, room string, imports []string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "build" || name == "node_modules" || name == "internal") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); rel != "." && err == nil {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || !strings.Contains(rel, string(filepath.Separator)) {
			return nil
		}
		room, _, _ := strings.Cut(rel, string(filepath.Separator))
		if _, ok := table[room]; !ok && room != "cmd" {
			t.Errorf("%s: folder %s is not a room: add it to the table and to ARCHITECTURE.md", rel, room)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, imp := range file.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, p)
		}
		visit(rel, room, imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
