// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-scheduler/virt-scheduler/test/quality/profiles"
	"github.com/virt-scheduler/virt-scheduler/test/quality/report"
)

// picture is what a plot shows: lines of data, dashed bounds, bars, and all words but those of the axis.
type picture struct {
	Lines, Bounds, Bars int
	Words               []string
}

func readPicture(t *testing.T, path string) picture {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was read only
	var p picture
	axis := false
	for decoder := xml.NewDecoder(file); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			attributes := map[string]string{}
			for _, a := range e.Attr {
				attributes[a.Name.Local] = a.Value
			}
			axis = attributes["x"] == "62"
			switch {
			case e.Name.Local == "polyline":
				p.Lines++
			case attributes["stroke-dasharray"] != "":
				p.Bounds++
			case e.Name.Local == "rect" && attributes["width"] != "12": // of a name
				p.Bars++
			}
		case xml.CharData:
			if word := strings.TrimSpace(string(e)); word != "" && !axis {
				p.Words = append(p.Words, word)
			}
		}
	}
}

// Each plot shows what is claimed of its profile, with the figures of the report.
func TestWritesPlots(t *testing.T) {
	r := compare(t, "--hosts", "10", "--vms", "50", "--profiles", strings.Join([]string{
		profiles.OurLow, profiles.OurHigh, profiles.OurNone, profiles.Stock, profiles.OpenShiftHigh, profiles.OpenShiftNone,
	}, ","))
	dir := t.TempDir()
	if err := r.WritePlots(dir); err != nil {
		t.Fatal(err)
	}
	words := func(format string, of func(report.Profile) float64, names ...string) []string {
		var words []string
		for _, name := range names {
			words = append(words, fmt.Sprintf(format, name, of(profile(t, r, name))))
		}
		return words
	}
	spread := func(p report.Profile) float64 { return 100 * p.Arrived.VCPU.StdDev }
	mean := func(p report.Profile) float64 { return p.CycleMicros }
	high, openShift, offline := profile(t, r, profiles.OurHigh), profile(t, r, profiles.OpenShiftHigh), r.OfflineArrived
	want := map[string]picture{
		"low.svg": {Lines: 2, Words: slices.Concat(
			[]string{"vCPU utilisation of hosts after arrivals", "hosts, the least utilised first"},
			words("%s: standard deviation %.1f", spread, profiles.OurLow, profiles.Stock),
		)},
		"high.svg": {Bars: 4, Bounds: 3, Words: []string{
			"Hosts in use", "after arrivals", "after churn",
			fmt.Sprint(high.Arrived.HostsUsed), fmt.Sprint(high.Churned.HostsUsed), profiles.OurHigh,
			fmt.Sprint(openShift.Arrived.HostsUsed), fmt.Sprint(openShift.Churned.HostsUsed), profiles.OpenShiftHigh,
			fmt.Sprintf("first-fit-decreasing: %d", offline.FirstFitDecreasing), fmt.Sprintf("1.10 of it: %.4g", 1.1*float64(offline.FirstFitDecreasing)),
			fmt.Sprintf("first-fit-decreasing: %d", r.OfflineChurned.FirstFitDecreasing),
		}},
		"none.svg": {Lines: 3, Bounds: 1, Words: slices.Concat(
			[]string{"Processor time of a scheduling cycle, in microseconds", "cycles, the cheapest first"},
			words("%s: mean %.0f", mean, profiles.OurNone, profiles.OpenShiftNone, profiles.Stock),
			[]string{"two thirds of stock's mean"},
		)},
	}
	got := map[string]picture{}
	for file := range want {
		got[file] = readPicture(t, filepath.Join(dir, file))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the plots show (-want +got):\n%s", diff)
	}
	if n := len(profile(t, r, profiles.Stock).Cycles); n != r.Options.VMs {
		t.Errorf("%d cycles of the stock profile are in the report, want one per VM: %d", n, r.Options.VMs)
	}
}
