// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A plot's size and margins, in pixels, and the utilisation at its upper end, in percent.
const (
	plotWidth, plotHeight = 720, 360
	plotLeft, plotBottom  = 60, 50
	plotTop, plotRight    = 40, 20
)

// colours are told apart by those who see no red or green (Okabe and Ito), and on light ground and dark.
var colours = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C"}

// plot is a picture of the hosts' utilisation, sorted, one line per profile: a level line is an even spread, a step is
// packing.
type plot struct {
	file, title string
	profiles    []string
	stage       func(Profile) Stage
	spread      func(Stage) Spread
}

func plots() []plot {
	vcpu, memory := func(s Stage) Spread { return s.VCPU }, func(s Stage) Spread { return s.Memory }
	arrived, churned := func(p Profile) Stage { return p.Arrived }, func(p Profile) Stage { return p.Churned }
	return []plot{
		{"low.svg", "vCPU utilisation of hosts after arrivals", []string{"LowNodeUtilization", "stock"}, arrived, vcpu},
		{"high.svg", "Guest memory on hosts after churn", []string{"HighNodeUtilization", "OpenShift HighNodeUtilization"}, churned, memory},
		{"none.svg", "vCPU utilisation of hosts after arrivals", []string{"NoScoring", "OpenShift NoScoring", "stock"}, arrived, vcpu},
	}
}

// WritePlots writes the pictures into a directory, which it makes if need be.
func (r *Report) WritePlots(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range plots() {
		if err := os.WriteFile(filepath.Join(dir, p.file), []byte(r.svg(p)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) svg(p plot) string {
	top := 0.0
	for _, name := range p.profiles {
		if profile, ok := r.Profile(name); ok {
			top = max(top, p.spread(p.stage(profile)).Max)
		}
	}
	top = 0.5 * float64(int(top/0.5)+1) // the next 50 percent
	out := &strings.Builder{}
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="#808080">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(out, `<text x="%d" y="22" font-size="15">%s</text>`+"\n", plotLeft, p.title)
	y := func(v float64) float64 {
		return plotHeight - plotBottom - v/top*(plotHeight-plotBottom-plotTop)
	}
	for v := 0.0; v <= top; v += 0.5 {
		fmt.Fprintf(out, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#808080" stroke-opacity="0.3"/><text x="%d" y="%.1f" text-anchor="end">%.0f %%</text>`+"\n",
			plotLeft, y(v), plotWidth-plotRight, y(v), plotLeft-8, y(v)+4, 100*v)
	}
	fmt.Fprintf(out, `<text x="%d" y="%d">hosts, the least utilised first</text>`+"\n", plotLeft, plotHeight-plotBottom+20)
	for i, name := range p.profiles {
		profile, ok := r.Profile(name)
		if !ok {
			continue
		}
		values := p.spread(p.stage(profile)).Hosts
		points := make([]string, len(values))
		for k, v := range values {
			x := plotLeft + float64(k)/float64(max(len(values)-1, 1))*(plotWidth-plotLeft-plotRight)
			points[k] = fmt.Sprintf("%.1f,%.1f", x, y(v))
		}
		fmt.Fprintf(out, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colours[i])
		fmt.Fprintf(out, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", plotLeft+200*i, plotHeight-10, colours[i], name)
	}
	out.WriteString("</svg>\n")
	return out.String()
}
