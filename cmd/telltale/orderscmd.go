package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

// outboxPlace says where an outbox is: the data folder of a service, or the OUT of
// a backtest.
type outboxPlace struct{ data, out string }

func (p *outboxPlace) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.data, "data", "", servicePlace)
	cmd.Flags().StringVar(&p.out, "out", "", "OUT of a backtest")
}

// open opens the store that is there.
func (p *outboxPlace) open(ctx context.Context) (store.Store, error) {
	if (p.data == "") == (p.out == "") {
		return nil, fmt.Errorf("%w: want one of --data DIR, a service's data folder, and --out OUT, a backtest's", errUsage)
	}
	if p.data != "" {
		return openService(ctx, p.data)
	}
	path := runPath(p.out)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no backtest has written to %s: %w", p.out, err)
	}
	return openFile(ctx, path, nil)
}

func ordersCommand() *cobra.Command {
	var c client
	cmd := &cobra.Command{
		Use: "orders", Short: "Work orders: what was asked for and what the ERP has of it",
		Long: "list and show ask a running service. check compares with the ERP. forward, retry and park work on a folder:\n" +
			"the API does not change orders.",
		Example: "  telltale orders list\n  telltale orders forward --out out/femto -c telltale.yaml",
		Args:    exactly("list|show|check|forward|retry|park"),
		RunE:    unknownVerb,
	}
	c.flags(cmd)
	cmd.AddCommand(ordersList(&c), ordersShow(&c), ordersCheck(&c), ordersForward(&c), ordersRetry(&c), ordersPark(&c))
	return cmd
}

func (c *client) orders(ctx context.Context, q url.Values) ([]workorders.Order, error) {
	var got struct {
		Orders []workorders.Order `json:"orders"`
	}
	err := c.get(ctx, "orders", q, &got)
	return got.Orders, err
}

func ordersList(c *client) *cobra.Command {
	var id, status string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List work orders, newest first", Example: "  telltale orders list --status parked --json", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			if id != "" {
				q.Set("asset", id)
			}
			if status != "" {
				q.Set("status", status)
			}
			got, err := c.orders(cmd.Context(), q)
			if err != nil {
				return err
			}
			return c.printOrders(cmd.OutOrStdout(), got)
		},
	}
	cmd.Flags().StringVar(&id, "asset", "", "of this asset alone")
	cmd.Flags().StringVar(&status, "status", "", "open, sent, parked or completed")
	cmd.Flags().IntVar(&limit, "limit", 200, "how many at most, 1 to 1000")
	return cmd
}

func (c *client) printOrders(to io.Writer, orders []workorders.Order) error {
	if c.json {
		return printJSON(to, orders)
	}
	var rows [][]string
	for _, o := range orders {
		rows = append(rows, []string{o.ID, o.Alert, string(o.Asset), o.Component, string(o.Status), o.ERPNumber, strconv.Itoa(o.Priority), clock(o.RequiredEnd)})
	}
	return table(to, []string{"ID", "ALERT", "ASSET", "COMPONENT", "STATUS", "ERP NUMBER", "PRIORITY", "REQUIRED END"}, rows)
}

func ordersShow(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one work order", Example: "  telltale orders show 0a1b2c3d-…", Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var o workorders.Order
			if err := c.get(cmd.Context(), "orders/"+url.PathEscape(args[0]), nil, &o); err != nil {
				return err
			}
			return c.printOrder(cmd.OutOrStdout(), o)
		},
	}
}

func (c *client) printOrder(to io.Writer, o workorders.Order) error {
	if c.json {
		return printJSON(to, o)
	}
	return table(to, []string{"FIELD", "VALUE"}, [][]string{
		{"id", o.ID},
		{"alert", o.Alert},
		{"asset", string(o.Asset)},
		{"component", o.Component},
		{"mode", string(o.Mode)},
		{"priority", strconv.Itoa(o.Priority)},
		{"title", o.Title},
		{"activity", string(o.Activity)},
		{"window", windowText(o.Window)},
		{"required end", clock(o.RequiredEnd)},
		{"key", o.Key},
		{"status", string(o.Status)},
		{"erp", o.ERP},
		{"erp number", o.ERPNumber},
		{"attempts", strconv.Itoa(o.Attempts)},
		{"next attempt", clock(o.NotBefore)},
		{"problem", o.Problem},
	})
}

