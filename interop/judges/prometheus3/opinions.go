package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"interop/stream"
)

// textparseOpinion reads a body as Prometheus' scrape loop does, with what that and the storage check of each sample.
func textparseOpinion(body []byte, contentType string) (opinion stream.Opinion) {
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		opinion.Error = err.Error()
		return opinion
	}
	seen := make(map[string]struct{})
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return opinion
		}
		if err != nil {
			opinion.Error = err.Error()
			return opinion
		}
		switch entry {
		case textparse.EntryType:
			opinion.Families++
		case textparse.EntrySeries, textparse.EntryHistogram:
			if opinion.Error = checkSample(parser, seen, &opinion); opinion.Error != "" {
				return opinion
			}
			opinion.Samples++
		}
	}
}

// checkSample gives the reason for which Prometheus would fail the scrape that has this sample, if there is one.
func checkSample(parser textparse.Parser, seen map[string]struct{}, opinion *stream.Opinion) string {
	_, timestamp, _ := parser.Series()
	var set labels.Labels
	parser.Labels(&set)
	if !set.Has(model.MetricNameLabel) {
		return "missing metric name (__name__ label)"
	}
	if !set.IsValid(model.UTF8Validation) {
		return fmt.Sprintf("invalid metric name or label names: %s", set.String())
	}
	if name, twice := set.HasDuplicateLabelNames(); twice {
		return fmt.Sprintf("label name %q is not unique: invalid sample", name)
	}
	if !set.IsValid(model.LegacyValidation) {
		opinion.Quoted++
	}
	// Prometheus has no labels without a value.
	key := string(set.WithoutEmpty().Bytes(nil))
	if timestamp != nil {
		key += fmt.Sprint(" ", *timestamp)
	}
	if _, there := seen[key]; there {
		opinion.Repeated++
	}
	seen[key] = struct{}{}
	return ""
}

// expfmtOpinion reads a body as promtool, the Pushgateway and many others do.
func expfmtOpinion(body []byte, _ string) (opinion stream.Opinion) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		opinion.Error = err.Error()
	}
	opinion.Families = len(families)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			opinion.Samples += samples(metric)
		}
	}
	return opinion
}

// samples counts the lines that a metric was made of, as far as that can still be seen.
func samples(metric *dto.Metric) int {
	switch {
	case metric.GetSummary() != nil:
		return len(metric.GetSummary().GetQuantile()) + 2
	case metric.GetHistogram() != nil:
		return len(metric.GetHistogram().GetBucket()) + 2
	default:
		return 1
	}
}
