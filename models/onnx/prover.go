package onnx

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/models"
)

// ProbeCommand is the argument by which a program is asked to call ServeProbe.
const ProbeCommand = "model-probe"

// envProbe marks the child, so that it never has children of its own.
const envProbe = "TELLTALE_MODEL_PROBE"

// Limits of the child process; zero means the default.
type Limits struct {
	Memory int64         // bytes beyond those of the runtime itself; default 1 GiB
	CPU    time.Duration // processor time, in whole seconds; default 20 s
	Wall   time.Duration // default 30 s
}

// Prover loads and runs model files in a child process before this one does: a
// file that crashes, hangs or eats memory takes the child with it and nothing
// else. What was proved of a file is remembered by its digest. It is safe for
// concurrent use.
type Prover struct {
	Command []string // default: this program with ProbeCommand
	Library string   // as in Options
	Limits  Limits
	Note    func(string) // told once what the system does not let the child be kept from; may be nil

	mu      sync.Mutex
	proofs  map[string]Proof
	noted   map[string]bool
	started func(pid int) // for tests
}

// request is what the child reads, as one line of JSON; the file and the rows,
// float32 little-endian, follow.
type request struct {
	Library string `json:"library"`
	Limits  Limits `json:"limits"`
	File    int    `json:"file"`   // bytes
	Rows    int    `json:"rows"`   // to be answered; 0: prove the file
	Values  int    `json:"values"` // of each row
	Follows []bool `json:"follows,omitempty"`
}

// reply is what the child writes, as one line of JSON; the answers follow.
type reply struct {
	Proof    Proof            `json:"proof"`
	Findings []models.Finding `json:"findings"`
	Notes    []string         `json:"notes"`
	Error    string           `json:"error"`  // of the child itself
	Values   int              `json:"values"` // of each answer
}

