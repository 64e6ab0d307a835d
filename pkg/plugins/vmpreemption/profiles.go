// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"slices"
	"sync"

	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// profiles are the frameworks of a scheduler's profiles that have the plugin, by name: a VM is placed anew by its own.
type profiles struct {
	mu     sync.RWMutex
	byName map[string]framework.Framework
}

func (p *profiles) add(f framework.Framework) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byName[f.ProfileName()] = f
}

// named returns nil for a profile that is not of this scheduler, or has not the plugin.
func (p *profiles) named(schedulerName string) framework.Framework {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.byName[schedulerName]
}

// fitsByRequests is true where the profile refuses hosts on which requests do not fit, as it does unless NodeResourcesFit is disabled.
func (pl *VMPreemption) fitsByRequests() bool {
	pl.fitOnce.Do(func() {
		pl.fit = slices.ContainsFunc(pl.handle.ListPlugins().Filter.Enabled, func(p config.Plugin) bool { return p.Name == names.NodeResourcesFit })
	})
	return pl.fit
}
