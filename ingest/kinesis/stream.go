// Package kinesis receives readings from a stream of Amazon Kinesis and sends records to
// one, as package kafka does for topics.
//
// A record's partition key names the asset, its data is the payload. There are no headers and
// no groups: how far each shard was read is kept in a file here, so that a stream is read by
// one process. A shard that came out of another is read after it, which keeps the order of an
// asset when a stream is resharded.
package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/telltale-iot/telltale/ingest"
)

// Stream is where a stream is. Who we are comes from the environment, AWS's own files or the
// role of the machine.
type Stream struct {
	Name     string `yaml:"stream"`
	Region   string `yaml:"region"`
	Endpoint string `yaml:"endpoint,omitempty"` // URL; default: that of the region
}

// Consume is what is read of a stream.
type Consume struct {
	Stream     `yaml:",inline"`
	Checkpoint string       `yaml:"checkpoint"`       // file that keeps how far each shard was read; made when it is not there
	Assets     ingest.Allow `yaml:"assets,omitempty"` // that the stream may speak of; default: all
	Start      string       `yaml:"start,omitempty"`  // where to begin without a checkpoint: Earliest or Latest; default Earliest
}

// Produce is where records are sent.
type Produce struct {
	Stream `yaml:",inline"`
}

// Where to begin without a checkpoint.
const (
	Earliest = "earliest"
	Latest   = "latest"
)

var (
	streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
)

// Validate lists everything that is wrong, each with its field.
func (s Stream) Validate() error {
	var bad ingest.Checks
	check := func(ok bool, field, value, want string) { bad.That(ok, field, strconv.Quote(value), want) }
	check(streamName.MatchString(s.Name), "stream", s.Name, "want 1–128 of letters, digits, dot, underscore and hyphen")
	check(regionName.MatchString(s.Region), "region", s.Region, "want one such as eu-central-1")
	u, err := url.Parse(s.Endpoint)
	check(s.Endpoint == "" || err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "", "endpoint", s.Endpoint, "want a URL such as https://host")
	return bad.Err()
}

// Validate lists everything that is wrong, each with its field.
func (c Consume) Validate() error {
	bad := []error{c.Stream.Validate()}
	if c.Checkpoint == "" {
		bad = append(bad, errors.New(`checkpoint: "" is not allowed: want the name of a file`))
	}
	if err := c.Assets.Validate(); err != nil {
		bad = append(bad, fmt.Errorf("assets: %w", err))
	}
	if start := cmp.Or(c.Start, Earliest); start != Earliest && start != Latest {
		bad = append(bad, fmt.Errorf("start: %q is not allowed: want earliest or latest", c.Start))
	}
	return errors.Join(bad...)
}

// answerTimeout is for one request with its repetitions.
const answerTimeout = 20 * time.Second

// client asks AWS's own configuration who we are. Nothing is sent yet.
func (s Stream) client(ctx context.Context) (*kinesis.Client, error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(s.Region), config.WithRetryMaxAttempts(2))
	if err != nil {
		return nil, fmt.Errorf("kinesis %s: %w", s.Name, err)
	}
	return kinesis.NewFromConfig(c, func(o *kinesis.Options) {
		if s.Endpoint != "" {
			o.BaseEndpoint = &s.Endpoint
		}
	}), nil
}
