package deploytest

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestWhatTheChartInstalls renders each way of using it.
func TestWhatTheChartInstalls(t *testing.T) {
	for name, values := range valuesFiles(t) {
		t.Run(name, func(t *testing.T) {
			manifests, err := render(loadChart(t), values)
			if err != nil {
				t.Fatal(err)
			}
			o := decode(t, manifests)
			roles := values["roles"].([]any)
			if len(o.statefulSets)+len(o.deployments) != len(roles) {
				t.Errorf("%d stateful sets, %d deployments for %d roles", len(o.statefulSets), len(o.deployments), len(roles))
			}
			for _, d := range o.deployments {
				restricted(t, d.Name, d.Spec.Template.Spec)
				if !matches(t, d.Spec.Selector, d.Spec.Template.Labels) {
					t.Errorf("%s: selector %v, pod %v", d.Name, d.Spec.Selector, d.Spec.Template.Labels)
				}
			}
			for _, s := range o.statefulSets {
				restricted(t, s.Name, s.Spec.Template.Spec)
				pod := s.Spec.Template
				if !matches(t, s.Spec.Selector, pod.Labels) || *s.Spec.Replicas != 1 || s.Spec.VolumeClaimTemplates[0].Name != "data" {
					t.Errorf("%s: selector %v, pod %v", s.Name, s.Spec.Selector, pod.Labels)
				}
				found := slices.ContainsFunc(o.services, func(v *core.Service) bool {
					return v.Name == s.Spec.ServiceName && v.Spec.ClusterIP == core.ClusterIPNone
				})
				if !found {
					t.Errorf("%s: no headless service %s", s.Name, s.Spec.ServiceName)
				}
			}
			for _, c := range o.configMaps {
				if body := c.Data["telltale.yaml"]; body != "" {
					check(t, body, c.Name)
				}
			}
		})
	}
}

// restricted holds a pod to the Pod Security Standard of that name, and to what it needs.
func restricted(t *testing.T, name string, p core.PodSpec) {
	t.Helper()
	c := p.Containers[0]
	s, of := c.SecurityContext, p.SecurityContext
	if !*of.RunAsNonRoot || *of.RunAsUser == 0 || of.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || *of.FSGroup != *of.RunAsUser {
		t.Errorf("%s: pod security %+v", name, of)
	}
	if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
		t.Errorf("%s: container security %+v", name, s)
	}
	if *p.AutomountServiceAccountToken || *p.EnableServiceLinks || p.HostNetwork || p.HostPID {
		t.Errorf("%s: a token, links or the host's namespaces", name)
	}
	if c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.StartupProbe == nil {
		t.Errorf("%s: probes %v %v %v", name, c.LivenessProbe, c.ReadinessProbe, c.StartupProbe)
	}
	if limit, mib := c.Resources.Limits.Memory().Value(), goMemory(t, c); mib<<20 >= limit*19/20 || mib<<20 < limit/2 {
		t.Errorf("%s: GOMEMLIMIT %d MiB of a limit of %d MiB", name, mib, limit>>20)
	}
	for what, limit := range c.Resources.Limits {
		if asked := c.Resources.Requests[what]; asked.Cmp(limit) > 0 {
			t.Errorf("%s: %s of %s is asked for, above the limit of %s", name, what, &asked, &limit)
		}
	}
	for _, v := range p.Volumes {
		if v.HostPath != nil {
			t.Errorf("%s: %s is a folder of the host", name, v.Name)
		}
		if v.Secret != nil && !slices.ContainsFunc(c.VolumeMounts, func(m core.VolumeMount) bool { return m.Name == v.Name && m.ReadOnly }) {
			t.Errorf("%s: secret %s is not mounted, or to be written to", name, v.Secret.SecretName)
		}
	}
}

func goMemory(t *testing.T, c core.Container) int64 {
	t.Helper()
	for _, e := range c.Env {
		if e.Name == "GOMEMLIMIT" {
			n, err := strconv.ParseInt(strings.TrimSuffix(e.Value, "MiB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no GOMEMLIMIT")
	return 0
}

func matches(t *testing.T, s *meta.LabelSelector, set map[string]string) bool {
	t.Helper()
	sel, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return !sel.Empty() && sel.Matches(labels.Set(set))
}

func TestWhoMayReachWhom(t *testing.T) {
	all := valuesFiles(t)
	o := rendered(t, all["gateways-values.yaml"])
	for _, s := range o.statefulSets {
		policies, budgets := 0, 0
		for _, p := range o.policies {
			if matches(t, &p.Spec.PodSelector, s.Spec.Template.Labels) {
				policies++
			}
			if len(p.Spec.PolicyTypes) != 2 {
				t.Errorf("%s: %v", p.Name, p.Spec.PolicyTypes)
			}
		}
		for _, b := range o.budgets {
			if matches(t, b.Spec.Selector, s.Spec.Template.Labels) {
				budgets++
			}
		}
		want := 1
		if strings.HasSuffix(s.Name, "south") {
			want = 0 // as its values say
		}
		if policies != 2 || budgets != want {
			t.Errorf("%s: %d policies, %d disruption budgets, want 2 and %d", s.Name, policies, budgets, want)
		}
	}
	for _, b := range o.budgets {
		if b.Name == "tt-all" && b.Spec.MaxUnavailable.IntValue() != 0 {
			t.Errorf("the values' 0 became %v", b.Spec.MaxUnavailable)
		}
	}
	if open := rendered(t, all["own-configuration-values.yaml"]); len(open.policies) != 0 || len(open.configMaps) != 0 {
		t.Errorf("%d policies, %d config maps with none asked for", len(open.policies), len(open.configMaps))
	}
	whole := rendered(t, all["all-values.yaml"])
	if len(whole.monitors) != 1 || len(whole.rules) != 1 || len(whole.rules[0].Spec.Groups) < 4 {
		t.Fatalf("%d service monitors, %d rules", len(whole.monitors), len(whole.rules))
	}
	scraped := 0
	for _, s := range whole.services {
		if matches(t, &whole.monitors[0].Spec.Selector, s.Labels) {
			scraped++
		}
	}
	if scraped != 1 {
		t.Errorf("%d services are scraped, want 1: each pod once", scraped)
	}
}

func rendered(t *testing.T, values map[string]any) objects {
	t.Helper()
	manifests, err := render(loadChart(t), values)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, manifests)
}

// TestAChangedConfigurationRestartsItsRoleAlone reads the checksums.
func TestAChangedConfigurationRestartsItsRoleAlone(t *testing.T) {
	sums := func(unit string) map[string]string {
		values := valuesFiles(t)["gateways-values.yaml"]
		config := values["roles"].([]any)[2].(map[string]any)["config"].(map[string]any)
		config["shards"] = unit
		all := map[string]string{}
		for _, s := range rendered(t, values).statefulSets {
			all[s.Name] = s.Spec.Template.Annotations["checksum/config"]
		}
		return all
	}
	a, b := sums("1"), sums("2")
	if len(a) != 3 || a["tt-all"] == b["tt-all"] || a["tt-north"] != b["tt-north"] || a["tt-north"] == "" {
		t.Errorf("checksums %v, then %v", a, b)
	}
}
