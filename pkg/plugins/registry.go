// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plugins holds the only list of the plugins that the scheduler is
// built with: the command, tests, benchmarks and tools all take it from here.
// Plugins themselves live in the packages below.
package plugins

import (
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/scheduler-plugins/pkg/noderesourcetopology"
	"sigs.k8s.io/scheduler-plugins/pkg/preemptiontoleration"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/loadvariationriskbalancing"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/lowriskovercommitment"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/peaks"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/targetloadpacking"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/heartbeats"
	_ "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/scheme" // whoever has the plugins has their arguments strictly decoded
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmaffinity"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmnodeselection"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmpreemption"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmtainttoleration"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmtopologyspread"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmutilization"
)

// NewRegistry returns all plugins that come on top of kube-scheduler's own. None is enabled by being in it. A
// registry may serve several schedulers; each has a view of its cluster, shared by its profiles.
func NewRegistry() frameworkruntime.Registry {
	views := clusterview.NewPool()
	return frameworkruntime.Registry{
		vmaffinity.Name:        vmaffinity.NewFactory(views),
		vmnodeselection.Name:   vmnodeselection.NewFactory(views, heartbeats.NewPool(clock.RealClock{})),
		vmpreemption.Name:      vmpreemption.NewFactory(views, clock.RealClock{}),
		vmtainttoleration.Name: vmtainttoleration.New,
		vmtopologyspread.Name:  vmtopologyspread.NewFactory(views),
		vmutilization.Name:     vmutilization.NewFactory(views),

		// From sigs.k8s.io/scheduler-plugins, as they are: options for clusters that want them. NodeResourceTopologyMatch
		// and those of Trimaran do not sign pods, which turns batching off in a profile that enables them.
		loadvariationriskbalancing.Name: loadvariationriskbalancing.New,
		lowriskovercommitment.Name:      lowriskovercommitment.New,
		noderesourcetopology.Name:       noderesourcetopology.New,
		peaks.Name:                      peaks.New,
		preemptiontoleration.Name:       preemptiontoleration.New,
		targetloadpacking.Name:          targetloadpacking.New,
	}
}
