package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/store/postgres"
)

func storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "store", Short: "The PostgreSQL store: its roles, its schema, where it stands",
		Example: "  telltale store roles | psql -d telltale\n  telltale store migrate --url postgres://owner@db.example.org/telltale",
		Args:    exactly("roles|migrate|positions"), RunE: unknownVerb,
	}
	c.AddCommand(storeRolesCommand(), storeMigrateCommand(), storePositionsCommand())
	return c
}

func storeRolesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "roles", Short: "Print the SQL that makes owner, writer and reader",
		Long:    "An administrator runs it once in the database of the store. It is printed, not run: accounts are your own.",
		Example: "  telltale store roles | psql -d telltale", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), postgres.Roles())
			return err
		},
	}
}

func storeMigrateCommand() *cobra.Command {
	var address, config string
	c := &cobra.Command{
		Use: "migrate (--url URL | -c FILE)", Short: "Bring the schema of a PostgreSQL store up to date",
		Long: "Connects as the owner of the schema and applies what it has not seen, in one transaction. The service then\n" +
			"needs no right to define anything. The password comes from store.password_file, PGPASSWORD or PGPASSFILE.",
		Example: "  PGPASSWORD=… telltale store migrate --url postgres://owner@db.example.org/telltale", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return migrateStore(cmd.Context(), cmd, address, config)
		},
	}
	c.Flags().StringVar(&address, "url", "", "address of the database, with the owner's account")
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file; --url goes before its store.url")
	return c
}

func migrateStore(ctx context.Context, cmd *cobra.Command, address, path string) error {
	var password string
	if path != "" {
		conf, err := readPartConfig(path)
		if err != nil {
			return err
		}
		if address == "" {
			if password, err = secret(conf.Store.PasswordFile); err != nil {
				return fmt.Errorf("store.password_file: %w", err)
			}
		}
		address = cmp.Or(address, conf.Store.URL)
	}
	if address == "" {
		return fmt.Errorf("%w: want --url, the address of a PostgreSQL database, or -c with a file that has store.url", errUsage)
	}
	if err := storeURL(address); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	db, err := postgres.Open(ctx, address, postgres.Options{Password: password, Migrate: true})
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it returns nil
	version, err := db.Version(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "schema version %d: up to date\n", version)
	return err
}
