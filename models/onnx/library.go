// Package onnx runs models on ONNX Runtime's CPU provider. The shared library
// is found when the first model is opened; without it everything else works and
// models.ErrNoRuntime says where it was looked for.
package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/telltale-iot/telltale/models"
)

// EnvLibrary is the environment variable that names the shared library.
const EnvLibrary = "TELLTALE_ONNXRUNTIME"

// environment is ONNX Runtime's own process-wide state: loaded once, never unloaded.
var environment struct {
	sync.Mutex
	path string // of the loaded library; empty while there is none
}

// Library loads ONNX Runtime when it is not loaded yet and returns the path and
// the version in use. path "" means: look for it.
func Library(path string) (from, version string, err error) {
	environment.Lock()
	defer environment.Unlock()
	if environment.path != "" {
		return environment.path, ort.GetVersion(), nil
	}
	tried := make([]string, 0, 8)
	for _, p := range candidates(path) {
		if filepath.IsAbs(p) {
			if _, err := os.Stat(p); err != nil {
				tried = append(tried, p)
				continue
			}
		}
		ort.SetSharedLibraryPath(p)
		if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
			tried = append(tried, fmt.Sprintf("%s (%v)", p, err))
			continue
		}
		environment.path = p
		return p, ort.GetVersion(), nil
	}
	return "", "", fmt.Errorf("%w: run deploy/onnxruntime/fetch or set %s; looked at %s",
		models.ErrNoRuntime, EnvLibrary, strings.Join(tried, ", "))
}

// candidates are the places of the library in order of precedence. A path that
// was named explicitly is the only candidate.
func candidates(path string) []string {
	if path == "" {
		path = os.Getenv(EnvLibrary)
	}
	if path != "" {
		// A bare name, as the system's loader found it, stays one: a child elsewhere
		// has to find the same.
		if abs, err := filepath.Abs(path); err == nil && filepath.Base(path) != path {
			path = abs
		}
		return []string{path}
	}
	name := "libonnxruntime.so"
	switch runtime.GOOS {
	case "darwin":
		name = "libonnxruntime.dylib"
	case "windows":
		name = "onnxruntime.dll"
	}
	var all []string
	if exe, err := os.Executable(); err == nil {
		if target, err := filepath.EvalSymlinks(exe); err == nil {
			exe = target
		}
		all = append(all, filepath.Join(filepath.Dir(exe), name))
	}
	if dir, err := os.Getwd(); err == nil {
		all = append(all, inModule(dir, name)...)
	}
	return append(all, name) // the system's loader decides
}

// inModule are bin/ and build/ of the Go module that holds dir, so that tests
// and `go run` find what the build put there.
func inModule(dir, name string) []string {
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return []string{filepath.Join(dir, "bin", name), filepath.Join(dir, "build", name)}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}
