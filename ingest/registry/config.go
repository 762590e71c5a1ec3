// Package registry reads and writes messages whose schema lies in a schema registry with
// Confluent's API (Confluent's own, Apicurio, Karapace, Redpanda).
//
// Such a message begins with a 0 byte and the schema's number, four bytes big-endian; in
// Protobuf the way to the message inside its file follows. An Avro message may begin with
// 0xC3 0x01 and its schema's fingerprint instead (single-object encoding). The writer's
// schema is fetched once, held against the schema that is read here (see
// ingest.TelemetryProto and ingest.TelemetryAvro), and refused as a whole where a value
// could come out as another one: a message is read as it was meant or it is a dead letter.
// All other messages go to the next decoder.
package registry

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Why a message is refused, beside what is wrong with its bytes.
const (
	UnknownSchema  asset.Reason = "unknown-schema"  // the registry knows no schema of this number or fingerprint
	SchemaMismatch asset.Reason = "schema-mismatch" // what the writer means cannot be told in the schema read here
	BadSchema      asset.Reason = "bad-schema"      // the registry holds something that is no schema
)

// The names under which schemas of a topic are registered (Confluent's TopicNameStrategy,
// RecordNameStrategy and TopicRecordNameStrategy).
const (
	ByTopic          = "topic"        // TOPIC-value
	ByRecord         = "record"       // telltale.v1.Telemetry
	ByTopicAndRecord = "topic-record" // TOPIC-telltale.v1.Telemetry
)

// Config says where the registry is and how it is used; zero values mean the defaults given.
type Config struct {
	URLs         []string      `yaml:"urls"`                    // http(s)://host:port/path, asked in this order when one does not answer
	User         string        `yaml:"user,omitempty"`          // with PasswordFile
	PasswordFile string        `yaml:"password_file,omitempty"` // read at each request, so that it may change
	TokenFile    string        `yaml:"token_file,omitempty"`    // of a bearer token, instead of a user; read at each request
	TLS          *ingest.TLS   `yaml:"tls,omitempty"`           // of https; nil: the system's authorities
	Timeout      time.Duration `yaml:"timeout,omitempty"`       // of a request; default 5s
	Schemas      int           `yaml:"schemas,omitempty"`       // that are kept; the one longest unused gives way; default 500
	Unknown      time.Duration `yaml:"unknown,omitempty"`       // for how long a number that the registry does not know is not asked for again; default 10s
	Names        []string      `yaml:"names,omitempty"`         // full names of messages and records that are read as telltale.v1.Telemetry, beside it
	Subjects     string        `yaml:"subjects,omitempty"`      // topic, record or topic-record; default topic
	LookupOnly   bool          `yaml:"lookup_only,omitempty"`   // our schema is registered by somebody else; default: it is registered where it is missing
}

func (c Config) withDefaults() Config {
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.Schemas = cmp.Or(c.Schemas, 500)
	c.Unknown = cmp.Or(c.Unknown, 10*time.Second)
	c.Subjects = cmp.Or(c.Subjects, ByTopic)
	return c
}

// Validate lists everything that is wrong, each with its field.
func (c Config) Validate() error {
	c = c.withDefaults()
	var bad ingest.Checks
	check := bad.That
	check(len(c.URLs) > 0, "urls", "an empty list", "want at least one")
	secure := false
	for i, s := range c.URLs {
		u, err := url.Parse(s)
		web := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
		check(web, fmt.Sprintf("urls[%d]", i), fmt.Sprintf("%q", s), "want http://host:port or https://host:port, with a path where the registry has one")
		secure = secure || web && u.Scheme == "https"
		if web {
			check(u.User == nil, fmt.Sprintf("urls[%d]", i), "a password in an address", "want user and password_file")
		}
	}
	check((c.User == "") == (c.PasswordFile == ""), "password_file", fmt.Sprintf("%q", c.PasswordFile), "want both user and password_file or neither")
	check(c.TokenFile == "" || c.User == "", "token_file", fmt.Sprintf("%q", c.TokenFile), "want either a token_file or a user")
	for _, f := range []struct{ field, path string }{{"password_file", c.PasswordFile}, {"token_file", c.TokenFile}} {
		if f.path != "" {
			_, err := os.Stat(f.path)
			check(err == nil, f.field, fmt.Sprintf("%q", f.path), "want a file that is there")
		}
	}
	if c.TLS != nil {
		check(secure, "tls", "for http", "want an address that begins with https")
		bad.Under("tls", c.TLS.Validate())
	}
	check(c.Timeout >= 10*time.Millisecond && c.Timeout <= 10*time.Minute, "timeout", c.Timeout, "want 10ms to 10m")
	check(c.Schemas >= 1 && c.Schemas <= 100_000, "schemas", c.Schemas, "want 1 to 100000")
	check(c.Unknown > 0, "unknown", c.Unknown, "want more than 0")
	for i, n := range c.Names {
		check(n != "", fmt.Sprintf("names[%d]", i), `""`, "want the full name of a message, such as com.example.Telemetry")
	}
	check(c.Subjects == ByTopic || c.Subjects == ByRecord || c.Subjects == ByTopicAndRecord, "subjects", fmt.Sprintf("%q", c.Subjects), "want topic, record or topic-record")
	return bad.Err()
}

// subject is the name under which a topic's schema is registered.
func (c Config) subject(topic string) string {
	switch c.Subjects {
	case ByRecord:
		return ingest.TelemetryName
	case ByTopicAndRecord:
		return topic + "-" + ingest.TelemetryName
	default:
		return topic + "-value"
	}
}

func refuse(reason asset.Reason, where, format string, args ...any) *asset.Invalid {
	return &asset.Invalid{Reason: reason, Where: where, Text: fmt.Sprintf(format, args...)}
}
