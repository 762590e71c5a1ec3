package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/opcua"
)

func opcuaCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "opcua", Short: "Look at an OPC UA server",
		Example: "  telltale opcua browse opc.tcp://10.0.4.20:4840 --security None/None",
		Args:    exactly("browse"), RunE: unknownVerb,
	}
	c.AddCommand(opcuaBrowseCommand())
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
