// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// column is one figure of the table.
type column struct {
	head   string
	format string // of one number
	of     func(Profile) float64
}

func stageColumns(stage func(Profile) Stage) []column {
	percent := func(of func(Stage) float64) func(Profile) float64 {
		return func(r Profile) float64 { return 100 * of(stage(r)) }
	}
	return []column{
		{"vCPU sd", "%.1f", percent(func(s Stage) float64 { return s.VCPU.StdDev })},
		{"vCPU max", "%.0f", percent(func(s Stage) float64 { return s.VCPU.Max })},
		{"memory sd", "%.1f", percent(func(s Stage) float64 { return s.Memory.StdDev })},
		{"memory max", "%.0f", percent(func(s Stage) float64 { return s.Memory.Max })},
		{"hosts used", "%.0f", func(r Profile) float64 { return float64(stage(r).HostsUsed) }},
		{"refused", "%.0f", func(r Profile) float64 { return float64(stage(r).Refused) }},
		{"stuck", "%.1f", func(r Profile) float64 { return stage(r).Migration.Nowhere }},
		{"targets", "%.0f", func(r Profile) float64 { return stage(r).Migration.Hosts }},
	}
}

func columns(churned bool) []column {
	if churned {
		return stageColumns(func(r Profile) Stage { return r.Churned })
	}
	return append(stageColumns(func(r Profile) Stage { return r.Arrived }),
		column{"cycle CPU", "%.0f", func(r Profile) float64 { return r.CycleMicros }})
}

// legend explains the columns.
const legend = `vCPU, memory: guests' vCPUs over the host's CPUs, guests' memory over the host's, in percent; sd: standard deviation over all hosts.
refused: VMs for which no host would do. stuck: percentage of VMs that could be live-migrated to no other host, by labels;
targets: how many hosts could take a VM, on average. cycle CPU: mean processor time of a scheduling cycle, in microseconds.
`

// rows are the table's cells, the head first.
func (r *Report) rows(churned bool) [][]string {
	cols := columns(churned)
	head := []string{"profile"}
	for _, c := range cols {
		head = append(head, c.head)
	}
	rows := [][]string{head}
	for _, p := range r.Profiles {
		row := []string{p.Name}
		for _, c := range cols {
			row = append(row, fmt.Sprintf(c.format, c.of(p)))
		}
		rows = append(rows, row)
	}
	return rows
}

// offline is what is compared with.
func (r *Report) offline(churned bool) Offline {
	if churned {
		return r.OfflineChurned
	}
	return r.OfflineArrived
}

func (r *Report) title(churned bool) string {
	o := r.Options
	if churned {
		return fmt.Sprintf("After %d more have come and about as many have left", o.Churn)
	}
	return fmt.Sprintf("After the arrival of %d VMs on %d hosts, CPU overcommit %d:1, seed %d", o.VMs, o.Hosts, o.CPUOvercommit, o.Seed)
}

func (o Offline) String() string {
	var caps []string
	if o.Caps.VCPUPercent > 0 {
		caps = append(caps, fmt.Sprintf("vCPUs at most %d %% of CPUs", o.Caps.VCPUPercent))
	}
	if o.Caps.GuestMemoryPercent > 0 {
		caps = append(caps, fmt.Sprintf("guest memory at most %d %%", o.Caps.GuestMemoryPercent))
	}
	if len(caps) == 0 {
		caps = []string{"none"}
	}
	return fmt.Sprintf("first-fit-decreasing, offline: %d hosts, %d VMs left over (%s; caps: %s); no packing needs fewer than %d",
		o.FirstFitDecreasing, o.Left, o.Order, strings.Join(caps, ", "), o.LowerBound)
}

// WriteText writes the tables for people.
func (r *Report) WriteText(w io.Writer) error {
	out := &strings.Builder{}
	for _, churned := range []bool{false, true} {
		fmt.Fprintf(out, "%s\n\n", r.title(churned))
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, row := range r.rows(churned) {
			if _, err := fmt.Fprintln(table, strings.Join(row, "\t")); err != nil {
				return err
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n\n", r.offline(churned))
	}
	out.WriteString(legend)
	_, err := io.WriteString(w, out.String())
	return err
}
