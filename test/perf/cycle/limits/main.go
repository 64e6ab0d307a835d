// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command limits holds what test/perf/cycle measured of affinity to the limits
// that VMAffinity has to keep. It reads results from standard input, as
// hack/bench-affinity.sh writes them, says of each limit what was seen, and
// ends with 1 if one does not hold, or was not measured.
package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

func main() {
	holds, err := run(os.Stdin, os.Stdout)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "limits:", err)
	}
	if err != nil || !holds {
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) (holds bool, err error) {
	results, err := read(in)
	if err != nil {
		return false, err
	}
	holds = true
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nlimit\tseen, at worst\twhere\t")
	for _, v := range judge(results) {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", v.limit, v.seen, v.where, v.word())
		holds = holds && v.holds
	}
	return holds, table.Flush()
}
