package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// standIn names the metric that is looked for in place of another, which the proxy that is asked cannot be expected to have.
var standIn = map[string]string{
	// No demo application has gone; failures are counted by the same reasons.
	`prometheus_proxy_app_up{reason="gone"}`: `prometheus_proxy_app_scrape_failures_total{reason="gone"}`,
	`up`:                                     "", // Prometheus' own.
	// The original's dashboard still shows it, and no version of the original since its commit a08deb5 exposes it.
	`prometheus_proxy_unrecognized_rsocket_total`: "",
}

// variables are what Grafana puts in place of its variables.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*")

type exposed struct{ series []labels.Labels }

func readExposed(path string) (*exposed, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found := new(exposed)
	read := textparse.NewPromParser(text, labels.NewSymbolTable(), false)
	for {
		entry, err := read.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if entry == textparse.EntrySeries {
			var series labels.Labels
			read.Labels(&series)
			found.series = append(found.series, series)
		}
	}
	if len(found.series) == 0 {
		return nil, fmt.Errorf("%s has no series", path)
	}
	return found, nil
}

// has looks for a series that all matchers match. The labels that Prometheus adds count as there.
func (found *exposed) has(matchers []*labels.Matcher) bool {
	for _, series := range found.series {
		matches := true
		for _, matcher := range matchers {
			if matcher.Name != "job" && matcher.Name != "instance" && !matcher.Matches(series.Get(matcher.Name)) {
				matches = false
			}
		}
		if matches {
			return true
		}
	}
	return false
}

// expression parses PromQL, and looks for a series for each selector in it, and for each of the values that a selector lists.
func (found *exposed) expression(text string) error {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(variables.Replace(text))
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	var failure error
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, yes := node.(*parser.VectorSelector)
		if yes && failure == nil {
			failure = found.selector(selector)
		}
		return nil
	})
	return failure
}

func (found *exposed) selector(selector *parser.VectorSelector) error {
	plain := &parser.VectorSelector{Name: selector.Name, LabelMatchers: selector.LabelMatchers}
	text := plain.String()
	matchers := selector.LabelMatchers
	if other, excused := standIn[text]; excused {
		if other == "" {
			return nil
		}
		var err error
		if matchers, err = parser.NewParser(parser.Options{}).ParseMetricSelector(other); err != nil {
			return err
		}
	}
	for index, matcher := range matchers {
		for _, value := range matcher.SetMatches() {
			one := append([]*labels.Matcher{}, matchers...)
			one[index] = labels.MustNewMatcher(labels.MatchEqual, matcher.Name, value)
			if !found.has(one) {
				return fmt.Errorf("the proxy exposes no %s with %s %q", text, matcher.Name, value)
			}
		}
	}
	if !found.has(matchers) {
		return fmt.Errorf("the proxy exposes no %s", text)
	}
	return nil
}

// expressions collects what is under the keys `expr` and `definition` anywhere in a dashboard.
func expressions(node any) []string {
	var all []string
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			text, yes := value.(string)
			if yes && key == "definition" {
				// label_values(SELECTOR, LABEL)
				text = strings.TrimPrefix(text, "label_values(")
				all = append(all, text[:strings.LastIndex(text, ",")])
			} else if yes && key == "expr" {
				all = append(all, text)
			} else {
				all = append(all, expressions(value)...)
			}
		}
	case []any:
		for _, value := range node {
			all = append(all, expressions(value)...)
		}
	}
	return all
}

func dashboard(path string, found *exposed) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var board any
	if err := json.Unmarshal(text, &board); err != nil {
		return "", err
	}
	all := expressions(board)
	if len(all) == 0 {
		return "", fmt.Errorf("no expression")
	}
	for _, text := range all {
		if err := found.expression(text); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d expressions", len(all)), nil
}

type ruleFile struct {
	Groups []struct {
		Rules []struct{ Alert, Record, Expr string }
	}
}

// rules holds expressions against the proxy, and asks for two tests of each alert: that it fires, and that it does not.
func rules(folder string, found *exposed) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "rules.yaml"))
	if err != nil {
		return "", err
	}
	tests, err := os.ReadFile(filepath.Join(folder, "rules_test.yaml"))
	if err != nil {
		return "", err
	}
	var file ruleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		return "", err
	}
	count := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			count++
			if err := found.expression(rule.Expr); err != nil {
				return "", fmt.Errorf("%s%s: %w", rule.Alert, rule.Record, err)
			}
			for _, test := range []string{" fires\n", " does not fire\n"} {
				if rule.Alert != "" && !strings.Contains(string(tests), "name: "+rule.Alert+test) {
					return "", fmt.Errorf("no test says that %s%s", rule.Alert, test)
				}
			}
		}
	}
	return fmt.Sprintf("%d rules", count), nil
}

func queryChecks(folder, metrics string) []check {
	found, err := readExposed(metrics)
	if err != nil {
		return []check{{"metrics of the proxy", func() (string, error) { return "", err }}}
	}
	return []check{
		{"prometheus/rules.yaml and the proxy's metrics", func() (string, error) { return rules(filepath.Join(folder, "prometheus"), found) }},
		{"grafana/dashboard.json and the proxy's metrics", func() (string, error) {
			return dashboard(filepath.Join(folder, "grafana", "dashboard.json"), found)
		}},
		{"grafana/original-queries.json and the proxy's metrics", func() (string, error) {
			return dashboard(filepath.Join(folder, "grafana", "original-queries.json"), found)
		}},
	}
}
