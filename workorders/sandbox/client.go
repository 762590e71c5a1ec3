package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/workorders"
)

// Client sends orders to a Server. It is safe for concurrent use.
type Client struct {
	url  string
	http *http.Client
}

var _ workorders.ERP = (*Client)(nil)

// NewClient makes a client of the sandbox at address; a nil client means
// http.DefaultClient.
func NewClient(address string, client *http.Client) *Client {
	if client == nil {
		client = http.DefaultClient
	}
	return &Client{url: strings.TrimRight(address, "/"), http: client}
}

// Find looks an order up by its key; "" when there is none.
func (c *Client) Find(ctx context.Context, key string) (string, error) {
	var found []Order
	if err := c.do(ctx, http.MethodGet, "/orders?key="+url.QueryEscape(key), nil, &found); err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].Number, nil
}

// Create makes the order and returns its number.
func (c *Client) Create(ctx context.Context, o workorders.Order) (string, error) {
	var made Order
	order := Order{
		Key: o.Key, Asset: o.Asset, Component: o.Component, Priority: o.Priority,
		Title: o.Title, Text: o.Text, RequiredEnd: o.RequiredEnd, Activity: o.Activity,
	}
	if o.Window != nil {
		order.RequiredStart = o.Window.Start
	}
	err := c.do(ctx, http.MethodPost, "/orders", order, &made)
	if err == nil && made.Number == "" {
		err = &workorders.CallError{Kind: workorders.ErrUnknown, Text: "no number in the answer"}
	}
	return made.Number, err
}

// Done reports whether the order is completed.
func (c *Client) Done(ctx context.Context, number string) (bool, error) {
	var o Order
	err := c.do(ctx, http.MethodGet, "/orders/"+url.PathEscape(number), nil, &o)
	return o.Status == "completed", err
}

func (c *Client) do(ctx context.Context, method, path string, body, v any) error {
	writes := method == http.MethodPost
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return &workorders.CallError{Kind: workorders.ErrRefused, Text: err.Error()}
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, content)
	if err != nil {
		return &workorders.CallError{Kind: workorders.ErrRefused, Text: err.Error()}
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return workorders.TransportError(err, writes)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	switch {
	case err != nil:
		return workorders.TransportError(err, writes)
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return workorders.AnswerError(answer, writes, workorders.Cut(string(text), 200), time.Now())
	}
	if err := json.Unmarshal(text, v); err != nil {
		kind := workorders.ErrUnavailable
		if writes {
			kind = workorders.ErrUnknown
		}
		return &workorders.CallError{Kind: kind, Text: fmt.Sprintf("unreadable answer: %v", err)}
	}
	return nil
}
