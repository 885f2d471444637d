// Program judge says what the parser of Prometheus 2.42, Debian's, makes of bodies that a scraper could be given.
package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"interop/stream"
)

func main() {
	stream.Run(map[string]stream.Judge{"prometheus2": {Form: opinion}})
}

// opinion reads a body as Prometheus' scrape loop does, with what that and the storage check of each sample.
func opinion(body []byte, contentType string) (opinion stream.Opinion) {
	// Its error is a warning: it goes on with text.
	parser, _ := textparse.New(body, contentType)
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
		case textparse.EntrySeries:
			if opinion.Error = checkSample(parser); opinion.Error != "" {
				return opinion
			}
			opinion.Samples++
		}
	}
}

// checkSample gives the reason for which Prometheus would fail the scrape that has this sample, if there is one.
func checkSample(parser textparse.Parser) string {
	var set labels.Labels
	parser.Metric(&set)
	if !set.Has(labels.MetricName) {
		return "missing metric name (__name__ label)"
	}
	if !set.IsValid() {
		return fmt.Sprintf("invalid metric name or label names: %s", set.String())
	}
	if name, twice := set.HasDuplicateLabelNames(); twice {
		return fmt.Sprintf("label name %q is not unique: invalid sample", name)
	}
	return ""
}
