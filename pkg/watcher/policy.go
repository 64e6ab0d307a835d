// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package watcher

import (
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

// Hosts are the configured BMCs in the drivers' words.
func Hosts(cfg *failurev1alpha1.FailureWatcherConfiguration) []fencing.Host {
	hosts := make([]fencing.Host, 0, len(cfg.Fencing.Redfish))
	for _, h := range cfg.Fencing.Redfish {
		hosts = append(hosts, fencing.Host{
			NodeName: h.NodeName, Endpoint: h.Endpoint, SystemID: h.SystemID,
			CredentialsSecret: h.CredentialsSecret, CAFile: h.CAFile, UseSession: h.UseSession,
		})
	}
	return hosts
}

// Policies returns the configuration as the decisions take it, for each node. cfg must have its defaults.
func Policies(cfg *failurev1alpha1.FailureWatcherConfiguration, registry *fencing.Registry) func(node string) failover.Policy {
	overrides := map[string]*failurev1alpha1.IdentityOverride{}
	for _, h := range cfg.Fencing.Redfish {
		overrides[h.NodeName] = h.IdentityOverride
	}
	general := failover.Policy{
		LeaseStaleAfter:   cfg.Detection.LeaseStaleAfter.Duration,
		ConfirmAfter:      cfg.Detection.ConfirmAfter.Duration,
		PowerReadInterval: cfg.Fencing.PowerReadInterval.Duration,
		AttemptTimeout:    cfg.Fencing.AttemptTimeout.Duration,
		MaxAttempts:       *cfg.Fencing.MaxAttempts,
		MigrationTimeout:  cfg.Recovery.MigrationTimeout.Duration,
		HealthyDelay:      cfg.Recovery.HealthyDelay.Duration,
	}
	return func(node string) failover.Policy {
		p := general
		if driver, ok := registry.For(node); ok {
			p.DriverConfigured, p.DriverName = true, driver.Name()
		}
		if o := overrides[node]; o != nil {
			p.IdentityOverride, p.IdentityOverrideReason = o.SystemUUID, o.Reason
		}
		return p
	}
}
