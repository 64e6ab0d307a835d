// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"time"
)

// The version of the report that --output json writes. A field may come, none goes or changes its meaning without another
// version.
const (
	ReportAPIVersion = "devcluster.virt-scheduler.io/v1alpha1"
	ReportKind       = "StoryReport"
)

// Report is the whole story for machines.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// OK is true only if every VM did what its runStrategy says and never ran twice.
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`

	Setup   Setup   `json:"setup"`
	VMs     []Sight `json:"vms,omitempty"`
	Nodes   []Load  `json:"nodes,omitempty"`
	Failure Failure `json:"failure,omitzero"`
	// Outcomes has every VM; those that were on the failed node are the ones with another due than "undisturbed".
	Outcomes []Outcome `json:"outcomes,omitempty"`
	// Took is the time of each part of the story in seconds, in order.
	Took []Lap `json:"took,omitempty"`
}

// Setup is what the story was told with.
type Setup struct {
	Nodes    int      `json:"nodes"`
	Zones    int      `json:"zones"`
	VMs      int      `json:"vms"`
	Seed     uint64   `json:"seed"`
	HostSize HostSize `json:"hostSize"`
	// DefaultTimings is true when kube-controller-manager runs with its own grace of 50 s.
	DefaultTimings bool `json:"defaultTimings"`
	// HealthyDelay is the one setting of the watcher that differs from its default.
	HealthyDelay string `json:"healthyDelay"`
	RWODisks     bool   `json:"rwoDisks"`
}

// Failure is the failure that was made, and what followed.
type Failure struct {
	Node       string    `json:"node"`
	PowerCutAt time.Time `json:"powerCutAt"`
	Steps      []Step    `json:"steps"`
}

// Step is one thing that happened since the failure.
type Step struct {
	At time.Time `json:"at"`
	// Seconds is the time since the failure.
	Seconds float64 `json:"seconds"`
	// Source is watcher for what the failure-watcher recorded, node for what the Node object shows.
	Source string `json:"source"`
	// Kind is phase, evidence or event of the watcher; ready or taint of a node.
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Lap is one part of the story.
type Lap struct {
	Part    string  `json:"part"`
	Seconds float64 `json:"seconds"`
}

// NewReport makes an empty report, which is not OK.
func NewReport(setup Setup) *Report {
	return &Report{APIVersion: ReportAPIVersion, Kind: ReportKind, Problems: []string{}, Setup: setup}
}

// Place stores where the VMs went.
func (r *Report) Place(v View) {
	r.Nodes = v.Loads()
	r.VMs = make([]Sight, 0, len(v.VMs))
	for _, s := range v.VMs {
		r.VMs = append(r.VMs, s)
	}
	slices.SortFunc(r.VMs, func(a, b Sight) int { return cmp.Compare(a.Name, b.Name) })
}

// Write writes the report as JSON.
func (r *Report) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
