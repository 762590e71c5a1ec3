package sap

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/telltale-iot/telltale/workorders"
)

// Lengths of the fields, in UTF-16 units as SAP counts them.
const (
	lenShortText = 40
	lenLongText  = 1333
	lenEquipment = 18
	lenLocation  = 30
)

// notification is what is read of a MaintenanceNotification.
type notification struct {
	Number string `json:"MaintenanceNotification"`
	Phase  string `json:"NotifProcessingPhase"` // 1 outstanding, 2 postponed, 3 in process, 4 completed
	Status string `json:"ConcatenatedActiveSystStsName"`
	Order  string `json:"MaintenanceOrder"`
	Text   string `json:"NotificationText"`
}

const notificationFields = "MaintenanceNotification,NotifProcessingPhase,ConcatenatedActiveSystStsName,MaintenanceOrder,NotificationText"

// notificationBody is what is sent of one.
type notificationBody struct {
	Text          string `json:"NotificationText"`
	Type          string `json:"NotificationType"`
	Reference     string `json:"MaintNotifExtReferenceNumber"`
	LongText      string `json:"MaintNotifLongTextForEdit,omitempty"`
	Object        string `json:"TechnicalObject,omitempty"`
	ObjectKind    string `json:"TechObjIsEquipOrFuncnlLoc,omitempty"`
	PlanningPlant string `json:"MaintenancePlanningPlant,omitempty"`
	PlannerGroup  string `json:"MaintenancePlannerGroup,omitempty"`
	Priority      string `json:"MaintPriority,omitempty"`
	StartDate     string `json:"RequiredStartDate,omitempty"`
	StartTime     string `json:"RequiredStartTime,omitempty"`
	EndDate       string `json:"RequiredEndDate,omitempty"`
	EndTime       string `json:"RequiredEndTime,omitempty"`
}

// Find looks the notification up by the key; where maintenance orders are
// wanted too, it is found only when its order is as it should be, so that Create
// goes on from where it was.
func (c *Client) Find(ctx context.Context, key string) (string, error) {
	n, err := c.find(ctx, key)
	if err != nil || n.Number == "" || c.opt.Order == nil {
		return n.Number, err
	}
	order, err := c.findOrder(ctx, n)
	if err != nil || order == "" {
		return "", err
	}
	if c.opt.Order.Release {
		if status, err := c.orderStatus(ctx, order); err != nil || hasStatus(status, "CRTD") {
			return "", err
		}
	}
	return n.Number, nil
}

func (c *Client) find(ctx context.Context, key string) (notification, error) {
	list, err := c.list(ctx, "MaintNotifExtReferenceNumber eq "+quote(key), "MaintenanceNotification", 1)
	if err != nil || len(list) == 0 {
		return notification{}, err
	}
	return list[0], nil
}

func (c *Client) list(ctx context.Context, filter, orderBy string, top int) ([]notification, error) {
	var page struct {
		Results []notification `json:"results"`
	}
	err := c.get(ctx, c.opt.NotificationPath+"/MaintenanceNotification", url.Values{
		"$filter": {filter}, "$select": {notificationFields}, "$orderby": {orderBy}, "$top": {fmt.Sprint(top)}, "$format": {"json"},
	}, &page)
	return page.Results, err
}

// Create makes the notification unless it is there, then the maintenance order
// where one is wanted, and returns the notification's number.
func (c *Client) Create(ctx context.Context, o workorders.Order) (string, error) {
	n, err := c.find(ctx, o.Key)
	if err != nil {
		return "", err
	}
	if n.Number == "" {
		body := c.body(o)
		related, err := c.related(ctx, body)
		if err != nil {
			return "", err
		}
		body.LongText = longText(body.LongText, related)
		if err := c.post(ctx, c.opt.NotificationPath+"/MaintenanceNotification", nil, body, &n); err != nil {
			return "", err
		}
		if n.Number == "" {
			return "", &workorders.CallError{Kind: workorders.ErrUnknown, Text: "SAP gave no notification number"}
		}
	}
	if c.opt.Order != nil {
		if err := c.order(ctx, n, o); err != nil {
			return "", err
		}
	}
	return n.Number, nil
}