// Prove says what running a file shows of it. The error is a
// *models.ContractError of everything that is wrong with the file, read or run;
// models.ErrNoRuntime without a library.
func (p *Prover) Prove(ctx context.Context, file []byte) (Proof, error) {
	c, err := models.Parse(file)
	var found []models.Finding
	if err != nil {
		var bad *models.ContractError
		if !errors.As(err, &bad) || bad.Unsafe {
			return Proof{}, err
		}
		found = bad.Findings
	} else if proof, ok := p.known(c.Digest); ok {
		return proof, nil
	}
	rep, _, err := p.ask(ctx, file, nil, nil)
	if err != nil {
		var bad *models.ContractError
		if !errors.As(err, &bad) {
			return Proof{}, err
		}
		return Proof{}, models.Refuse(both(found, bad.Findings)...)
	}
	if err := models.Refuse(both(found, rep.Findings)...); err != nil {
		return Proof{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proofs == nil {
		p.proofs = map[string]Proof{}
	}
	p.proofs[c.Digest] = rep.Proof
	return rep.Proof, nil
}

// both adds to what was read in a file what a run of it showed, and leaves out
// what only follows from the former.
func both(read, run []models.Finding) []models.Finding {
	told := map[string]bool{}
	graph := false
	for _, f := range read {
		told[f.Where] = true
		graph = graph || !strings.HasPrefix(f.Where, "metadata")
	}
	fails := slices.ContainsFunc(run, func(f models.Finding) bool { return f.Where == "probe" && strings.Contains(f.What, notRun) })
	for _, f := range run {
		follows := strings.Contains(f.What, notRun) && (graph || fails && f.Where == "self-test") || f.Where == "graph" && graph
		if !told[f.Where] && !follows {
			read = append(read, f)
		}
	}
	return read
}

func (p *Prover) known(digest string) (Proof, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	proof, ok := p.proofs[digest]
	return proof, ok
}

// Answers runs rows in a child and gives the first output for each. Where follows
// says so, a stateful model goes on from the row before. Metadata that is missing
// is no hindrance, as long as features and window are known.
func (p *Prover) Answers(ctx context.Context, file []byte, rows [][]float32, follows []bool) ([][]float32, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	var bad *models.ContractError
	if _, err := models.Parse(file); errors.As(err, &bad) && bad.Unsafe {
		return nil, err
	}
	rep, body, err := p.ask(ctx, file, rows, follows)
	if err != nil {
		return nil, err
	}
	if err := models.Refuse(rep.Findings...); err != nil {
		return nil, err
	}
	out := make([][]float32, len(rows))
	if rep.Values < 1 || len(body) != 4*len(rows)*rep.Values {
		return nil, fmt.Errorf("probe: %d bytes of answers to %d rows", len(body), len(rows))
	}
	all := make([]float32, len(rows)*rep.Values)
	if err := binary.Read(bytes.NewReader(body), binary.LittleEndian, all); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	for i := range out {
		out[i] = all[i*rep.Values : (i+1)*rep.Values]
	}
	return out, nil
}

func (p *Prover) limits() Limits {
	return Limits{
		Memory: cmp.Or(p.Limits.Memory, 1<<30),
		CPU:    cmp.Or(p.Limits.CPU, 20*time.Second),
		Wall:   cmp.Or(p.Limits.Wall, 30*time.Second),
	}
}

// maxReply bounds what is read from a child.
const maxReply = 256 << 20

// ask starts a child for one request.
func (p *Prover) ask(ctx context.Context, file []byte, rows [][]float32, follows []bool) (reply, []byte, error) {
	if os.Getenv(envProbe) != "" {
		return reply{}, nil, errors.New("probe: a child was asked to start a child")
	}
	library, _, err := Library(p.Library)
	if err != nil {
		return reply{}, nil, err
	}
	lim := p.limits()
	req := request{Library: library, Limits: lim, File: len(file), Rows: len(rows), Follows: follows}
	if len(rows) > 0 {
		req.Values = len(rows[0])
	}
	head, err := json.Marshal(req)
	if err != nil {
		return reply{}, nil, fmt.Errorf("probe: %w", err)
	}
	var payload bytes.Buffer
	for _, r := range rows {
		if err := binary.Write(&payload, binary.LittleEndian, r); err != nil {
			return reply{}, nil, fmt.Errorf("probe: %w", err)
		}
	}
	in := io.MultiReader(bytes.NewReader(append(head, '\n')), bytes.NewReader(file), &payload)
	out, err := p.child(ctx, lim, in)
	if err != nil {
		return reply{}, nil, err
	}
	line, body, _ := bytes.Cut(out, []byte("\n"))
	var rep reply
	if err := json.Unmarshal(line, &rep); err != nil {
		return reply{}, nil, models.Refuse(models.Finding{Where: "probe", What: "ended without an answer that can be read"})
	}
	if rep.Error != "" {
		return reply{}, nil, fmt.Errorf("probe: %s", rep.Error)
	}
	p.note(rep.Notes)
	return rep, body, nil
}

func (p *Prover) note(notes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range notes {
		if p.Note != nil && !p.noted[n] {
			p.Note(n)
		}
		if p.noted == nil {
			p.noted = map[string]bool{}
		}
		p.noted[n] = true
	}
}

// child runs one child to its end and gives what it wrote.
func (p *Prover) child(ctx context.Context, lim Limits, in io.Reader) ([]byte, error) {
	command := p.Command
	if len(command) == 0 {
		exe, err := self()
		if err != nil {
			return nil, fmt.Errorf("probe: %w", err)
		}
		command = []string{exe, ProbeCommand}
	}
	limited, cancel := context.WithTimeout(ctx, lim.Wall)
	defer cancel()
	// The child dies with the thread that started it, so that thread must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out, said tail
	out.most, said.most = maxReply, 64<<10
	start := func(apart bool) (*exec.Cmd, error) {
		cmd := exec.CommandContext(limited, command[0], command[1:]...) //nolint:gosec // this program itself, or what the caller names
		cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "/", in, &out, &said
		cmd.Env = []string{envProbe + "=1", "GOTRACEBACK=single", "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
		cmd.WaitDelay = time.Second
		separate(cmd, apart)
		return cmd, cmd.Start()
	}
	cmd, err := start(true)
	if err != nil && ctx.Err() == nil {
		p.note([]string{"the probe of models runs without a network namespace of its own: " + err.Error()})
		cmd, err = start(false)
	}
	if err != nil {
		return nil, fmt.Errorf("probe: start %s: %w", command[0], err)
	}
	if p.started != nil {
		p.started(cmd.Process.Pid)
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("probe: %w", ctx.Err())
	case limited.Err() != nil:
		return nil, refuseChild("took more than %s: does a loop in it ever end?", lim.Wall)
	case err == nil:
		return out.b, nil
	}
	return nil, ended(cmd.ProcessState, lim, string(said.b))
}

// self is this program, on Linux also after an update replaced its file.
func self() (string, error) {
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// ended says why a child is gone without an answer.
func ended(st *os.ProcessState, lim Limits, said string) error {
	if st.UserTime()+st.SystemTime() >= lim.CPU-lim.CPU/10 { // counted in ticks
		return refuseChild("took more than %s of processor time: does a loop in it ever end?", lim.CPU)
	}
	for _, sign := range []string{"out of memory", "cannot allocate memory", "bad_alloc", "errno=12", "failed to create new OS thread"} {
		if strings.Contains(said, sign) {
			return refuseChild("ran out of memory: %d MiB are allowed", lim.Memory>>20)
		}
	}
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "SIG") || strings.HasPrefix(line, "fatal error") || strings.HasPrefix(line, "panic:") {
			return refuseChild("crashed: %s", short(line))
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return refuseChild("ended with %s %s", st, short(first))
}

func refuseChild(format string, args ...any) error {
	return models.Refuse(models.Finding{Where: "probe", What: strings.TrimSpace(fmt.Sprintf(format, args...))})
}

// tail keeps the first bytes written to it, up to most, and swallows the rest.
type tail struct {
	b    []byte
	most int
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p[:min(len(p), t.most-len(t.b))]...)
	return len(p), nil
}

// ServeProbe is the child's side: it answers one request and must be the only
// thing that the process does.
func ServeProbe(in io.Reader, out io.Writer) error {
	rep, answers := serve(bufio.NewReader(in))
	if len(answers) > 0 {
		rep.Values = len(answers[0])
	}
	line, err := json.Marshal(rep)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := binary.Write(w, binary.LittleEndian, slices.Concat(answers...)); err != nil {
		return err
	}
	return w.Flush()
}

func serve(in *bufio.Reader) (reply, [][]float32) {
	wrong := func(err error) (reply, [][]float32) { return reply{Error: err.Error()}, nil }
	head, err := in.ReadBytes('\n')
	if err != nil {
		return wrong(err)
	}
	var req request
	if err := json.Unmarshal(head, &req); err != nil {
		return wrong(err)
	}
	if req.File < 0 || req.File > maxFile || req.Rows < 0 || req.Values < 0 || req.Rows*req.Values > maxReply/4 {
		return wrong(fmt.Errorf("a file of %d bytes and %d × %d values are too much", req.File, req.Rows, req.Values))
	}
	file, flat := make([]byte, req.File), make([]float32, req.Rows*req.Values)
	if _, err := io.ReadFull(in, file); err != nil {
		return wrong(err)
	}
	if err := binary.Read(in, binary.LittleEndian, flat); err != nil && len(flat) > 0 {
		return wrong(err)
	}
	if _, _, err := Library(req.Library); err != nil {
		return wrong(err)
	}
	notes, err := confine(req.Limits)
	if err != nil {
		return wrong(err)
	}
	rep := reply{Notes: notes}
	var answers [][]float32
	if req.Rows == 0 {
		rep.Proof, rep.Findings = inspect(file)
	} else {
		answers, rep.Findings = answer(file, slices.Collect(slices.Chunk(flat, req.Values)), req.Follows)
	}
	return rep, answers
}
