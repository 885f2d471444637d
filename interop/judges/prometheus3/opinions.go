package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/cespare/xxhash/v2"
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
	digest := uint64(0)
	defer func() { opinion.Digest = strconv.FormatUint(digest, 10) }()
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
			var sample uint64
			if sample, opinion.Error = checkSample(parser, seen, &opinion); opinion.Error != "" {
				return opinion
			}
			digest += sample
			opinion.Samples++
		}
	}
}

// checkSample gives a digest of a sample, and the reason for which Prometheus would fail the scrape that has it, if there is one.
func checkSample(parser textparse.Parser, seen map[string]struct{}, opinion *stream.Opinion) (uint64, string) {
	_, timestamp, value := parser.Series()
	var set labels.Labels
	parser.Labels(&set)
	if !set.Has(model.MetricNameLabel) {
		return 0, "missing metric name (__name__ label)"
	}
	if !set.IsValid(model.UTF8Validation) {
		return 0, fmt.Sprintf("invalid metric name or label names: %s", set.String())
	}
	if name, twice := set.HasDuplicateLabelNames(); twice {
		return 0, fmt.Sprintf("label name %q is not unique: invalid sample", name)
	}
	if !set.IsValid(model.LegacyValidation) {
		opinion.Quoted++
	}
	key := string(plain(set).Bytes(nil))
	if timestamp != nil {
		key += fmt.Sprint(" ", *timestamp)
	}
	if _, there := seen[key]; there {
		opinion.Repeated++
	}
	seen[key] = struct{}{}
	if value != value {
		value = math.NaN()
	}
	return xxhash.Sum64String(fmt.Sprint(key, "\xff", math.Float64bits(value))), ""
}

// plain gives labels as they are compared: Prometheus has none without a value, and writes bounds of buckets and quantiles in one way, but
// only if it knows the type of the family.
func plain(set labels.Labels) labels.Labels {
	builder := labels.NewBuilder(set.WithoutEmpty())
	for _, name := range []string{"le", "quantile"} {
		if bound, err := strconv.ParseFloat(set.Get(name), 64); err == nil {
			builder.Set(name, strconv.FormatFloat(bound, 'g', -1, 64))
		}
	}
	return builder.Labels()
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
