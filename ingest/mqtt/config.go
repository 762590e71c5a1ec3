package mqtt

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/ingest"
)

// Config is a broker with what is read of it.
type Config struct {
	URL          string        `yaml:"url"`                     // tcp://host:1883, ssl://host:8883, ws://host/mqtt or wss://host/mqtt; mqtt:// and mqtts:// are tcp:// and ssl://
	Standby      []string      `yaml:"standby,omitempty"`       // more addresses of the broker, tried in turn when one does not answer
	ClientID     string        `yaml:"client_id,omitempty"`     // names the session: stable over restarts, one for each instance; default telltale
	User         string        `yaml:"user,omitempty"`          // default: none
	PasswordFile string        `yaml:"password_file,omitempty"` // of the user; read at each connection
	TLS          ingest.TLS    `yaml:"tls,omitempty"`           // of ssl:// and wss://
	Prefix       string        `yaml:"prefix,omitempty"`        // of PREFIX/ASSET/telemetry and PREFIX/ASSET/wave/CHANNEL; default telltale, and none where there are topics
	Topics       []Binding     `yaml:"topics,omitempty"`        // further topics; of several that fit a message the first counts
	Group        string        `yaml:"group,omitempty"`         // shares the messages with all others of this group; default: none
	KeepAlive    time.Duration `yaml:"keep_alive,omitempty"`    // a connection on which nothing comes for so long is given up, and the broker is asked for a sign twice in it; default 5s
	InFlight     int           `yaml:"in_flight,omitempty"`     // messages that the broker sends before it waits for an acknowledgement, as it is set there; default: not known
	Queue        int           `yaml:"queue,omitempty"`         // messages received and not read; default 65535. When it is full the broker has to wait
	MaxPacket    int           `yaml:"max_packet,omitempty"`    // bytes; a longer message is refused unread; default 32 MiB
	Assets       ingest.Allow  `yaml:"assets,omitempty"`        // that messages may be of; default: all
}

// Bounds of a configuration.
const (
	maxQueue     = 1 << 20
	leastPacket  = 1 << 10
	maxPacket    = 256 << 20 // of the protocol
	leastAlive   = time.Second
	longestAlive = time.Hour
)

// queueBytes is how much may be received and not read, whatever the number of messages.
const queueBytes = 256 << 20

func (c Config) withDefaults() Config {
	c.ClientID = cmp.Or(c.ClientID, "telltale")
	if len(c.Topics) == 0 {
		c.Prefix = cmp.Or(c.Prefix, "telltale")
	}
	c.KeepAlive = cmp.Or(c.KeepAlive, 5*time.Second)
	c.Queue = cmp.Or(c.Queue, 65535)
	c.MaxPacket = cmp.Or(c.MaxPacket, 32<<20)
	return c
}

// Validate lists everything that is wrong, each with its field.
func (c Config) Validate() error {
	c = c.withDefaults()
	var bad ingest.Checks
	check := func(ok bool, field string, value any, want string) { bad.That(ok, field, value, "want "+want) }
	encrypted := true
	for i, address := range slices.Concat([]string{c.URL}, c.Standby) {
		field := "url"
		if i > 0 {
			field = fmt.Sprintf("standby[%d]", i-1)
		}
		u, err := parseURL(address)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %q is not allowed: %w", field, hidden(address), err))
			continue
		}
		encrypted = encrypted && (u.Scheme == "ssl" || u.Scheme == "wss")
	}
	check(c.TLS == ingest.TLS{} || encrypted, "tls", "a section", "ssl:// or wss:// in url and standby, or no section")
	bad.Under("tls", c.TLS.Validate())
	check(utf8.ValidString(c.ClientID) && len(c.ClientID) <= maxTopicBytes, "client_id", fmt.Sprintf("%q", c.ClientID), "at most 65535 bytes of UTF-8")
	check(c.PasswordFile == "" || c.User != "", "password_file", fmt.Sprintf("%q", c.PasswordFile), "a user with it")
	if c.PasswordFile != "" {
		_, err := os.Stat(c.PasswordFile)
		check(err == nil, "password_file", fmt.Sprintf("%q", c.PasswordFile), "a file that is there")
	}
	check(!strings.ContainsAny(c.Group, "/+#{} "), "group", fmt.Sprintf("%q", c.Group), "a name without / + # { } and blanks")
	check(c.KeepAlive >= leastAlive && c.KeepAlive <= longestAlive, "keep_alive", c.KeepAlive, "1s to 1h")
	check(c.InFlight >= 0 && c.InFlight <= 65535, "in_flight", c.InFlight, "1 to 65535")
	check(c.Queue > 0 && c.Queue <= maxQueue, "queue", c.Queue, fmt.Sprint("1 to ", maxQueue))
	check(c.MaxPacket >= leastPacket && c.MaxPacket <= maxPacket, "max_packet", c.MaxPacket, fmt.Sprint(leastPacket, " to ", maxPacket))
	if err := c.Assets.Validate(); err != nil {
		bad = append(bad, fmt.Errorf("assets: %w", err))
	}
	return errors.Join(append(bad, c.checkTopics()...)...)
}

// checkTopics lists what is wrong with the topics.
func (c Config) checkTopics() (bad []error) {
	if strings.ContainsAny(c.Prefix, "+#{}\x00") || strings.HasPrefix(c.Prefix, "$") || strings.HasSuffix(c.Prefix, "/") {
		bad = append(bad, fmt.Errorf("prefix: %q is not allowed: want levels without + # { } that do not begin with $ nor end with /", c.Prefix))
	}
	first := map[string]int{}
	for i, b := range c.Topics {
		at := fmt.Sprintf("topics[%d].", i)
		if b.QoS != nil && *b.QoS != 0 && *b.QoS != 1 {
			bad = append(bad, fmt.Errorf("%sqos: %d is not allowed: want 0 or 1", at, *b.QoS))
		}
		r, err := b.route()
		if err != nil {
			bad = append(bad, fmt.Errorf("%stopic: %q is not allowed: %w", at, b.Topic, err))
			continue
		}
		if c.Prefix != "" && (r.filter == c.Prefix+"/+/telemetry" || r.filter == c.Prefix+"/+/wave/+") {
			bad = append(bad, fmt.Errorf("%stopic: %q is not allowed: want one that is not of the prefix", at, b.Topic))
		}
		shape := strings.NewReplacer("{asset}", "{}", "{channel}", "{}").Replace(b.Topic)
		if k, taken := first[shape]; taken {
			bad = append(bad, fmt.Errorf("%stopic: %q is not allowed: want one that topics[%d] does not fit already", at, b.Topic, k))
			continue
		}
		first[shape] = i
	}
	return bad
}

// parseURL reads an address; the scheme it returns is one of tcp, ssl, ws, wss, the host
// has a port.
func parseURL(s string) (*url.URL, error) {
	const want = "want tcp://host:1883, ssl://host:8883, ws://host/path or wss://host/path"
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New(want)
	}
	if u.User != nil {
		return nil, errors.New("want no user in it: there are user and password_file")
	}
	port := ""
	switch u.Scheme {
	case "tcp", "mqtt":
		u.Scheme, port = "tcp", "1883"
	case "ssl", "mqtts":
		u.Scheme, port = "ssl", "8883"
	case "ws":
		port = "80"
	case "wss":
		port = "443"
	default:
		return nil, errors.New(want)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// hidden is an address without the password that should not be in it.
func hidden(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}

// password is that of the file.
func (c Config) password() (string, error) {
	if c.PasswordFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
