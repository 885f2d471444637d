// Command checks looks at everything in deploy/ that can be judged without a cluster, a container engine or Grafana.
//
//	checks FOLDER OUT [METRICS]
//
// FOLDER is deploy/. What the chart and the kustomizations render is written to OUT, for schema checks. METRICS is a file
// with what a running proxy answers at /metrics/proxy and /metrics/connected, against which dashboards and rules are held.
// Each check prints a line; the exit status is 1 if one failed.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
)

// check is one thing to look at: what it found, in a few words, or what is wrong.
type check struct {
	name string
	run  func() (string, error)
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: checks FOLDER OUT [METRICS]")
		os.Exit(2)
	}
	folder, out := os.Args[1], os.Args[2]
	// Helm logs each symbolic link of a chart.
	log.SetOutput(io.Discard)
	list := append(manifestChecks(folder, out), chartChecks(folder, out)...)
	list = append(list, containerChecks(folder)...)
	if len(os.Args) > 3 {
		list = append(list, queryChecks(folder, os.Args[3])...)
	} else {
		list = append(list, check{"queries against a running proxy", func() (string, error) { return "left out: no metrics given", nil }})
	}
	failed := 0
	for _, check := range list {
		found, err := check.run()
		if err != nil {
			failed++
			fmt.Printf("FAIL %s: %v\n", check.name, err)
		} else {
			fmt.Printf("ok   %s: %s\n", check.name, found)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}
