package deploytest

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose reads deploy/compose by the schema of the Compose specification.
func compose(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(deploy, "compose"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: dir, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml")}}, Environment: types.Mapping{},
	}, loader.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeStartsWhatItsProfilesSay(t *testing.T) {
	for profile, want := range map[string]string{
		"":         "mosquitto telltale",
		"kafka":    "gateway kafka mosquitto telltale",
		"postgres": "mosquitto postgres telltale",
	} {
		p := compose(t, profile)
		if got := strings.Join(slices.Sorted(maps.Keys(p.Services)), " "); got != want {
			t.Errorf("profile %q: %s, want %s", profile, got, want)
		}
	}
}

func TestComposeIsConfined(t *testing.T) {
	p := compose(t, "*")
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %s is not there, or may be written to: %v", name, v.Source, err)
				}
			}
		}
		for key, value := range s.Environment {
			if strings.Contains(key, "PASSWORD") && !strings.HasSuffix(key, "_FILE") {
				t.Errorf("%s: %s=%v is a password in the open", name, key, *value)
			}
		}
		if s.Privileged || s.NetworkMode == "host" || s.Restart == "" {
			t.Errorf("%s: privileged, in the host's network, or not started again", name)
		}
		if !strings.HasPrefix(s.Image, "telltale") {
			continue
		}
		if !s.ReadOnly || s.User != "65532:65532" || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Deploy.Resources.Limits.MemoryBytes == 0 || s.Environment["GOMEMLIMIT"] == nil {
			t.Errorf("%s: read only %v, user %s, capabilities dropped %v", name, s.ReadOnly, s.User, s.CapDrop)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: %s is open to other machines, and has no login", name, port.Published)
			}
		}
	}
}

// TestComposeConfigurationsAreRead has the program read what is mounted, and looks that the
// secrets that it names are given to that service.
func TestComposeConfigurationsAreRead(t *testing.T) {
	for name, s := range compose(t, "*").Services {
		for _, v := range s.Volumes {
			if !strings.HasPrefix(v.Target, "/etc/telltale/") {
				continue
			}
			body, err := os.ReadFile(v.Source)
			if err != nil {
				t.Fatal(err)
			}
			check(t, string(body), v.Source)
			if !slices.Contains(s.Command, v.Target) {
				t.Errorf("%s: command %v does not name %s", name, s.Command, v.Target)
			}
			for _, file := range secretFile.FindAllString(string(body), -1) {
				if !slices.ContainsFunc(s.Secrets, func(x types.ServiceSecretConfig) bool { return "/run/secrets/"+x.Source == file }) {
					t.Errorf("%s: %s names %s, which is no secret of the service", name, v.Source, file)
				}
			}
		}
	}
}

func TestSecretsAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join(deploy, "compose", "make-secrets"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "make-secrets")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() (all []string) {
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, s := range compose(t, "*").Secrets {
			body, err := os.ReadFile(filepath.Join(dir, "secrets", filepath.Base(s.File)))
			if err != nil || len(body) < 24 {
				t.Errorf("%s: %d bytes, %v", s.File, len(body), err)
			}
			all = append(all, string(body))
		}
		slices.Sort(all)
		return all
	}
	first := read()
	if again := read(); !slices.Equal(first, again) || len(slices.Compact(first)) != 3 {
		t.Errorf("three secrets became %d, or others the second time", len(first))
	}
}
