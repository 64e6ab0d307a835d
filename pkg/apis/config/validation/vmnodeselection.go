// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// Ranges of the fields of VMNodeSelectionArgs, both ends included. A virt-handler that lives may take 132 s from one
// beat to the next, and the time that the beat itself takes.
const (
	minHeartbeatTolerance, maxHeartbeatTolerance = 150 * time.Second, time.Hour
	minSaturation, maxSaturation                 = 1, 100
)

// ValidateVMNodeSelectionArgs returns every fault of args as one error, or nil.
func ValidateVMNodeSelectionArgs(path *field.Path, args *config.VMNodeSelectionArgs) error {
	var faults field.ErrorList
	if t := args.HeartbeatTolerance; t < minHeartbeatTolerance || t > maxHeartbeatTolerance {
		faults = append(faults, field.Invalid(path.Child("heartbeatTolerance"), t.String(),
			"must be in the range [150s, 1h]: a virt-handler beats every 60 to 132 s"))
	}
	faults = append(faults, validateRange(path.Child("migratabilitySaturation"), int64(args.MigratabilitySaturation), minSaturation, maxSaturation)...)
	return faults.ToAggregate()
}
