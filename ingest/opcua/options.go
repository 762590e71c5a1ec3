// Package opcua reads variables of OPC UA servers through subscriptions. It reads
// and never writes, and calls no method.
package opcua

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Node is one variable: a metric of an asset, or one of its channels, when its value
// is an array of samples.
type Node struct {
	ID      string   `yaml:"node"` // such as ns=2;s=WT01.GearOilTemp
	Asset   asset.ID `yaml:"asset"`
	Metric  string   `yaml:"metric,omitempty"`
	Channel string   `yaml:"channel,omitempty"` // its source timestamp is that of the newest sample
	RateHz  float64  `yaml:"rate_hz,omitempty"` // of a channel
	Scale   float64  `yaml:"scale,omitempty"`   // of a channel: what a sample of 1 is in Unit, such as a converter's step; default 1
	Unit    string   `yaml:"unit"`
}

// Server is a server with what is read of it.
type Server struct {
	Endpoint     string        `yaml:"endpoint"`                // opc.tcp://host:4840
	Security     string        `yaml:"security,omitempty"`      // policy and mode, see Securities; default Basic256Sha256/SignAndEncrypt
	Certificate  string        `yaml:"certificate,omitempty"`   // PEM or DER file of ours; its URI names the application
	Key          string        `yaml:"key,omitempty"`           // PEM file
	Trust        []string      `yaml:"trust,omitempty"`         // PEM or DER files: certificates of servers, or of authorities that sign them
	User         string        `yaml:"user,omitempty"`          // default: none, anonymous
	PasswordFile string        `yaml:"password_file,omitempty"` // of the user
	UserCert     string        `yaml:"user_certificate,omitempty"`
	UserKey      string        `yaml:"user_key,omitempty"`
	Publish      time.Duration `yaml:"publish,omitempty"`  // period at which the server tells what changed; default 1s
	Sampling     time.Duration `yaml:"sampling,omitempty"` // period at which it looks; default Publish
	Queue        uint32        `yaml:"queue,omitempty"`    // values of a node that the server keeps between two of our looks; default 100
	History      bool          `yaml:"history,omitempty"`  // ask the server for what was missed
	Nodes        []Node        `yaml:"nodes"`
}

// Securities are the policies with their modes that a server may be asked for. None is for
// networks that protect themselves; it has to be written out.
var Securities = []string{
	"Basic256Sha256/SignAndEncrypt", "Aes128_Sha256_RsaOaep/SignAndEncrypt", "Aes256_Sha256_RsaPss/SignAndEncrypt",
	"Basic256Sha256/Sign", "Aes128_Sha256_RsaOaep/Sign", "Aes256_Sha256_RsaPss/Sign", "None/None",
}

func (s Server) withDefaults() Server {
	s.Security = cmp.Or(s.Security, Securities[0])
	s.Publish = cmp.Or(s.Publish, time.Second)
	s.Sampling = cmp.Or(s.Sampling, s.Publish)
	s.Queue = cmp.Or(s.Queue, 100)
	s.Nodes = slices.Clone(s.Nodes)
	for i := range s.Nodes {
		if s.Nodes[i].Channel != "" {
			s.Nodes[i].Scale = cmp.Or(s.Nodes[i].Scale, 1)
		}
	}
	return s
}

// security is the policy's URI and the mode.
func (s Server) security() (policy string, mode ua.MessageSecurityMode) {
	name, m, _ := strings.Cut(s.Security, "/")
	return ua.FormatSecurityPolicyURI(name), ua.MessageSecurityModeFromString(m)
}

// Validate lists everything that is wrong, each with its place in the server.
func (s Server) Validate() error {
	s = s.withDefaults()
	var bad ingest.Checks
	check := bad.That
	u, err := url.Parse(s.Endpoint)
	check(err == nil && u.Scheme == "opc.tcp" && u.Host != "", "endpoint", fmt.Sprintf("%q", s.Endpoint), "want opc.tcp://host:4840")
	check(slices.Contains(Securities, s.Security), "security", fmt.Sprintf("%q", s.Security), "want one of "+strings.Join(Securities, ", "))
	if s.Security != "None/None" {
		check(s.Certificate != "" && s.Key != "", "certificate and key", `""`, "want the files of our own certificate and key, or security: None/None")
		check(len(s.Trust) > 0, "trust", "an empty list", "want the server's certificate or that of its authority, or security: None/None")
	}
	for field, path := range map[string]string{"certificate": s.Certificate, "key": s.Key, "password_file": s.PasswordFile, "user_certificate": s.UserCert, "user_key": s.UserKey} {
		if path != "" {
			_, err := os.Stat(path)
			check(err == nil, field, fmt.Sprintf("%q", path), "want a file that is there")
		}
	}
	check(s.User == "" || s.UserCert == "", "user", fmt.Sprintf("%q", s.User), "want either a user or a user_certificate")
	check((s.UserCert == "") == (s.UserKey == ""), "user_key", fmt.Sprintf("%q", s.UserKey), "want both user_certificate and user_key or neither")
	check(s.Publish >= 10*time.Millisecond && s.Sampling > 0, "publish and sampling", fmt.Sprint(s.Publish, ", ", s.Sampling), "want at least 10ms, and more than 0")
	check(len(s.Nodes) > 0, "nodes", "an empty list", "want at least one")
	for i, n := range s.Nodes {
		at := fmt.Sprintf("nodes[%d].", i)
		_, err := ua.ParseNodeID(n.ID)
		_, _, known := asset.Convert(0, n.Unit)
		check(err == nil && strings.Contains(n.ID, "="), at+"node", fmt.Sprintf("%q", n.ID), "want a node ID such as ns=2;s=WT01.Power or ns=3;i=1001")
		check(n.Asset != "", at+"asset", `""`, "want the ID of an asset")
		check((n.Metric == "") != (n.Channel == ""), at+"metric", fmt.Sprintf("%q", n.Metric), "want either a metric or a channel")
		check((n.Channel != "") == (n.RateHz > 0), at+"rate_hz", n.RateHz, "want more than 0 for a channel, and none for a metric")
		check(n.Scale == 0 || n.Channel != "" && !math.IsInf(n.Scale, 0) && !math.IsNaN(n.Scale), at+"scale", n.Scale, "want a finite number that is not 0 for a channel, and none for a metric")
		check(known, at+"unit", fmt.Sprintf("%q", n.Unit), "want one of "+asset.Units())
	}
	slices.SortStableFunc(bad, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) }) // files come in no order
	return bad.Err()
}
