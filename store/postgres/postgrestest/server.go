// Package postgrestest starts real PostgreSQL servers for tests, as children of the
// test's process: they are killed, started again, and followed by standbys. Without
// PostgreSQL on the machine its tests are skipped.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Binaries is the environment variable that names the folder of initdb and postgres;
// default: the newest of /usr/lib/postgresql.
const Binaries = "TELLTALE_POSTGRES"

// sharedURL is where a child process of a test finds the server that the test uses.
const sharedURL = "TELLTALE_POSTGRES_SHARED"

// superuser and password of every server.
const (
	superuser = "postgres"
	password  = "canary"
)

// Server is one PostgreSQL server.
type Server struct {
	dir     string // of everything; the test's user owns it
	bin     string
	port    int
	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	url     string        // of one that another process runs
}

// find is the folder with PostgreSQL's programs.
func find() (string, error) {
	dirs := []string{os.Getenv(Binaries)}
	if dirs[0] == "" {
		dirs, _ = filepath.Glob("/usr/lib/postgresql/*/bin")
		slices.Sort(dirs)
		slices.Reverse(dirs)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("skipped: no PostgreSQL: install postgresql-15, or let " + Binaries + " name the folder of initdb")
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Main runs a package's tests and ends the server that they share.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		shared.server.end()
	}
	return code
}

// Shared is the server that the tests of a package have in common.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	if address := os.Getenv(sharedURL); address != "" && shared.server == nil {
		return &Server{url: address} // this is a child process
	}
	need(tb)
	shared.once.Do(func() {
		if shared.server, shared.err = start(); shared.err == nil {
			shared.err = os.Setenv(sharedURL, shared.server.URL()) //nolint:usetesting // for the child processes of every test
		}
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

func need(tb testing.TB) {
	tb.Helper()
	if _, err := find(); err != nil {
		tb.Skip(err)
	}
}

// Start starts a server of the test's own, with settings such as "max_connections=10".
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	need(tb)
	s, err := start(settings...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.end)
	return s
}

func start(settings ...string) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	s, err := newServer(bin)
	if err != nil {
		return nil, err
	}
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o644); err != nil { //nolint:gosec // its user has to read it
		return nil, err
	}
	if err := s.run("initdb", "-D", s.data(), "-U", superuser, "--auth=scram-sha-256", "--pwfile="+secret, "-E", "UTF8", "--no-sync"); err != nil {
		return nil, err
	}
	return s, s.boot(settings...)
}

func newServer(bin string) (*Server, error) {
	dir, err := os.MkdirTemp("", "telltale-postgres-")
	if err != nil {
		return nil, err
	}
	if c := credential(); c != nil {
		if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	return &Server{dir: dir, bin: bin, port: port}, err
}

// credential is of a user without rights: root may not run the server. Nil: this user.
func credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

func freePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // it was only asked
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// program is one of PostgreSQL's, in a process group of its own. It ends with this process.
func (s *Server) program(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...) //nolint:noctx,gosec // it ends with its test
	c.SysProcAttr = &syscall.SysProcAttr{Credential: credential(), Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Dir = s.dir
	c.Env = append(os.Environ(), "PGPASSWORD="+password, "LC_ALL=C")
	return c
}

func (s *Server) run(name string, args ...string) error {
	if out, err := s.program(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// boot starts the server and waits until it answers.
func (s *Server) boot(settings ...string) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the child has its own
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port)}
	for _, set := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB", "max_connections=60"}, settings...) {
		args = append(args, "-c", set)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		s.command, s.ended = s.program("postgres", args...), make(chan struct{})
		s.command.Stdout, s.command.Stderr = log, log
		if err := s.command.Start(); err != nil {
			return err
		}
		go func(c *exec.Cmd, ended chan struct{}) {
			c.Wait() //nolint:errcheck,gosec // killed as a rule
			close(ended)
		}(s.command, s.ended)
		if s.answers(deadline) {
			return nil
		}
		if time.Now().After(deadline) { // else what a killed one left is not gone yet
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("postgres does not start:\n%s", text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// answers waits until the server takes connections; false: it ended first.
func (s *Server) answers(deadline time.Time) bool {
	for time.Now().Before(deadline) {
		select {
		case <-s.ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		c, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			err = c.Close(ctx)
		}
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the superuser's.
func (s *Server) URL() string {
	if s.url != "" {
		return s.url
	}
	return "postgres://" + superuser + ":" + password + "@" + s.Addr() + "/postgres"
}

// In is the URL of a schema.
func (s *Server) In(schema string) string {
	return s.URL() + "?" + url.Values{"search_path": {schema}}.Encode()
}

// Exec runs SQL as the superuser.
func (s *Server) Exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	c, err := pgx.Connect(tb.Context(), s.URL())
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close(context.Background()) //nolint:errcheck // it was for one statement
	if _, err := c.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// Kill kills every process of the server at once.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGKILL)
	<-s.ended
}

// Restart starts a server that was killed.
func (s *Server) Restart(tb testing.TB, settings ...string) {
	tb.Helper()
	if err := s.boot(settings...); err != nil {
		tb.Fatal(err)
	}
}

// Standby starts a server that follows this one, under the name "standby".
func (s *Server) Standby(tb testing.TB) *Server {
	tb.Helper()
	if _, err := os.Stat(filepath.Join(s.bin, "pg_basebackup")); err != nil {
		tb.Skipf("skipped: no standby without pg_basebackup, which %s has not", s.bin)
	}
	b, err := newServer(s.bin)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.end)
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s application_name=standby", s.port, superuser, password)
	if err := b.run("pg_basebackup", "-D", b.data(), "-d", from, "-R", "-X", "stream", "-c", "fast", "--no-sync"); err != nil {
		tb.Fatal(err)
	}
	// -R writes the connection of its libpq, not the name in it.
	conf, err := os.OpenFile(filepath.Join(b.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(conf, "primary_conninfo = '%s'\n", from)
	}
	if err = errors.Join(err, conf.Close()); err != nil {
		tb.Fatal(err)
	}
	if err := b.boot(); err != nil {
		tb.Fatal(err)
	}
	return b
}

// end kills the server and removes what it wrote.
func (s *Server) end() {
	if s.command != nil {
		for _, pid := range s.processes() {
			syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck,gosec // it may have ended
		}
		<-s.ended
	}
	os.RemoveAll(s.dir) //nolint:errcheck,gosec // a temporary folder
}

// Pause stops every process of the server where it is; Resume lets them go on.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGSTOP)
}

// Resume ends a Pause.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGCONT)
}

// signal reaches the server's processes: each has a group of its own, so they are found by
// their parent.
func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	for _, pid := range s.processes() {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			tb.Fatal(err)
		}
	}
}

// processes are the server's: the first one, and its children.
func (s *Server) processes() []int {
	pids := []int{s.command.Process.Pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		body, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(body), ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(pids[0]) {
			pids = append(pids, pid)
		}
	}
	return pids
}
