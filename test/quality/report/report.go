// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"time"

	"github.com/virt-scheduler/virt-scheduler/test/quality/drive"
	"github.com/virt-scheduler/virt-scheduler/test/quality/trace"
)

// The version of the report that --output json writes. A field may come, none goes or changes its meaning without another
// version.
const (
	APIVersion = "quality.virt-scheduler.io/v1alpha1"
	Kind       = "QualityReport"
)

// Report compares profiles on one trace.
type Report struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Options    trace.Options `json:"options"`
	// OfflineArrived and OfflineChurned: the same VMs, packed by one who knows them all.
	OfflineArrived Offline   `json:"offlineArrived"`
	OfflineChurned Offline   `json:"offlineChurned"`
	Profiles       []Profile `json:"profiles"`
}

// Profile is what one profile made of the trace. Kubernetes 1.35 takes the first of several best hosts, and the run has one
// worker: so it comes out the same each time.
type Profile struct {
	Name    string `json:"name"`
	Ours    bool   `json:"ours"`
	Arrived Stage  `json:"arrived"`
	Churned Stage  `json:"churned"`
	// CycleMicros is the mean processor time of a scheduling cycle over the first part, in microseconds; Cycles are that of
	// each cycle, least first.
	CycleMicros float64   `json:"cycleMicros"`
	Cycles      []float64 `json:"cycles,omitempty"`
	// Reasons that hosts were refused for, by how often.
	Reasons map[string]int `json:"reasons,omitempty"`
}

// New makes a report of a trace, without profiles so far.
func New(t *trace.Trace, caps Caps) *Report {
	return &Report{
		APIVersion: APIVersion, Kind: Kind, Options: t.Options,
		OfflineArrived: PackOffline(t, t.Present(false), caps),
		OfflineChurned: PackOffline(t, t.Present(true), caps),
	}
}

// Add adds what a profile made of the trace.
func (r *Report) Add(t *trace.Trace, name string, ours bool, result drive.Result) {
	refused := len(result.RefusedArrivals)
	cycles := micros(result.CycleCPU[:min(t.Options.VMs, len(result.CycleCPU))])
	r.Profiles = append(r.Profiles, Profile{
		Name: name, Ours: ours,
		Arrived:     Measure(t, result.Arrived, refused),
		Churned:     Measure(t, result.Churned, refused+len(result.RefusedChurn)),
		CycleMicros: spread(cycles).Mean, Cycles: slices.Sorted(slices.Values(cycles)),
		Reasons: result.Reasons,
	})
}

// Profile returns a profile by name.
func (r *Report) Profile(name string) (Profile, bool) {
	i := slices.IndexFunc(r.Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return r.Profiles[i], true
}

func micros(cycles []time.Duration) []float64 {
	values := make([]float64, len(cycles))
	for i, c := range cycles {
		values[i] = float64(c.Nanoseconds()) / 1000
	}
	return values
}
