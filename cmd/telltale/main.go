// Command telltale watches rotating machines: it turns their readings into
// features, scores, a physical state, a risk, and a work order when one is due.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUsage marks a command line that cannot be meant.
var errUsage = errors.New("usage")

// run executes one command line: 0 done, 1 failed, 2 usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "telltale", Short: "Predictive maintenance for rotating machines",
		SilenceErrors: true, SilenceUsage: true,
		Example: "  telltale demo\n  telltale backtest data/femto --out out/femto",
	}
	root.AddCommand(
		demoCommand(), runCommand(), checkCommand(), backtestCommand(), simulateCommand(), farmProofCommand(), versionCommand(),
		alertsCommand(),
		benchCommand(),
		exportCommand(),
		featuresCommand(),
		learnCommand(),
		modelCommand(),
		probeCommand(),
		opcuaCommand(),
		ordersCommand(),
		romCommand(),
		sourcesCommand(),
		storeCommand(),
		twinsCommand(),
	)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w: %s: %w (see %s --help)", errUsage, c.CommandPath(), err, c.CommandPath())
	})
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage) || strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(stderr, "telltale: %s\n", strings.TrimPrefix(oneLine(err), "usage: "))
		return 2
	}
	fmt.Fprintf(stderr, "telltale: %s\n", oneLine(err))
	return 1
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// exactly makes a wrong number of arguments a usage error that names them.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return fmt.Errorf("%w: %s wants %s, got %d argument(s) (see %s --help)", errUsage, c.CommandPath(), strings.Join(names, " "), len(args), c.CommandPath())
	}
}
