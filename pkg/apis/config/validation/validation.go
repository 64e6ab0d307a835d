// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package validation checks the arguments of our plugins. Each function finds
// all faults at once and names each by its field path. Defaults are not set
// here.
package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateRange(path *field.Path, got, low, high int64) field.ErrorList {
	if got < low || got > high {
		return field.ErrorList{field.Invalid(path, got, fmt.Sprintf("must be in the range [%d, %d]", low, high))}
	}
	return nil
}
