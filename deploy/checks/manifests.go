package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// newObject is an empty object of the type that a manifest says it is of.
var newObject = map[string]func() any{
	"v1/ServiceAccount":                       func() any { return new(core.ServiceAccount) },
	"v1/Service":                              func() any { return new(core.Service) },
	"v1/ConfigMap":                            func() any { return new(core.ConfigMap) },
	"apps/v1/Deployment":                      func() any { return new(apps.Deployment) },
	"apps/v1/StatefulSet":                     func() any { return new(apps.StatefulSet) },
	"policy/v1/PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy":      func() any { return new(networking.NetworkPolicy) },
	"autoscaling/v2/HorizontalPodAutoscaler":  func() any { return new(autoscaling.HorizontalPodAutoscaler) },
	"monitoring.coreos.com/v1/PodMonitor":     func() any { return new(monitoring.PodMonitor) },
	"monitoring.coreos.com/v1/ServiceMonitor": func() any { return new(monitoring.ServiceMonitor) },
	"monitoring.coreos.com/v1/PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
}

// decode reads all objects of a YAML stream and refuses fields that their types do not have.
func decode(stream []byte) ([]any, error) {
	var objects []any
	for index, document := range bytes.Split(append([]byte("\n"), stream...), []byte("\n---")) {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, fmt.Errorf("document %d: %w", index+1, err)
		}
		if kind.Kind == "" {
			continue
		}
		name := kind.APIVersion + "/" + kind.Kind
		create, known := newObject[name]
		if !known {
			return nil, fmt.Errorf("document %d is a %s, which this check does not know", index+1, name)
		}
		object := create()
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		objects = append(objects, object)
	}
	if len(objects) == 0 {
		return nil, fmt.Errorf("no object at all")
	}
	return objects, nil
}

// template is the pod template of a workload, with its name and its selector.
func template(object any) (string, *meta.LabelSelector, *core.PodTemplateSpec) {
	switch workload := object.(type) {
	case *apps.Deployment:
		return workload.Name, workload.Spec.Selector, &workload.Spec.Template
	case *apps.StatefulSet:
		return workload.Name, workload.Spec.Selector, &workload.Spec.Template
	}
	return "", nil, nil
}

// consistent looks at what no schema can: whether objects that name each other find each other.
func consistent(objects []any) error {
	var name string
	var pod *core.PodTemplateSpec
	for _, object := range objects {
		if found, selector, template := template(object); template != nil {
			if pod != nil {
				return fmt.Errorf("two workloads: %s and %s", name, found)
			}
			name, pod = found, template
			if err := selects(selector, template.Labels); err != nil {
				return fmt.Errorf("%s: %w", found, err)
			}
		}
	}
	if pod == nil {
		return fmt.Errorf("no workload")
	}
	if pod.Labels["app"] != "prometheus-proxy" {
		return fmt.Errorf("pods lack the original's label app=prometheus-proxy: %v", pod.Labels)
	}
	if err := soundPod(&pod.Spec, objects); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, object := range objects {
		if err := fits(object, name, pod); err != nil {
			return fmt.Errorf("%T: %w", object, err)
		}
	}
	return nil
}

func fits(object any, workload string, pod *core.PodTemplateSpec) error {
	switch object := object.(type) {
	case *core.Service:
		for _, port := range object.Spec.Ports {
			if err := hasPort(pod, port.TargetPort); err != nil {
				return err
			}
		}
		return selects(&meta.LabelSelector{MatchLabels: object.Spec.Selector}, pod.Labels)
	case *policy.PodDisruptionBudget:
		return selects(object.Spec.Selector, pod.Labels)
	case *networking.NetworkPolicy:
		for _, rule := range object.Spec.Ingress {
			for _, port := range rule.Ports {
				if err := hasPort(pod, *port.Port); err != nil {
					return err
				}
			}
		}
		return selects(&object.Spec.PodSelector, pod.Labels)
	case *autoscaling.HorizontalPodAutoscaler:
		if object.Spec.ScaleTargetRef.Name != workload {
			return fmt.Errorf("it scales %s, the workload is %s", object.Spec.ScaleTargetRef.Name, workload)
		}
	case *monitoring.PodMonitor:
		for _, endpoint := range object.Spec.PodMetricsEndpoints {
			if err := hasPort(pod, intstr.FromString(*endpoint.Port)); err != nil {
				return err
			}
		}
		return selects(&object.Spec.Selector, pod.Labels)
	}
	return nil
}

