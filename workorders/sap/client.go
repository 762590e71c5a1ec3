// Package sap puts orders into SAP S/4HANA Plant Maintenance over OData V2: a
// maintenance notification for each, and, where a plant wants it, the
// maintenance order for that notification.
//
// SAP does not notice a second create. The order's key is written to
// MaintNotifExtReferenceNumber, whose 20 characters it fills, and looked up
// there. It was run against a stand-in on SAP's own OData server and data
// model, not against a live S/4HANA.
package sap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
)

// Options of a Client. URL is required; the rest has defaults.
type Options struct {
	URL      string // https://host[:port]
	User     string
	Password string
	Client   string // SAP client (mandant); empty means the system's default

	NotificationPath string // default /sap/opu/odata/sap/API_MAINTNOTIFICATION
	OrderPath        string // default /sap/opu/odata/sap/API_MAINTENANCEORDER; systems also use a suffix ;v=2

	Type          string // notification type; default M1, a request: nothing has failed yet
	PlanningPlant string
	PlannerGroup  string
	Priority      bool                // send the priority too, although SAP then replaces the required end by its own
	Objects       map[asset.ID]Object // technical object of an asset; an asset without one is named in the text only
	Order         *OrderOptions       // also create the maintenance order; default nil: the notification only

	HTTP *http.Client     // default http.Client; its Jar and CheckRedirect are replaced
	Now  func() time.Time // for Retry-After; default time.Now
}

// Object is the technical object that an asset is in SAP: one of the two.
type Object struct {
	Equipment          string // digits are padded to 18 as SAP keeps them
	FunctionalLocation string
}

// OrderOptions are what a plant's customizing asks of a maintenance order.
type OrderOptions struct {
	Type            string // default YA01
	PlanningPlant   string // default that of the notification
	WorkCenter      string
	WorkCenterPlant string
	Release         bool // release it at once
}

// Client is one SAP system. It is safe for concurrent use; its calls follow one
// another, because they share a session.
type Client struct {
	opt  Options
	http *http.Client

	mu    sync.Mutex // guards the session: the token, and the cookies it is bound to
	token string
}

var _ workorders.ERP = (*Client)(nil)

// New makes a client. Nothing is sent before the first order.
func New(opt Options) (*Client, error) {
	u, err := url.Parse(opt.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("sap: url %q: want https://host[:port]", opt.URL)
	}
	opt.URL = strings.TrimRight(opt.URL, "/")
	for p, def := range map[*string]string{
		&opt.NotificationPath: "/sap/opu/odata/sap/API_MAINTNOTIFICATION",
		&opt.OrderPath:        "/sap/opu/odata/sap/API_MAINTENANCEORDER",
		&opt.Type:             "M1",
	} {
		if *p == "" {
			*p = def
		}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	c := &Client{opt: opt, http: &http.Client{}}
	if opt.HTTP != nil {
		*c.http = *opt.HTTP
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.forget()
	return c, nil
}

// forget drops the session. mu is held, or c is new.
func (c *Client) forget() {
	c.token = ""
	c.http.Jar, _ = cookiejar.New(nil) // its error is always nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// errToken says that the session's token is not, or no longer, accepted.
var errToken = errors.New("CSRF token required")

// get reads path into v.
func (c *Client) get(ctx context.Context, path string, query url.Values, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.do(ctx, http.MethodGet, path, query, nil, v)
}

// post sends body to path and reads the answer into v. A token that SAP does
// not accept is fetched once more: such a call took no effect.
func (c *Client) post(ctx context.Context, path string, query url.Values, body, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := json.Marshal(body)
	if err != nil {
		return &workorders.CallError{Kind: workorders.ErrRefused, Text: err.Error()}
	}
	for range 2 {
		if c.token == "" {
			service := path[:strings.LastIndexByte(path, '/')+1]
			if err := c.do(ctx, http.MethodGet, service, nil, nil, nil); err != nil {
				return err
			}
		}
		if err = c.do(ctx, http.MethodPost, path, query, text, v); !errors.Is(err, errToken) {
			return err
		}
		c.forget()
	}
	return &workorders.CallError{Kind: workorders.ErrDenied, Status: http.StatusForbidden, Text: "SAP accepts no CSRF token of this session"}
}

// do makes one call within the session. A GET asks for a token when there is none.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body []byte, v any) error {
	writes := method == http.MethodPost
	if c.opt.Client != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set("sap-client", c.opt.Client)
	}
	address := c.opt.URL + path
	if len(query) > 0 {
		address += "?" + strings.ReplaceAll(query.Encode(), "+", "%20") // SAP reads "+" as itself
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return &workorders.CallError{Kind: workorders.ErrRefused, Text: err.Error()}
	}
	request.SetBasicAuth(c.opt.User, c.opt.Password)
	request.Header.Set("Accept", "application/json")
	switch {
	case writes:
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-CSRF-Token", c.token)
	case c.token == "":
		request.Header.Set("X-CSRF-Token", "Fetch")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return workorders.TransportError(err, writes)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return workorders.TransportError(err, writes)
	}
	token := answer.Header.Get("X-CSRF-Token")
	switch {
	case writes && answer.StatusCode == http.StatusForbidden && strings.EqualFold(token, "required"):
		return errToken
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return workorders.AnswerError(answer, writes, message(text), c.opt.Now())
	case token != "":
		c.token = token
	}
	return c.decode(text, writes, v)
}

// decode reads the d of an OData V2 answer. What is no JSON came from something
// in front of SAP, such as a login page.
func (c *Client) decode(text []byte, writes bool, v any) error {
	if v == nil {
		return nil
	}
	var envelope struct {
		D json.RawMessage `json:"d"`
	}
	err := json.Unmarshal(text, &envelope)
	if err == nil {
		err = json.Unmarshal(envelope.D, v)
	}
	if err == nil {
		return nil
	}
	kind := workorders.ErrUnavailable
	if writes {
		kind = workorders.ErrUnknown
	}
	return &workorders.CallError{Kind: kind, Text: "unreadable answer: " + workorders.Cut(string(text), 80)}
}

// message is what an error body says: SAP's own JSON, or the start of a proxy's page.
func message(text []byte) string {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message struct {
				Value string `json:"value"`
			} `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &body) == nil && body.Error.Message.Value != "" {
		return strings.TrimSpace(body.Error.Code + " " + workorders.Cut(body.Error.Message.Value, 200))
	}
	return workorders.Cut(strings.Join(strings.Fields(string(text)), " "), 200)
}