func ordersRetry(c *client) *cobra.Command {
	return ordersAct(c, &cobra.Command{
		Use: "retry ID --data DIR", Short: "Send a parked order on its way again",
		Long:    "Works on the folder of a service or a backtest, running or not: the API does not change orders.",
		Example: "  telltale orders retry 0a1b2c3d-… --data data",
	}, workorders.Retry)
}

func ordersPark(c *client) *cobra.Command {
	var why string
	cmd := ordersAct(c, &cobra.Command{
		Use: "park ID --data DIR", Short: "Take an order out of the forwarder's hands",
		Long:    "Works on the folder of a service or a backtest, running or not: the API does not change orders.",
		Example: "  telltale orders park 0a1b2c3d-… --data data --why \"ordered by telephone\"",
	}, func(o workorders.Order) (workorders.Order, error) { return workorders.Park(o, why) })
	cmd.Flags().StringVar(&why, "why", "parked by hand", "why, kept with the order")
	return cmd
}

// ordersAct makes a command that changes one order of a folder.
func ordersAct(c *client, cmd *cobra.Command, act func(workorders.Order) (workorders.Order, error)) *cobra.Command {
	var at outboxPlace
	at.flags(cmd)
	cmd.Args = exactly("ID")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		db, err := at.open(ctx)
		if err != nil {
			return err
		}
		defer db.Close() //nolint:errcheck // everything committed is on disk already
		o, err := db.Order(ctx, args[0])
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("no order %q in this folder: list what there is with telltale orders list", args[0])
		}
		if err != nil {
			return err
		}
		if o, err = act(o); err != nil {
			return err
		}
		if err := db.Update(ctx, o); err != nil {
			return err
		}
		return c.printOrder(cmd.OutOrStdout(), o)
	}
	return cmd
}

// erpOf reads the ERP of a configuration.
func erpOf(path string) (workorders.ERP, string, erpConfig, error) {
	if path == "" {
		return nil, "", erpConfig{}, fmt.Errorf("%w: -c is missing: name the configuration that says which ERP", errUsage)
	}
	conf, err := readPartConfig(path)
	if err != nil {
		return nil, "", erpConfig{}, err
	}
	erp, name, err := newERP(conf.ERP)
	if err == nil && erp == nil {
		err = fmt.Errorf("%s names no ERP: set erp.kind to sandbox or sap", path)
	}
	return erp, name, conf.ERP, err
}