func selects(selector *meta.LabelSelector, with map[string]string) error {
	parsed, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		return err
	}
	if parsed.Empty() || !parsed.Matches(labels.Set(with)) {
		return fmt.Errorf("its selector %q does not match the pods' labels %v", parsed, with)
	}
	return nil
}

func hasPort(pod *core.PodTemplateSpec, wanted intstr.IntOrString) error {
	for _, port := range pod.Spec.Containers[0].Ports {
		if port.Name == wanted.StrVal {
			return nil
		}
	}
	return fmt.Errorf("the pods have no port named %q", wanted.String())
}

// soundPod holds a pod against what the project promises: no root, nothing to write but its volume, and time enough to stop.
func soundPod(spec *core.PodSpec, objects []any) error {
	container := spec.Containers[0]
	if security := spec.SecurityContext; !*security.RunAsNonRoot || *security.RunAsUser != 65532 {
		return fmt.Errorf("it runs as another user than 65532")
	}
	if security := container.SecurityContext; !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation {
		return fmt.Errorf("its root is writable, or it may get privileges")
	}
	volumes := map[string]bool{}
	for _, volume := range spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, object := range objects {
		if set, yes := object.(*apps.StatefulSet); yes {
			for _, claim := range set.Spec.VolumeClaimTemplates {
				volumes[claim.Name] = true
			}
		}
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			return fmt.Errorf("it mounts %q, which is no volume", mount.Name)
		}
	}
	names := []string{"scrape", "rsocket", "websocket"}
	for index, number := range []int32{8080, 7001, 8081} {
		if port := container.Ports[index]; port.Name != names[index] || port.ContainerPort != number {
			return fmt.Errorf("port %d is %s %d", index, port.Name, port.ContainerPort)
		}
	}
	var sum int64
	for _, argument := range container.Args {
		flag, value, _ := strings.Cut(argument, "=")
		switch flag {
		case "--drain-delay", "--drain-spread", "--push-linger", "--shutdown-timeout":
			var seconds int64
			if _, err := fmt.Sscanf(value, "%ds", &seconds); err != nil {
				return fmt.Errorf("%s: %w", argument, err)
			}
			sum += seconds
		}
	}
	if grace := *spec.TerminationGracePeriodSeconds; grace < sum+5 {
		return fmt.Errorf("it is killed after %d s and may need %d s to stop", grace, sum)
	}
	return nil
}

// judge decodes a rendered set, looks at it, and leaves it for the schema checks.
func judge(rendered []byte, out, name string) (string, error) {
	if err := os.WriteFile(filepath.Join(out, name+".yaml"), rendered, 0o644); err != nil {
		return "", err
	}
	objects, err := decode(rendered)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d objects", len(objects)), consistent(objects)
}

func manifestChecks(folder, out string) []check {
	optional, _ := filepath.Glob(filepath.Join(folder, "kubernetes", "optional", "*.yaml"))
	var list []check
	for _, name := range []string{"with-deployment", "with-volume"} {
		list = append(list, check{"kubernetes/" + name, func() (string, error) {
			built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(folder, "kubernetes", name))
			if err != nil {
				return "", err
			}
			rendered, err := built.AsYaml()
			if err != nil {
				return "", err
			}
			if name == "with-deployment" {
				for _, path := range optional {
					text, err := os.ReadFile(path)
					if err != nil {
						return "", err
					}
					rendered = append(append(rendered, "\n---\n"...), text...)
				}
			}
			return judge(rendered, out, "kubernetes-"+name)
		}})
	}
	return list
}
