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
			"roles: [{role: ingest, config: {" + base + "}}]", "roles.0.role",
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

// TestProcessesFollowTheLag reads the values of a farm whose work is shared.
func TestProcessesFollowTheLag(t *testing.T) {
	values := valuesFiles(t)["shared-values.yaml"]
	o := rendered(t, values)
	if len(o.deployments) != 2 || len(o.statefulSets) != 1 || len(o.scaled) != 1 {
		t.Fatalf("%d deployments, %d stateful sets, %d scaled objects", len(o.deployments), len(o.statefulSets), len(o.scaled))
	}
	s := o.scaled[0].Spec
	if s.ScaleTargetRef.Name != "farm-telltale-process" || s.MinReplicaCount != 2 || s.MaxReplicaCount != 12 || len(s.Triggers) != 1 {
		t.Fatalf("scaled object: %+v", s)
	}
	if tr := s.Triggers[0]; tr.Metadata["topic"] != "telemetry" || tr.Metadata["consumerGroup"] != "telltale" || tr.Metadata["bootstrapServers"] != "10.9.0.1:9092,10.9.0.2:9092" || tr.AuthenticationRef.Name != "kafka" {
		t.Errorf("trigger: %+v", tr)
	}
	for _, d := range o.deployments {
		if scaled := d.Name == s.ScaleTargetRef.Name; scaled != (d.Spec.Replicas == nil) {
			t.Errorf("%s: replicas %v", d.Name, d.Spec.Replicas)
		}
	}
	process := values["roles"].([]any)[1].(map[string]any)
	delete(process, "autoscaling")
	process["replicas"] = 3
	if o := rendered(t, values); len(o.scaled) != 0 || *o.deployments[0].Spec.Replicas != 3 {
		t.Errorf("%d scaled objects, %d replicas; want 3 by themselves", len(o.scaled), *o.deployments[0].Spec.Replicas)
	}
}
