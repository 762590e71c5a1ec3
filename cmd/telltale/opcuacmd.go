package main

import (
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/opcua"
)

func opcuaCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "opcua", Short: "Look at an OPC UA server; make the certificate that it wants of us",
		Example: "  telltale opcua browse opc.tcp://10.0.4.20:4840 --security None/None\n  telltale opcua certificate --out pki",
		Args:    exactly("browse|certificate"), RunE: unknownVerb,
	}
	c.AddCommand(opcuaBrowseCommand(), opcuaCertificateCommand())
	return c
}

func opcuaBrowseCommand() *cobra.Command {
	var s opcua.Server
	c := &cobra.Command{
		Use: "browse URL", Short: "List the server's variables as the source.opcua section of a configuration",
		Long: "Walks through the server's objects and writes every variable that holds numbers as a node of a configuration. The\n" +
			"object on top is taken as the asset, the variable's name as the metric; go through it before you use it. A unit that\n" +
			"the server does not tell, or that is not known here, is left as \"?\", which `telltale check` refuses.",
		Example: "  telltale opcua browse opc.tcp://10.0.4.20:4840 --security None/None\n" +
			"  telltale opcua browse opc.tcp://10.0.4.20:4840 --certificate us.pem --key us-key.pem --trust them.pem >nodes.yaml",
		Args: exactly("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Endpoint = args[0]
			if s.Security != "None/None" && (s.Certificate == "" || s.Key == "" || len(s.Trust) == 0) {
				return fmt.Errorf("%w: give --certificate, --key and --trust, or --security None/None for a network that protects itself", errUsage)
			}
			found, err := opcua.Browse(cmd.Context(), s)
			if err != nil {
				return err
			}
			return writeNodes(cmd.OutOrStdout(), s, found)
		},
	}
	f := c.Flags()
	f.StringVar(&s.Security, "security", opcua.Securities[0], "one of "+strings.Join(opcua.Securities, ", "))
	f.StringVar(&s.Certificate, "certificate", "", "PEM or DER file of our own certificate")
	f.StringVar(&s.Key, "key", "", "PEM file of its key")
	f.StringSliceVar(&s.Trust, "trust", nil, "PEM or DER files of certificates to trust")
	f.StringVar(&s.User, "user", "", "user name; default: anonymous")
	f.StringVar(&s.PasswordFile, "password-file", "", "file that holds the password")
	return c
}

func opcuaCertificateCommand() *cobra.Command {
	var a opcua.Application
	var out string
	var days int
	var force bool
	c := &cobra.Command{
		Use: "certificate --out DIR", Short: "Make a certificate and its key, by which servers know this application",
		Long: "Writes NAME.pem, the same as NAME.der for servers that want that, and NAME-key.pem into DIR. The certificate is signed by\n" +
			"itself: the server's administrator has to put it among the trusted ones. Its URI names the application; keep it when you\n" +
			"renew the certificate.",
		Example: "  telltale opcua certificate --out pki\n  telltale opcua certificate --out pki --host collector.plant-7.example --host 10.0.4.9 --days 730",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out is missing: name the folder to write to", errUsage)
			}
			if days < 1 {
				return fmt.Errorf("%w: --days %d: want 1 or more", errUsage, days)
			}
			a.Valid = time.Duration(days) * 24 * time.Hour
			if len(a.Hosts) == 0 {
				host, err := os.Hostname()
				if err != nil {
					return err
				}
				a.Hosts = []string{host}
			}
			return writeCertificate(cmd.OutOrStdout(), a, out, force)
		},
	}
	f := c.Flags()
	f.StringVar(&out, "out", "", "folder to write to")
	f.StringVar(&a.Name, "name", "telltale", "name of the application and the files")
	f.StringVar(&a.URI, "uri", "", "of the application, that no other has; default urn:HOST:NAME")
	f.StringArrayVar(&a.Hosts, "host", nil, "name or address of the machine; several times for several; default its own name")
	f.IntVar(&days, "days", 5*365, "that it is in force")
	f.BoolVar(&force, "force", false, "overwrite what is there")
	return c
}

// writeCertificate makes the files and says how to use them.
func writeCertificate(to io.Writer, a opcua.Application, dir string, force bool) error {
	certificate, key, err := a.Certificate(time.Now())
	if err != nil {
		return fmt.Errorf("%w: --%w", errUsage, err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	block, _ := pem.Decode(certificate)
	base := filepath.Join(dir, a.Name)
	how := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if force {
		how = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	for _, file := range []struct {
		name string
		body []byte
		mode os.FileMode
	}{{base + "-key.pem", key, 0o600}, {base + ".pem", certificate, 0o644}, {base + ".der", block.Bytes, 0o644}} {
		f, err := os.OpenFile(file.name, how, file.mode)
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is there: use --force to overwrite it, or another --out", file.name)
		}
		if err != nil {
			return err
		}
		_, err = f.Write(file.body)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(to, "certificate: %s.pem\nkey: %s-key.pem\n# Put %s.der (SHA-256 fingerprint %x) among the certificates that the server trusts,\n# and the server's into a file that trust names.\n",
		base, base, base, sha256.Sum256(block.Bytes))
	return err
}

// writeNodes prints the section with a node for each variable.
func writeNodes(to io.Writer, s opcua.Server, found []opcua.Variable) error {
	for _, v := range found {
		n := opcua.Node{ID: v.ID, Asset: asset.ID(v.Path[0]), Unit: v.Unit}
		if _, _, ok := asset.Convert(0, v.Unit); !ok || v.Unit == "" {
			n.Unit = "?"
		}
		name := snake(v.Path[len(v.Path)-1])
		if v.Array {
			n.Channel = name
		} else {
			n.Metric = name
		}
		s.Nodes = append(s.Nodes, n)
	}
	body, err := yaml.MarshalWithOptions(map[string]any{"source": map[string]any{"opcua": []opcua.Server{s}}}, yaml.IndentSequence(true))
	if err != nil {
		return err
	}
	_, err = to.Write(body)
	return err
}

// snake writes GearOilTemp as gear_oil_temp.
func snake(name string) string {
	var b strings.Builder
	var last rune
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			r = '_'
		case unicode.IsUpper(r) && (unicode.IsLower(last) || unicode.IsDigit(last)):
			b.WriteRune('_')
		}
		last = r
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
