package deploytest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

var alertsFile = filepath.Join(chartDir, "files", "alerts.yaml")

// alerts reads the rules as Prometheus does.
func alerts(t *testing.T) (all []rulefmt.Rule) {
	t.Helper()
	body, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(body, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// firing says which alerts fire at a time, with one label of each, after every minute was judged.
func firing(t *testing.T, series string, at time.Duration) string {
	t.Helper()
	store := promqltest.LoadedStorage(t, "load 1m\n"+series)
	defer store.Close() //nolint:errcheck // a temporary folder
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 1e6)
	read := parser.NewParser(parser.Options{})
	var judged []rules.Rule
	for _, r := range alerts(t) {
		expr, err := read.ParseExpr(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		judged = append(judged, rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), 0, labels.FromMap(r.Labels), labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler)))
	}
	group := rules.NewGroup(rules.GroupOptions{
		Name: "all", File: "alerts.yaml", Interval: time.Minute, Rules: judged, ShouldRestore: false,
		Opts: &rules.ManagerOptions{
			AppendableV2: store, Queryable: store, Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
			QueryFunc: rules.EngineQueryFunc(engine, store), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		},
	})
	for now := time.Duration(0); now <= at; now += time.Minute {
		group.Eval(t.Context(), time.Unix(0, 0).Add(now))
	}
	var fired []string
	for _, r := range judged {
		if err := r.LastError(); err != nil {
			t.Fatalf("%s: %v", r.Name(), err)
		}
		for _, a := range r.(*rules.AlertingRule).ActiveAlerts() {
			if a.State == rules.StateFiring {
				for _, text := range a.Annotations.Map() {
					if strings.Contains(text, "error expanding") || strings.Contains(text, "<no value>") {
						t.Errorf("%s: %s", r.Name(), text)
					}
				}
				fired = append(fired, fmt.Sprintf("%s(%s)", strings.TrimPrefix(r.Name(), "Telltale"), a.Labels.Get("source")+a.Labels.Get("reason")+a.Labels.Get("model")))
			}
		}
	}
	slices.Sort(fired)
	return strings.Join(fired, " ")
}

