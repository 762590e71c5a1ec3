package deploytest

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"
)

var chartDir = filepath.Join(deploy, "chart", "telltale")

// valuesFiles are the ways of using the chart that are tried.
func valuesFiles(t *testing.T) map[string]chartutil.Values {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("values files: %d, %v", len(paths), err)
	}
	all := map[string]chartutil.Values{}
	for _, path := range paths {
		v, err := chartutil.ReadValuesFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = v
	}
	return all
}

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render gives the manifests of a chart, in order.
func render(c *chart.Chart, values chartutil.Values) ([]string, error) {
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "farm", Namespace: "plant", IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var manifests []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		parts := releaseutil.SplitManifests(files[name])
		keys := slices.Collect(maps.Keys(parts))
		slices.SortFunc(keys, func(a, b string) int { return strings.Compare(parts[a], parts[b]) })
		for _, k := range keys {
			if strings.TrimSpace(parts[k]) != "" {
				manifests = append(manifests, parts[k])
			}
		}
	}
	return manifests, nil
}

func TestTheChartIsLinted(t *testing.T) {
	all := valuesFiles(t)
	all["values.yaml"] = chartutil.Values{}
	for name, values := range all {
		for _, m := range lint.All(chartDir, values, "plant", true).Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}

func TestTheChartRefusesWhatCannotWork(t *testing.T) {
	base := "assets: [{id: a, kind: wind-turbine, components: [{name: g, type: gearbox}]}]"
	for name, tc := range map[string]struct{ values, want string }{
		"no configuration":       {"roles: [{role: all}]", "roles: all: config: is empty"},
		"the chart's own fields": {"roles: [{role: all, config: {listen: '0.0.0.0:80', " + base + "}}]", "config.listen: is set by the chart"},
		"a role of another version": {
			"roles: [{role: process, config: {" + base + "}}]", "roles.0.role",
		},
		"two of a name":             {"roles: [{role: all, config: {" + base + "}}, {role: all, config: {" + base + "}}]", `two entries are called "all"`},
		"two on one volume":         {"roles: [{role: all, replicas: 2, config: {" + base + "}}]", "replicas: 2 is not allowed"},
		"scaling what cannot share": {"roles: [{role: all, autoscaling: {enabled: true}, config: {" + base + "}}]", "does not share its work"},
		"a memory limit of nothing": {"roles: [{role: all, resources: {limits: {memory: 3Gb}}, config: {" + base + "}}]", `"3Gb" is not allowed`},
		"a password in the values":  {"roles: [{role: all, env: [{name: TELLTALE_REGISTRY_PASSWORD, value: x}], config: {" + base + "}}]", "roles.0.env.0"},
		"a field that is not known": {"rolls: []", "rolls"},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := chartutil.ReadValues([]byte(tc.values))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := render(loadChart(t), values); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "/", "."), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTheNotesNameWhatIsThere(t *testing.T) {
	c, values := loadChart(t), valuesFiles(t)["gateways-values.yaml"]
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "farm", Namespace: "plant"}, chartutil.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	notes := files["telltale/templates/NOTES.txt"]
	for _, s := range rendered(t, values).statefulSets {
		if !strings.Contains(notes, "-n plant rollout status statefulset/"+s.Name+"\n") {
			t.Errorf("%s is not in the notes:\n%s", s.Name, notes)
		}
	}
	if strings.Contains(notes, "reach nothing but DNS") {
		t.Errorf("egress is named, and missed:\n%s", notes)
	}
}

// TestARoleThatComesLater adds the role of a later version as it will be added: one row of the
// known roles, one word in the schema.
func TestARoleThatComesLater(t *testing.T) {
	c := loadChart(t)
	c.Schema = []byte(strings.Replace(string(c.Schema), `["all", "gateway"]`, `["all", "gateway", "process"]`, 1))
	for _, f := range c.Templates {
		if f.Name == "templates/_helpers.tpl" {
			f.Data = []byte(strings.Replace(string(f.Data), "gateway: {workload: StatefulSet, scales: false}", "$0\nprocess: {workload: Deployment, scales: true}", 1))
			f.Data = []byte(strings.Replace(string(f.Data), "$0", "gateway: {workload: StatefulSet, scales: false}", 1))
		}
	}
	values, err := chartutil.ReadValues([]byte(`
roles:
  - role: process
    replicas: 3
    autoscaling: {enabled: true, maxReplicas: 12, authenticationRef: kafka}
    config:
      assets: [{id: a, kind: wind-turbine, components: [{name: g, type: gearbox}]}]
      source: {kafka: {brokers: ["k1:9092", "k2:9092"], topics: [telemetry, waves], group: telltale}}
`))
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := render(c, values)
	if err != nil {
		t.Fatal(err)
	}
	o := decode(t, manifests)
	if len(o.deployments) != 1 || o.deployments[0].Spec.Replicas != nil || len(o.statefulSets) != 0 {
		t.Errorf("%d deployments, %d stateful sets; want one deployment without a number of replicas", len(o.deployments), len(o.statefulSets))
	}
	if len(o.scaled) != 1 || len(o.scaled[0].Spec.Triggers) != 2 {
		t.Fatalf("scaled objects: %+v", o.scaled)
	}
	s := o.scaled[0].Spec
	if s.ScaleTargetRef.Name != o.deployments[0].Name || s.MaxReplicaCount != 12 || s.Triggers[1].Metadata["topic"] != "waves" || s.Triggers[0].Metadata["bootstrapServers"] != "k1:9092,k2:9092" || s.Triggers[0].AuthenticationRef.Name != "kafka" {
		t.Errorf("scaled object: %+v", s)
	}
}