func ordersForward(c *client) *cobra.Command {
	var at outboxPlace
	var config string
	cmd := &cobra.Command{
		Use: "forward (--data DIR | --out OUT) -c FILE", Short: "Send what waits in a folder's outbox to the ERP, once",
		Long: "Sends every order that is due to the ERP of the configuration and prints id, key and ERP number of all that\n" +
			"it has. Each order is looked up by its key before it is made: sent again, nothing is made twice.",
		Example: "  telltale orders forward --out out/femto -c telltale.yaml", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			erp, name, conf, err := erpOf(config)
			if err != nil {
				return err
			}
			db, err := at.open(cmd.Context())
			if err != nil {
				return err
			}
			defer db.Close() //nolint:errcheck // everything committed is on disk already
			f := workorders.NewForwarder(db, erp, name, workorders.Options{HoldUnknown: conf.HoldUnknown})
			if err := forward(cmd.Context(), f); err != nil {
				return err
			}
			return c.printForwarded(cmd, db)
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration file that names the ERP")
	return cmd
}

// forward lets a forwarder work until nothing is due.
func forward(ctx context.Context, f *workorders.Forwarder) error {
	for {
		n, err := f.Once(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

// sentOrder is a line of what forward prints.
type sentOrder struct {
	ID        string            `json:"id"`
	Key       string            `json:"key"`
	Status    workorders.Status `json:"status"`
	ERP       string            `json:"erp"`
	ERPNumber string            `json:"erp_number"`
	Problem   string            `json:"problem,omitempty"`
}

// printForwarded prints every order; it is an error when one has not arrived.
func (c *client) printForwarded(cmd *cobra.Command, db store.Store) error {
	orders, err := db.Orders(cmd.Context(), store.OrderFilter{})
	if err != nil {
		return err
	}
	rows, sent := [][]string{}, []sentOrder{}
	waiting, problem := 0, ""
	for _, o := range orders {
		sent = append(sent, sentOrder{o.ID, o.Key, o.Status, o.ERP, o.ERPNumber, o.Problem})
		rows = append(rows, []string{o.ID, o.Key, o.ERPNumber, string(o.Status), o.Problem})
		if o.Status == workorders.Open {
			waiting, problem = waiting+1, o.Problem
		}
	}
	if c.json {
		err = printJSON(cmd.OutOrStdout(), sent)
	} else {
		err = table(cmd.OutOrStdout(), []string{"ID", "KEY", "ERP NUMBER", "STATUS", "PROBLEM"}, rows)
	}
	if err == nil && waiting > 0 {
		err = fmt.Errorf("%d of %d order(s) still wait, run it again later: %s", waiting, len(orders), problem)
	}
	return err
}

// checkedOrder is what the ERP has of an order.
type checkedOrder struct {
	ID     string            `json:"id"`
	Key    string            `json:"key"`
	Status workorders.Status `json:"status"`
	Here   string            `json:"erp_number"` // as the outbox has it
	There  string            `json:"found"`      // under the key, in the ERP
	Agrees bool              `json:"agrees"`
}

func ordersCheck(c *client) *cobra.Command {
	var at outboxPlace
	var config string
	cmd := &cobra.Command{
		Use: "check -c FILE", Short: "Look every order up in the ERP, changing nothing",
		Long: "Takes the orders of a running service, or of a folder named by --data or --out, and looks each up by its key\n" +
			"in the ERP of the configuration. Ends with 1 when the two disagree.",
		Example: "  telltale orders check -c telltale.yaml", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			erp, _, _, err := erpOf(config)
			if err != nil {
				return err
			}
			orders, err := c.outbox(cmd.Context(), at)
			if err != nil {
				return err
			}
			return c.check(cmd, erp, orders)
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration file that names the ERP")
	return cmd
}

// outbox lists the orders of a folder, or of the service when none is named.
func (c *client) outbox(ctx context.Context, at outboxPlace) ([]workorders.Order, error) {
	if at == (outboxPlace{}) {
		return c.orders(ctx, url.Values{"limit": {"1000"}})
	}
	db, err := at.open(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	return db.Orders(ctx, store.OrderFilter{})
}

func (c *client) check(cmd *cobra.Command, erp workorders.ERP, orders []workorders.Order) error {
	rows, out, wrong := [][]string{}, []checkedOrder{}, 0
	for _, o := range orders {
		number, err := erp.Find(cmd.Context(), o.Key)
		if err != nil {
			return fmt.Errorf("order %s: %w", o.ID, err)
		}
		agrees, says := number == o.ERPNumber, "yes"
		if !agrees {
			wrong, says = wrong+1, "no"
		}
		out = append(out, checkedOrder{o.ID, o.Key, o.Status, o.ERPNumber, number, agrees})
		rows = append(rows, []string{o.ID, o.Key, string(o.Status), o.ERPNumber, number, says})
	}
	var err error
	if c.json {
		err = printJSON(cmd.OutOrStdout(), out)
	} else {
		err = table(cmd.OutOrStdout(), []string{"ID", "KEY", "STATUS", "ERP NUMBER", "FOUND", "AGREES"}, rows)
	}
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%d of %d order(s) are not in the ERP as they are here: send them with telltale orders forward", wrong, len(orders))
	}
	return err
}
