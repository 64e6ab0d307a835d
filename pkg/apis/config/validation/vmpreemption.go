// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// Ranges of the fields of VMPreemptionArgs, both ends included. In less than a minute a target pod may not even have been
// placed and started: every move would be given up. No end is left open, as what is asked for shall not go on for ever.
const (
	minCandidatesPercentage, maxCandidatesPercentage = 0, 100
	minMoveTimeout, maxMoveTimeout                   = time.Minute, 24 * time.Hour
	minRetryAfter, maxRetryAfter                     = 10 * time.Second, 24 * time.Hour
	minMigrationBandwidth                            = 1 << 20
)

var externalPolicies = []config.ExternalVMPolicy{config.ExternalSignal, config.ExternalSpare}

// ValidateVMPreemptionArgs returns every fault of args as one error, or nil.
func ValidateVMPreemptionArgs(path *field.Path, args *config.VMPreemptionArgs) error {
	percentage, absolute := path.Child("minCandidateNodesPercentage"), path.Child("minCandidateNodesAbsolute")
	faults := validateRange(percentage, int64(args.MinCandidateNodesPercentage), minCandidatesPercentage, maxCandidatesPercentage)
	faults = append(faults, apivalidation.ValidateNonnegativeField(int64(args.MinCandidateNodesAbsolute), absolute)...)
	if args.MinCandidateNodesPercentage == 0 && args.MinCandidateNodesAbsolute == 0 {
		faults = append(faults,
			field.Invalid(percentage, args.MinCandidateNodesPercentage, "must not be 0 where minCandidateNodesAbsolute is: no node would be looked at"),
			field.Invalid(absolute, args.MinCandidateNodesAbsolute, "must not be 0 where minCandidateNodesPercentage is: no node would be looked at"))
	}
	if !sets.New(externalPolicies...).Has(args.ExternalVMs) {
		faults = append(faults, field.NotSupported(path.Child("externalVMs"), args.ExternalVMs, externalPolicies))
	}
	if t := args.MoveTimeout; t < minMoveTimeout || t > maxMoveTimeout {
		faults = append(faults, field.Invalid(path.Child("moveTimeout"), t.String(), "must be in the range [1m, 24h]"))
	}
	if t := args.RetryAfter; t < minRetryAfter || t > maxRetryAfter {
		faults = append(faults, field.Invalid(path.Child("retryAfter"), t.String(), "must be in the range [10s, 24h]"))
	}
	if args.MigrationBandwidth.Cmp(*resource.NewQuantity(minMigrationBandwidth, resource.BinarySI)) < 0 {
		faults = append(faults, field.Invalid(path.Child("migrationBandwidth"), args.MigrationBandwidth.String(), "must be at least 1Mi: it is in bytes per second"))
	}
	return faults.ToAggregate()
}
