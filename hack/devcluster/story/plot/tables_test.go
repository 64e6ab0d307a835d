// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

func testView() View {
	running := sight("a", kubevirtv1.RunStrategyAlways, "a-1", "n1", kubevirtv1.Running)
	running.VCPUs, running.MemoryMiB, running.EvictionStrategy = 4, 8192, kubevirtv1.EvictionStrategyLiveMigrate
	running.Pods = []PodSight{{Node: "n1", Phase: corev1.PodRunning, RequestMilliCPU: 400}}
	second := sight("b", kubevirtv1.RunStrategyOnce, "b-1", "n1", kubevirtv1.Running)
	second.VCPUs, second.MemoryMiB, second.Disk = 2, 1536, true
	second.Pods = []PodSight{
		{Node: "n1", Phase: corev1.PodRunning, RequestMilliCPU: 200},
		{Node: "n1", Phase: corev1.PodSucceeded, RequestMilliCPU: 200}, // uses nothing
	}
	off := Sight{Name: "c", RunStrategy: kubevirtv1.RunStrategyHalted, VCPUs: 8, MemoryMiB: 16384}
	return View{
		VMs: map[string]Sight{"a": running, "b": second, "c": off},
		Nodes: map[string]NodeSight{
			"n1":  {Name: "n1", Zone: "z1", CPUs: 8, MemoryMiB: 16384},
			"n2":  {Name: "n2", CPUs: 8, MemoryMiB: 16384},
			"n10": {Name: "n10", CPUs: 8, MemoryMiB: 16384},
		},
	}
}

func TestTables(t *testing.T) {
	away := 34.96
	outcomes := []Outcome{
		{
			Name: "a", RunStrategy: kubevirtv1.RunStrategyAlways, Due: Restarted, Happened: "new VMI, Running", NewNode: "n2",
			AwaySeconds: &away,
		},
		{
			Name: "b", RunStrategy: kubevirtv1.RunStrategyOnce, Disk: true, Due: LeftFailed, Happened: "same VMI, Running",
			Problems: []string{"x"},
		},
	}
	tests := map[string]struct {
		style Style
		write func(Style, io.Writer) error
		want  []string
	}{
		"VMs": {
			write: func(s Style, w io.Writer) error { return s.VMTable(w, testView()) },
			want: []string{
				"VM  RUNSTRATEGY  EVICTION     VCPUS  MEMORY   RWO DISK  NODE",
				"c   Halted       -            8      16 GiB   -         -",
				"a   Always       LiveMigrate  4      8 GiB    -         n1",
				"b   Once         -            2      1.5 GiB  yes       n1",
			},
		},
		"nodes": {
			write: func(s Style, w io.Writer) error { return s.NodeTable(w, testView()) },
			want: []string{
				"NODE  ZONE  VMS  GUEST VCPUS  CPU  GUEST MEMORY       MEM  CPU BY POD REQUESTS",
				"n1    z1    2    6 of 8       75%  9.5 GiB of 16 GiB  59%  8%",
				"n2    -     0    0 of 8       0%   0 GiB of 16 GiB    0%   0%",
				"n10   -     0    0 of 8       0%   0 GiB of 16 GiB    0%   0%",
			},
		},
		"outcomes": {
			write: func(s Style, w io.Writer) error { return s.OutcomeTable(w, outcomes) },
			want: []string{
				"VM  RUNSTRATEGY  RWO DISK  DUE                  HAPPENED           NEW NODE  AWAY    VERDICT",
				"a   Always       -         restarted elsewhere  new VMI, Running   n2        35.0 s  ok",
				"b   Once         yes       left failed          same VMI, Running  -         -       WRONG",
			},
		},
		"colour": {
			style: Style{Colour: true, MaxRows: 1},
			write: func(s Style, w io.Writer) error { return s.OutcomeTable(w, outcomes) },
			want: []string{
				"VM  RUNSTRATEGY  RWO DISK  DUE                  HAPPENED          NEW NODE  AWAY    VERDICT",
				"a   Always       -         restarted elsewhere  new VMI, Running  n2        35.0 s  \x1b[32mok\x1b[0m",
				"... and 1 more; --output json has all",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := tc.write(tc.style, &buf); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, strings.Split(strings.TrimRight(buf.String(), "\n"), "\n")); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	a, b := 48.21, 30.55
	tests := map[string]struct {
		outcomes []Outcome
		want     string
	}{
		"none came back": {outcomes: []Outcome{{Name: "a"}}},
		"two came back": {
			outcomes: []Outcome{{Name: "a", AwaySeconds: &a}, {Name: "b", AwaySeconds: &b}, {Name: "c"}},
			want:     "2 VMs came back elsewhere, the first after 30.6 s, the last after 48.2 s",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Summary(tc.outcomes); got != tc.want {
				t.Errorf("Summary() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTableTellsThatItCouldNotBeWritten(t *testing.T) {
	r, w := io.Pipe()
	_ = r.CloseWithError(io.ErrUnexpectedEOF)
	if err := (Style{}).VMTable(w, testView()); err == nil {
		t.Error("VMTable() = nil, want the writer's error")
	}
}

func TestReportIsWhatItSays(t *testing.T) {
	report := NewReport(Setup{Nodes: 2, VMs: 3})
	report.Place(testView())
	var buf bytes.Buffer
	if err := report.Write(&buf); err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion, Kind string
		OK               bool
		Problems         []string
		VMs              []struct{ Name, Node, Phase string }
		Nodes            []struct {
			Name      string
			VMs       int
			GuestCPUs int64
		}
		Failure map[string]any
	}
	if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != ReportAPIVersion || got.Kind != ReportKind || got.OK || got.Problems == nil || got.Failure != nil {
		t.Errorf("report = %+v, want version, kind, not ok, an empty list of problems and no failure", got)
	}
	if len(got.VMs) != 3 || got.VMs[0].Name != "a" || got.VMs[0].Node != "n1" || got.VMs[0].Phase != "Running" {
		t.Errorf("vms = %+v, want a on n1 first of 3", got.VMs)
	}
	if len(got.Nodes) != 3 || got.Nodes[0].GuestCPUs != 6 || got.Nodes[0].VMs != 2 {
		t.Errorf("nodes = %+v, want n1 with 2 VMs and 6 vCPUs first of 3", got.Nodes)
	}
}
