package kafka

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/telltale-iot/telltale/ingest"
)

// Produce is where records are sent. They are acknowledged by all replicas that are in sync.
type Produce struct {
	Cluster     `yaml:",inline"`
	Topic       string `yaml:"topic"`
	Partitions  int    `yaml:"partitions,omitempty"`  // that the topic has to have: with another number an asset's records would go elsewhere than before; default: any
	BatchBytes  int    `yaml:"batch_bytes,omitempty"` // that go at once, unless one record has more; default 900000, below the broker's 1 MiB
	Compression string `yaml:"compression,omitempty"` // one of Compressions; default none
}

// Compressions of a batch.
var Compressions = []string{"none", "lz4", "zstd"}

func (p Produce) withDefaults() Produce {
	p.BatchBytes = cmp.Or(p.BatchBytes, 900_000)
	p.Compression = cmp.Or(p.Compression, Compressions[0])
	return p
}

// Validate lists everything that is wrong, each with its field.
func (p Produce) Validate() error {
	p = p.withDefaults()
	var bad ingest.Checks
	if err := p.Cluster.Validate(); err != nil {
		bad = append(bad, err)
	}
	bad.That(isTopic(p.Topic), "topic", quoted(p.Topic), topicRule)
	bad.That(p.Partitions >= 0, "partitions", p.Partitions, "want the number that the topic has, or 0 for any")
	bad.That(p.BatchBytes >= 1<<10 && p.BatchBytes <= most, "batch_bytes", p.BatchBytes, fmt.Sprintf("want %d to %d", 1<<10, most))
	bad.That(slices.Contains(Compressions, p.Compression), "compression", quoted(p.Compression), "want one of "+strings.Join(Compressions, ", "))
	return bad.Err()
}

func (p Produce) codec() kafka.Compression {
	switch p.Compression {
	case "lz4":
		return kafka.Lz4
	case "zstd":
		return kafka.Zstd
	}
	return 0
}
