// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FailureWatcherConfiguration is the failure-watcher's configuration file. It is decoded strictly: an unknown field, a
// wrong kind or a value out of range is refused at start with the field's path.
//
// +kubebuilder:object:root=true
type FailureWatcherConfiguration struct {
	metav1.TypeMeta `json:",inline"`

	Detection DetectionConfiguration `json:"detection,omitempty"`
	Fencing   FencingConfiguration   `json:"fencing,omitempty"`
	Recovery  RecoveryConfiguration  `json:"recovery,omitempty"`

	LeaderElection LeaderElectionConfiguration `json:"leaderElection,omitempty"`
	// MetricsBindAddress is host:port of the metrics endpoint; default ":8443"; "0" switches it off. Metrics are served over
	// HTTPS with authentication and authorisation of the API server, except on a loopback address, where plain HTTP is served.
	MetricsBindAddress string `json:"metricsBindAddress,omitempty"`
	// HealthBindAddress is host:port of /healthz and /readyz; default ":8081".
	HealthBindAddress string `json:"healthBindAddress,omitempty"`
}

// DetectionConfiguration says when a node is taken for failed.
type DetectionConfiguration struct {
	// LeaseStaleAfter is for how long a node's Lease may stay unchanged, counted from when the watcher saw it change, before the
	// node is suspect. Default 25s, at least 15s (the kubelet renews every 10 s).
	LeaseStaleAfter *metav1.Duration `json:"leaseStaleAfter,omitempty"`
	// ConfirmAfter is for how long a suspect must have given no sign of life, counted the same way, before a machine that is
	// still powered is taken for dead. Default 50s, at least 45s (two lost HTTP/2 connections of the kubelet take that long).
	ConfirmAfter *metav1.Duration `json:"confirmAfter,omitempty"`
}

// FencingConfiguration says how machines are proved to be off.
type FencingConfiguration struct {
	// PowerReadInterval is the time between two power readings of a suspect; two Off readings this far apart are a proof.
	// Default 5s, at least 5s.
	PowerReadInterval *metav1.Duration `json:"powerReadInterval,omitempty"`
	// ReadTimeout bounds one reading. Default 5s, 1s to 30s.
	ReadTimeout *metav1.Duration `json:"readTimeout,omitempty"`
	// AttemptTimeout is for how long after a power-off Off is awaited before the next attempt. Default 120s, 20s to 30m.
	AttemptTimeout *metav1.Duration `json:"attemptTimeout,omitempty"`
	// MaxAttempts is the number of power-off attempts before an administrator is awaited. Default 3, 1 to 10.
	MaxAttempts *int32 `json:"maxAttempts,omitempty"`
	// CheckInterval is the time between two readings of the BMC of a healthy node, which keep the node condition
	// VirtSchedulerFencingReady true. Default 60s, at least 10s.
	CheckInterval *metav1.Duration `json:"checkInterval,omitempty"`
	// SecretNamespace is where the credential Secrets are. Default: the namespace of the leader election.
	SecretNamespace string `json:"secretNamespace,omitempty"`
	// Redfish lists the machines that are fenced by Redfish, at most one entry per node.
	Redfish []RedfishHost `json:"redfish,omitempty"`
}

// RedfishHost maps a node to its BMC.
type RedfishHost struct {
	// NodeName is the node's name.
	NodeName string `json:"nodeName"`
	// Endpoint is the BMC's base URL; https only, without path, query or user.
	Endpoint string `json:"endpoint"`
	// SystemID is the Id of the machine's ComputerSystem, e.g. "System.Embedded.1": a BMC may serve several.
	SystemID string `json:"systemID"`
	// CredentialsSecret is the name of a Secret with the keys username and password in SecretNamespace.
	CredentialsSecret string `json:"credentialsSecret"`
	// CAFile is a PEM file with the certificate authorities for Endpoint; empty means the system's.
	CAFile string `json:"caFile,omitempty"`
	// UseSession logs in by a Redfish session in place of basic authentication.
	UseSession bool `json:"useSession,omitempty"`
	// IdentityOverride accepts a machine whose BMC tells another System UUID than its node, or a node that tells none.
	IdentityOverride *IdentityOverride `json:"identityOverride,omitempty"`
}

// IdentityOverride is an administrator's word that a BMC belongs to a node although their UUIDs differ. It is recorded with
// every reading that it lets pass.
type IdentityOverride struct {
	// SystemUUID is what the BMC tells; it must match exactly (in either byte order).
	SystemUUID string `json:"systemUUID"`
	// Reason is kept in the record.
	Reason string `json:"reason"`
}

// RecoveryConfiguration says how VMs are released and nodes are taken back.
type RecoveryConfiguration struct {
	// MigrationTimeout is for how long after the proof a migration in flight may hold back the release of its source pod.
	// Default 60s, 10s to 15m.
	MigrationTimeout *metav1.Duration `json:"migrationTimeout,omitempty"`
	// HealthyDelay is for how long a returned node must be Ready before our taint is taken off. Default 60s, 0s to 1h.
	HealthyDelay *metav1.Duration `json:"healthyDelay,omitempty"`
}

// LeaderElectionConfiguration is the watcher's leader election.
type LeaderElectionConfiguration struct {
	// Enabled defaults to true.
	Enabled *bool `json:"enabled,omitempty"`
	// Namespace and Name of the Lease; defaults virt-scheduler-system and failure-watcher.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// LeaseDuration, RenewDeadline and RetryPeriod default to 15s, 10s and 2s.
	LeaseDuration *metav1.Duration `json:"leaseDuration,omitempty"`
	RenewDeadline *metav1.Duration `json:"renewDeadline,omitempty"`
	RetryPeriod   *metav1.Duration `json:"retryPeriod,omitempty"`
}
