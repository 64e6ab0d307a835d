// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// VMPreemptionArgs holds the arguments of plugin VMPreemption. The first two are those of kube-scheduler's
// DefaultPreemption, with its names and defaults.
type VMPreemptionArgs struct {
	metav1.TypeMeta `json:",inline"`

	// MinCandidateNodesPercentage is the least number of nodes that are looked at, in percent of all; 0 to 100.
	// Default 10.
	MinCandidateNodesPercentage *int32 `json:"minCandidateNodesPercentage,omitempty"`
	// MinCandidateNodesAbsolute is the least number of nodes that are looked at; at least 0. The greater number of the
	// two counts, and not both may be 0. Default 100.
	MinCandidateNodesAbsolute *int32 `json:"minCandidateNodesAbsolute,omitempty"`
	// MoveStrategyNone lets VMs whose eviction strategy is None, or unset in the VM and in KubeVirt, be moved if they can
	// be migrated. Default true: it is KubeVirt's own default strategy, and a move does not interrupt the guest.
	MoveStrategyNone *bool `json:"moveStrategyNone,omitempty"`
	// EvictNotMigratable lets VMs be evicted, which shuts the guest down, that cannot be migrated and whose eviction
	// strategy does not forbid it: LiveMigrateIfPossible, None, unset. Default false.
	EvictNotMigratable *bool `json:"evictNotMigratable,omitempty"`
	// ExternalVMs says what becomes of VMs with eviction strategy External: "Spare" (the default) leaves them alone,
	// "Signal" asks for their eviction and waits for whoever manages them to move them.
	ExternalVMs *string `json:"externalVMs,omitempty"`
	// VMsOfOtherSchedulers lets VMs be victims whose schedulerName is no profile of this scheduler. Default false.
	VMsOfOtherSchedulers *bool `json:"vmsOfOtherSchedulers,omitempty"`
	// MigrationTargetsPreempt lets target pods of migrations that this scheduler did not ask for preempt. Those of its
	// own never do. Default false.
	MigrationTargetsPreempt *bool `json:"migrationTargetsPreempt,omitempty"`
	// MoveTimeout is how long the moves that make room for one pod may take; 1m to 24h. What still goes on then is given
	// up. Default 10m.
	MoveTimeout *metav1.Duration `json:"moveTimeout,omitempty"`
	// RetryAfter is how long a host whose moves failed is not tried again for the same pod; 10s to 24h. Default 5m.
	RetryAfter *metav1.Duration `json:"retryAfter,omitempty"`
	// MigrationBandwidth is assumed of each migration when more VMs have to move than KubeVirt moves at once, in bytes
	// per second; at least 1Mi. Default 64Mi. It limits nothing.
	MigrationBandwidth *resource.Quantity `json:"migrationBandwidth,omitempty"`
}

// Defaults of VMPreemptionArgs; what they mean is said at the fields.
const (
	// DefaultMinCandidateNodesPercentage and DefaultMinCandidateNodesAbsolute are kube-scheduler's own.
	DefaultMinCandidateNodesPercentage int32 = 10
	DefaultMinCandidateNodesAbsolute   int32 = 100
	// DefaultMoveTimeout is longer than the five minutes for which KubeVirt waits for a target pod that nobody can place.
	DefaultMoveTimeout = 10 * time.Minute
	DefaultRetryAfter  = 5 * time.Minute
	// DefaultMigrationBandwidth is about half of a link of 1 Gbit/s: KubeVirt moves two VMs at once away from a host.
	DefaultMigrationBandwidth int64 = 64 << 20
)

// SetDefaultsVMPreemptionArgs fills in what the user left out.
func SetDefaultsVMPreemptionArgs(args *VMPreemptionArgs) {
	setDefault(&args.MinCandidateNodesPercentage, DefaultMinCandidateNodesPercentage)
	setDefault(&args.MinCandidateNodesAbsolute, DefaultMinCandidateNodesAbsolute)
	setDefault(&args.MoveStrategyNone, true)
	setDefault(&args.EvictNotMigratable, false)
	setDefault(&args.ExternalVMs, string(config.ExternalSpare))
	setDefault(&args.VMsOfOtherSchedulers, false)
	setDefault(&args.MigrationTargetsPreempt, false)
	setDefault(&args.MoveTimeout, metav1.Duration{Duration: DefaultMoveTimeout})
	setDefault(&args.RetryAfter, metav1.Duration{Duration: DefaultRetryAfter})
	setDefault(&args.MigrationBandwidth, *resource.NewQuantity(DefaultMigrationBandwidth, resource.BinarySI))
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMPreemptionArgs) DeepCopy() *VMPreemptionArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.MinCandidateNodesPercentage = clone(in.MinCandidateNodesPercentage)
	out.MinCandidateNodesAbsolute = clone(in.MinCandidateNodesAbsolute)
	out.MoveStrategyNone = clone(in.MoveStrategyNone)
	out.EvictNotMigratable = clone(in.EvictNotMigratable)
	out.ExternalVMs = clone(in.ExternalVMs)
	out.VMsOfOtherSchedulers = clone(in.VMsOfOtherSchedulers)
	out.MigrationTargetsPreempt = clone(in.MigrationTargetsPreempt)
	out.MoveTimeout = clone(in.MoveTimeout)
	out.RetryAfter = clone(in.RetryAfter)
	if in.MigrationBandwidth != nil {
		bandwidth := in.MigrationBandwidth.DeepCopy() // a quantity may hold a pointer
		out.MigrationBandwidth = &bandwidth
	}
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMPreemptionArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}

func vmPreemptionToInternal(in *VMPreemptionArgs, out *config.VMPreemptionArgs) {
	*out = config.VMPreemptionArgs{
		TypeMeta:                    out.TypeMeta,
		MinCandidateNodesPercentage: value(in.MinCandidateNodesPercentage),
		MinCandidateNodesAbsolute:   value(in.MinCandidateNodesAbsolute),
		MoveStrategyNone:            value(in.MoveStrategyNone),
		EvictNotMigratable:          value(in.EvictNotMigratable),
		ExternalVMs:                 config.ExternalVMPolicy(value(in.ExternalVMs)),
		VMsOfOtherSchedulers:        value(in.VMsOfOtherSchedulers),
		MigrationTargetsPreempt:     value(in.MigrationTargetsPreempt),
		MoveTimeout:                 value(in.MoveTimeout).Duration,
		RetryAfter:                  value(in.RetryAfter).Duration,
		MigrationBandwidth:          value(in.MigrationBandwidth).DeepCopy(),
	}
}

func vmPreemptionFromInternal(in *config.VMPreemptionArgs, out *VMPreemptionArgs) {
	external, bandwidth := string(in.ExternalVMs), in.MigrationBandwidth.DeepCopy()
	*out = VMPreemptionArgs{
		TypeMeta:                    out.TypeMeta,
		MinCandidateNodesPercentage: clone(&in.MinCandidateNodesPercentage),
		MinCandidateNodesAbsolute:   clone(&in.MinCandidateNodesAbsolute),
		MoveStrategyNone:            clone(&in.MoveStrategyNone),
		EvictNotMigratable:          clone(&in.EvictNotMigratable),
		ExternalVMs:                 &external,
		VMsOfOtherSchedulers:        clone(&in.VMsOfOtherSchedulers),
		MigrationTargetsPreempt:     clone(&in.MigrationTargetsPreempt),
		MoveTimeout:                 &metav1.Duration{Duration: in.MoveTimeout},
		RetryAfter:                  &metav1.Duration{Duration: in.RetryAfter},
		MigrationBandwidth:          &bandwidth,
	}
}
