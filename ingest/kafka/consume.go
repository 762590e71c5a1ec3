package kafka

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/telltale-iot/telltale/ingest"
)

// Consume is what is read of a cluster.
type Consume struct {
	Cluster    `yaml:",inline"`
	Topics     []string     `yaml:"topics"`
	Group      string       `yaml:"group"`                 // whose members share the partitions, and which keeps how far it came
	Assets     ingest.Allow `yaml:"assets,omitempty"`      // that these topics may speak of; default: all
	Start      string       `yaml:"start,omitempty"`       // where a group begins that was never here: Earliest or Latest; default Earliest
	DeadLetter string       `yaml:"dead_letter,omitempty"` // topic for messages that are refused; default: none, they are only reported
	MaxBytes   int          `yaml:"max_bytes,omitempty"`   // largest message, and largest batch as it travels; larger ones are refused unread; default 32 MiB
}

// Where a group begins that has committed nothing.
const (
	Earliest = "earliest"
	Latest   = "latest"
)

// most is a limit on MaxBytes: a message is held in memory as a whole.
const most = 256 << 20

func (c Consume) withDefaults() Consume {
	c.Start = cmp.Or(c.Start, Earliest)
	c.MaxBytes = cmp.Or(c.MaxBytes, 32<<20)
	return c
}

// Validate lists everything that is wrong, each with its field.
func (c Consume) Validate() error {
	c = c.withDefaults()
	var bad ingest.Checks
	if err := c.Cluster.Validate(); err != nil {
		bad = append(bad, err)
	}
	bad.That(len(c.Topics) > 0, "topics", "an empty list", "want at least one")
	for i, t := range c.Topics {
		at := fmt.Sprintf("topics[%d]", i)
		bad.That(isTopic(t), at, quoted(t), topicRule)
		bad.That(t != c.DeadLetter, at, quoted(t), "want another topic than dead_letter, which would feed itself")
		bad.That(slices.Index(c.Topics, t) == i, at, quoted(t), "want each topic once")
	}
	bad.That(c.Group != "" && len(c.Group) <= 255, "group", quoted(c.Group), "want the name of a consumer group")
	if err := c.Assets.Validate(); err != nil {
		bad = append(bad, fmt.Errorf("assets: %w", err))
	}
	bad.That(c.Start == Earliest || c.Start == Latest, "start", quoted(c.Start), "want earliest or latest")
	bad.That(c.DeadLetter == "" || isTopic(c.DeadLetter), "dead_letter", quoted(c.DeadLetter), topicRule)
	bad.That(c.MaxBytes >= 1<<10 && c.MaxBytes <= most, "max_bytes", c.MaxBytes, fmt.Sprintf("want %d to %d", 1<<10, most))
	return bad.Err()
}

// start is the library's number for where to begin.
func (c Consume) start() int64 {
	if c.Start == Latest {
		return kafka.LastOffset
	}
	return kafka.FirstOffset
}

const topicRule = "want 1–249 of letters, digits, dot, underscore and hyphen"

func isTopic(s string) bool {
	return s != "" && len(s) <= 249 && s != "." && s != ".." && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}