func (c *Client) body(o workorders.Order) notificationBody {
	b := notificationBody{
		Text: cut(o.Title, lenShortText), Type: c.opt.Type, Reference: o.Key, LongText: o.Text,
		PlanningPlant: c.opt.PlanningPlant, PlannerGroup: c.opt.PlannerGroup,
	}
	if c.opt.Priority {
		b.Priority = fmt.Sprint(o.Priority)
	}
	if o.Window != nil {
		start := o.Window.Start.UTC()
		b.StartDate, b.StartTime = date(start), clockTime(start)
	}
	if !o.RequiredEnd.IsZero() {
		end := o.RequiredEnd.UTC()
		b.EndDate, b.EndTime = date(end), clockTime(end)
	}
	switch object := c.opt.Objects[o.Asset]; {
	case object.Equipment != "":
		b.Object, b.ObjectKind = padded(object.Equipment), "EAMS_EQUI"
	case object.FunctionalLocation != "":
		b.Object, b.ObjectKind = cut(object.FunctionalLocation, lenLocation), "EAMS_FL"
	}
	return b
}

// related lists the open notifications on the same object, people's too, so
// that the planner sees them beside the new one.
func (c *Client) related(ctx context.Context, b notificationBody) ([]notification, error) {
	if b.Object == "" {
		return nil, nil
	}
	return c.list(ctx, "TechnicalObject eq "+quote(b.Object)+" and TechObjIsEquipOrFuncnlLoc eq "+quote(b.ObjectKind)+
		" and (NotifProcessingPhase eq '1' or NotifProcessingPhase eq '2' or NotifProcessingPhase eq '3')", "MaintenanceNotification desc", 5)
}

func longText(text string, related []notification) string {
	if len(related) == 0 {
		return cut(text, lenLongText)
	}
	var b strings.Builder
	b.WriteString("\nOpen on the same object:")
	for _, n := range related {
		b.WriteString("\n- " + n.Number + " " + n.Text)
	}
	tail := cut(b.String(), lenLongText/2)
	return cut(text, lenLongText-units(tail)) + tail
}

// Done reports whether the notification, or the order made for it, is completed.
func (c *Client) Done(ctx context.Context, number string) (bool, error) {
	var n notification
	if err := c.get(ctx, c.opt.NotificationPath+"/MaintenanceNotification("+url.PathEscape(quote(number))+")",
		url.Values{"$select": {notificationFields}, "$format": {"json"}}, &n); err != nil {
		return false, err
	}
	if n.Phase == "4" || hasStatus(n.Status, "NOCO") {
		return true, nil
	}
	if n.Order == "" {
		return false, nil
	}
	return c.orderDone(ctx, n.Order)
}

// hasStatus looks for a status in a list such as "REL  CNF  PRC".
func hasStatus(list string, wanted ...string) bool {
	for have := range strings.FieldsSeq(list) {
		if slices.Contains(wanted, have) {
			return true
		}
	}
	return false
}

// quote writes an OData string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// date is the day of t, as OData V2 writes it.
func date(t time.Time) string {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return fmt.Sprintf("/Date(%d)/", day.UnixMilli())
}

// clockTime is the time of day of t, as OData V2 writes it.
func clockTime(t time.Time) string {
	return fmt.Sprintf("PT%02dH%02dM%02dS", t.Hour(), t.Minute(), t.Second())
}

// padded is an equipment number as SAP keeps it: digits are filled up with zeros.
func padded(equipment string) string {
	equipment = strings.TrimSpace(equipment)
	if strings.Trim(equipment, "0123456789") != "" || len(equipment) >= lenEquipment {
		return cut(equipment, lenEquipment)
	}
	return strings.Repeat("0", lenEquipment-len(equipment)) + equipment
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// cut shortens s to at most n UTF-16 units, never within a character.
func cut(s string, n int) string {
	used := 0
	for i, r := range s {
		w := utf16.RuneLen(r)
		if w < 0 {
			w = 1 // an invalid byte is sent as U+FFFD
		}
		if used+w > n {
			return s[:i]
		}
		used += w
	}
	return s
}
