// Command bundle writes the page's bundle from its source: run it in this
// folder with "go run ." after "npm ci" one folder up. With -check it writes
// nothing and says whether dist is what the source gives.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	check := flag.Bool("check", false, "compare with dist and write nothing")
	root := flag.String("root", "..", "folder that holds src and dist")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	parts, err := build(root)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if check {
			have, err := os.ReadFile(p.Path)
			if err != nil || !bytes.Equal(have, p.Contents) {
				return fmt.Errorf("%s is not what src gives: run \"make web\" and commit dist", p.Path)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(p.Path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p.Path, p.Contents, 0o644); err != nil {
			return err
		}
		fmt.Printf("%s %d bytes\n", p.Path, len(p.Contents))
	}
	return nil
}

func build(root string) ([]api.OutputFile, error) {
	src, err := filepath.Abs(filepath.Join(root, "src"))
	if err != nil {
		return nil, err
	}
	out := filepath.Join(filepath.Dir(src), "dist")
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: src,
		EntryPointsAdvanced: []api.EntryPoint{
			{InputPath: "main.ts", OutputPath: "app"},
			{InputPath: "style.css", OutputPath: "page"},
			{InputPath: "index.html", OutputPath: "index"},
			{InputPath: "favicon.svg", OutputPath: "favicon"},
		},
		Loader: map[string]api.Loader{".html": api.LoaderCopy, ".svg": api.LoaderCopy},
		Outdir: out, Bundle: true, Format: api.FormatESModule, Target: api.ES2022, Charset: api.CharsetUTF8,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		LegalComments: api.LegalCommentsEndOfFile, LogLevel: api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return nil, fmt.Errorf("%d errors in the source", len(result.Errors))
	}
	return result.OutputFiles, nil
}