func TestAlertsFire(t *testing.T) {
	const who = `job="telltale", instance="a"`
	for name, tc := range map[string]struct {
		series string
		at     time.Duration
		want   string
	}{
		"all is well": {
			`up{job="telltale"} 1x60
			telltale_source_up{` + who + `, source="mqtt"} 1x60
			telltale_source_heard_timestamp_seconds{` + who + `, source="mqtt"} 0+60x60
			telltale_source_readings_total{` + who + `, source="mqtt"} 0+600x60
			telltale_source_messages_total{` + who + `, source="mqtt"} 0+600x60
			telltale_source_refused_total{` + who + `, source="mqtt", reason="undecodable"} 0+1x60
			telltale_source_outages_total{` + who + `, source="mqtt"} 0x60
			telltale_event_time_seconds{` + who + `} 0+60x60
			telltale_spool_full{` + who + `} 0x60
			telltale_spool_oldest_seconds{` + who + `} 1x60
			telltale_gateway_up{` + who + `} 1x60`, time.Hour, "",
		},
		"a process that does not answer":   {`up{job="telltale"} 1x10 0x20`, 16 * time.Minute, "Down()"},
		"one that was away for a moment":   {`up{job="telltale"} 1x10 0x3 1x20`, 20 * time.Minute, ""},
		"other jobs":                       {`up{job="node"} 0x20`, 20 * time.Minute, ""},
		"a source that is cut off":         {`telltale_source_up{source="opcua"} 1x5 0x20`, 12 * time.Minute, "SourceDown(opcua)"},
		"a source that fell silent":        {"telltale_source_up{source=\"mqtt\"} 1x60\ntelltale_source_heard_timestamp_seconds{source=\"mqtt\"} 0+60x10 600x50", 32 * time.Minute, "SourceSilent(mqtt)"},
		"a tenth is refused, for reasons":  {"telltale_source_messages_total{source=\"k\"} 0+100x60\ntelltale_source_refused_total{source=\"k\", reason=\"a\"} 0+5x60\ntelltale_source_refused_total{source=\"k\", reason=\"b\"} 0+5x60", 40 * time.Minute, "ReadingsRefused(k)"},
		"a connection that comes and goes": {`telltale_source_outages_total{source="m"} 0+1x60`, 30 * time.Minute, "SourceFlaps(m)"},
		"a clock of yesterday":             {`telltale_source_clock_offset_seconds{source="m"} -86400x60`, 40 * time.Minute, "ClockOff(m)"},
		"readings come and nothing is kept": {
			`telltale_source_readings_total{` + who + `, source="m"} 0+60x60
			telltale_event_time_seconds{` + who + `} 0+60x10 600x50`, 35 * time.Minute, "FlowStalled()",
		},
		"nothing comes and nothing is kept": {
			`telltale_source_readings_total{` + who + `, source="m"} 0+60x10 600x50
			telltale_event_time_seconds{` + who + `} 0+60x10 600x50`, 45 * time.Minute, "",
		},
		"a backlog that is worked on":           {`telltale_event_time_seconds{` + who + `} -90000+70x60`, 50 * time.Minute, "FlowBehind()"},
		"the first version that is taken back":  {`telltale_model_rollbacks_total{model="lstm"} _x10 1x60`, 15 * time.Minute, "ModelTakenBack(lstm)"},
		"and an hour later":                     {`telltale_model_rollbacks_total{model="lstm"} _x10 1x120`, 90 * time.Minute, ""},
		"the second":                            {`telltale_model_rollbacks_total{model="lstm"} 1x90 2x60`, 95 * time.Minute, "ModelTakenBack(lstm)"},
		"a partition that stands":               {"telltale_partition_end{partition=\"3\"} 0+9x60\ntelltale_partition_committed{partition=\"3\"} 0+9x5 45x55", 30 * time.Minute, "PartitionStuck()"},
		"a topic that nobody sends to":          {"telltale_partition_end{partition=\"3\"} 90x60\ntelltale_partition_committed{partition=\"3\"} 80x60", 30 * time.Minute, ""},
		"a database that is away":               {"telltale_store_away 0x5 1x20", 10 * time.Minute, "StoreAway()"},
		"a model that fails":                    {`telltale_flow_total{what="model-failed"} 0+5x60`, 30 * time.Minute, "ModelFails()"},
		"a model that is slow":                  {"telltale_model_run_seconds_bucket{model=\"m\", le=\"0.1\"} 0+1x60\ntelltale_model_run_seconds_bucket{model=\"m\", le=\"0.4\"} 0+100x60\ntelltale_model_run_seconds_bucket{model=\"m\", le=\"+Inf\"} 0+100x60", 40 * time.Minute, "ModelSlow(m)"},
		"an API whose store is gone":            {"telltale_api_request_seconds_count{route=\"alerts\", code=\"200\"} 0+9x60\ntelltale_api_request_seconds_count{route=\"twins\", code=\"500\"} 0+1x60", 30 * time.Minute, "APIFails()"},
		"a spool without room, in an outage":    {"telltale_spool_full 0x10 1x20\ntelltale_gateway_up 1x5 0x20\ntelltale_spool_oldest_seconds 0+300x30", 20 * time.Minute, "GatewayCutOff() SpoolFull() SpoolOld()"},
		"a spool that lost what was too old":    {`telltale_spool_dropped_total{reason="expired"} 0x10 7x20`, 12 * time.Minute, "SpoolLoses(expired)"},
		"messages that the cluster cannot take": {`telltale_gateway_rejected_total 0x10 1x20`, 15 * time.Minute, "GatewayRejected()"},
		"windows that cannot be computed":       {`telltale_flow_total{what="window-failed"} 0+1x60`, 40 * time.Minute, "WindowsFail()"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := firing(t, tc.series, tc.at); got != tc.want {
				t.Errorf("firing: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAlertsAreComplete(t *testing.T) {
	body, err := os.ReadFile("alerts_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range alerts(t) {
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || !slices.Contains([]string{"warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s: want summary, description and a severity of warning or critical", r.Alert)
		}
		if !strings.Contains(string(body), `"`+strings.TrimPrefix(r.Alert, "Telltale")+"(") && !strings.Contains(string(body), " "+strings.TrimPrefix(r.Alert, "Telltale")+"(") {
			t.Errorf("%s is fired by no test above", r.Alert)
		}
	}
}
