// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	kubevirtv1 "kubevirt.io/api/core/v1"
)

// Style says how tables are written.
type Style struct {
	// Colour is for terminals.
	Colour bool
	// MaxRows bounds a table; 0 means no bound.
	MaxRows int
}

const (
	red, green, plain = "\x1b[31m", "\x1b[32m", "\x1b[0m"
)

// Paint colours text when the style says so.
func (s Style) paint(colour, text string) string {
	if !s.Colour {
		return text
	}
	return colour + text + plain
}

// Good is for what went as it should, Bad for what did not.
func (s Style) Good(text string) string { return s.paint(green, text) }

// Bad is for what did not.
func (s Style) Bad(text string) string { return s.paint(red, text) }

// table writes rows under a head, in columns. Only a last column may be coloured: tabwriter counts what is not seen.
func (s Style) table(w io.Writer, head string, rows []string) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	more := 0
	if s.MaxRows > 0 && len(rows) > s.MaxRows {
		more = len(rows) - s.MaxRows
		rows = rows[:s.MaxRows]
	}
	_, err := fmt.Fprintln(tab, head)
	for _, row := range rows {
		if err == nil {
			_, err = fmt.Fprintln(tab, row)
		}
	}
	if err == nil {
		err = tab.Flush()
	}
	if err == nil && more > 0 {
		_, err = fmt.Fprintf(w, "... and %d more; --output json has all\n", more)
	}
	return err
}

// VMTable shows where each VM went.
func (s Style) VMTable(w io.Writer, v View) error {
	sights := make([]Sight, 0, len(v.VMs))
	for _, sight := range v.VMs {
		sights = append(sights, sight)
	}
	slices.SortFunc(sights, func(a, b Sight) int {
		return cmp.Or(byNumber(a.Node, b.Node), cmp.Compare(a.Name, b.Name))
	})
	rows := make([]string, 0, len(sights))
	for _, v := range sights {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s\t%s", v.Name, v.RunStrategy, eviction(v.EvictionStrategy),
			v.VCPUs, gib(v.MemoryMiB), disk(v.Disk), dash(v.Node)))
	}
	return s.table(w, "VM\tRUNSTRATEGY\tEVICTION\tVCPUS\tMEMORY\tRWO DISK\tNODE", rows)
}

// NodeTable shows the utilisation per node as guests see it, next to what their pods ask for.
func (s Style) NodeTable(w io.Writer, v View) error {
	loads := v.Loads()
	rows := make([]string, 0, len(loads))
	for _, l := range loads {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%d\t%d of %d\t%d%%\t%s of %s\t%d%%\t%d%%", l.Name, dash(l.Zone), l.VMs,
			l.GuestCPUs, l.CPUs, l.CPUPercent(), gib(l.GuestMemoryMiB), gib(l.MemoryMiB), l.MemoryPercent(),
			l.RequestPercent()))
	}
	return s.table(w, "NODE\tZONE\tVMS\tGUEST VCPUS\tCPU\tGUEST MEMORY\tMEM\tCPU BY POD REQUESTS", rows)
}

// OutcomeTable shows what became of the given VMs, by name.
func (s Style) OutcomeTable(w io.Writer, outcomes []Outcome) error {
	rows := make([]string, 0, len(outcomes))
	for _, o := range slices.SortedFunc(slices.Values(outcomes), func(a, b Outcome) int { return cmp.Compare(a.Name, b.Name) }) {
		away := "-"
		if o.AwaySeconds != nil {
			away = fmt.Sprintf("%.1f s", *o.AwaySeconds)
		}
		verdict := s.Good("ok")
		if !o.OK() {
			verdict = s.Bad("WRONG")
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", o.Name, o.RunStrategy, disk(o.Disk), o.Due,
			o.Happened, dash(o.NewNode), away, verdict))
	}
	return s.table(w, "VM\tRUNSTRATEGY\tRWO DISK\tDUE\tHAPPENED\tNEW NODE\tAWAY\tVERDICT", rows)
}

// Summary says how many VMs came back and how long they were away; empty when none did.
func Summary(outcomes []Outcome) string {
	var away []float64
	for _, o := range outcomes {
		if o.AwaySeconds != nil {
			away = append(away, *o.AwaySeconds)
		}
	}
	if len(away) == 0 {
		return ""
	}
	return fmt.Sprintf("%d VMs came back elsewhere, the first after %.1f s, the last after %.1f s",
		len(away), slices.Min(away), slices.Max(away))
}

// Of returns the outcomes of VMs that were on node before.
func Of(outcomes []Outcome, before View, node string) []Outcome {
	return slices.DeleteFunc(slices.Clone(outcomes), func(o Outcome) bool { return before.VMs[o.Name].Node != node })
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func eviction(strategy kubevirtv1.EvictionStrategy) string { return dash(string(strategy)) }

func disk(has bool) string {
	if has {
		return "yes"
	}
	return "-"
}

func gib(mib int64) string {
	if mib%1024 == 0 {
		return fmt.Sprintf("%d GiB", mib/1024)
	}
	return fmt.Sprintf("%.1f GiB", float64(mib)/1024)
}
