package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/ingest/kinesis"
)

// gatewayConfig is for the role that carries readings to a cluster.
type gatewayConfig struct {
	Spool    string        `yaml:"spool,omitempty"`     // folder of what waits; default DATA/spool
	MaxBytes byteSize      `yaml:"max_bytes,omitempty"` // of it on disk; default 10GiB
	MaxAge   time.Duration `yaml:"max_age,omitempty"`   // what waits longer is dropped, and told; default 168h
	Drain    time.Duration `yaml:"drain,omitempty"`     // time to pass on what waits when the gateway is stopped; default 10s

	Features *gatewayFeatures `yaml:"features,omitempty"` // compute them here; left out: waveforms go out as they came

	Kafka   *kafka.Produce   `yaml:"kafka,omitempty"`
	Kinesis *kinesis.Produce `yaml:"kinesis,omitempty"` // in its place
}

// gatewayFeatures says which windows go out as they were, as evidence of their features.
type gatewayFeatures struct {
	EvidenceEvery  time.Duration `yaml:"evidence_every,omitempty"`  // one of each channel so often; default 6h
	EvidenceChange float64       `yaml:"evidence_change,omitempty"` // and when a feature leaves what it was by so many robust deviations; default 6
}

const (
	defaultDrain = 10 * time.Second
	leastSpool   = 64 << 20 // a waveform message has room four times
)

// Validate lists everything that is wrong, each with its field.
func (c gatewayConfig) Validate() error {
	var bad ingest.Checks
	check := func(ok bool, field string, value any, want string) { bad.That(ok, field, value, "want "+want) }
	check(c.MaxBytes == 0 || c.MaxBytes >= leastSpool, "max_bytes", c.MaxBytes, "at least 64MiB, as in 10GiB")
	check(c.MaxAge == 0 || c.MaxAge >= time.Minute, "max_age", c.MaxAge, "at least 1m")
	check(c.Drain >= 0 && c.Drain <= 10*time.Minute, "drain", c.Drain, "0 to 10m")
	if f := c.Features; f != nil {
		check(f.EvidenceEvery == 0 || f.EvidenceEvery >= time.Minute && f.EvidenceEvery <= 720*time.Hour, "features.evidence_every", f.EvidenceEvery, "1m to 720h")
		check(f.EvidenceChange == 0 || f.EvidenceChange >= 3 && f.EvidenceChange <= 1000, "features.evidence_change", f.EvidenceChange, "3 to 1000 robust deviations")
	}
	check(c.Kafka == nil || c.Kinesis == nil, "kinesis", "a stream beside a topic", "one of them")
	if c.Kafka != nil {
		bad.Under("kafka", c.Kafka.Validate())
	}
	if c.Kinesis != nil {
		bad.Under("kinesis", c.Kinesis.Validate())
	}
	return bad.Err()
}

// under puts the file, its line and a section before each line of an error.
func (c *config) under(section string, err error) (bad []error) {
	if err == nil {
		return nil
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		field, text, _ := strings.Cut(line, ": ")
		field = section + "." + field
		bad = append(bad, fmt.Errorf("%s:%d: %s: %s", c.path, lineOf(c.body, field), field, text))
	}
	return bad
}

// byteSize is a number of bytes; a file may say it as 10GiB.
type byteSize int64

var sizePattern = regexp.MustCompile(`^(\d+(?:\.\d+)?) ?(B|[kMGT]B|[KMGT]iB)?$`)

// UnmarshalYAML reads a number with or without a unit, of 1000 (kB) or 1024 (KiB).
func (b *byteSize) UnmarshalYAML(text []byte) error {
	said := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	parts := sizePattern.FindStringSubmatch(said)
	wrong := fmt.Errorf("%q is not allowed: want bytes, as in 10GiB or 500MB", said)
	if parts == nil {
		return wrong
	}
	n, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return wrong
	}
	step := 1000.0
	if strings.HasSuffix(parts[2], "iB") {
		step = 1024
	}
	if unit := strings.TrimRight(parts[2], "iB"); unit != "" {
		n *= math.Pow(step, float64(strings.Index("KMGT", strings.ToUpper(unit))+1))
	}
	if n != math.Trunc(n) || n > math.MaxInt64/2 {
		return wrong
	}
	*b = byteSize(n)
	return nil
}
