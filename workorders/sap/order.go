package sap

import (
	"context"
	"net/url"

	"github.com/telltale-iot/telltale/workorders"
)

// orderBody is what is sent of a MaintenanceOrder.
type orderBody struct {
	Type            string `json:"MaintenanceOrderType"`
	Text            string `json:"MaintenanceOrderDesc"`
	Notification    string `json:"MaintenanceNotification"`
	PlanningPlant   string `json:"MaintenancePlanningPlant,omitempty"`
	WorkCenter      string `json:"MainWorkCenter,omitempty"`
	WorkCenterPlant string `json:"MainWorkCenterPlant,omitempty"`
	Equipment       string `json:"Equipment,omitempty"`
	Location        string `json:"FunctionalLocation,omitempty"`
	Priority        string `json:"MaintPriority,omitempty"`
	StartDate       string `json:"MaintOrdBasicStartDate,omitempty"`
	EndDate         string `json:"MaintOrdBasicEndDate,omitempty"`
}

// orderState is what is read of one.
type orderState struct {
	Number string `json:"MaintenanceOrder"`
	Status string `json:"SystemStatusText"`
}

// findOrder returns the number of the maintenance order of a notification; "" when it has none.
func (c *Client) findOrder(ctx context.Context, n notification) (string, error) {
	if n.Order != "" {
		return n.Order, nil
	}
	var page struct {
		Results []orderState `json:"results"`
	}
	err := c.get(ctx, c.opt.OrderPath+"/MaintenanceOrder", url.Values{
		"$filter": {"MaintenanceNotification eq " + quote(n.Number)}, "$select": {"MaintenanceOrder,SystemStatusText"}, "$top": {"1"}, "$format": {"json"},
	}, &page)
	if err != nil || len(page.Results) == 0 {
		return "", err
	}
	return page.Results[0].Number, nil
}

// order makes the maintenance order of a notification unless it has one, and
// releases the one it made where that is wanted.
func (c *Client) order(ctx context.Context, n notification, o workorders.Order) error {
	number, err := c.findOrder(ctx, n)
	if err != nil {
		return err
	}
	if number == "" {
		var made orderState
		if err := c.post(ctx, c.opt.OrderPath+"/MaintenanceOrder", nil, c.orderBody(n, o), &made); err != nil {
			return err
		}
		number = made.Number
	}
	if !c.opt.Order.Release {
		return nil
	}
	status, err := c.orderStatus(ctx, number)
	if err != nil || !hasStatus(status, "CRTD") {
		return err
	}
	return c.post(ctx, c.opt.OrderPath+"/ReleaseMaintenanceOrder", url.Values{"MaintenanceOrder": {quote(number)}}, struct{}{}, nil)
}

func (c *Client) orderBody(n notification, o workorders.Order) orderBody {
	opt := c.opt.Order
	b := orderBody{
		Type: opt.Type, Text: cut(o.Title, lenShortText), Notification: n.Number,
		PlanningPlant: opt.PlanningPlant, WorkCenter: opt.WorkCenter, WorkCenterPlant: opt.WorkCenterPlant,
	}
	if b.Type == "" {
		b.Type = "YA01"
	}
	if b.PlanningPlant == "" {
		b.PlanningPlant = c.opt.PlanningPlant
	}
	from := c.body(o)
	b.Priority, b.StartDate, b.EndDate = from.Priority, from.StartDate, from.EndDate
	switch from.ObjectKind {
	case "EAMS_EQUI":
		b.Equipment = from.Object
	case "EAMS_FL":
		b.Location = from.Object
	}
	return b
}

func (c *Client) orderStatus(ctx context.Context, number string) (string, error) {
	var state orderState
	err := c.get(ctx, c.opt.OrderPath+"/MaintenanceOrder("+url.PathEscape(quote(number))+")",
		url.Values{"$select": {"MaintenanceOrder,SystemStatusText"}, "$format": {"json"}}, &state)
	return state.Status, err
}

// orderDone reports whether the work of an order is technically complete.
func (c *Client) orderDone(ctx context.Context, number string) (bool, error) {
	status, err := c.orderStatus(ctx, number)
	return hasStatus(status, "TECO", "CLSD"), err
}
