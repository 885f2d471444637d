package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

// renderings are the values with which the chart is rendered: the default ones, everything that can be turned on, and each kind of monitor.
var renderings = map[string]string{
	"default": "{}",
	"everything": `
persistence: {enabled: true, storageClass: fast}
keySecret: {name: proxy-key}
authSecret: {name: proxy-auth, requireIdentity: true}
httpAuthSecret: {name: proxy-http-auth}
tls: {tcpSecret: tcp-tls, websocketSecret: websocket-tls, httpSecret: http-tls}
external: {enabled: true, annotations: {a: b}, loadBalancerSourceRanges: [192.0.2.0/24]}
autoscaling: {enabled: true}
networkPolicy: {applications: [{namespaceSelector: {}}]}
monitor: {kind: pod, labels: {release: prometheus}}
rules: {enabled: true, labels: {release: prometheus}}
dashboard: {enabled: true}
extraArgs: ["--identity-labels=application,instance"]
extraEnv: [{name: A, value: b}]
config: |
  max-connections = 5000
  group-families = true
imagePullSecrets: [{name: registry}]
podAnnotations: {a: b}
podLabels: {c: d}
nodeSelector: {kubernetes.io/arch: arm64}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
priorityClassName: high
service: {annotations: {a: b}}
`,
	"service-monitor": "{monitor: {kind: service}, tls: {httpSecret: http-tls}, fullnameOverride: ''}",
	"bare":            "{podDisruptionBudget: {enabled: false}, networkPolicy: {enabled: false}, topologySpread: false, maxConnectionAge: ''}",
}

// refused are values that values.schema.json must not let through.
var refused = []string{
	"{replica: 3}", "{replicas: '3'}", "{monitor: {kind: both}}", "{persistence: {accessModes: [ReadWriteMany]}}",
	"{stopping: {drainDelaySeconds: 5s}}", "{config: {max-connections: 5000}}", "{maxConnectionAge: soon}", "{fullnameOverride: Not_A_Name}",
}

func render(folder, text string) (map[string]string, error) {
	chart, err := loader.Load(filepath.Join(folder, "helm"))
	if err != nil {
		return nil, err
	}
	values, err := chartutil.ReadValues([]byte(text))
	if err != nil {
		return nil, err
	}
	release := chartutil.ReleaseOptions{Name: "metrics", Namespace: "monitoring-tools", Revision: 1, IsInstall: true}
	full, err := chartutil.ToRenderValues(chart, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(chart, full)
}

func chartChecks(folder, out string) []check {
	list := []check{{"helm lint", func() (string, error) {
		result := lint.All(filepath.Join(folder, "helm"), nil, "monitoring-tools", true)
		for _, message := range result.Messages {
			// An icon is all that is recommended and missing.
			if message.Severity > support.InfoSev {
				return "", message
			}
		}
		return fmt.Sprintf("%d hints", len(result.Messages)), nil
	}}}
	names := make([]string, 0, len(renderings))
	for name := range renderings {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		list = append(list, check{"helm template, " + name, func() (string, error) {
			files, err := render(folder, renderings[name])
			if err != nil {
				return "", err
			}
			paths := make([]string, 0, len(files))
			for path := range files {
				paths = append(paths, path)
			}
			sort.Strings(paths)
			var all bytes.Buffer
			notes := ""
			for _, path := range paths {
				switch {
				case strings.HasSuffix(path, "NOTES.txt"):
					notes = files[path]
				case strings.HasSuffix(path, ".yaml") && strings.TrimSpace(files[path]) != "":
					all.WriteString("\n---\n" + files[path])
				}
			}
			if !strings.Contains(notes, "tcp://") {
				return "", fmt.Errorf("the notes do not say where applications connect: %q", notes)
			}
			return judge(all.Bytes(), out, "helm-"+name)
		}})
	}
	list = append(list, check{"helm refuses wrong values", func() (string, error) {
		for _, values := range refused {
			if _, err := render(folder, values); err == nil {
				return "", fmt.Errorf("%s is accepted", values)
			}
		}
		return fmt.Sprintf("%d of them", len(refused)), nil
	}})
	return append(list, check{"helm and the other folders are of one text", func() (string, error) {
		for file, original := range map[string]string{"rules.yaml": "prometheus/rules.yaml", "dashboard.json": "grafana/dashboard.json"} {
			copied, err := os.ReadFile(filepath.Join(folder, "helm", "files", file))
			if err != nil {
				return "", err
			}
			text, err := os.ReadFile(filepath.Join(folder, original))
			if err != nil {
				return "", err
			}
			if !bytes.Equal(copied, text) {
				return "", fmt.Errorf("helm/files/%s differs from %s", file, original)
			}
		}
		return "rules and dashboard", nil
	}})
}
