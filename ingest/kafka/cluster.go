package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/telltale-iot/telltale/ingest"
)

// Cluster is where the brokers are, whom we trust there and who we are.
type Cluster struct {
	Brokers  []string    `yaml:"brokers"`             // host:port of some; the others are learnt from them
	TLS      *ingest.TLS `yaml:"tls,omitempty"`       // default: none, in the clear
	SASL     *SASL       `yaml:"sasl,omitempty"`      // default: none
	ClientID string      `yaml:"client_id,omitempty"` // as the brokers' quotas and logs name us; default "telltale"
}

// SASL is an account. The password is read at each connection, so that a new one is used
// without a restart.
type SASL struct {
	Mechanism    string `yaml:"mechanism"` // one of Mechanisms
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
}

// Mechanisms are the ways to prove who we are. With plain the broker sees the password,
// so it wants TLS.
var Mechanisms = []string{"plain", "scram-sha-256", "scram-sha-512"}

func quoted(s string) string { return strconv.Quote(s) }

// Validate lists everything that is wrong, each with its field.
func (c Cluster) Validate() error {
	var bad ingest.Checks
	bad.That(len(c.Brokers) > 0, "brokers", "an empty list", "want at least one")
	for i, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		n, notNumber := strconv.Atoi(port)
		bad.That(err == nil && host != "" && notNumber == nil && n > 0 && n < 65536, fmt.Sprintf("brokers[%d]", i), quoted(b), "want host:port, such as broker1:9092")
	}
	bad.That(len(c.ClientID) <= 255, "client_id", quoted(c.ClientID), "want at most 255 bytes")
	if c.TLS != nil {
		bad.Under("tls", c.TLS.Validate())
	}
	if s := c.SASL; s != nil {
		bad.That(slices.Contains(Mechanisms, s.Mechanism), "sasl.mechanism", quoted(s.Mechanism), "want one of "+strings.Join(Mechanisms, ", "))
		bad.That(s.Mechanism != "plain" || c.TLS != nil, "sasl.mechanism", quoted(s.Mechanism), "want tls with it, or scram-sha-512, which keeps the password to itself")
		bad.That(s.User != "", "sasl.user", `""`, "want a name")
		_, err := os.Stat(s.PasswordFile)
		bad.That(err == nil, "sasl.password_file", quoted(s.PasswordFile), "want a file that is there")
	}
	return bad.Err()
}

// Name is the cluster in words, for status and dead letters.
func (c Cluster) name() string { return "kafka " + strings.Join(c.Brokers, ",") }

func (c Cluster) clientID() string { return cmp.Or(c.ClientID, "telltale") }

func (c Cluster) tlsConfig() (*tls.Config, error) {
	if c.TLS == nil {
		return nil, nil //nolint:nilnil // none is how the library is told to do without
	}
	config, err := c.TLS.Config()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return config, nil
}

// mechanism is nil without an account: an interface that holds nothing, as the library asks.
func (c Cluster) mechanism() sasl.Mechanism {
	if c.SASL == nil {
		return nil
	}
	return account{*c.SASL}
}

// connectTimeout is for a connection with its handshakes.
const connectTimeout = 5 * time.Second

// transport makes connections to the brokers that lead the topics. Its word on who leads is
// at most a second or two old.
func (c Cluster) transport(topics ...string) (*kafka.Transport, error) {
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{
		DialTimeout: connectTimeout, MetadataTTL: 2 * time.Second, MetadataTopics: topics,
		ClientID: c.clientID(), TLS: config, SASL: c.mechanism(),
	}, nil
}

// dialer makes the connection to the coordinator of a group.
func (c Cluster) dialer() (*kafka.Dialer, error) {
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &kafka.Dialer{ClientID: c.clientID(), Timeout: connectTimeout, TLS: config, SASLMechanism: c.mechanism()}, nil
}

// account is a SASL account whose password is read when it is needed.
type account struct{ SASL }

// Name of the mechanism in the protocol.
func (a account) Name() string { return strings.ToUpper(a.Mechanism) }

// Start begins one proof.
func (a account) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	raw, err := os.ReadFile(a.PasswordFile)
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: password_file: %w", err)
	}
	password := strings.TrimRight(string(raw), "\r\n")
	var m sasl.Mechanism = plain.Mechanism{Username: a.User, Password: password}
	switch a.Mechanism {
	case "scram-sha-256":
		m, err = scram.Mechanism(scram.SHA256, a.User, password)
	case "scram-sha-512":
		m, err = scram.Mechanism(scram.SHA512, a.User, password)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: %s of %s: %w", a.Mechanism, a.User, err)
	}
	return m.Start(ctx)
}
