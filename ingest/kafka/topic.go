package kafka

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// CreateTopic makes a topic with so many partitions of one replica each, for trials: those
// of a plant are made by who runs its cluster.
func CreateTopic(ctx context.Context, at Cluster, name string, partitions int) error {
	client, end, err := at.client()
	if err != nil {
		return err
	}
	defer end()
	r, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err == nil {
		err = r.Errors[name]
	}
	if err != nil {
		return fmt.Errorf("%s: topic %s is not made: %w", at.name(), name, err)
	}
	return nil
}

// DeleteTopic removes a topic with everything in it.
func DeleteTopic(ctx context.Context, at Cluster, name string) error {
	client, end, err := at.client()
	if err != nil {
		return err
	}
	defer end()
	r, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err == nil {
		err = r.Errors[name]
	}
	if err != nil {
		return fmt.Errorf("%s: topic %s is not removed: %w", at.name(), name, err)
	}
	return nil
}

// client is for a few requests; end closes its connections.
func (c Cluster) client() (client *kafka.Client, end func(), err error) {
	if err := c.Validate(); err != nil {
		return nil, nil, fmt.Errorf("kafka: %w", err)
	}
	t, err := c.transport()
	if err != nil {
		return nil, nil, fmt.Errorf("kafka: %w", err)
	}
	return &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: t}, t.CloseIdleConnections, nil
}
