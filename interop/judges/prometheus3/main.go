// Program judge says what the parsers of a current Prometheus, and of prometheus/common, make of bodies that a scraper could be given.
package main

import "interop/stream"

func main() {
	stream.Run(map[string]stream.Judge{
		"textparse": {Form: textparseOpinion},
		"expfmt":    {Form: expfmtOpinion, TextOnly: true},
	})
}
