package deploytest

import (
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// objects are the decoded manifests, by kind.
type objects struct {
	statefulSets []*apps.StatefulSet
	deployments  []*apps.Deployment
	configMaps   []*core.ConfigMap
	services     []*core.Service
	accounts     []*core.ServiceAccount
	budgets      []*policy.PodDisruptionBudget
	policies     []*network.NetworkPolicy
	monitors     []*monitoring.ServiceMonitor
	rules        []*monitoring.PrometheusRule
	scaled       []scaledObject
}

// scaledObject is what is used of keda.sh/v1alpha1; a field that is not here is refused.
type scaledObject struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		ScaleTargetRef struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		PollingInterval int32 `json:"pollingInterval"`
		CooldownPeriod  int32 `json:"cooldownPeriod"`
		Triggers        []struct {
			Type              string            `json:"type"`
			Metadata          map[string]string `json:"metadata"`
			AuthenticationRef struct {
				Name string `json:"name"`
			} `json:"authenticationRef"`
		} `json:"triggers"`
	} `json:"spec"`
}

// decode reads manifests as an API server does that refuses what it does not know. A kind that
// is not listed, a Secret above all, is not for a chart to make.
func decode(t *testing.T, manifests []string) (o objects) {
	t.Helper()
	if err := monitoring.AddToScheme(scheme.Scheme); err != nil {
		t.Fatal(err)
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Yaml: true, Strict: true})
	names := map[string]bool{}
	for _, text := range manifests {
		var kind meta.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if key := kind.Kind + "/" + kind.Name; names[key] || len(kind.Name) > 63 || kind.Name == "" {
			t.Errorf("%s: twice, too long or without a name", key)
		} else {
			names[key] = true
		}
		if kind.Kind == "ScaledObject" && kind.APIVersion == "keda.sh/v1alpha1" {
			var s scaledObject
			if err := yaml.UnmarshalStrict([]byte(text), &s); err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			o.scaled = append(o.scaled, s)
			continue
		}
		obj, _, err := strict.Decode([]byte(text), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch x := obj.(type) {
		case *apps.StatefulSet:
			o.statefulSets = append(o.statefulSets, x)
		case *apps.Deployment:
			o.deployments = append(o.deployments, x)
		case *core.ConfigMap:
			o.configMaps = append(o.configMaps, x)
		case *core.Service:
			o.services = append(o.services, x)
		case *core.ServiceAccount:
			o.accounts = append(o.accounts, x)
		case *policy.PodDisruptionBudget:
			o.budgets = append(o.budgets, x)
		case *network.NetworkPolicy:
			o.policies = append(o.policies, x)
		case *monitoring.ServiceMonitor:
			o.monitors = append(o.monitors, x)
		case *monitoring.PrometheusRule:
			o.rules = append(o.rules, x)
		default:
			t.Errorf("%s is nothing that this chart should make", kind.Kind)
		}
	}
	return o
}
