// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// packing is what first-fit-decreasing is compared by: High may use so many times its hosts.
const packing = 1.10

// WritePlots writes the pictures into a directory, which it makes if need be: for each of our profiles one that shows what
// the profile is named for. Profiles that were not compared are left out.
func (r *Report) WritePlots(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for file, svg := range map[string]string{"low.svg": r.spreadPlot(), "high.svg": r.hostsPlot(), "none.svg": r.cyclePlot()} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) named(names ...string) []Profile {
	var found []Profile
	for _, name := range names {
		if p, ok := r.Profile(name); ok {
			found = append(found, p)
		}
	}
	return found
}

// spreadPlot has the hosts' utilisation, sorted: a level line is an even spread.
func (r *Report) spreadPlot() string {
	const step = 0.5
	profiles, top := r.named("LowNodeUtilization", "stock"), 0.0
	for _, p := range profiles {
		top = max(top, p.Arrived.VCPU.Max)
	}
	top = step * math.Floor(top/step+1)
	c := newCanvas("vCPU utilisation of hosts after arrivals", "hosts, the least utilised first", axis{top: top})
	for v := 0.0; v <= top; v += step {
		c.mark(v, fmt.Sprintf("%.0f %%", 100*v))
	}
	for i, p := range profiles {
		c.line(p.Arrived.VCPU.Hosts, colours[i])
		c.name(colours[i], fmt.Sprintf("%s: standard deviation %.1f", p.Name, 100*p.Arrived.VCPU.StdDev))
	}
	return c.end()
}

// hostsPlot has the hosts in use, beside what first-fit-decreasing uses for the same VMs.
func (r *Report) hostsPlot() string {
	const step, barWidth, groupWidth = 50, 65.0, (plotWidth - plotLeft - plotRight) / 2
	profiles, top := r.named("HighNodeUtilization", "OpenShift HighNodeUtilization"), step*(r.Options.Hosts/step+1)
	c := newCanvas("Hosts in use", "after arrivals", axis{top: float64(top)})
	c.add(`<text x="%d" y="%d">after churn</text>`, plotLeft+groupWidth, plotHeight-plotBottom+20)
	for v := 0; v <= top; v += step {
		c.mark(float64(v), fmt.Sprint(v))
	}
	for i, p := range profiles {
		for group, stage := range []Stage{p.Arrived, p.Churned} {
			c.bar(float64(plotLeft+group*groupWidth+i*(barWidth+10)), barWidth, stage.HostsUsed, colours[i])
		}
		c.name(colours[i], p.Name)
	}
	for group, offline := range []Offline{r.OfflineArrived, r.OfflineChurned} {
		hosts, from, to := float64(offline.FirstFitDecreasing), float64(plotLeft+group*groupWidth), float64(plotLeft+(group+1)*groupWidth-10)
		c.bound(hosts, from, to, to, true, fmt.Sprintf("first-fit-decreasing: %.0f", hosts))
		if group == 0 { // after churn it may place all VMs anew, and no scheduler may
			c.bound(packing*hosts, from, to, to, false, fmt.Sprintf("%.2f of it: %.4g", packing, packing*hosts))
		}
	}
	return c.end()
}

// cyclePlot has what each scheduling cycle cost, sorted.
func (r *Report) cyclePlot() string {
	profiles, low, high := r.named("NoScoring", "OpenShift NoScoring", "stock"), math.Inf(1), 1.0
	for _, p := range profiles {
		if n := len(p.Cycles); n > 0 {
			low, high = min(low, p.Cycles[0]), max(high, p.Cycles[n-1])
		}
	}
	decade := func(v float64) float64 { return math.Pow(10, v) }
	first := decade(math.Floor(math.Log10(max(1, min(low, high)))))
	last := decade(math.Floor(math.Log10(high)) + 1)
	c := newCanvas("Processor time of a scheduling cycle, in microseconds", "cycles, the cheapest first", axis{bottom: first, top: last, logarithmic: true})
	for v := first; v <= last; v *= 10 {
		c.mark(v, fmt.Sprintf("%.0f", v))
	}
	for i, p := range profiles {
		c.line(p.Cycles, colours[i])
		c.name(colours[i], fmt.Sprintf("%s: mean %.0f", p.Name, p.CycleMicros))
	}
	if stock, ok := r.Profile("stock"); ok && stock.CycleMicros > 0 {
		c.bound(stock.CycleMicros*2/3, plotLeft, plotWidth-plotRight, plotWidth/2, true, "two thirds of stock's mean")
	}
	return c.end()
}
