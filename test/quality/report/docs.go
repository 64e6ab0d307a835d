// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"os"
	"strings"
)

// The markers of a document between which WriteDocs writes.
const (
	docsBegin = "<!-- begin: written by make quality -->"
	docsEnd   = "<!-- end: written by make quality -->"
)

// WriteDocs writes the tables between the markers of a document.
func (r *Report) WriteDocs(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(content), docsBegin)
	_, after, ended := strings.Cut(rest, docsEnd)
	if !ok || !ended {
		return fmt.Errorf("%s: want the lines %q and %q", path, docsBegin, docsEnd)
	}
	return os.WriteFile(path, []byte(before+docsBegin+"\n"+r.markdown()+docsEnd+after), 0o644)
}

func (r *Report) markdown() string {
	out := &strings.Builder{}
	for _, churned := range []bool{false, true} {
		fmt.Fprintf(out, "\n**%s**\n\n", r.title(churned))
		for i, row := range r.rows(churned) {
			fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(out, "|%s\n", strings.Repeat("---|", len(row)))
			}
		}
		fmt.Fprintf(out, "\n%s.\n", r.offline(churned))
	}
	fmt.Fprintf(out, "\n%s", legend)
	return out.String()
}
