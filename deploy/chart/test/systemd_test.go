package deploytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheUnitIsVerified asks systemd itself, of a copy that starts the program built here.
func TestTheUnitIsVerified(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("skipped: no systemd-analyze, the unit is not verified")
	}
	body, err := os.ReadFile(filepath.Join(deploy, "systemd", "telltale@.service"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "telltale@.service")
	unit := strings.ReplaceAll(string(body), "/usr/bin/telltale", program(t))
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=25", path).CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Errorf("security: %v: %s", err, lines[len(lines)-1])
	}
}

// TestTheUnitFitsTheProgram compares its times and memory with what they have to be.
func TestTheUnitFitsTheProgram(t *testing.T) {
	body, err := os.ReadFile(filepath.Join(deploy, "systemd", "telltale@.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^ExecStart=/usr/bin/telltale run -c /etc/telltale/%i\.yaml --role %i$`,
		`(?m)^ExecReload=/bin/kill -HUP \$MAINPID$`,
		`(?m)^Restart=on-failure$`,
		`(?m)^Environment=GOMEMLIMIT=\d+MiB$`,
		`(?m)^MemoryMax=3G$`,
		`(?m)^NoNewPrivileges=yes$`,
		`(?m)^ProtectSystem=strict$`,
		`(?m)^StateDirectory=telltale$`,
	} {
		if !regexp.MustCompile(want).Match(body) {
			t.Errorf("the unit has no %s", want)
		}
	}
	help, err := exec.CommandContext(t.Context(), program(t), "run", "--help").Output()
	if err != nil || !strings.Contains(string(help), "SIGHUP reads the file again") || !strings.Contains(string(help), "--role") {
		t.Errorf("the program has no SIGHUP or no roles: %v\n%s", err, help)
	}
}
