// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The defaults that are not durations.
const (
	DefaultMetricsBindAddress = ":8443"
	DefaultHealthBindAddress  = ":8081"
	DefaultMaxAttempts        = int32(3)
	DefaultNamespace          = "virt-scheduler-system"
	DefaultLeaderElectionName = "failure-watcher"
)

// durationRule is what is known of one duration of the configuration: the one table for defaults, ranges and messages.
type durationRule struct {
	path []string
	at   **metav1.Duration
	// fallback is the default; low and high are the allowed range, both included; why explains the lower bound, if it needs that.
	fallback, low, high time.Duration
	why                 string
}

func (r durationRule) fieldPath() *field.Path {
	return field.NewPath(r.path[0], r.path[1:]...)
}

func durationRules(c *FailureWatcherConfiguration) []durationRule {
	d, f, r, l := &c.Detection, &c.Fencing, &c.Recovery, &c.LeaderElection
	return []durationRule{
		{
			path: []string{"detection", "leaseStaleAfter"}, at: &d.LeaseStaleAfter,
			fallback: 25 * time.Second, low: 15 * time.Second, high: 10 * time.Minute, why: "the kubelet renews its Lease every 10s",
		},
		{
			path: []string{"detection", "confirmAfter"}, at: &d.ConfirmAfter,
			fallback: 50 * time.Second, low: 45 * time.Second, high: time.Hour, why: "a kubelet may need that long to notice a dead connection",
		},
		{
			path: []string{"fencing", "powerReadInterval"}, at: &f.PowerReadInterval,
			fallback: 5 * time.Second, low: 5 * time.Second, high: 5 * time.Minute, why: "two Off readings this far apart are a proof",
		},
		{
			path: []string{"fencing", "readTimeout"}, at: &f.ReadTimeout,
			fallback: 5 * time.Second, low: time.Second, high: 30 * time.Second,
		},
		{
			path: []string{"fencing", "attemptTimeout"}, at: &f.AttemptTimeout,
			fallback: 2 * time.Minute, low: 20 * time.Second, high: 30 * time.Minute,
		},
		{
			path: []string{"fencing", "checkInterval"}, at: &f.CheckInterval,
			fallback: time.Minute, low: 10 * time.Second, high: 24 * time.Hour, why: "BMCs are slow",
		},
		{
			path: []string{"recovery", "migrationTimeout"}, at: &r.MigrationTimeout,
			fallback: time.Minute, low: 10 * time.Second, high: 15 * time.Minute,
		},
		{
			path: []string{"recovery", "healthyDelay"}, at: &r.HealthyDelay,
			fallback: time.Minute, low: 0, high: time.Hour,
		},
		{
			path: []string{"leaderElection", "leaseDuration"}, at: &l.LeaseDuration,
			fallback: 15 * time.Second, low: 2 * time.Second, high: 5 * time.Minute,
		},
		{
			path: []string{"leaderElection", "renewDeadline"}, at: &l.RenewDeadline,
			fallback: 10 * time.Second, low: time.Second, high: 5 * time.Minute,
		},
		{
			path: []string{"leaderElection", "retryPeriod"}, at: &l.RetryPeriod,
			fallback: 2 * time.Second, low: 100 * time.Millisecond, high: time.Minute,
		},
	}
}

// SetDefaults_FailureWatcherConfiguration fills what the file left out.
//
//nolint:revive // the name is the one that Kubernetes' API machinery uses for defaulting functions
func SetDefaults_FailureWatcherConfiguration(c *FailureWatcherConfiguration) {
	for _, rule := range durationRules(c) {
		if *rule.at == nil {
			*rule.at = &metav1.Duration{Duration: rule.fallback}
		}
	}
	if c.Fencing.MaxAttempts == nil {
		attempts := DefaultMaxAttempts
		c.Fencing.MaxAttempts = &attempts
	}
	if c.LeaderElection.Enabled == nil {
		enabled := true
		c.LeaderElection.Enabled = &enabled
	}
	setDefault(&c.LeaderElection.Namespace, DefaultNamespace)
	setDefault(&c.LeaderElection.Name, DefaultLeaderElectionName)
	setDefault(&c.Fencing.SecretNamespace, c.LeaderElection.Namespace)
	setDefault(&c.MetricsBindAddress, DefaultMetricsBindAddress)
	setDefault(&c.HealthBindAddress, DefaultHealthBindAddress)
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}
