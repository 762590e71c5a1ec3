package main

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/simulate"
)

// publish sends a farm's readings to a broker, speed event seconds for each
// second of the wall clock. A broker that does not keep up slows the farm down.
func publish(ctx context.Context, farm *simulate.Farm, url string, speed float64) error {
	p, err := mqtt.NewPublisher(ctx, mqtt.Options{Config: mqtt.Config{URL: url, ClientID: "telltale-farm"}})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := play(ctx, farm, speed, func(r asset.Reading) error { return p.Publish(ctx, r, 0) }); err != nil {
		return quiet(err)
	}
	return p.Flush(ctx)
}

// play hands out a farm's readings as they become due, speed event seconds for each
// second of the wall clock.
func play(ctx context.Context, farm *simulate.Farm, speed float64, take func(asset.Reading) error) error {
	var zero time.Time
	began := time.Now()
	for {
		r, ok := farm.Next()
		if !ok {
			return nil
		}
		if zero.IsZero() {
			zero = r.Time
		}
		due := began.Add(time.Duration(float64(r.Time.Sub(zero)) / speed))
		if err := wait(ctx, time.Until(due)); err != nil {
			return err
		}
		if err := take(r); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
