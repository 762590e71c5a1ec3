package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// scopeFlags say for what a stage holds.
type scopeFlags struct{ class, asset string }

func (s *scopeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.class, "class", "", "only for assets of this class")
	cmd.Flags().StringVar(&s.asset, "asset", "", "only for this asset")
}

func (s *scopeFlags) scope() (models.Scope, error) {
	switch {
	case s.class != "" && s.asset != "":
		return "", fmt.Errorf("%w: --class %s and --asset %s: only one of them", errUsage, s.class, s.asset)
	case s.class != "":
		return models.ForClass(s.class), nil
	case s.asset != "":
		return models.ForAsset(asset.ID(s.asset)), nil
	}
	return "", nil
}

// to brings the version of a command line to a stage and prints what became of it.
func (m *modelShelf) to(cmd *cobra.Command, ref string, to models.Stage, share float64, s scopeFlags) error {
	scope, err := s.scope()
	if err != nil {
		return err
	}
	v, err := promoted(cmd.Context(), m.open(), ref, to, share, scope, m.by, m.despite)
	return m.print(cmd, v, err)
}

func (m *modelShelf) note() *cobra.Command {
	return &cobra.Command{
		Use: "note VERSION KEY TEXT", Short: "Set a note of a version; an empty TEXT removes it",
		Example: "  telltale model note drivetrain-lstm:1 approved \"2026-01-31, reliability\"", Args: exactly("VERSION", "KEY", "TEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := m.open().Annotate(cmd.Context(), args[0], args[1], args[2], m.by)
			return m.print(cmd, v, err)
		},
	}
}

func (m *modelShelf) promote() *cobra.Command {
	var share float64
	var scope scopeFlags
	cmd := &cobra.Command{
		Use: "promote VERSION STAGE", Short: "Bring a version to a stage",
		Long: "The version that held a stage of which there is one goes back: from production to the archive, else to the\n" +
			"candidates. With --class or --asset it happens in that scope alone; archived or candidate end it there. Where\n" +
			"another version is in production, a model takes its place only after its gates passed against that one (model\n" +
			"gates notes it), or with --despite-gates.",
		Example: "  telltale model promote drivetrain-lstm:2 production", Args: exactly("VERSION", "STAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := models.ParseStage(args[1])
			if err != nil {
				return fmt.Errorf("%w: stage %q: want candidate, shadow, canary, production or archived", errUsage, args[1])
			}
			return m.to(cmd, args[0], to, share, scope)
		},
	}
	cmd.Flags().Float64Var(&share, "share", 0, "of the assets, for canary: above 0, below 1")
	cmd.Flags().BoolVar(&m.despite, "despite-gates", false, "production although the gates did not pass: the history says so")
	scope.add(cmd)
	return cmd
}

func (m *modelShelf) shadow() *cobra.Command {
	var scope scopeFlags
	cmd := &cobra.Command{
		Use: "shadow VERSION", Short: "Let a version score beside production, for the log alone",
		Example: "  telltale model shadow drivetrain-lstm:2", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error { return m.to(cmd, args[0], models.Shadow, 0, scope) },
	}
	scope.add(cmd)
	return cmd
}

func (m *modelShelf) canary() *cobra.Command {
	var share float64
	var scope scopeFlags
	cmd := &cobra.Command{
		Use: "canary VERSION", Short: "Let a version score a share of the assets",
		Example: "  telltale model canary drivetrain-lstm:2 --share 0.1", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error { return m.to(cmd, args[0], models.Canary, share, scope) },
	}
	cmd.Flags().Float64Var(&share, "share", 0.1, "of the assets: above 0, below 1")
	scope.add(cmd)
	return cmd
}

func (m *modelShelf) pin() *cobra.Command {
	var scope scopeFlags
	cmd := &cobra.Command{
		Use: "pin VERSION", Short: "Let a version score one asset or one class, whatever is in production for the others",
		Long:    "The asset is given back with: telltale model promote VERSION archived --asset ASSET.",
		Example: "  telltale model pin drivetrain-lstm:1 --asset WTG-03", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if scope == (scopeFlags{}) {
				return fmt.Errorf("%w: name what to pin it to with --asset or --class", errUsage)
			}
			return m.to(cmd, args[0], models.Production, 0, scope)
		},
	}
	scope.add(cmd)
	return cmd
}

func (m *modelShelf) rollback() *cobra.Command {
	var in scopeFlags
	cmd := &cobra.Command{
		Use: "rollback NAME", Short: "Bring the version back that was in production before",
		Example: "  telltale model rollback drivetrain-lstm", Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			scope, err := in.scope()
			if err != nil {
				return err
			}
			v, err := m.open().Rollback(cmd.Context(), args[0], scope, m.by)
			return m.print(cmd, v, err)
		},
	}
	in.add(cmd)
	return cmd
}

func (m *modelShelf) sign() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "sign VERSION --key FILE", Short: "Sign a version's manifest, as cosign does",
		Long: "The private key is PEM that is not encrypted: ECDSA on P-256, RSA or Ed25519. Where models.key names its public\n" +
			"half, the service uses only what was signed.",
		Example: "  telltale model sign drivetrain-lstm:2 --key private.pem", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return fmt.Errorf("%w: --key is missing: the file with the private key", errUsage)
			}
			text, err := os.ReadFile(key)
			if err != nil {
				return fmt.Errorf("--key: %w", err)
			}
			signer, err := models.ParsePrivateKey(text)
			if err != nil {
				return fmt.Errorf("--key %s: %w", key, err)
			}
			v, err := m.open().Sign(cmd.Context(), args[0], signer, m.by)
			return m.print(cmd, v, err)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "file with the private key")
	return cmd
}

func (m *modelShelf) verify() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "verify VERSION --key FILE", Short: "Say whether a key signed a version",
		Example: "  telltale model verify drivetrain-lstm:2 --key public.pem", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return fmt.Errorf("%w: --key is missing: the file with the public key", errUsage)
			}
			conf := m.conf
			conf.Key = key
			repo, err := openRepository(cmd.Context(), conf, nil)
			if err != nil {
				return err
			}
			v, _, err := repo.Get(cmd.Context(), args[0])
			return m.print(cmd, v, err)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "file with the public key")
	return cmd
}
