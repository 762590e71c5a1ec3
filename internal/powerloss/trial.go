package powerloss

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Trial is a program on a disk whose power goes, again and again.
type Trial struct {
	Cuts    int // default TELLTALE_CUTS, or 8
	Changes int // and syncs, at most, before the power goes
	// Rare are changes that few would hit: every second life counts them alone, to RareChanges
	// at most. Nil: there are none.
	Rare        func(change string) bool
	RareChanges int
	Lives       int // after which it begins again with an empty disk; default 10
	// Write runs in a child, which is the test once more, until the disk fails. It prints a
	// line when it is told that something is durable.
	Write func(dir string) error
	// Check looks at a copy of what was left; said is what was printed since the disk was
	// empty.
	Check func(dir string, said []string) error
}

const (
	trialDir  = "TELLTALE_POWER_DIR"
	trialCuts = "TELLTALE_CUTS"
)

// Run returns what Check found first.
func (x Trial) Run(t *testing.T) error {
	t.Helper()
	if dir := os.Getenv(trialDir); dir != "" {
		t.Skip("the power went: ", x.Write(dir))
	}
	if x.Cuts == 0 {
		x.Cuts = 8
		if n, err := strconv.Atoi(os.Getenv(trialCuts)); err == nil {
			x.Cuts = n
		}
	}
	if x.Lives == 0 {
		x.Lives = 10
	}
	seed := rand.Uint64() //nolint:gosec // any moment will do
	rng := rand.New(rand.NewPCG(seed, 1))
	var disk string
	var said []string
	struck := map[string]int{}
	for cut := range x.Cuts {
		if cut%x.Lives == 0 {
			disk, said = t.TempDir(), nil
		}
		left := t.TempDir()
		when := x.moment(rng, cut)
		lines, at, err := life(t, disk, left, when, rng)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, lines...)
		struck[kind(at)]++
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(left)); err != nil {
			t.Fatal(err)
		}
		if err := x.Check(copied, said); err != nil {
			return fmt.Errorf("cut %d, in change %d (%s): %w", cut, when.Change, at, err)
		}
		if err := errors.Join(os.RemoveAll(copied), os.RemoveAll(disk)); err != nil {
			t.Fatal(err)
		}
		disk = left
	}
	t.Logf("%d cuts: %v", x.Cuts, struck)
	return nil
}

// moment is often at the beginning.
func (x Trial) moment(rng *rand.Rand, cut int) Moment {
	if x.Rare != nil && cut%2 == 1 {
		return Moment{1 + rng.IntN(x.RareChanges), x.Rare}
	}
	return Moment{Change: 1 + rng.IntN(max(x.Changes>>(2*rng.IntN(4)), 1))}
}

// kind is what was under way, without the part of a file's name that is a number.
func kind(at string) string {
	op, name, _ := strings.Cut(at, " ")
	return op + " " + strings.TrimLeft(name, "0123456789")
}

// life runs the program on what is in from until the power goes, and saves what is left.
func life(t *testing.T, from, left string, when Moment, rng *rand.Rand) (said []string, at string, err error) {
	t.Helper()
	point := filepath.Join(t.TempDir(), "disk")
	if err := os.MkdirAll(point, 0o700); err != nil {
		return nil, "", err
	}
	d, err := Mount(from, point, when)
	if err != nil {
		t.Skip("no power to cut without FUSE and the right to mount it: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v") //nolint:gosec // this test itself
	child.Env = append(os.Environ(), trialDir+"="+point)
	out, ended := child.CombinedOutput()
	if err := d.Unmount(point); err != nil {
		return nil, "", err
	}
	if !d.Out() || ctx.Err() != nil {
		return nil, "", errors.Join(fmt.Errorf("the program ended before the power went: %s", out[max(0, len(out)-2000):]), ended)
	}
	return strings.Split(string(out), "\n"), d.At(), d.Save(left, rng)
}
